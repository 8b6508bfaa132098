"""MongoDB: one collection per app, on any server; ``$vectorSearch`` where the server has it.

The server is asked once per opening what it can do. Without ``$vectorSearch`` the vectors of the scope
are read in bounded batches and compared here, which is exact and grows with the scope: a user's 100k
records of 256 dimensions are 100 MB a search. With it, scopes past ``EXACT_UP_TO`` records are searched
through the index as soon as that is ready, and what was written in the last ``SETTLED_AFTER`` seconds
exactly, as the index follows the collection with a delay.

Words are scored here too, exactly: the server counts who holds each word and names the holders, by an
index on the words; holders of common words alone are not read when they cannot be among the best.

A catalogue (collection ``omnimemory_collections``) says which collections are ours and what they were
built with. Writes wait for the majority and its journal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from pymongo import ReplaceOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.cursor import AsyncCursor

from omnimemory.core.errors import ConfigError, InvalidRequest, StoreError, StoreUnavailable
from omnimemory.core.ids import collection_name
from omnimemory.core.lexical import Frequencies, idf, term_id
from omnimemory.models.base import Vectors
from omnimemory.stores.base import VectorStore
from omnimemory.stores.mongodb_connection import Connection
from omnimemory.stores.mongodb_documents import (
    HEAD_FIELDS,
    INDEXES,
    RECENT_INDEX,
    STORED_FIELDS,
    WORDED,
    Document,
    counting,
    fingerprint_of,
    matching,
    of_memories,
    to_document,
    to_entry,
    to_hit,
    to_stored,
)
from omnimemory.stores.mongodb_scoring import Best, bm25, bound, cosines, essential
from omnimemory.stores.mongodb_vector_search import SCORE, SearchIndexes, cosine, nearest
from omnimemory.stores.records import Filter, Fingerprint, Hit, PoolStats, Record, RecordKind, Stored

if TYPE_CHECKING:
    from omnimemory.core.settings import Settings

Collection = AsyncCollection[Document]

CATALOGUE = "omnimemory_collections"
EXACT_UP_TO = 2_000
"""Records a search compares one by one although the server has an index: 2 MB, exact and never late."""
SETTLED_AFTER = 300.0
"""Seconds after which the server's search index is taken to know what was written."""
_UPSERT_BATCH = 500
_UPSERT_SLICE = 50  # documents are made in a millisecond or two, then the loop has a turn
_READ_BATCH = 1_000
_BATCH_BYTES = 1 << 20  # a batch of vectors is decoded in about a millisecond
_COUNT_BATCH = 64


class MongoDBStore(VectorStore):
    """Collections in the database that ``uri`` names (else ``omnimemory``), one per app.

    ``max_connections`` bounds the driver's pool, ``timeout`` (seconds) each call, or each batch of a
    large upsert. A lexical search reads about ``nominees`` holders of its rarest words before it weighs
    whether the holders of the others can matter. Opening connects to nothing: a server that is away is
    an error of the calls made meanwhile, and no more once it is back.
    """

    provider: ClassVar[str] = "mongodb"

    def __init__(
        self, uri: str, *, max_connections: int = 10, timeout: float = 10.0, nominees: int = 5_000
    ) -> None:
        super().__init__()
        for name, value in (
            ("max_connections", max_connections),
            ("timeout", timeout),
            ("nominees", nominees),
        ):
            if not value > 0:
                raise InvalidRequest(f"{name} must be more than 0, got {value}")
        self._uri = uri
        self._max_connections = max_connections
        self._timeout = timeout
        self._nominees = nominees
        self._connected: Connection | None = None
        self._indexes: SearchIndexes | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        if settings.mongo_uri is None:
            raise ConfigError(
                "MONGO_URI is not set and OMNI_MEMORY_PROVIDER=mongodb needs it; a right value is "
                "MONGO_URI=mongodb://user:password@localhost:27017/omnimemory"
            )
        return cls(
            settings.mongo_uri.get_secret_value(),
            max_connections=settings.max_connections,
            timeout=settings.vector_db_timeout,
        )

    def pool_stats(self) -> PoolStats:
        active = 0 if self._connected is None else self._connected.active
        return PoolStats(active=active, limit=self._max_connections)

    # Lifetime

    async def _open(self) -> None:
        self._connected = Connection(self._uri, max_connections=self._max_connections, timeout=self._timeout)
        self._indexes = SearchIndexes(self._connected)

    async def _close(self) -> None:
        connection, self._connected = self._connected, None
        self._indexes = None
        if connection is not None:
            await connection.close()

    async def _check(self) -> None:
        with self._connection.calling("be reached"):
            await self._catalogue.find_one({}, {"_id": 1})

    # Collections

    async def _fingerprint(self, app_id: str) -> Fingerprint | None:
        name = collection_name(app_id)
        with self._connection.calling(f"read the catalogue of collection {name}"):
            entry = await self._catalogue.find_one({"_id": name, "ready": True})
            if entry is None:
                return None
            async with await self._connection.collection(name).list_indexes() as cursor:
                indexes = {index["name"] for index in await cursor.to_list()}
        if not indexes:  # someone removed the collection
            return None
        self._require_indexes(name, indexes)
        return fingerprint_of(entry)

    async def _create(self, app_id: str, fingerprint: Fingerprint) -> None:
        name = collection_name(app_id)
        database = self._connection.database
        with self._connection.calling(f"create collection {name}"):
            exists = bool(await database.list_collection_names(filter={"name": name}))
            entry = await self._catalogue.find_one({"_id": name})
            if exists and entry is None:
                raise StoreError(
                    f"the collection {name!r} in database {database.name!r} was made by another program; "
                    "rename it, or name another database in MONGO_URI"
                )
            if exists and entry is not None and entry.get("ready") is True:
                raise StoreUnavailable(f"another process has just created collection {name!r}; try again")
            built = to_entry(name, app_id, fingerprint, ready=False)
            await self._catalogue.replace_one({"_id": name}, built, upsert=True)
            collection = self._collection(app_id)
            await collection.create_indexes(INDEXES)
            if self._indexes is not None and await self._indexes.are_supported(collection):
                await collection.create_indexes([RECENT_INDEX])
                await self._indexes.create(collection, fingerprint.dimensions)
            done = await self._catalogue.update_one(built, {"$set": {"ready": True}})
        if not done.matched_count:
            raise StoreUnavailable(f"another process creates collection {name!r} too; try again")

    async def _collections(self) -> dict[str, Fingerprint]:
        with self._connection.calling("read the catalogue"):
            entries = await self._catalogue.find({"ready": True}).to_list()
        return {entry["app_id"]: fingerprint_of(entry) for entry in entries}

    async def _drop(self, app_id: str) -> None:
        name = collection_name(app_id)
        if self._indexes is not None:
            self._indexes.forget(name)
        with self._connection.calling(f"drop collection {name}"):
            await self._collection(app_id).drop()
            await self._catalogue.delete_one({"_id": name})

    # Writes

    async def _upsert(self, app_id: str, records: Sequence[Record]) -> None:
        collection = self._collection(app_id)
        for start in range(0, len(records), _UPSERT_BATCH):
            batch = records[start : start + _UPSERT_BATCH]
            writes: list[ReplaceOne[Document]] = []
            for number, record in enumerate(batch, 1):
                document = to_document(record, written_at=time.time())
                writes.append(ReplaceOne({"_id": record.id}, document, upsert=True))
                if number % _UPSERT_SLICE == 0:
                    await asyncio.sleep(0)
            with self._connection.calling(f"write to collection {collection.name}"):
                await collection.bulk_write(writes, ordered=False)

    async def _delete(self, app_id: str, memory_ids: Sequence[str], *, user_id: str | None) -> None:
        collection = self._collection(app_id)
        with self._connection.calling(f"write to collection {collection.name}"):
            await collection.delete_many(of_memories(memory_ids, user_id=user_id))

    # Reads

    async def _get(self, app_id: str, memory_ids: Sequence[str]) -> list[Stored]:
        heads = {"_id": {"$in": list(memory_ids)}, "kind": {"$ne": RecordKind.STATEMENT.value}}
        return await self._stored(self._collection(app_id).find(heads, STORED_FIELDS))

    async def _dense(self, app_id: str, vector: Vectors, where: Filter, *, limit: int) -> list[Hit]:
        collection = self._collection(app_id)
        with self._connection.calling(f"search collection {collection.name}"):
            if await self._is_worth_the_index(collection, where):
                return await self._nearest(collection, vector, where, limit=limit)
            return await self._exact(collection, vector, where, limit=limit)

    async def _lexical(self, app_id: str, tokens: Sequence[str], where: Filter, *, limit: int) -> list[Hit]:
        collection = self._collection(app_id)
        best = Best(limit)
        with self._connection.calling(f"search collection {collection.name}"):
            terms = {term_id(token) for token in tokens}
            documents, holders = await self._holders(collection, terms, where.user_id)
            rarity = {term: idf(documents, count) for term, count in holders.items()}
            rare, common = essential(holders, rarity, enough=max(self._nominees, limit))
            await self._score_words(best, collection, {"$in": rare}, where, rarity)
            if common and (best.least is None or best.least <= bound(common, rarity)):
                await self._score_words(best, collection, {"$in": common, "$nin": rare}, where, rarity)
            return await self._hits(collection, best.scores(), where)

    async def _frequencies(self, app_id: str, tokens: Sequence[str], *, user_id: str | None) -> Frequencies:
        terms = {token: term_id(token) for token in tokens}
        collection = self._collection(app_id)
        with self._connection.calling(f"search collection {collection.name}"):
            documents, holders = await self._holders(collection, set(terms.values()), user_id)
        return Frequencies(documents, {t: holders[term] for t, term in terms.items() if term in holders})

    async def _similarities(
        self, app_id: str, vector: Vectors, record_ids: Sequence[str]
    ) -> dict[str, float]:
        collection = self._collection(app_id)
        best = Best(len(record_ids))
        with self._connection.calling(f"search collection {collection.name}"):
            await self._compare(best, collection, vector, {"_id": {"$in": list(record_ids)}})
        return best.scores()

    async def _scan(self, app_id: str, where: Filter, *, limit: int, start: str | None) -> list[Stored]:
        onwards: Document = {} if start is None else {"_id": {"$gte": start}}
        cursor = self._collection(app_id).find(matching(where, onwards), STORED_FIELDS)
        return await self._stored(cursor.sort("_id", 1).limit(limit))

    async def _count(self, app_id: str, where: Filter) -> int:
        collection = self._collection(app_id)
        with self._connection.calling(f"count collection {collection.name}"):
            return await collection.count_documents(matching(where))

    # Steps of a search, inside ``calling``

    async def _exact(
        self,
        collection: Collection,
        vector: Vectors,
        where: Filter,
        *,
        limit: int,
        further: Document | None = None,
    ) -> list[Hit]:
        best = Best(limit)
        await self._compare(best, collection, vector, matching(where, further))
        return await self._hits(collection, best.scores(), where)

    async def _compare(
        self, best: Best, collection: Collection, vector: Vectors, conditions: Document
    ) -> None:
        size = max(1, _BATCH_BYTES // (4 * len(vector) + 64))
        async for batch in _batches(collection.find(conditions, {"vector": 1}, batch_size=size), size):
            best.offer(_ids(batch), cosines([document["vector"] for document in batch], vector))

    async def _holders(
        self, collection: Collection, terms: set[int], user_id: str | None
    ) -> tuple[int, dict[int, int]]:
        """How many of the user's records have words, and how many hold each of the terms that any holds."""
        asked = [WORDED, *sorted(terms)]
        found: dict[int, int] = {}
        for start in range(0, len(asked), _COUNT_BATCH):
            stages = counting(collection.name, asked[start : start + _COUNT_BATCH], user_id)
            async with await collection.aggregate(stages) as cursor:
                found.update({answer["_id"]: answer["holders"] for answer in await cursor.to_list()})
        return found.pop(WORDED, 0), found

    async def _score_words(
        self,
        best: Best,
        collection: Collection,
        terms: Document,
        where: Filter,
        rarity: Mapping[int, float],
    ) -> None:
        if not terms["$in"]:
            return
        holders = collection.find(matching(where, {"terms": terms}), {"words": 1}, batch_size=_READ_BATCH)
        async for batch in _batches(holders, _READ_BATCH):
            best.offer(_ids(batch), bm25([document["words"] for document in batch], rarity))

    async def _hits(self, collection: Collection, scores: Mapping[str, float], where: Filter) -> list[Hit]:
        """The heads of the scored records, of those that still match."""
        if not scores:
            return []
        conditions = matching(where, {"_id": {"$in": list(scores)}})
        heads = collection.find(conditions, HEAD_FIELDS, batch_size=_READ_BATCH)
        return [
            to_hit(head, scores[head["_id"]])
            async for batch in _batches(heads, _READ_BATCH)
            for head in batch
        ]

    async def _stored(self, cursor: AsyncCursor[Document]) -> list[Stored]:
        with self._connection.calling(f"read collection {cursor.collection.name}"):
            batches = _batches(cursor.batch_size(_READ_BATCH), _READ_BATCH)
            return [to_stored(document) async for batch in batches for document in batch]

    # Where the server has ``$vectorSearch``, inside ``calling``

    async def _is_worth_the_index(self, collection: Collection, where: Filter) -> bool:
        if self._indexes is None or not await self._indexes.is_ready(collection):
            return False
        return await collection.count_documents(matching(where), limit=EXACT_UP_TO + 1) > EXACT_UP_TO

    async def _nearest(
        self, collection: Collection, vector: Vectors, where: Filter, *, limit: int
    ) -> list[Hit]:
        settled = time.time() - SETTLED_AFTER
        stages = nearest(vector, matching(where), written_before=settled, limit=limit)
        async with await collection.aggregate(stages) as cursor:
            old = [to_hit(found, cosine(found[SCORE])) for found in await cursor.to_list()]
        recent = {"written_at": {"$gte": settled}}
        new = await self._exact(collection, vector, where, limit=limit, further=recent)
        return list({hit.id: hit for hit in (*old, *new)}.values())

    # Shared steps

    @property
    def _connection(self) -> Connection:
        if self._connected is None:
            raise StoreError("the store was closed meanwhile")
        return self._connected

    @property
    def _catalogue(self) -> Collection:
        return self._connection.collection(CATALOGUE)

    def _collection(self, app_id: str) -> Collection:
        return self._connection.collection(collection_name(app_id))

    def _require_indexes(self, name: str, present: set[str]) -> None:
        for index in INDEXES:
            wanted = index.document
            if wanted["name"] not in present:
                raise StoreError(
                    f"the collection {name!r} in database {self._connection.database.name!r} lost its index "
                    f"{wanted['name']!r}; restore it in mongosh with db.{name}.createIndex("
                    f"{dict(wanted['key'])}, {{name: {wanted['name']!r}}})"
                )


async def _batches(cursor: AsyncCursor[Document], size: int) -> AsyncIterator[list[Document]]:
    """The cursor's documents, at most ``size`` in memory; its place on the server is freed at the end."""
    async with cursor:
        while batch := await cursor.to_list(size):
            yield batch


def _ids(documents: Sequence[Document]) -> list[str]:
    return [document["_id"] for document in documents]
