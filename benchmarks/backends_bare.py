"""What a store's two searches cost without it: the driver's own calls on the collection the store filled.

``dense`` fetches the nearest records of a scope, ``words`` those that share words with a query, with
what a hit carries, in as few calls as the driver allows. Where the database scores no BM25 (Chroma,
MongoDB) the words are read as scoring needs them. Nothing is checked, bounded, retried or ranked.
Each answers how many records it found.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.backends_parity import APP
from omnimemory.core.ids import collection_name
from omnimemory.core.lexical import term_id
from omnimemory.models.base import Vectors
from omnimemory.recall.recall import DISTINCT
from omnimemory.stores.base import VectorStore
from omnimemory.stores.qdrant_payload import HIT_FIELDS
from omnimemory.stores.records import Filter

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = collection_name(APP)


@dataclass(frozen=True, slots=True)
class Searches:
    """The two legs, by a store or by the driver alone."""

    dense: Callable[[Vectors, Filter], Awaitable[int]]
    words: Callable[[Sequence[str], Filter], Awaitable[int]]


def by_store(store: VectorStore) -> Searches:
    """The legs as recall asks for them."""

    async def dense(vector: Vectors, where: Filter) -> int:
        return len(await store.dense(APP, vector, where, limit=DISTINCT))

    async def words(tokens: Sequence[str], where: Filter) -> int:
        return len(await store.lexical(APP, tokens, where, limit=DISTINCT))

    return Searches(dense, words)


@asynccontextmanager
async def qdrant_local(folder: Path) -> AsyncIterator[Searches]:
    """One shard, an engine call per leg; ``folder`` is the closed store's."""
    import qdrant_edge as qe

    from omnimemory.stores import qdrant_local_points as points
    from omnimemory.stores.qdrant_local_layout import read_manifest, shard_folder

    manifest = read_manifest(folder / NAME)
    shard = qe.EdgeShard.load(
        str(shard_folder(folder / NAME, manifest.shards, 0)), points.shard_config(manifest.fingerprint)
    )

    def search(nearest: qe.Query, where: Filter, params: qe.SearchParams | None) -> int:
        request = qe.QueryRequest(
            DISTINCT,
            query=nearest,
            filter=points.to_filter(where),
            params=params,
            with_payload=HIT_FIELDS,
        )
        return len(shard.query(request))

    async def dense(vector: Vectors, where: Filter) -> int:
        return search(qe.Query.Nearest(vector.tolist(), using=points.MEANING), where, None)

    async def words(tokens: Sequence[str], where: Filter) -> int:
        corpus = None if where.user_id is None else points.of_user(where.user_id)
        said = qe.Query.Nearest(points.query_words(tokens), using=points.WORDS)
        return search(said, where, qe.SearchParams(idf=qe.IdfParams(corpus=corpus)))

    yield Searches(dense, words)
    shard.close()


@asynccontextmanager
async def qdrant_remote(url: str) -> AsyncIterator[Searches]:
    """A query per leg, and a count for each word and for all, at once."""
    from qdrant_client import AsyncQdrantClient, models

    from omnimemory.stores import qdrant_remote_points as points
    from omnimemory.stores.qdrant_remote_layout import MEANING, WORDS

    client = AsyncQdrantClient(url=url, check_compatibility=False)

    async def search(query: list[float] | models.SparseVector, using: str, where: Filter) -> int:
        found = await client.query_points(
            NAME,
            query=query,
            using=using,
            query_filter=points.to_filter(where),
            limit=DISTINCT,
            with_payload=HIT_FIELDS,
        )
        return len(found.points)

    async def dense(vector: Vectors, where: Filter) -> int:
        return await search(vector.tolist(), MEANING, where)

    async def words(tokens: Sequence[str], where: Filter) -> int:
        terms = [term_id(token) for token in tokens]
        counted = [points.with_words(where.user_id), *(points.with_term(t, where.user_id) for t in terms)]
        await asyncio.gather(*(client.count(NAME, count_filter=one, exact=True) for one in counted))
        return await search(points.sparse(dict.fromkeys(terms, 1.0)), WORDS, where)

    yield Searches(dense, words)
    await client.close()


@asynccontextmanager
async def chroma_local(folder: Path) -> AsyncIterator[Searches]:
    """Calls of the embedded client, on the caller's thread."""
    import chromadb
    from chromadb.config import Settings

    quiet = Settings(_env_file=None, anonymized_telemetry=False)
    client: Any = chromadb.PersistentClient(str(folder), settings=quiet)

    async def call(method: Callable[..., Any], **arguments: object) -> Any:
        return method(**arguments)

    yield _chroma(
        client.get_collection(NAME, embedding_function=None),
        client.get_collection(f"{NAME}_words", embedding_function=None),
        call,
    )
    client.close()


@asynccontextmanager
async def chroma_remote(port: int) -> AsyncIterator[Searches]:
    """Calls of Chroma's ``AsyncHttpClient``."""
    import chromadb
    from chromadb.config import Settings

    client = await chromadb.AsyncHttpClient(
        host="127.0.0.1", port=port, settings=Settings(_env_file=None, anonymized_telemetry=False)
    )

    async def call(method: Callable[..., Any], **arguments: object) -> Any:
        return await method(**arguments)

    yield _chroma(
        await client.get_collection(NAME, embedding_function=None),
        await client.get_collection(f"{NAME}_words", embedding_function=None),
        call,
    )


def _chroma(records: Any, worded: Any, call: Callable[..., Awaitable[Any]]) -> Searches:
    from omnimemory.stores import chroma_records as terms_of

    async def dense(vector: Vectors, where: Filter) -> int:
        found = await call(
            records.query,
            query_embeddings=vector[np.newaxis],
            n_results=DISTINCT,
            where=terms_of.matching(where),
            include=["metadatas", "distances"],
        )
        return len(found["ids"][0])

    async def words(tokens: Sequence[str], where: Filter) -> int:
        terms = [term_id(token) for token in tokens]
        holding = terms_of.holding(APP, terms, where.user_id)
        held = (await call(worded.get, where=holding, include=[]))["ids"]
        if where.user_id is None:
            await call(worded.count)
        else:
            await call(worded.get, where=terms_of.worded_by(where.user_id), include=[])
        found = await call(records.get, ids=held, include=["metadatas", "uris"]) if held else {"ids": []}
        return min(len(found["ids"]), DISTINCT)

    return Searches(dense, words)


@asynccontextmanager
async def postgresql(uri: str) -> AsyncIterator[Searches]:
    """The store's statements on one connection: one for the dense leg, two for the words."""
    import asyncpg

    from omnimemory.stores import postgres_rows as rows
    from omnimemory.stores.postgres_sql import Query, Table

    connection = await asyncpg.connect(uri)
    for name in ("vector", "sparsevec"):
        await connection.set_type_codec(name, schema="public", encoder=bytes, decoder=bytes, format="binary")
    table = Table("omnimemory", NAME)

    async def dense(vector: Vectors, where: Filter) -> int:
        query = Query()
        statement = table.nearest(query, rows.packed_vector(vector), where, limit=DISTINCT)
        return len(await connection.fetch(statement, *query.values))

    async def words(tokens: Sequence[str], where: Filter) -> int:
        counting, query = Query(), Query()
        terms = list({term_id(token) for token in tokens})
        keys = rows.keys_of(terms, where.user_id)
        await connection.fetch(table.frequencies(counting, keys, where.user_id), *counting.values)
        statement = table.best_by_words(
            query,
            [rows.packed_words(dict.fromkeys(terms, 1.0))],
            where,
            keys=keys,
            terms=rows.keys_of(terms, None),
            rarities=[1.0] * len(terms),
            limit=DISTINCT,
        )
        return len(await connection.fetch(statement, *query.values))

    yield Searches(dense, words)
    await connection.close()


@asynccontextmanager
async def mongodb(uri: str) -> AsyncIterator[Searches]:
    """Finds and an aggregation; cosines and BM25 are computed here, as in the store."""
    import pymongo

    from omnimemory.stores import mongodb_documents as documents
    from omnimemory.stores.mongodb_scoring import bm25, cosines

    async with pymongo.AsyncMongoClient[documents.Document](uri) as client:
        collection = client.get_default_database()[NAME]

        async def heads(scored: Sequence[Mapping[str, Any]], scores: np.ndarray) -> int:
            best = [scored[place]["_id"] for place in np.argsort(-scores)[:DISTINCT]]
            return len(await collection.find({"_id": {"$in": best}}, documents.HEAD_FIELDS).to_list())

        async def dense(vector: Vectors, where: Filter) -> int:
            found = await collection.find(documents.matching(where), {"vector": 1}).to_list()
            return await heads(found, cosines([one["vector"] for one in found], vector))

        async def words(tokens: Sequence[str], where: Filter) -> int:
            terms = [term_id(token) for token in tokens]
            stages = documents.counting(NAME, [documents.WORDED, *terms], where.user_id)
            await (await collection.aggregate(stages)).to_list()
            held = documents.matching(where, {"terms": {"$in": terms}})
            found = await collection.find(held, {"words": 1}).to_list()
            if not found:
                return 0
            return await heads(found, bm25([one["words"] for one in found], dict.fromkeys(terms, 1.0)))

        yield Searches(dense, words)
