from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from omnimemory.core.errors import (
    ConfigError,
    DimensionMismatch,
    InvalidRequest,
    OmniMemoryError,
    StoreError,
    StoreUnavailable,
)
from omnimemory.core.ids import collection_name
from omnimemory.core.lexical import idf, term_id, weights
from omnimemory.core.settings import Settings
from omnimemory.stores.postgres import PostgresStore
from omnimemory.stores.records import Filter, RecordKind
from omnimemory.testing.proxy import Proxy
from omnimemory.testing.store_fault_suite import MakeStoreBehindProxy, StoreFaultSuite
from omnimemory.testing.store_records import (
    APP,
    DIMENSIONS,
    EVERYTHING,
    FINGERPRINT,
    Sample,
    filled,
    listed,
    toward,
)
from omnimemory.testing.store_suite import VectorStoreSuite

if TYPE_CHECKING:
    from .servers_postgres import PostgresServer

TABLE = collection_name(APP)


@pytest.fixture
def schema() -> str:
    return f"s_{uuid.uuid4().hex}"


class TestPostgres(VectorStoreSuite):
    @pytest.fixture
    def make_store(self, postgres: PostgresServer, schema: str) -> Callable[[], PostgresStore]:
        return lambda: PostgresStore(postgres.uri(), schema=schema)


class TestPostgresFaults(StoreFaultSuite):
    @pytest.fixture
    async def proxy(self, postgres: PostgresServer, folder: Path) -> AsyncIterator[Proxy]:
        async with Proxy(postgres.socket, listen=folder / postgres.socket.name) as proxy:
            yield proxy

    @pytest.fixture
    def make_store_behind_proxy(self, proxy: Proxy, behind: str, schema: str) -> MakeStoreBehindProxy:
        return lambda timeout: PostgresStore(
            behind, schema=schema, timeout=timeout, max_connections=self.pool
        )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket in it."""
    path = Path(tempfile.mkdtemp(prefix="om-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def proxy(postgres: PostgresServer, folder: Path) -> Proxy:
    """Stands before the server once it is entered."""
    return Proxy(postgres.socket, listen=folder / postgres.socket.name)


@pytest.fixture
def behind(folder: Path) -> str:
    """The server's URI, through the proxy."""
    return f"postgresql://postgres:@/postgres?host={folder}"


# Settings


@pytest.mark.parametrize(
    "uri",
    [
        "mysql://ada:sesame@localhost/memory",
        "ada:sesame@localhost/memory",
        "postgresql://ada:sesame@localhost:port/memory",
        "postgresql://ada:ses@me@localhost/memory",
        "postgresql://ada:12/sesame@localhost/memory",
        "postgresql://ada:sesame#1@localhost/memory",
    ],
)
def test_an_unreadable_uri_is_refused_without_repeating_the_password(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"POSTGRES_URI.* right value is") as caught:
        PostgresStore(uri)
    assert "ses" not in str(caught.value)


def test_without_a_uri_the_variable_is_named() -> None:
    with pytest.raises(ConfigError, match="POSTGRES_URI is not set"):
        PostgresStore.from_settings(Settings.load({"postgres_uri": None}))


def test_a_schema_is_a_plain_name() -> None:
    with pytest.raises(InvalidRequest, match="schema"):
        PostgresStore("postgresql:///memory", schema='x"; DROP SCHEMA public; --')


@pytest.mark.parametrize("scheme", ["postgres", "postgresql+asyncpg", "postgresql+psycopg"])
async def test_the_uris_of_other_libraries_are_understood(
    postgres: PostgresServer, schema: str, scheme: str
) -> None:
    settings = Settings.load({"postgres_uri": postgres.uri().replace("postgresql", scheme, 1)})
    async with PostgresStore.from_settings(settings) as store:
        await store.check()


# What a server may refuse


@pytest.fixture
def role(postgres: PostgresServer) -> str:
    """A role that needs the password ``sesame`` and has no rights."""
    return postgres.role("sesame")


async def test_a_wrong_password_is_said_and_not_repeated(postgres: PostgresServer, role: str) -> None:
    with pytest.raises(ConfigError, match="refuses the user or password") as caught:
        await PostgresStore(postgres.uri(user=role, password="open-now")).open()
    assert "open-now" not in str(caught.value)
    async with PostgresStore(postgres.uri(user=role, password="sesame")) as store:
        await store.check()


async def test_a_missing_extension_is_made_or_the_command_is_told(
    postgres: PostgresServer, role: str, schema: str
) -> None:
    database = postgres.database()
    with pytest.raises(ConfigError, match=rf"CREATE EXTENSION vector.*{database}.*superuser"):
        await PostgresStore(postgres.uri(user=role, password="sesame", database=database)).open()
    async with PostgresStore(postgres.uri(database=database), schema=schema) as store:
        await filled(store, Sample().turn())
        assert await store.count(APP, EVERYTHING) == 1


async def test_an_extension_in_another_schema_is_found(postgres: PostgresServer, schema: str) -> None:
    database = postgres.database()
    postgres.run('CREATE SCHEMA "Its Own"; CREATE EXTENSION vector SCHEMA "Its Own"', database=database)
    async with PostgresStore(postgres.uri(database=database), schema=schema) as store:
        await filled(store, Sample().turn())
        assert len(await store.dense(APP, toward(0), Filter(), limit=5)) == 1


async def test_an_old_extension_is_refused(postgres: PostgresServer) -> None:
    database = postgres.database()
    postgres.run(
        "CREATE EXTENSION vector; UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'",
        database=database,
    )
    with pytest.raises(ConfigError, match=r"pgvector 0\.7\.4 and 0\.8 or newer.*ALTER EXTENSION"):
        await PostgresStore(postgres.uri(database=database)).open()


async def test_missing_rights_are_told_with_the_command(
    postgres: PostgresServer, role: str, schema: str
) -> None:
    database = postgres.database()
    postgres.run("CREATE EXTENSION vector", database=database)
    uri = postgres.uri(user=role, password="sesame", database=database)
    async with PostgresStore(uri, schema=schema) as store:
        assert await store.collections() == {}
        with pytest.raises(ConfigError, match="GRANT CREATE ON DATABASE"):
            await store.prepare(APP, FINGERPRINT)
        postgres.run(f"GRANT CREATE ON DATABASE {database} TO {role}", database=database)
        await filled(store, Sample().turn())
        assert await store.count(APP, EVERYTHING) == 1


async def test_a_schema_that_was_made_for_the_role_is_enough(
    postgres: PostgresServer, role: str, schema: str
) -> None:
    postgres.run(f"CREATE EXTENSION IF NOT EXISTS vector; CREATE SCHEMA {schema} AUTHORIZATION {role}")
    async with PostgresStore(postgres.uri(user=role, password="sesame"), schema=schema) as store:
        await filled(store, Sample().turn())
        assert await store.collections() == {APP: FINGERPRINT}


# What others do to the database


async def test_a_table_that_another_program_made_is_left_alone(postgres: PostgresServer, schema: str) -> None:
    postgres.run(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.{TABLE} (note text)")
    postgres.run(f"INSERT INTO {schema}.{TABLE} VALUES ('mine')")
    async with PostgresStore(postgres.uri(), schema=schema) as store:
        with pytest.raises(StoreError, match=f"{TABLE} .*made by another program"):
            await store.prepare(APP, FINGERPRINT)
        assert await store.count(APP, EVERYTHING) == 0
        await store.drop(APP)
        await filled(store, Sample().turn(), app_id="other")
        assert await store.collections() == {"other": FINGERPRINT}
    assert postgres.run(f"SELECT note FROM {schema}.{TABLE}") == "mine"


async def test_another_programs_list_of_collections_is_left_alone(
    postgres: PostgresServer, schema: str
) -> None:
    postgres.run(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.collections (title text)")
    async with PostgresStore(postgres.uri(), schema=schema) as store:
        with pytest.raises(StoreError, match="another program's columns"):
            await store.prepare(APP, FINGERPRINT)
    assert postgres.run(f"SELECT count(*) FROM {schema}.collections") == "0"


async def test_a_collection_rebuilt_by_another_process_is_noticed(
    postgres: PostgresServer, schema: str
) -> None:
    other = replace(FINGERPRINT, dimensions=DIMENSIONS + 1)
    async with (
        PostgresStore(postgres.uri(), schema=schema) as ours,
        PostgresStore(postgres.uri(), schema=schema) as theirs,
    ):
        await filled(ours, Sample().turn())
        await theirs.drop(APP)
        with pytest.raises(StoreUnavailable, match="removed meanwhile"):
            await ours.count(APP, EVERYTHING)
        assert await ours.count(APP, EVERYTHING) == 0
        await filled(ours, Sample().turn())
        await theirs.drop(APP)
        await theirs.prepare(APP, other)
        with pytest.raises(DimensionMismatch):
            await ours.upsert(APP, [Sample().turn()])
        with pytest.raises(DimensionMismatch, match="axes"):
            await ours.prepare(APP, FINGERPRINT)
        assert await ours.verify(APP, other)


async def test_a_table_that_was_dropped_by_hand_is_built_anew(postgres: PostgresServer, schema: str) -> None:
    async with PostgresStore(postgres.uri(), schema=schema) as store:
        await filled(store, Sample().turn())
    postgres.run(f"DROP TABLE {schema}.{TABLE}")
    async with PostgresStore(postgres.uri(), schema=schema) as store:
        assert await store.collections() == {}
        await filled(store, Sample().turn())
        assert await store.count(APP, EVERYTHING) == 1


async def test_two_that_prepare_at_once_get_one_collection(postgres: PostgresServer, schema: str) -> None:
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(PostgresStore(postgres.uri(), schema=schema)) for _ in range(4)
        ]
        records = [Sample().turn() for _ in range(200)]
        await asyncio.gather(*(filled(store, *records) for store in stores))
        await asyncio.gather(*(store.upsert(APP, records[::-1]) for store in stores))
        assert await stores[0].count(APP, EVERYTHING) == len(records)


# Outages


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid"])
async def test_a_wrong_host_is_named(host: str) -> None:
    async with PostgresStore(f"postgresql://ada:sesame@{host}/memory") as store:
        with pytest.raises(
            StoreUnavailable, match=rf"PostgreSQL at {host}/memory cannot be reached"
        ) as caught:
            await store.count(APP, EVERYTHING)
    assert "sesame" not in str(caught.value)


async def test_a_restarted_server_is_used_at_once(postgres: PostgresServer, schema: str) -> None:
    async with PostgresStore(postgres.uri(), schema=schema) as store:
        records = [Sample().turn() for _ in range(20)]
        await filled(store, *records)
        await asyncio.gather(*(store.count(APP, EVERYTHING) for _ in range(8)))
        postgres.stop()
        with pytest.raises(StoreUnavailable):
            await store.count(APP, EVERYTHING)
        postgres.start()
        assert await store.count(APP, EVERYTHING) == len(records)
        postgres.stop()
        postgres.start()
        found = await asyncio.gather(*(store.count(APP, EVERYTHING) for _ in range(8)))
        assert found == [len(records)] * 8


async def test_a_statement_that_takes_too_long_is_stopped_on_the_server(
    postgres: PostgresServer, schema: str
) -> None:
    async with (
        PostgresStore(postgres.uri(), schema=schema) as holder,
        PostgresStore(postgres.uri(), schema=schema, timeout=0.3) as store,
    ):
        record = Sample().turn()
        await filled(holder, record)
        await store.count(APP, EVERYTHING)
        lock = f"BEGIN; LOCK TABLE {schema}.{TABLE}; SELECT pg_sleep(1)"
        blocker = asyncio.create_task(asyncio.to_thread(postgres.run, lock))
        held = f"SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = \
'{schema}.{TABLE}'::regclass"
        while await asyncio.to_thread(postgres.run, held) == "0":
            pass
        with pytest.raises(StoreUnavailable, match="did not answer"):
            await store.upsert(APP, [replace(record, version=2)])
        await blocker
        await holder.upsert(APP, [replace(record, version=3)])
        assert (await store.get(APP, [record.id]))[record.id].version == 3


async def test_sixty_four_callers_share_a_small_pool(postgres: PostgresServer, schema: str) -> None:
    async with PostgresStore(postgres.uri(), schema=schema, max_connections=3) as store:
        records = [Sample(user_id=f"user-{number}").turn() for number in range(64)]
        await filled(store, *records)
        most = 0

        async def search(user_id: str) -> int:
            nonlocal most
            found = await store.dense(APP, toward(0), Filter(user_id=user_id), limit=5)
            most = max(most, store.pool_stats().active)
            return len(found)

        assert await asyncio.gather(*(search(record.user_id) for record in records)) == [1] * 64
        stats = store.pool_stats()
        assert most <= stats.limit == 3
        assert stats.active == 0
        assert (
            int(postgres.run("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'omnimemory'"))
            <= 3
        )


async def test_when_all_connections_are_busy_the_setting_is_named(
    proxy: Proxy, behind: str, schema: str
) -> None:
    async with proxy, PostgresStore(behind, schema=schema, timeout=0.3, max_connections=1) as store:
        await filled(store, Sample().turn())
        proxy.freeze()
        calls = (store.count(APP, EVERYTHING) for _ in range(3))
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(error, StoreUnavailable) for error in found)
        assert any("OMNIMEMORY_VECTOR_DB_MAX_CONNECTIONS" in str(error) for error in found)


# Searching


async def test_a_large_table_gets_an_index_and_answers_as_before(
    postgres: PostgresServer, schema: str
) -> None:
    rng = np.random.default_rng(7)
    cosines = rng.uniform(-1, 1, 400)
    records = [
        Sample(user_id="ada" if number % 4 else "bob", document=str(number)).turn(
            vector=toward(0, float(cosine), beside=1 + number % 6)
        )
        for number, cosine in enumerate(cosines)
    ]
    rare = replace(records[-1], kind=RecordKind.NOTE)
    async with PostgresStore(postgres.uri(), schema=schema, index_at=100) as store:
        await filled(store, *records[:-1], rare)
        assert postgres.run(f"SELECT to_regclass('{schema}.{TABLE}_hnsw')") == f"{schema}.{TABLE}_hnsw"
        for where, limit in ((Filter(), 10), (Filter(user_id="ada"), 10), (Filter(user_id="bob"), 60)):
            own = [r for r in records if where.user_id in (None, r.user_id)]
            expected = sorted(own, key=lambda r: -float(r.vector[0]))[:limit]
            hits = await store.dense(APP, toward(0), where, limit=limit)
            assert [hit.id for hit in hits] == [record.id for record in expected]
            scores = [float(record.vector[0]) for record in expected]
            assert [hit.score for hit in hits] == pytest.approx(scores, abs=1e-3)
        notes = Filter(kinds=frozenset({RecordKind.NOTE}))
        assert [hit.id for hit in await store.dense(APP, toward(0), notes, limit=5)] == [rare.id]


async def test_vectors_too_long_for_an_index_are_compared_one_by_one(
    postgres: PostgresServer, schema: str
) -> None:
    fingerprint = replace(FINGERPRINT, dimensions=4_096)
    vectors = np.eye(20, 4_096, dtype=np.float32)
    async with PostgresStore(postgres.uri(), schema=schema, index_at=10) as store:
        await store.prepare(APP, fingerprint)
        records = [Sample().turn(vector=vector) for vector in vectors]
        await store.upsert(APP, records)
        (hit,) = await store.dense(APP, vectors[7], Filter(), limit=1)
        assert hit.id == records[7].id
        assert hit.score == pytest.approx(1.0)


async def test_every_word_of_a_huge_text_counts(postgres: PostgresServer, schema: str) -> None:
    words = tuple(f"word{number}" for number in range(40_000))
    record, other = Sample(tokens=words).turn(), Sample(tokens=("word1",)).turn()
    async with PostgresStore(postgres.uri(), schema=schema) as store:
        await filled(store, record, other)
        every, own = Filter(), Filter(user_id="ada")
        cases = [([words[-1]], every), ([words[3], words[20_000]], own), (list(words[:17_000]), own)]
        for query, where in cases:
            weight = weights(record.tokens)[term_id("word3")]
            expected = sum(idf(2, 2 if word == "word1" else 1) * weight for word in query)
            hits = {hit.id: hit.score for hit in await store.lexical(APP, query, where, limit=5)}
            assert hits[record.id] == pytest.approx(expected, rel=1e-3)


async def test_texts_that_the_database_cannot_hold_come_back_unchanged(
    postgres: PostgresServer, schema: str
) -> None:
    texts = ("\0", "a\0b\x1a", "\x1a0\x1a1\x1a", "\x1a\0001", "\N{RIGHT-TO-LEFT OVERRIDE}'\\\0$1")
    records = {text: Sample(document=text, facets=(text,)).turn() for text in texts}
    async with PostgresStore(postgres.uri(), schema=schema) as store:
        await filled(store, *records.values())
        for text, record in records.items():
            (found,) = await listed(store, Filter(facets=(text,)))
            assert (found.id, found.document) == (record.id, text)


async def test_langchains_vector_store_reads_the_same_table(postgres: PostgresServer, schema: str) -> None:
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_postgres import PGEngine, PGVectorStore
    from sqlalchemy.ext.asyncio import create_async_engine

    near = Sample(user_id="ada", document="near").turn()
    async with PostgresStore(postgres.uri(), schema=schema) as store:
        await filled(store, near, Sample(document="far").turn(vector=toward(1)))
    engine = create_async_engine(postgres.uri().replace("postgresql", "postgresql+asyncpg", 1))
    view = await PGVectorStore.create(
        PGEngine.from_engine(engine),
        DeterministicFakeEmbedding(size=DIMENSIONS),
        TABLE,
        schema_name=schema,
        id_column="id",
        content_column="document",
        embedding_column="embedding",
        metadata_columns=["user_id"],
    )
    (found,) = await view.asimilarity_search_by_vector(toward(0).tolist(), k=1)
    assert (found.id, found.page_content, found.metadata["user_id"]) == (near.id, "near", "ada")
    await engine.dispose()


async def test_no_message_shows_what_is_stored(postgres: PostgresServer, schema: str) -> None:
    async with PostgresStore(postgres.uri(), schema=schema) as store:
        await filled(store)
        postgres.run(f"ALTER TABLE {schema}.{TABLE} ADD CHECK (document <> 'a secret')")
        with pytest.raises(OmniMemoryError) as caught:
            await store.upsert(APP, [Sample(document="a secret").turn()])
        assert "a secret" not in str(caught.value)
