"""A Qdrant server, 1.16 or later: one collection per app, users as tenants within it.

Scores are those of the embedded store. A server knows a word's rarity only per shard, and before
1.19 not per user; so records hold plain BM25 weights, the server counts how many of the user's
records hold each word of a query (an index lookup each, all at once), and the query carries the
rarities. That is exact on a cluster, too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from qdrant_client import AsyncQdrantClient, models

from omnimemory.core.errors import ConfigError, StoreError, StoreUnavailable
from omnimemory.core.ids import collection_name
from omnimemory.core.lexical import Frequencies, idf, term_id
from omnimemory.models.base import Vectors
from omnimemory.stores.base import VectorStore
from omnimemory.stores.qdrant_payload import HIT_FIELDS, STORED_FIELDS
from omnimemory.stores.qdrant_remote_connection import Address, CollectionExists, CollectionGone, Connection
from omnimemory.stores.qdrant_remote_counts import Counts
from omnimemory.stores.qdrant_remote_layout import (
    MEANING,
    WORDS,
    Description,
    dense_config,
    field_indexes,
    sparse_config,
)
from omnimemory.stores.qdrant_remote_points import (
    batches,
    of_memories,
    of_records,
    sparse,
    to_filter,
    to_hit,
    to_stored,
    with_term,
    with_words,
)
from omnimemory.stores.records import Filter, Fingerprint, Hit, PoolStats, Record, Stored

if TYPE_CHECKING:
    from omnimemory.core.settings import Settings

T = TypeVar("T")
U = TypeVar("U")
Query = list[float] | models.SparseVector

_PREFIX = "om_"
_WIDER = 8


class QdrantRemoteStore(VectorStore):
    """Collections on the server at ``url``, by HTTP, or by gRPC when ``grpc_port`` is given.

    Opening connects to nothing: a server that is down is ``StoreUnavailable`` for each call until it
    is up. Each call of the driver is bounded by ``timeout`` seconds. A ``client`` that is handed in
    is used in place of one for ``url`` and stays the caller's to close.

    Raises:
        ConfigError: the URL or a number cannot be used.
    """

    provider: ClassVar[str] = "qdrant-remote"

    def __init__(
        self,
        url: str = "http://localhost:6333",
        *,
        api_key: str | None = None,
        grpc_port: int | None = None,
        timeout: float = 10.0,
        max_connections: int = 10,
        client: AsyncQdrantClient | None = None,
    ) -> None:
        super().__init__()
        address = Address(url, api_key, grpc_port, timeout, max_connections)
        self._connection = Connection(address, client=client)
        self._counts = Counts()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        url, host, key = settings.qdrant_url, settings.qdrant_host, settings.qdrant_api_key
        if url is None and host is None:
            raise ConfigError("OMNI_MEMORY_PROVIDER=qdrant-remote needs a server; set QDRANT_HOST=localhost")
        if url is None:
            host = f"[{host}]" if host is not None and ":" in host else host
            url = f"http://{host}:{settings.qdrant_port}"
        return cls(
            url,
            api_key=None if key is None else key.get_secret_value(),
            grpc_port=settings.qdrant_grpc_port,
            max_connections=settings.max_connections,
            timeout=settings.vector_db_timeout,
        )

    def pool_stats(self) -> PoolStats:
        return self._connection.stats()

    # Lifetime

    async def _open(self) -> None:
        self._connection.open()

    async def _close(self) -> None:
        await self._connection.close()

    async def _check(self) -> None:
        async with self._connection.calling() as client:
            await client.get_collections()

    # Collections

    async def _fingerprint(self, app_id: str) -> Fingerprint | None:
        found = await self._described(app_id)
        return found.fingerprint if found is not None and found.finished else None

    async def _create(self, app_id: str, fingerprint: Fingerprint) -> None:
        """Create, index, and only then mark as finished; what a dead process left midway is completed."""
        found = await self._described(app_id)
        if found is not None and found.fingerprint != fingerprint:  # unfinished, so nothing is in it
            await self._drop(app_id)
            found = None
        if found is None:
            with contextlib.suppress(CollectionExists):
                await self._create_unfinished(app_id, fingerprint)
        name = collection_name(app_id)
        for field, schema in field_indexes().items():
            async with self._connection.calling() as client:
                await client.create_payload_index(name, field, field_schema=schema)
        async with self._connection.calling() as client:
            finished = Description(app_id, fingerprint, finished=True)
            await client.update_collection(name, metadata=finished.metadata())
        if await self._fingerprint(app_id) != fingerprint:
            raise StoreUnavailable(f"another process is creating the collection of app {app_id!r}; try again")

    async def _create_unfinished(self, app_id: str, fingerprint: Fingerprint) -> None:
        name = collection_name(app_id)
        async with self._connection.calling() as client:
            await client.create_collection(
                name,
                vectors_config=dense_config(fingerprint),
                sparse_vectors_config=sparse_config(),
                metadata=Description(app_id, fingerprint, finished=False).metadata(),
            )
        if not await self._metadata(name):
            await self._drop(app_id)
            raise ConfigError("the Qdrant server keeps no collection metadata; use version 1.16 or later")

    async def _collections(self) -> dict[str, Fingerprint]:
        async with self._connection.calling() as client:
            listed = (await client.get_collections()).collections
        names = [found.name for found in listed if found.name.startswith(_PREFIX)]
        metadata = await self._each(self._metadata, names)
        found = [Description.read(each) for each in metadata]
        return {one.app_id: one.fingerprint for one in found if one is not None and one.finished}

    async def _drop(self, app_id: str) -> None:
        async with self._connection.calling() as client:
            await client.delete_collection(collection_name(app_id))
        self._counts.forget(app_id)

    async def _described(self, app_id: str) -> Description | None:
        """None when there is no collection.

        Raises:
            StoreError: there is one that another program made.
        """
        name = collection_name(app_id)
        async with self._connection.calling() as client:
            if not await client.collection_exists(name):
                return None
        found = Description.read(await self._metadata(name))
        if found is None or found.app_id != app_id:
            raise StoreError(
                f"the collection {name!r} that app {app_id!r} needs was made by another program and is left "
                "as it is; rename it, or choose another app id"
            )
        return found

    async def _metadata(self, name: str) -> Mapping[str, object]:
        """Empty when the collection has none, or is gone by now."""
        with contextlib.suppress(CollectionGone):
            async with self._connection.calling() as client:
                return (await client.get_collection(name)).config.metadata or {}
        return {}

    # Writes

    async def _upsert(self, app_id: str, records: Sequence[Record]) -> None:
        try:
            for points in batches(records):
                async with self._using(app_id) as client:
                    await client.upsert(collection_name(app_id), points, wait=True)
        finally:
            self._counts.forget(app_id)

    async def _delete(self, app_id: str, memory_ids: Sequence[str], *, user_id: str | None) -> None:
        doomed = models.FilterSelector(filter=of_memories(memory_ids, user_id=user_id))
        try:
            async with self._using(app_id) as client:
                await client.delete(collection_name(app_id), doomed, wait=True)
        finally:
            self._counts.forget(app_id)

    # Reads

    async def _get(self, app_id: str, memory_ids: Sequence[str]) -> list[Stored]:
        return [to_stored(point) for point in await self._retrieved(app_id, memory_ids, STORED_FIELDS)]

    async def _dense(self, app_id: str, vector: Vectors, where: Filter, *, limit: int) -> list[Hit]:
        return await self._search(app_id, vector.tolist(), MEANING, where, limit=limit)

    async def _lexical(self, app_id: str, tokens: Sequence[str], where: Filter, *, limit: int) -> list[Hit]:
        terms = {term_id(token) for token in tokens}
        documents, counts = await self._counted(app_id, terms, where.user_id)
        rarities = {term: idf(documents, min(count, documents)) for term, count in counts.items() if count}
        if not rarities:
            return []
        return await self._search(app_id, sparse(rarities), WORDS, where, limit=limit)

    async def _frequencies(self, app_id: str, tokens: Sequence[str], *, user_id: str | None) -> Frequencies:
        terms = {token: term_id(token) for token in tokens}
        documents, counts = await self._counted(app_id, set(terms.values()), user_id)
        return Frequencies(documents, {token: counts[term] for token, term in terms.items() if counts[term]})

    async def _similarities(
        self, app_id: str, vector: Vectors, record_ids: Sequence[str]
    ) -> dict[str, float]:
        async with self._using(app_id) as client:
            found = await client.query_points(
                collection_name(app_id),
                query=vector.tolist(),
                using=MEANING,
                query_filter=of_records(record_ids),
                search_params=models.SearchParams(exact=True),
                limit=len(record_ids),
                with_payload=False,
            )
        return {str(point.id): point.score for point in found.points}

    async def _scan(self, app_id: str, where: Filter, *, limit: int, start: str | None) -> list[Stored]:
        async with self._using(app_id) as client:
            points, _ = await client.scroll(
                collection_name(app_id),
                scroll_filter=to_filter(where),
                limit=limit,
                offset=start,
                with_payload=STORED_FIELDS,
                with_vectors=False,
            )
        return [to_stored(point) for point in points]

    async def _count(self, app_id: str, where: Filter) -> int:
        return await self._how_many(app_id, to_filter(where))

    # Shared steps

    async def _search(self, app_id: str, query: Query, using: str, where: Filter, *, limit: int) -> list[Hit]:
        """One leg. A server cuts equal scores at will: a tie across the cut is fetched whole."""
        points = await self._nearest(app_id, query, using, where, limit=limit + 1, fields=HIT_FIELDS)
        if len(points) <= limit or points[limit].score < points[limit - 1].score:
            return [to_hit(point, point.score) for point in points[:limit]]
        amount = limit + 1
        while len(points) == amount and points[-1].score == points[limit - 1].score:
            amount *= _WIDER
            points = await self._nearest(app_id, query, using, where, limit=amount, fields=[])
        points.sort(key=lambda point: (-point.score, str(point.id)))
        scores = {str(point.id): point.score for point in points[:limit]}
        heads = await self._retrieved(app_id, list(scores), HIT_FIELDS)
        return [to_hit(head, scores[str(head.id)]) for head in heads]

    async def _nearest(
        self, app_id: str, query: Query, using: str, where: Filter, *, limit: int, fields: list[str]
    ) -> list[models.ScoredPoint]:
        async with self._using(app_id) as client:
            found = await client.query_points(
                collection_name(app_id),
                query=query,
                using=using,
                query_filter=to_filter(where),
                limit=limit,
                with_payload=fields or False,
            )
        return found.points

    async def _retrieved(
        self, app_id: str, record_ids: Sequence[str], fields: Sequence[str]
    ) -> list[models.Record]:
        async with self._using(app_id) as client:
            return await client.retrieve(
                collection_name(app_id), list(record_ids), with_payload=list(fields), with_vectors=False
            )

    async def _counted(
        self, app_id: str, terms: Collection[int], user_id: str | None
    ) -> tuple[int, dict[int, int]]:
        """How many of the user's records have words, and how many hold each term; 0 where none does."""
        counted = self._counts.of(app_id, user_id)
        missing = [term for term in terms if term not in counted.terms]
        filters = [with_term(term, user_id) for term in missing]
        if counted.documents is None:
            filters.append(with_words(user_id))
        found = await self._each(partial(self._how_many, app_id), filters)
        if counted.documents is None:
            counted.documents = found[-1]
        counted.terms.update(zip(missing, found, strict=False))
        return counted.documents, {term: counted.terms[term] for term in terms}

    async def _how_many(self, app_id: str, condition: models.Filter) -> int:
        async with self._using(app_id) as client:
            found = await client.count(collection_name(app_id), count_filter=condition, exact=True)
        return found.count

    async def _each(self, call: Callable[[U], Awaitable[T]], arguments: Iterable[U]) -> list[T]:
        """The answers in order, as many calls at once as there are connections. One failure ends all."""
        free = asyncio.Semaphore(self._connection.at_once)

        async def answer(argument: U) -> T:
            async with free:
                return await call(argument)

        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(answer(argument)) for argument in arguments]
        except* (StoreError, ConfigError) as failed:
            failure = failed.exceptions[0]
        if failure is not None:
            raise failure
        return [task.result() for task in tasks]

    @contextlib.asynccontextmanager
    async def _using(self, app_id: str) -> AsyncIterator[AsyncQdrantClient]:
        """The client, for one call on the app's collection."""
        try:
            async with self._connection.calling() as client:
                yield client
        except CollectionGone:
            self._fingerprints.pop(app_id, None)
            raise
