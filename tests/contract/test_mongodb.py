from __future__ import annotations

import asyncio
import gc
import os
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pymongo
import pytest
from bson.binary import Binary, BinaryVectorDtype
from pymongo.asynchronous.database import AsyncDatabase

from omnimemory.core.errors import ConfigError, DimensionMismatch, StoreError, StoreUnavailable
from omnimemory.core.ids import collection_name
from omnimemory.core.lexical import idf, term_id, weights
from omnimemory.core.schemas import Status
from omnimemory.core.settings import Settings
from omnimemory.stores.mongodb import CATALOGUE, EXACT_UP_TO, MongoDBStore
from omnimemory.stores.mongodb_documents import matching, to_binary, to_document, to_entry
from omnimemory.stores.mongodb_scoring import Best, bm25, bound, cosines, essential
from omnimemory.stores.mongodb_vector_search import cosine, nearest, search_index
from omnimemory.stores.records import Filter, Fingerprint, RecordKind
from omnimemory.testing.proxy import Proxy
from omnimemory.testing.store_fault_suite import MakeStoreBehindProxy, StoreFaultSuite
from omnimemory.testing.store_records import (
    APP,
    EVERYTHING,
    FINGERPRINT,
    HOSTILE_TEXTS,
    Sample,
    filled,
    listed,
    toward,
)
from omnimemory.testing.store_suite import VectorStoreSuite

if TYPE_CHECKING:
    from .servers_mongodb import MongoServer

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""pymongo 4.20 leaves a socket to the garbage collector when it cancels a connect of its own monitors."""

NAME = collection_name(APP)


@pytest.fixture(autouse=True, scope="module")
def collected() -> Iterator[None]:
    """Those sockets are collected here, not in the tests of another file."""
    yield
    gc.collect()


class TestMongoDB(VectorStoreSuite):
    paged = 2_000  # secantusdb, which stands in for MongoDB, takes over a millisecond for each write

    @pytest.fixture
    def make_store(self, mongo_server: MongoServer) -> Callable[[], MongoDBStore]:
        uri = mongo_server.uri(f"test_{uuid.uuid4().hex}")
        return lambda: MongoDBStore(uri)


class TestMongoDBFaults(StoreFaultSuite):
    @pytest.fixture
    async def proxy(self, mongo_server: MongoServer) -> AsyncIterator[Proxy]:
        async with Proxy(("127.0.0.1", mongo_server.port)) as proxy:
            yield proxy

    @pytest.fixture
    def make_store_behind_proxy(self, proxy: Proxy) -> MakeStoreBehindProxy:
        host, port = proxy.address
        uri = f"mongodb://{host}:{port}/test_{uuid.uuid4().hex}?directConnection=true"
        return lambda timeout: MongoDBStore(uri, timeout=timeout, max_connections=self.pool)


@pytest.mark.skipif("MONGO_ATLAS_URI" not in os.environ, reason="set MONGO_ATLAS_URI to test $vectorSearch")
class TestMongoDBAtlas(VectorStoreSuite):
    """The same on a server with ``$vectorSearch``; the URI's database is dropped after each test."""

    @pytest.fixture
    async def make_store(self) -> AsyncIterator[Callable[[], MongoDBStore]]:
        uri = os.environ["MONGO_ATLAS_URI"]
        yield lambda: MongoDBStore(uri, timeout=60)
        async with pymongo.AsyncMongoClient[dict[str, Any]](uri) as client:
            await client.drop_database(client.get_default_database("omnimemory"))

    async def test_a_large_scope_is_searched_through_the_index_with_the_same_result(
        self, make_store: Callable[[], MongoDBStore]
    ) -> None:
        records = [Sample().turn(vector=_random_unit(seed)) for seed in range(EXACT_UP_TO + 500)]
        query = _random_unit(9_999_999)
        exact = sorted((-float(record.vector @ query), record.id) for record in records)[:10]
        async with make_store() as store:
            await filled(store, *records)
            hits = await store.dense(APP, query, Filter(), limit=10)
            assert [hit.id for hit in hits] == [record_id for _, record_id in exact]


@pytest.fixture
def uri(mongo_server: MongoServer) -> str:
    """A database of the test's own."""
    return mongo_server.uri(f"test_{uuid.uuid4().hex}")


@pytest.fixture
async def database(uri: str) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """The same database, without us."""
    async with pymongo.AsyncMongoClient[dict[str, Any]](uri) as client:
        yield client.get_default_database()


# Settings


def test_the_uri_comes_from_the_settings() -> None:
    settings = Settings.load({"mongo_uri": "mongodb://h/db", "max_connections": 7})
    assert MongoDBStore.from_settings(settings).pool_stats().limit == 7
    with pytest.raises(ConfigError, match=r"MONGO_URI is not set.*MONGO_URI=mongodb://"):
        MongoDBStore.from_settings(Settings.load())


@pytest.mark.parametrize(
    "malformed",
    ["", "http://ada:geheim@h/db", "mongodb://ada:geheim@h:port/db", "mongodb://ada:ge@heim@h/db",
     "mongodb://ada:geheim@h/d b", "mongodb://ada:ge/heim@h/db"],
)  # fmt: skip
async def test_a_malformed_uri_is_a_config_error_that_keeps_the_password(malformed: str) -> None:
    with pytest.raises(ConfigError, match=r"MONGO_URI cannot be read.*mongodb://user:password@") as caught:
        await MongoDBStore(malformed).open()
    assert "heim" not in str(caught.value)
    assert caught.value.__cause__ is None


# Servers that refuse, are away or do not answer


async def test_a_user_who_may_only_read_is_told_which_right_is_missing(
    guarded_mongo_server: MongoServer,
) -> None:
    def store(user: str) -> MongoDBStore:
        return MongoDBStore(
            guarded_mongo_server.uri("db", credentials=f"{user}:right@", query="?authSource=admin")
        )

    async with store("ada") as writing, store("eve") as reading:
        await filled(writing, Sample().turn())
        assert await reading.count(APP, EVERYTHING) == 1
        with pytest.raises(ConfigError, match=r"could not write to collection.*right is missing.*readWrite"):
            await reading.upsert(APP, [Sample().turn()])


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid"])
async def test_a_wrong_host_is_unavailable_in_time_and_named(host: str) -> None:
    async with MongoDBStore(f"mongodb://ada:geheim@{host}/db", timeout=0.5) as store:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match=host) as caught:
            await store.count(APP, EVERYTHING)
        assert time.monotonic() - started < 3
    assert "geheim" not in str(caught.value)


async def test_a_server_that_comes_late_or_restarts_is_found_without_reopening(
    own_mongo_server: MongoServer,
) -> None:
    record = Sample().turn()
    async with MongoDBStore(own_mongo_server.uri("db"), timeout=2) as store:
        with pytest.raises(StoreUnavailable):
            await store.prepare(APP, FINGERPRINT)
        own_mongo_server.start()
        await filled(store, record)
        own_mongo_server.kill()
        own_mongo_server.start()
        assert [found.id for found in await listed(store)] == [record.id]
        own_mongo_server.kill()
        with pytest.raises(StoreUnavailable):
            await store.upsert(APP, [Sample().turn()])


# Collections


async def test_a_collection_of_another_program_is_left_alone(
    uri: str, database: AsyncDatabase[dict[str, Any]]
) -> None:
    await database[NAME].insert_one({"_id": "theirs"})
    async with MongoDBStore(uri) as store:
        assert await store.count(APP, EVERYTHING) == 0
        with pytest.raises(StoreError, match=rf"'{NAME}'.*made by another program"):
            await store.prepare(APP, FINGERPRINT)
        await store.drop(APP)
        assert await store.collections() == {}
    assert await database[NAME].find().to_list() == [{"_id": "theirs"}]
    assert set(await database[NAME].index_information()) == {"_id_"}


async def test_another_dimension_is_refused_also_by_another_process(uri: str) -> None:
    async with MongoDBStore(uri) as first, MongoDBStore(uri) as second:
        await filled(first, Sample().turn())
        with pytest.raises(DimensionMismatch, match="was built with embedder 'axes'"):
            await second.prepare(APP, Fingerprint("axes", 16, "words-1"))


async def test_two_processes_may_prepare_one_app_at_once(uri: str) -> None:
    async with MongoDBStore(uri) as first, MongoDBStore(uri) as second:
        made = await asyncio.gather(
            first.prepare(APP, FINGERPRINT), second.prepare(APP, FINGERPRINT), return_exceptions=True
        )
        assert {type(result) for result in made} <= {type(None), StoreUnavailable}
        for store in (first, second):
            await filled(store, Sample().turn())
        assert await first.count(APP, EVERYTHING) == 2


async def test_a_creation_that_died_midway_is_completed(
    uri: str, database: AsyncDatabase[dict[str, Any]]
) -> None:
    await database[CATALOGUE].insert_one(to_entry(NAME, APP, FINGERPRINT, ready=False))
    await database.create_collection(NAME)
    async with MongoDBStore(uri) as store:
        assert await store.collections() == {}
        await filled(store, Sample().turn())
        assert await store.collections() == {APP: FINGERPRINT}
    assert "by_term" in await database[NAME].index_information()


async def test_a_collection_removed_by_hand_counts_as_lost_and_is_built_anew(
    uri: str, database: AsyncDatabase[dict[str, Any]]
) -> None:
    async with MongoDBStore(uri) as store:
        await filled(store, Sample().turn())
    await database.drop_collection(NAME)
    async with MongoDBStore(uri) as store:
        assert not await store.verify(APP, FINGERPRINT)
        await filled(store, Sample().turn())
        assert await store.count(APP, EVERYTHING) == 1


async def test_a_missing_index_is_named_with_the_command_that_restores_it(
    uri: str, database: AsyncDatabase[dict[str, Any]]
) -> None:
    async with MongoDBStore(uri) as store:
        await filled(store, Sample().turn())
    await database[NAME].drop_index("by_term")
    async with MongoDBStore(uri) as store:
        command = rf"db\.{NAME}\.createIndex\(\{{'terms': 1, 'user_id': 1\}}, \{{name: 'by_term'\}}\)"
        with pytest.raises(StoreError, match=rf"lost its index 'by_term'.*{command}"):
            await store.count(APP, EVERYTHING)
        await database[NAME].create_index([("terms", 1), ("user_id", 1)], name="by_term")
        assert await store.count(APP, EVERYTHING) == 1


async def test_a_damaged_catalogue_entry_says_what_to_do(
    uri: str, database: AsyncDatabase[dict[str, Any]]
) -> None:
    async with MongoDBStore(uri) as store:
        await filled(store, Sample().turn())
        await database[CATALOGUE].update_one({"_id": NAME}, {"$unset": {"dimensions": 1}})
        with pytest.raises(StoreError, match=r"entry .* is damaged.*omnimemory rebuild"):
            await store.collections()


# Scores


async def test_common_words_are_left_unread_without_a_change_in_the_result(uri: str) -> None:
    rng = random.Random(5)
    words = [f"w{number}" for number in range(40)]
    records = [
        Sample(
            tokens=tuple(rng.choices(words, [1 / (n + 1) for n in range(40)], k=rng.randint(1, 12)))
        ).turn()
        for _ in range(120)
    ]
    async with MongoDBStore(uri) as reads_all, MongoDBStore(uri, nominees=1) as reads_few:
        await filled(reads_all, *records)
        for limit in (1, 7, 200):
            for _ in range(4):
                query = rng.choices(words, k=rng.randint(1, 8))
                expected = await reads_all.lexical(APP, query, Filter(), limit=limit)
                assert await reads_few.lexical(APP, query, Filter(), limit=limit) == expected


def test_the_best_are_kept_in_order_with_ties_by_id() -> None:
    best = Best(2)
    best.offer(["d", "c"], np.array([0.5, 0.5]))
    assert best.least == 0.5
    best.offer(["b", "a", "e"], np.array([0.5, 0.1, 0.9]))
    assert best.scores() == {"e": 0.9, "b": 0.5}


def test_equal_vectors_score_equal_wherever_they_stand() -> None:
    vector, query = _random_unit(1, 301), _random_unit(2, 301)
    found = cosines([bytes(to_binary(vector))] * 37, query)
    assert len(set(found.tolist())) == 1
    assert found[0] == pytest.approx(float(vector @ query), abs=1e-5)


def test_packed_words_score_as_the_formula_says() -> None:
    texts = [("tea", "green", "tea"), ("coffee",), ("green",)]
    packed = [to_document(Sample(tokens=text).turn(), written_at=0.0)["words"] for text in texts]
    rarity = {term_id("tea"): idf(3, 1), term_id("green"): idf(3, 2)}
    expected = [sum(rare * weights(text).get(term, 0.0) for term, rare in rarity.items()) for text in texts]
    assert bm25(packed, rarity).tolist() == pytest.approx(expected)


def test_common_words_come_last_and_their_holders_score_less_than_the_bound() -> None:
    holders = {1: 5, 2: 90, 3: 20}
    rarity = {term: idf(100, count) for term, count in holders.items()}
    assert essential(holders, rarity, enough=30) == ([1, 3], [2])
    assert essential({2: 90}, {2: 0.1}, enough=30) == ([2], [])
    assert max(weights(["tea"] * 1_000).values()) * rarity[2] < bound([2], rarity)


# The documents of ``$vectorSearch``, which no server here runs


def test_the_search_index_names_every_field_that_a_filter_names() -> None:
    where = Filter(
        user_id="$u", session_id="s", kinds=frozenset({RecordKind.TURN}), facets=("f",),
        said_after=1.0, said_before=2.0, as_of=3.0,
    )  # fmt: skip
    document = search_index(256).document
    vector, *filters = document["definition"]["fields"]
    assert (document["name"], document["type"]) == ("meaning", "vectorSearch")
    assert vector == {"type": "vector", "path": "vector", "numDimensions": 256, "similarity": "cosine"}
    assert {field["type"] for field in filters} == {"filter"}
    named = set(matching(where)) - {"$and"} | {"facets"}
    assert {field["path"] for field in filters} == named


def test_the_nearest_are_asked_for_as_documented() -> None:
    where = Filter(user_id="$where", statuses=frozenset(Status))
    stage, match, project = nearest(toward(0), matching(where), written_before=5.0, limit=3)
    conditions = {"user_id": {"$eq": "$where"}}
    assert stage["$vectorSearch"] == {
        "index": "meaning",
        "path": "vector",
        "queryVector": to_binary(toward(0)),
        "numCandidates": 60,
        "limit": 3,
        "filter": conditions,
    }
    assert match == {"$match": {**conditions, "written_at": {"$lt": 5.0}}}
    assert project["$project"]["score"] == {"$meta": "vectorSearchScore"}
    assert "document" not in project["$project"]


def test_a_search_without_conditions_has_no_filter_and_candidates_are_bounded() -> None:
    stage, match, _ = nearest(toward(0), {}, written_before=5.0, limit=10_000)
    assert "filter" not in stage["$vectorSearch"]
    assert stage["$vectorSearch"]["numCandidates"] == 10_000
    assert match == {"$match": {"written_at": {"$lt": 5.0}}}


def test_a_vector_is_the_bson_vector_that_the_driver_makes() -> None:
    vector = toward(0, 0.5)
    assert to_binary(vector) == Binary.from_vector(vector.tolist(), BinaryVectorDtype.FLOAT32)


def test_the_search_score_is_turned_back_into_the_cosine() -> None:
    assert [cosine(score) for score in (1.0, 0.5, 0.0)] == [1.0, 0.0, -1.0]


async def test_hostile_texts_come_back_from_every_field(uri: str) -> None:
    records = [
        Sample(document=text, facets=(text, "$ne"), tokens=(text, "$gt")).turn() for text in HOSTILE_TEXTS
    ]
    async with MongoDBStore(uri) as store:
        await filled(store, *records)
        assert {found.document for found in await listed(store)} == set(HOSTILE_TEXTS)


def _random_unit(seed: int, size: int = 8) -> Any:
    vector = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    return vector / np.linalg.norm(vector)
