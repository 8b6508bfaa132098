from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest

from omnimemory.core.errors import ConfigError, InvalidRequest, StoreError, StoreLocked, StoreUnavailable
from omnimemory.core.ids import collection_name
from omnimemory.core.lexical import idf, term_id, weights
from omnimemory.core.schemas import Status
from omnimemory.core.settings import Settings
from omnimemory.stores.chroma_local import ChromaLocalStore
from omnimemory.stores.chroma_remote import ChromaRemoteStore
from omnimemory.stores.records import Filter
from omnimemory.testing.proxy import Proxy
from omnimemory.testing.store_fault_suite import MakeStoreBehindProxy, StoreFaultSuite
from omnimemory.testing.store_records import APP, EVERYTHING, FINGERPRINT, Sample, filled, listed, toward
from omnimemory.testing.store_suite import EmbeddedStoreSuite, VectorStoreSuite

if TYPE_CHECKING:
    from .servers_chroma import ChromaServer, Gate


def databases_of(server: ChromaServer) -> str:
    return f"http://127.0.0.1:{server.port}/api/v2/tenants/default_tenant/databases"


def fresh_database(server: ChromaServer) -> str:
    """An empty database of its own on the server."""
    name = f"test-{uuid.uuid4().hex}"
    httpx.post(databases_of(server), json={"name": name}).raise_for_status()
    return name


def remote(server: ChromaServer, **options: object) -> ChromaRemoteStore:
    return ChromaRemoteStore("127.0.0.1", port=server.port, **options)  # type: ignore[arg-type]


class TestChromaRemote(VectorStoreSuite):
    paged = 2_000  # the folder, below, pages through all 10,000 in the same way

    @pytest.fixture
    def make_store(self, chroma_server: ChromaServer) -> Callable[[], ChromaRemoteStore]:
        database = fresh_database(chroma_server)
        return lambda: remote(chroma_server, database=database)


class TestChromaRemoteFaults(StoreFaultSuite):
    @pytest.fixture
    async def proxy(self, chroma_server: ChromaServer) -> AsyncIterator[Proxy]:
        async with Proxy(("127.0.0.1", chroma_server.port)) as proxy:
            yield proxy

    @pytest.fixture
    def make_store_behind_proxy(self, chroma_server: ChromaServer, proxy: Proxy) -> MakeStoreBehindProxy:
        database, (host, port) = fresh_database(chroma_server), proxy.address
        return lambda timeout: ChromaRemoteStore(
            host, port=port, database=database, timeout=timeout, max_connections=self.pool
        )


class TestChromaLocal(EmbeddedStoreSuite):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], ChromaLocalStore]:
        return lambda: ChromaLocalStore(tmp_path / "store")


# Large scopes, where not every record is looked at


async def test_a_crowded_scope_answers_as_comparing_every_record_does(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    vectors = random.standard_normal((2_300, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    words = [f"word{number}" for number in range(200)]
    records = [
        replace(
            Sample(tokens=tuple(words[int(n)] for n in (200 * random.random(12) ** 3))).turn(vector=vector),
            status=Status.DELETED if number % 9 == 0 else Status.ACTIVE,
        )
        for number, vector in enumerate(vectors)
    ]
    shown = [record for record in records if record.status is Status.ACTIVE]
    async with ChromaLocalStore(tmp_path) as store:
        await filled(store, *records)
        for where in (Filter(user_id="ada"), Filter()):
            by_cosine = sorted(shown, key=lambda record: -float(record.vector @ vectors[3]))
            nearest = {record.id for record in by_cosine[:50]}
            hits = await store.dense(APP, vectors[3], where, limit=50)
            assert len(nearest & {hit.id for hit in hits}) >= 49

            query = ["word1", "word9", "word90", "word199"]
            held = {word: sum(word in record.tokens for record in records) for word in query}
            scores = {
                record.id: sum(
                    idf(len(records), held[word]) * weights(record.tokens).get(term_id(word), 0.0)
                    for word in query
                )
                for record in shown
            }
            best = sorted(scores, key=lambda key: (-round(scores[key], 6), key))[:50]
            found = await store.lexical(APP, query, where, limit=50)
            assert [hit.score for hit in found] == pytest.approx([scores[key] for key in best], rel=1e-3)
            counted = await store.frequencies(APP, query, user_id=where.user_id)
            assert (counted.documents, dict(counted.counts)) == (len(records), held)


async def test_a_limit_that_cuts_among_many_equals_gives_the_first_by_id(tmp_path: Path) -> None:
    records = [Sample().turn() for _ in range(700)]
    async with ChromaLocalStore(tmp_path) as store:
        await filled(store, *records)
        first = sorted(record.id for record in records)[:5]
        assert [hit.id for hit in await store.dense(APP, toward(0), Filter(), limit=5)] == first
        hits = await store.dense(APP, toward(0), Filter(user_id="ada"), limit=700)
        assert [hit.id for hit in hits] == sorted(record.id for record in records)


async def test_a_long_record_that_becomes_short_is_found_by_its_new_words_only(tmp_path: Path) -> None:
    long = Sample(tokens=tuple(f"word{number}" for number in range(9_000))).turn()
    async with ChromaLocalStore(tmp_path) as store:
        await filled(store, long)
        await store.upsert(APP, [replace(long, tokens=("word1",))])
        assert await store.lexical(APP, ["word8999"], Filter(), limit=5) == []
        assert (await store.frequencies(APP, ["word1"])).documents == 1
        await store.upsert(APP, [long])
        await store.delete(APP, [long.id])
        assert (await store.frequencies(APP, ["word8999"])).documents == 0


async def test_more_facets_than_chroma_survives_are_refused_and_harm_nothing(tmp_path: Path) -> None:
    many = Sample(facets=tuple(f"facet{number}" for number in range(4_001))).turn()
    most = Sample(facets=many.facets[1:]).turn()
    async with ChromaLocalStore(tmp_path) as store:
        await filled(store, most)
        with pytest.raises(InvalidRequest, match="4001 items of metadata"):
            await store.upsert(APP, [Sample().turn(), many])
        assert await store.count(APP, EVERYTHING) == 1
        assert await store.count(APP, Filter(facets=("facet1", "facet4000"))) == 1


# A server that is absent, restarted, or guarded


async def test_a_server_that_comes_later_is_used_without_reopening(chroma_spare: ChromaServer) -> None:
    async with remote(chroma_spare) as store:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match=r"cannot be reached .*CHROMA_HOST"):
                await store.prepare(APP, FINGERPRINT)
        with pytest.raises(StoreUnavailable):
            await store.check()
        chroma_spare.start()
        await filled(store, Sample().turn())
        await store.check()
        chroma_spare.stop()
        with pytest.raises(StoreUnavailable):
            await store.upsert(APP, [Sample().turn()])
        chroma_spare.start()
        assert await store.count(APP, EVERYTHING) == 1
        await store.upsert(APP, [Sample().turn()])
        assert len(await store.dense(APP, toward(0), Filter(), limit=5)) == 2


async def test_a_wrong_token_is_a_config_error_that_does_not_show_it(
    chroma_server: ChromaServer, chroma_gate: Callable[..., Gate]
) -> None:
    database = fresh_database(chroma_server)
    async with chroma_gate(chroma_server.port, "right-token") as gate:
        right = ChromaRemoteStore("127.0.0.1", port=gate.port, token="right-token", database=database)
        wrong = ChromaRemoteStore("127.0.0.1", port=gate.port, token="wrong-token", database=database)
        none = ChromaRemoteStore("127.0.0.1", port=gate.port, database=database)
        async with right, wrong, none:  # each with its own headers
            for store in (wrong, none):
                with pytest.raises(ConfigError, match="CHROMA_AUTH_TOKEN") as raised:
                    await store.prepare(APP, FINGERPRINT)
                assert "wrong-token" not in str(raised.value)
            await filled(right, Sample().turn())
            assert await right.count(APP, EVERYTHING) == 1


async def test_a_missing_database_is_named(chroma_server: ChromaServer) -> None:
    async with remote(chroma_server, database="nowhere") as store:
        for call in (store.prepare(APP, FINGERPRINT), store.check(), store.collections()):
            with pytest.raises(ConfigError, match="no database 'nowhere'"):
                await call


async def test_a_host_that_does_not_exist_is_named() -> None:
    async with ChromaRemoteStore("no-such-host.invalid") as store:
        with pytest.raises(StoreUnavailable, match=r"no-such-host\.invalid:8000.*CHROMA_HOST"):
            await store.count(APP, EVERYTHING)


@pytest.mark.parametrize("part", ["", "_words"])
async def test_a_collection_of_another_program_is_left_alone(chroma_server: ChromaServer, part: str) -> None:
    database = fresh_database(chroma_server)
    url = f"{databases_of(chroma_server)}/{database}/collections"
    name = collection_name(APP) + part
    async with remote(chroma_server, database=database) as store, httpx.AsyncClient() as theirs:
        made = await theirs.post(url, json={"name": name, "metadata": {"theirs": 1}})
        assert made.is_success
        with pytest.raises(StoreError, match="made by another program"):
            await store.prepare(APP, FINGERPRINT)
        assert await store.collections() == {}
        (found,) = (await theirs.get(url)).json()
        assert (found["name"], found["metadata"]) == (name, {"theirs": 1})


async def test_a_collection_that_another_process_rebuilt_is_found_again(chroma_server: ChromaServer) -> None:
    database = fresh_database(chroma_server)
    async with (
        remote(chroma_server, database=database) as first,
        remote(chroma_server, database=database) as b,
    ):
        await filled(first, Sample().turn())
        assert await b.count(APP, EVERYTHING) == 1
        await first.drop(APP)
        await filled(first, Sample().turn(), Sample().turn())
        with pytest.raises(StoreUnavailable, match="try again"):
            await b.count(APP, EVERYTHING)
        assert await b.count(APP, EVERYTHING) == 2
        await first.drop(APP)
        with pytest.raises(StoreUnavailable):
            await b.count(APP, EVERYTHING)
        assert await b.count(APP, EVERYTHING) == 0


async def test_words_left_by_a_process_that_died_while_dropping_do_not_count(
    chroma_server: ChromaServer,
) -> None:
    database = fresh_database(chroma_server)
    url = f"{databases_of(chroma_server)}/{database}/collections/{collection_name(APP)}"
    async with remote(chroma_server, database=database) as store:
        await filled(store, Sample().turn(), Sample().turn())
    async with remote(chroma_server, database=database) as store, httpx.AsyncClient() as other:
        assert (await other.delete(url)).is_success
        await filled(store, Sample().turn())
        assert (await store.frequencies(APP, ["tea"])).documents == 1


# Settings


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({}, "CHROMA_HOST"),
        ({"chroma_host": "localhost", "chroma_client_type": "local"}, "CHROMA_CLIENT_TYPE"),
        ({"chroma_host": "ftp://localhost"}, "CHROMA_HOST"),
        ({"chroma_host": "http://localhost:port"}, "CHROMA_HOST"),
        ({"chroma_host": "http://me:secret@localhost"}, "CHROMA_HOST"),
        ({"chroma_host": "local host"}, "CHROMA_HOST"),
        ({"chroma_host": "localhost", "chroma_auth_token": "t\u00f6ken"}, "CHROMA_AUTH_TOKEN"),
    ],
)
def test_unusable_settings_are_named(overrides: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named) as raised:
        ChromaRemoteStore.from_settings(Settings.load(overrides))
    assert "secret" not in str(raised.value)
    assert "t\u00f6ken" not in str(raised.value)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", "http://localhost:8000"),
        ("httpd.internal", "http://httpd.internal:8000"),
        ("https://chroma.example.com:443", "https://chroma.example.com:443"),
        ("http://[::1]", "http://[::1]:8000"),
    ],
)
def test_a_host_is_a_name_or_a_url(host: str, url: str) -> None:
    assert ChromaRemoteStore.from_settings(Settings.load({"chroma_host": host})).url == url


# The folder


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the store in ``tmp_path`` open and 300 records in it."""
    program = f"""
        import asyncio, sys
        from omnimemory.stores.chroma_local import ChromaLocalStore
        from omnimemory.testing.store_records import Sample, filled

        async def main() -> None:
            store = await ChromaLocalStore({str(tmp_path)!r}).open()
            await filled(store, *(Sample(document=str(n)).turn() for n in range(300)))
            print("ready", flush=True)
            sys.stdin.read()

        asyncio.run(main())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


async def test_a_second_process_is_kept_out_and_kill_9_loses_nothing(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(StoreLocked, match=rf"process {holder.pid} .*OMNIMEMORY_HOME"):
        await ChromaLocalStore(tmp_path).open()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    async with ChromaLocalStore(tmp_path) as store:
        assert {record.document for record in await listed(store)} == {str(n) for n in range(300)}
        assert len(await store.dense(APP, toward(0), Filter(), limit=1000)) == 300
        assert len(await store.lexical(APP, ["tea"], Filter(), limit=1000)) == 300


async def test_a_damaged_folder_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    async with ChromaLocalStore(tmp_path) as store:
        await filled(store, Sample().turn())
    (tmp_path / "chroma.sqlite3").write_bytes(b"{garbage" * 1000)
    with pytest.raises(StoreError, match="omnimemory rebuild"):
        await ChromaLocalStore(tmp_path).open()
    (tmp_path / "chroma.sqlite3").unlink()
    async with ChromaLocalStore(tmp_path) as store:  # the failed one let go of the folder
        assert await store.collections() == {}
