"""What people get wrong, on every backend: the error is typed, says what is wrong and what to do, and holds
no password."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pymongo
import pytest
from qdrant_client import AsyncQdrantClient, models

from omnimemory.core.errors import (
    ConfigError,
    DimensionMismatch,
    OmniMemoryError,
    StoreError,
    StoreUnavailable,
)
from omnimemory.core.ids import collection_name
from omnimemory.stores.base import VectorStore
from omnimemory.stores.chroma_remote import ChromaRemoteStore
from omnimemory.stores.mongodb import MongoDBStore
from omnimemory.stores.postgres import PostgresStore
from omnimemory.stores.qdrant_remote import QdrantRemoteStore
from omnimemory.testing.store_records import APP, FINGERPRINT, Sample, filled
from tests.contract.servers_qdrant import SimulatedQdrant

if TYPE_CHECKING:
    from .servers_chroma import ChromaServer, Gate
    from .servers_mongodb import MongoServer
    from .servers_postgres import PostgresServer

    Case = tuple[Callable[[Any], Awaitable[None]], type[OmniMemoryError], str, str]

SECRET = "sesame-9"
NAME = collection_name(APP)
CLOSED = "127.0.0.1:1"


async def used(store: VectorStore) -> None:
    async with store:
        await filled(store, Sample().turn())


async def built_twice(make_store: Callable[[], VectorStore]) -> None:
    await used(make_store())
    async with make_store() as store:
        await store.prepare(APP, replace(FINGERPRINT, dimensions=9))


async def check(case: Case, server: object) -> None:
    fault, error, wrong, remedy = case
    with pytest.raises(error) as caught:
        await fault(server)
    assert wrong in str(caught.value)
    assert remedy in str(caught.value)
    assert caught.value.transient is (error is StoreUnavailable)
    cause: BaseException | None = caught.value
    while cause is not None:
        assert SECRET not in f"{cause!r} {cause}"
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def every(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[fault.__name__ for fault, *_ in cases])


# PostgreSQL


async def pg_wrong_password(server: PostgresServer) -> None:
    await used(PostgresStore(server.uri(user=server.role("right"), password=SECRET)))


async def pg_wrong_host(server: PostgresServer) -> None:
    await used(PostgresStore(f"postgresql://ada:{SECRET}@{CLOSED}/memory"))


async def pg_wrong_database(server: PostgresServer) -> None:
    await used(PostgresStore(server.uri(password=SECRET, database="nowhere")))


async def pg_malformed_uri(server: PostgresServer) -> None:
    await used(PostgresStore(f"postgresql://ada:{SECRET}/1@localhost:5432/memory"))


async def pg_missing_extension(server: PostgresServer) -> None:
    uri = server.uri(user=server.role(SECRET), password=SECRET, database=server.database())
    await used(PostgresStore(uri))


async def pg_missing_rights(server: PostgresServer) -> None:
    database = server.database()
    server.run("CREATE EXTENSION vector", database=database)
    await used(PostgresStore(server.uri(user=server.role(SECRET), password=SECRET, database=database)))


async def pg_missing_index(server: PostgresServer) -> None:
    uri = server.uri(database=server.database())
    await used(PostgresStore(uri))
    database = uri.partition("?")[0].rpartition("/")[2]
    index = "SELECT indexrelid::regclass FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
    found = server.run(f"{index} WHERE relname LIKE '{NAME}%own_terms_idx'", database=database)
    server.run(f"DROP INDEX {found}", database=database)
    await used(PostgresStore(uri))


async def pg_foreign_table(server: PostgresServer) -> None:
    schema = f"s_{uuid.uuid4().hex}"
    server.run(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.{NAME} (note text)")
    await used(PostgresStore(server.uri(), schema=schema))


async def pg_dimension_change(server: PostgresServer) -> None:
    uri = server.uri(database=server.database())
    await built_twice(lambda: PostgresStore(uri))


POSTGRES: list[Case] = [
    (pg_wrong_password, ConfigError, "refuses the user or password", "correct them in POSTGRES_URI"),
    (pg_wrong_host, StoreUnavailable, f"{CLOSED}/memory cannot be reached", "correct POSTGRES_URI"),
    (pg_wrong_database, ConfigError, '"nowhere" does not exist', "create the database or name another"),
    (pg_malformed_uri, ConfigError, "POSTGRES_URI cannot be read", "A right value is POSTGRES_URI="),
    (pg_missing_extension, ConfigError, "has no extension vector", "run `CREATE EXTENSION vector`"),
    (pg_missing_rights, ConfigError, "permission denied", "run `GRANT CREATE ON DATABASE"),
    (pg_missing_index, StoreError, "lost an index", f"`CREATE INDEX ON omnimemory.{NAME} USING gin (own_"),
    (pg_foreign_table, StoreError, f"{NAME} in PostgreSQL at", "made by another program; rename it"),
    (pg_dimension_change, DimensionMismatch, "8 dimensions", "run `omnimemory re"),
]


@every(POSTGRES)
async def test_postgresql_says_what_is_wrong_and_what_to_do(case: Case, postgres: PostgresServer) -> None:
    await check(case, postgres)


# MongoDB


def mongo(server: MongoServer, user: str = "", database: str = "") -> MongoDBStore:
    query = "?authSource=admin" if user else ""
    uri = server.uri(database or f"test_{uuid.uuid4().hex}", credentials=user, query=query)
    return MongoDBStore(uri, timeout=5)


async def mongo_wrong_password(server: MongoServer) -> None:
    await used(mongo(server, f"ada:{SECRET}@"))


async def mongo_no_password(server: MongoServer) -> None:
    await used(mongo(server))


async def mongo_missing_rights(server: MongoServer) -> None:
    await used(mongo(server, "eve:right@"))


GUARDED_MONGODB: list[Case] = [
    (mongo_wrong_password, ConfigError, "refused the user or the password of MONGO_URI", "correct them"),
    (mongo_no_password, ConfigError, "the right is missing", "name a user in MONGO_URI"),
    (mongo_missing_rights, ConfigError, "the right is missing", "db.grantRolesToUser("),
]


@every(GUARDED_MONGODB)
async def test_a_guarded_mongodb_says_what_is_wrong_and_what_to_do(
    case: Case, guarded_mongo_server: MongoServer
) -> None:
    await check(case, guarded_mongo_server)


async def mongo_wrong_host(server: MongoServer) -> None:
    await used(MongoDBStore(f"mongodb://ada:{SECRET}@{CLOSED}/memory", timeout=0.5))


async def mongo_malformed_uri(server: MongoServer) -> None:
    await used(MongoDBStore(f"mongodb://ada:{SECRET}@localhost:port/memory"))


async def mongo_missing_index(server: MongoServer) -> None:
    database = f"test_{uuid.uuid4().hex}"
    await used(mongo(server, database=database))
    async with pymongo.AsyncMongoClient[dict[str, Any]](server.uri("")) as client:
        await client[database][NAME].drop_index("by_term")
    await used(mongo(server, database=database))


async def mongo_foreign_collection(server: MongoServer) -> None:
    database = f"test_{uuid.uuid4().hex}"
    async with pymongo.AsyncMongoClient[dict[str, Any]](server.uri("")) as client:
        await client[database][NAME].insert_one({"theirs": 1})
    await used(mongo(server, database=database))


async def mongo_dimension_change(server: MongoServer) -> None:
    database = f"test_{uuid.uuid4().hex}"
    await built_twice(lambda: mongo(server, database=database))


MONGODB: list[Case] = [
    (mongo_wrong_host, StoreUnavailable, f"MongoDB at {CLOSED}", "check that it runs there"),
    (mongo_malformed_uri, ConfigError, "MONGO_URI cannot be read", "a right value is MONGO_URI="),
    (mongo_missing_index, StoreError, "lost its index 'by_term'", f"db.{NAME}.createIndex("),
    (mongo_foreign_collection, StoreError, "made by another program", "name another database in MONGO_URI"),
    (mongo_dimension_change, DimensionMismatch, "8 dimensions", "run `omnimemory re"),
]


@every(MONGODB)
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # see test_mongodb
async def test_mongodb_says_what_is_wrong_and_what_to_do(case: Case, mongo_server: MongoServer) -> None:
    await check(case, mongo_server)


# Chroma


async def chroma_wrong_host(base: str) -> None:
    await used(ChromaRemoteStore(f"http://{CLOSED}", token=SECRET))


async def chroma_malformed_host(base: str) -> None:
    await used(ChromaRemoteStore(f"http://ada:{SECRET}@localhost"))


async def chroma_wrong_database(base: str) -> None:
    await used(ChromaRemoteStore(base, database="nowhere", token=SECRET))


async def _chroma_database(base: str) -> str:
    name = f"test-{uuid.uuid4().hex}"
    async with httpx.AsyncClient(base_url=f"{base}/api/v2/tenants/default_tenant") as other:
        (await other.post("/databases", json={"name": name})).raise_for_status()
    return name


async def chroma_missing_words(base: str) -> None:
    database = await _chroma_database(base)
    await used(ChromaRemoteStore(base, database=database))
    async with httpx.AsyncClient(base_url=f"{base}/api/v2/tenants/default_tenant") as other:
        (await other.delete(f"/databases/{database}/collections/{NAME}_words")).raise_for_status()
    await used(ChromaRemoteStore(base, database=database))


async def chroma_foreign_collection(base: str) -> None:
    database = await _chroma_database(base)
    async with httpx.AsyncClient(base_url=f"{base}/api/v2/tenants/default_tenant") as other:
        theirs = {"name": NAME, "metadata": {"theirs": 1}}
        (await other.post(f"/databases/{database}/collections", json=theirs)).raise_for_status()
    await used(ChromaRemoteStore(base, database=database))


async def chroma_dimension_change(base: str) -> None:
    database = await _chroma_database(base)
    await built_twice(lambda: ChromaRemoteStore(base, database=database))


CHROMA: list[Case] = [
    (chroma_wrong_host, StoreUnavailable, f"{CLOSED} cannot be reached", "set CHROMA_HOST and CHROMA_PORT"),
    (chroma_malformed_host, ConfigError, "CHROMA_HOST is no host name", "set it as CHROMA_HOST=localhost"),
    (chroma_wrong_database, ConfigError, "no database 'nowhere'", "create it, or name another"),
    (chroma_missing_words, StoreError, f"lost '{NAME}_words'", "run `omnimemory re"),
    (chroma_foreign_collection, StoreError, "made by another program", "rename or remove it"),
    (chroma_dimension_change, DimensionMismatch, "8 dimensions", "run `omnimemory re"),
]


@every(CHROMA)
async def test_chroma_says_what_is_wrong_and_what_to_do(case: Case, chroma_server: ChromaServer) -> None:
    await check(case, f"http://127.0.0.1:{chroma_server.port}")


async def chroma_wrong_token(base: str) -> None:
    await used(ChromaRemoteStore(base, token=SECRET))


async def chroma_no_token(base: str) -> None:
    await used(ChromaRemoteStore(base))


async def chroma_other_server(base: str) -> None:
    await used(ChromaRemoteStore(base, token=SECRET))


@every(
    [
        (chroma_wrong_token, ConfigError, "refused the token", "set CHROMA_AUTH_TOKEN"),
        (chroma_no_token, ConfigError, "refused the token", "set CHROMA_AUTH_TOKEN"),
        (chroma_other_server, StoreError, "no Chroma server", "set CHROMA_HOST and CHROMA_PORT"),
    ]
)
async def test_what_stands_before_chroma_is_told_apart(
    case: Case, chroma_server: ChromaServer, chroma_gate: type[Gate]
) -> None:
    async with AsyncExitStack() as stack:
        open_to = "" if case[0] is chroma_other_server else "right"
        gate = await stack.enter_async_context(chroma_gate(chroma_server.port, open_to))
        await check(case, f"http://127.0.0.1:{gate.port}")


# Qdrant


@pytest.fixture(scope="module")
def guarded_qdrant() -> Iterator[SimulatedQdrant]:
    with SimulatedQdrant(api_key="right") as server:
        yield server


@pytest.fixture
async def qdrant(guarded_qdrant: SimulatedQdrant) -> AsyncIterator[SimulatedQdrant]:
    yield guarded_qdrant
    await guarded_qdrant.clear()


async def qdrant_wrong_key(server: SimulatedQdrant) -> None:
    await used(QdrantRemoteStore(server.url, api_key=SECRET))


async def qdrant_wrong_key_by_grpc(server: SimulatedQdrant) -> None:
    await used(QdrantRemoteStore(server.url, api_key=SECRET, grpc_port=server.grpc_port))


async def qdrant_wrong_host(server: SimulatedQdrant) -> None:
    await used(QdrantRemoteStore(f"http://{CLOSED}", api_key=SECRET))


async def qdrant_malformed_url(server: SimulatedQdrant) -> None:
    await used(QdrantRemoteStore(f"http://ada:{SECRET}@localhost:6333"))


async def qdrant_foreign_collection(server: SimulatedQdrant) -> None:
    theirs = models.VectorParams(size=4, distance=models.Distance.DOT)
    client = AsyncQdrantClient(
        url=server.url, check_compatibility=False, headers={"api-key": str(server.api_key)}
    )
    await client.create_collection(NAME, vectors_config=theirs)
    await client.close()
    await used(QdrantRemoteStore(server.url, api_key="right"))


async def qdrant_dimension_change(server: SimulatedQdrant) -> None:
    await built_twice(lambda: QdrantRemoteStore(server.url, api_key="right"))


QDRANT: list[Case] = [
    (qdrant_wrong_key, ConfigError, "refuses the API key", "set QDRANT_API_KEY"),
    (qdrant_wrong_key_by_grpc, ConfigError, "refuses the API key", "set QDRANT_API_KEY"),
    (qdrant_wrong_host, StoreUnavailable, f"http://{CLOSED} is not available", "check that it runs"),
    (qdrant_malformed_url, ConfigError, "without user or password", "set QDRANT_URL"),
    (qdrant_foreign_collection, StoreError, "made by another program", "rename it"),
    (qdrant_dimension_change, DimensionMismatch, "8 dimensions", "run `omnimemory re"),
]


@every(QDRANT)
async def test_qdrant_says_what_is_wrong_and_what_to_do(case: Case, qdrant: SimulatedQdrant) -> None:
    await check(case, qdrant)
