"""The store on a Qdrant server: by HTTP and gRPC to Qdrant's own simulation, and to a real server where
QDRANT_URL names one without memories."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient, models

from omnimemory.core.errors import ConfigError, StoreError, StoreUnavailable
from omnimemory.core.ids import collection_name
from omnimemory.core.schemas import Status
from omnimemory.core.settings import Settings
from omnimemory.stores.qdrant_remote import QdrantRemoteStore
from omnimemory.stores.qdrant_remote_layout import Description
from omnimemory.stores.records import Filter
from omnimemory.testing.proxy import Proxy
from omnimemory.testing.store_fault_suite import MakeStoreBehindProxy, StoreFaultSuite
from omnimemory.testing.store_records import APP, EVERYTHING, FINGERPRINT, Sample, filled, listed, toward
from omnimemory.testing.store_suite import MakeStore, VectorStoreSuite
from tests.contract.servers_qdrant import SimulatedQdrant, free_port

REAL_URL, REAL_KEY = os.environ.get("QDRANT_URL"), os.environ.get("QDRANT_API_KEY")
NAME = collection_name(APP)


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedQdrant]:
    with SimulatedQdrant() as started:
        yield started


@pytest.fixture
async def server(running: SimulatedQdrant) -> AsyncIterator[SimulatedQdrant]:
    yield running
    await running.clear()


@pytest.fixture
async def raw(server: SimulatedQdrant) -> AsyncIterator[AsyncQdrantClient]:
    """What another program would use."""
    client = AsyncQdrantClient(url=server.url, check_compatibility=False)
    yield client
    await client.close()


class TestQdrantRemote(VectorStoreSuite):
    paged = 2_000  # the simulation scans in Python

    @pytest.fixture
    def make_store(self, server: SimulatedQdrant) -> MakeStore:
        return lambda: QdrantRemoteStore(server.url)


class TestQdrantRemoteByGrpc(VectorStoreSuite):
    paged = TestQdrantRemote.paged

    @pytest.fixture
    def make_store(self, server: SimulatedQdrant) -> MakeStore:
        return lambda: QdrantRemoteStore(server.url, grpc_port=server.grpc_port)


if REAL_URL:

    class TestRealQdrant(VectorStoreSuite):
        @pytest.fixture
        async def make_store(self) -> AsyncIterator[MakeStore]:
            def make() -> QdrantRemoteStore:
                return QdrantRemoteStore(str(REAL_URL), api_key=REAL_KEY, timeout=60)

            async with make() as before:
                assert await before.collections() == {}, "the server at QDRANT_URL must hold no memories"
            yield make
            async with make() as after:
                for app_id in await after.collections():
                    await after.drop(app_id)


class TestQdrantRemoteFaults(StoreFaultSuite):
    @pytest.fixture
    async def proxy(self, server: SimulatedQdrant) -> AsyncIterator[Proxy]:
        async with Proxy(("127.0.0.1", server.port)) as proxy:
            yield proxy

    @pytest.fixture
    def make_store_behind_proxy(self, proxy: Proxy) -> MakeStoreBehindProxy:
        host, port = proxy.address
        return lambda timeout: QdrantRemoteStore(
            f"http://{host}:{port}", timeout=timeout, max_connections=self.pool
        )


class TestQdrantRemoteFaultsByGrpc(StoreFaultSuite):
    @pytest.fixture
    async def proxy(self, server: SimulatedQdrant) -> AsyncIterator[Proxy]:
        async with Proxy(("127.0.0.1", server.grpc_port)) as proxy:
            yield proxy

    @pytest.fixture
    def make_store_behind_proxy(self, server: SimulatedQdrant, proxy: Proxy) -> MakeStoreBehindProxy:
        _, port = proxy.address
        return lambda timeout: QdrantRemoteStore(
            server.url, grpc_port=port, timeout=timeout, max_connections=self.pool
        )


# Who may, and where

BAD_URLS = (
    "",
    "localhost",
    "ftp://h",
    "http://",
    "http://h:0",
    "http://h:99999",
    "http://[",
    "http://me:pw@h",
)


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_address_that_is_no_url_is_a_config_error(url: str) -> None:
    with pytest.raises(ConfigError, match=r"QDRANT_URL") as caught:
        QdrantRemoteStore(url)
    assert "pw" not in str(caught.value)


def test_without_a_host_the_variable_is_named() -> None:
    with pytest.raises(ConfigError, match="QDRANT_HOST=localhost"):
        QdrantRemoteStore.from_settings(Settings.load())


@pytest.mark.parametrize("host", ["qdrant", "127.0.0.1", "::1"])
def test_the_settings_name_the_server_and_size_the_pool(host: str) -> None:
    settings = Settings.load({"qdrant_host": host, "max_connections": 3})
    assert QdrantRemoteStore.from_settings(settings).pool_stats().limit == 3


@pytest.mark.parametrize("grpc", [False, True], ids=["http", "grpc"])
@pytest.mark.parametrize("key", [None, "guessed-key"])
async def test_a_wrong_key_is_a_config_error_that_does_not_show_it(key: str | None, grpc: bool) -> None:
    with SimulatedQdrant(api_key="right") as server:
        port = server.grpc_port if grpc else None
        async with QdrantRemoteStore(server.url, api_key=key, grpc_port=port) as store:
            for call in (store.check(), store.count(APP, EVERYTHING), store.prepare(APP, FINGERPRINT)):
                with pytest.raises(ConfigError, match="QDRANT_API_KEY") as caught:
                    await call
                assert "guessed-key" not in str(caught.value)
        async with QdrantRemoteStore(server.url, api_key="right", grpc_port=port) as store:
            await filled(store, Sample().turn())
            assert await store.count(APP, EVERYTHING) == 1


@pytest.mark.parametrize("grpc", [False, True], ids=["http", "grpc"])
async def test_a_wrong_host_or_port_is_unavailable_and_named(grpc: bool) -> None:
    for url in ("http://no-such-host.invalid:6333", f"http://127.0.0.1:{free_port()}"):
        async with QdrantRemoteStore(url, timeout=5, grpc_port=free_port() if grpc else None) as store:
            with pytest.raises(StoreUnavailable, match=r"QDRANT_URL") as caught:
                await store.check()
            assert url in str(caught.value)


@contextlib.contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """The URL of a web server that gives everyone the same answer."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 404, 302])
async def test_a_web_server_that_is_no_qdrant_is_told_apart(status: int) -> None:
    with answering(status, "<html>It works!</html>") as url:
        async with QdrantRemoteStore(url) as store:
            with pytest.raises(StoreError, match="does not speak Qdrant's API") as caught:
                await store.count(APP, EVERYTHING)
            assert not caught.value.transient


@pytest.mark.parametrize("status", [429, 500, 503, 408])
async def test_a_server_that_asks_to_come_again_is_unavailable(status: int) -> None:
    said = '{"status": {"error": "too much at once"}}'
    with answering(status, said) as url:
        async with QdrantRemoteStore(url) as store:
            with pytest.raises(StoreUnavailable, match="too much at once"):
                await store.count(APP, EVERYTHING)


async def test_what_a_strict_server_misses_is_passed_on() -> None:
    missing = 'Index required but not found for \\"user_id\\". Help: Create an index for this key.'
    with answering(400, f'{{"status": {{"error": "{missing}"}}}}') as url:
        async with QdrantRemoteStore(url) as store:
            with pytest.raises(
                StoreError, match=r'not found for "user_id"\. Help: Create an index'
            ) as caught:
                await store.count(APP, EVERYTHING)
            assert not caught.value.transient


# Collections


async def test_a_collection_of_another_program_is_left_alone(
    server: SimulatedQdrant, raw: AsyncQdrantClient
) -> None:
    theirs = models.VectorParams(size=4, distance=models.Distance.DOT)
    await raw.create_collection(NAME, vectors_config=theirs, metadata={"app_id": APP})
    await raw.upsert(NAME, [models.PointStruct(id=1, vector=[1.0, 0.0, 0.0, 0.0])])
    async with QdrantRemoteStore(server.url) as store:
        for call in (store.prepare(APP, FINGERPRINT), store.count(APP, EVERYTHING), store.drop(APP)):
            with pytest.raises(StoreError, match="another program"):
                await call
        assert await store.collections() == {}
    assert (await raw.count(NAME)).count == 1


async def test_a_collection_left_unfinished_is_as_good_as_none_until_it_is_completed(
    server: SimulatedQdrant, raw: AsyncQdrantClient
) -> None:
    for built_with in (FINGERPRINT, replace(FINGERPRINT, dimensions=3)):
        await raw.create_collection(
            NAME,
            vectors_config={
                "meaning": models.VectorParams(size=built_with.dimensions, distance=models.Distance.COSINE)
            },
            sparse_vectors_config={"words": models.SparseVectorParams()},
            metadata=Description(APP, built_with, finished=False).metadata(),
        )
        async with QdrantRemoteStore(server.url) as store:
            assert await store.collections() == {}
            assert await store.verify(APP, FINGERPRINT) is False
            await filled(store, Sample().turn())
            assert await store.count(APP, EVERYTHING) == 1
            assert await store.collections() == {APP: FINGERPRINT}
            await store.drop(APP)


async def test_every_field_that_a_filter_names_is_indexed(server: SimulatedQdrant) -> None:
    async with QdrantRemoteStore(server.url) as store:
        await store.prepare(APP, FINGERPRINT)
    indexes = server.indexes[NAME]
    times, ids = {"occurred_at", "created_at", "ended_at"}, {"user_id", "session_id", "memory_id"}
    assert set(indexes) == times | ids | {"kind", "status", "facets", "terms"}
    assert isinstance(indexes["user_id"], models.KeywordIndexParams)
    assert indexes["user_id"].is_tenant


async def test_two_processes_may_prepare_an_app_at_once(server: SimulatedQdrant) -> None:
    async with QdrantRemoteStore(server.url) as one, QdrantRemoteStore(server.url) as other:
        await asyncio.gather(*(store.prepare(APP, FINGERPRINT) for store in (one, other)))
        await filled(one, Sample().turn())
        assert await other.count(APP, EVERYTHING) == 1


@pytest.mark.parametrize("grpc", [False, True], ids=["http", "grpc"])
async def test_a_collection_that_another_process_dropped_is_made_anew(
    server: SimulatedQdrant, grpc: bool
) -> None:
    port = server.grpc_port if grpc else None
    async with QdrantRemoteStore(server.url, grpc_port=port) as store, QdrantRemoteStore(server.url) as other:
        await filled(store, Sample().turn())
        await other.drop(APP)
        with pytest.raises(StoreUnavailable, match="try again"):
            await store.upsert(APP, [Sample().turn()])
        assert await store.count(APP, EVERYTHING) == 0
        await filled(store, Sample().turn())
        assert await store.count(APP, EVERYTHING) == 1


async def test_a_server_that_keeps_no_metadata_is_too_old() -> None:
    with SimulatedQdrant(keeps_metadata=False) as server:
        async with QdrantRemoteStore(server.url) as store:
            with pytest.raises(ConfigError, match=r"1\.16"):
                await store.prepare(APP, FINGERPRINT)
            assert await store.count(APP, EVERYTHING) == 0


# Lifetime


@pytest.mark.parametrize("grpc", [False, True], ids=["http", "grpc"])
async def test_a_server_that_was_restarted_is_used_on(grpc: bool) -> None:
    with SimulatedQdrant() as server:
        port = server.grpc_port if grpc else None
        async with QdrantRemoteStore(server.url, timeout=5, grpc_port=port) as store:
            await filled(store, Sample().turn())
            server.stop()
            with pytest.raises(StoreUnavailable):
                await store.count(APP, EVERYTHING)
            server.start()
            async with asyncio.timeout(10):
                while True:
                    try:
                        assert await store.count(APP, EVERYTHING) == 1
                        break
                    except StoreUnavailable:
                        await asyncio.sleep(0.05)  # until the channel has connected again


async def test_what_another_process_writes_counts_for_rarity(server: SimulatedQdrant) -> None:
    async with QdrantRemoteStore(server.url) as store, QdrantRemoteStore(server.url) as other:
        await filled(other, Sample(tokens=("tea",)).turn(), Sample(tokens=("milk",)).turn())
        found = await store.frequencies(APP, ["tea", "milk"], user_id="ada")
        assert (found.documents, dict(found.counts)) == (2, {"tea": 1, "milk": 1})


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
async def test_a_client_may_be_handed_in_and_stays_open(tmp_path: Path) -> None:
    """Also the client's own modes without a server, which suit a test or a notebook."""
    record = replace(Sample(tokens=("tea",)).turn(), status=Status.UPDATED)
    for attempt in range(2):
        client = AsyncQdrantClient(path=str(tmp_path / "local"))
        async with QdrantRemoteStore(client=client) as store:
            if attempt == 0:
                await filled(store, record)
            assert await store.collections() == {APP: FINGERPRINT}
            assert [found.id for found in await listed(store)] == [record.id]
            found = await store.lexical(APP, ["tea"], EVERYTHING, limit=5)
            assert [hit.id for hit in found] == [record.id]
            assert await store.dense(APP, toward(0), Filter(), limit=5) == []
        assert (await client.count(NAME)).count == 1
        await client.close()
