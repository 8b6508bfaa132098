"""How a store on a server bears what networks do, as tests. Inherit it beside ``VectorStoreSuite``:

    class TestMyStoreFaults(StoreFaultSuite):
        @pytest.fixture
        async def proxy(self, server):
            async with Proxy((server.host, server.port)) as proxy:
                yield proxy

        @pytest.fixture
        def make_store_behind_proxy(self, proxy):
            return lambda timeout: MyStore(*proxy.address, timeout=timeout, max_connections=self.pool)

The server must hold none of the suite's apps when a test begins, and the store must not go round the
proxy by addresses that its server tells it (MongoDB: ``directConnection=true``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import ClassVar, TypeVar

import pytest

from omnimemory.core.errors import StoreUnavailable
from omnimemory.stores.base import VectorStore
from omnimemory.stores.records import Filter
from omnimemory.testing.conformance import ConformanceSuite
from omnimemory.testing.proxy import Proxy
from omnimemory.testing.store_records import APP, EVERYTHING, FINGERPRINT, Sample, filled, listed, toward

T = TypeVar("T")
Call = Callable[[], Awaitable[object]]
MakeStoreBehindProxy = Callable[[float], VectorStore]


class StoreFaultSuite(ConformanceSuite):
    """``pool``: the connections a store under test may hold. ``impatience``: the timeout of its calls in
    seconds where a fault is to be noticed; ``slack``: how much later it may be noticed on a busy machine."""

    pool: ClassVar[int] = 4
    impatience: ClassVar[float] = 1.0
    slack: ClassVar[float] = 2.0

    @pytest.fixture
    def proxy(self) -> Proxy:
        """Override: an open proxy before the server."""
        raise NotImplementedError("override the proxy fixture")

    @pytest.fixture
    def make_store_behind_proxy(self, proxy: Proxy) -> MakeStoreBehindProxy:
        """Override: returns a function that makes an unopened store which reaches its server through the
        proxy alone, for a timeout in seconds; with ``pool`` connections at most."""
        raise NotImplementedError("override the make_store_behind_proxy fixture")

    @pytest.fixture
    async def store_behind_proxy(
        self, proxy: Proxy, make_store_behind_proxy: MakeStoreBehindProxy
    ) -> AsyncIterator[VectorStore]:
        async with make_store_behind_proxy(self.impatience) as opened:
            yield opened
            await proxy.restore()

    async def test_an_outage_in_mid_call_is_reported_and_survived(
        self, store_behind_proxy: VectorStore, proxy: Proxy
    ) -> None:
        store, before, after = store_behind_proxy, Sample().turn(), Sample().turn()
        await filled(store, before)
        proxy.freeze()
        under_way = asyncio.create_task(store.upsert(APP, [after]))
        await under_way_through(proxy)
        await proxy.stop()
        await self.assert_unavailable(lambda: under_way)
        await asyncio.gather(*map(self.assert_unavailable, every_call(store)))
        await proxy.restore()
        await self.eventually(lambda: store.upsert(APP, [after]))
        assert {record.id for record in await listed(store)} == {before.id, after.id}

    async def test_a_restart_between_two_calls_is_survived(
        self, store_behind_proxy: VectorStore, proxy: Proxy
    ) -> None:
        store, record = store_behind_proxy, Sample().turn()
        await filled(store, record)
        await asyncio.gather(*(store.count(APP, EVERYTHING) for _ in range(self.pool * 2)))
        await proxy.stop()
        await proxy.restore()
        await self.eventually(store.check)
        for _ in range(self.pool * 2):
            assert await self.eventually(lambda: store.count(APP, EVERYTHING)) == 1

    async def test_a_server_absent_at_the_start_is_used_once_it_is_there(
        self, proxy: Proxy, make_store_behind_proxy: MakeStoreBehindProxy
    ) -> None:
        await proxy.stop()
        async with make_store_behind_proxy(self.impatience) as store:
            for _ in range(2):
                await self.assert_unavailable(store.check)
                await self.assert_unavailable(lambda: store.count(APP, EVERYTHING))
                await self.assert_unavailable(lambda: store.prepare(APP, FINGERPRINT))
            await proxy.restore()
            await self.eventually(lambda: store.prepare(APP, FINGERPRINT))
            await store.upsert(APP, [Sample().turn()])
            assert await store.count(APP, EVERYTHING) == 1

    async def test_a_store_is_closed_although_its_server_is_gone(
        self, proxy: Proxy, make_store_behind_proxy: MakeStoreBehindProxy
    ) -> None:
        store = await make_store_behind_proxy(self.impatience).open()
        await filled(store, Sample().turn())
        await proxy.stop()
        async with asyncio.timeout(self.impatience + self.slack):
            await store.close()

    async def test_a_server_that_does_not_answer_is_unavailable_within_the_timeout(
        self, store_behind_proxy: VectorStore, proxy: Proxy
    ) -> None:
        store = store_behind_proxy
        await filled(store, Sample().turn())
        proxy.freeze()
        await asyncio.gather(*map(self.assert_unavailable, every_call(store)))
        await proxy.restore()
        assert await self.eventually(lambda: store.count(APP, EVERYTHING)) == 1

    async def test_a_slow_server_is_waited_for_as_long_as_the_timeout_says(
        self, proxy: Proxy, make_store_behind_proxy: MakeStoreBehindProxy
    ) -> None:
        record = Sample().turn()
        async with make_store_behind_proxy(30.0) as patient:
            await filled(patient, record)
            proxy.delay(0.1)
            assert [found.id for found in await listed(patient)] == [record.id]
            assert [hit.id for hit in await patient.dense(APP, toward(0), Filter(), limit=5)] == [record.id]
            proxy.delay(0)

    async def test_cancelled_calls_give_their_connections_back(
        self, store_behind_proxy: VectorStore, proxy: Proxy
    ) -> None:
        store = store_behind_proxy
        await filled(store, *(Sample().turn() for _ in range(3)))
        for _ in range(3):
            proxy.freeze()
            calls = [asyncio.create_task(store.count(APP, EVERYTHING)) for _ in range(self.pool * 2)]
            await under_way_through(proxy)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            await proxy.restore()
        await self.eventually(store.check)
        counts = await asyncio.gather(
            *(self.eventually(lambda: store.count(APP, EVERYTHING)) for _ in range(self.pool * 2))
        )
        assert set(counts) == {3}
        assert store.pool_stats().active == 0

    async def test_a_small_pool_serves_64_callers(
        self, proxy: Proxy, make_store_behind_proxy: MakeStoreBehindProxy
    ) -> None:
        async with make_store_behind_proxy(60.0) as store:
            await store.prepare(APP, FINGERPRINT)

            async def lives(user_id: str) -> tuple[int, int]:
                records = [Sample(user_id=user_id).turn() for _ in range(3)]
                await store.upsert(APP, records)
                hits = await store.lexical(APP, ["tea"], Filter(user_id=user_id), limit=9)
                assert store.pool_stats().active <= store.pool_stats().limit == self.pool
                return len(hits), await store.count(APP, Filter(user_id=user_id))

            found = await asyncio.gather(*(lives(f"user-{number}") for number in range(64)))
            assert found == [(3, 3)] * 64
            assert store.pool_stats().available == self.pool

    async def assert_unavailable(self, call: Call) -> None:
        """The call ends in time, says so, and names the driver's error as the cause."""
        start = time.monotonic()
        with pytest.raises(StoreUnavailable) as caught:
            await call()
        assert time.monotonic() - start <= self.impatience + self.slack
        assert caught.value.__cause__ is not None

    async def eventually(self, call: Callable[[], Awaitable[T]]) -> T:
        """What the call returns once the store has noticed that its server is back; within 10 s."""
        async with asyncio.timeout(10):
            while True:
                with suppress(StoreUnavailable):
                    return await call()
                await asyncio.sleep(0.05)


async def under_way_through(proxy: Proxy) -> None:
    """Wait until a call has reached the frozen proxy."""
    try:
        async with asyncio.timeout(10):
            await proxy.held()
    except TimeoutError:
        pytest.fail("the store does not reach its server through the proxy")


def every_call(store: VectorStore) -> list[Call]:
    """One call of each kind."""
    record = Sample().turn()
    return [
        store.check,
        lambda: store.count(APP, EVERYTHING),
        lambda: store.get(APP, [record.id]),
        lambda: store.dense(APP, toward(0), Filter(), limit=5),
        lambda: store.lexical(APP, ["tea"], Filter(user_id="ada"), limit=5),
        lambda: store.frequencies(APP, ["tea", "green"]),
        lambda: store.similarities(APP, toward(0), [record.id]),
        lambda: store.scan(APP, EVERYTHING, limit=5),
        lambda: store.upsert(APP, [record]),
        lambda: store.delete(APP, [record.id]),
        store.collections,
        lambda: store.prepare("another-app", FINGERPRINT),
    ]
