"""PostgreSQL with pgvector: one table per app, in a schema of our own.

Over asyncpg alone. langchain-postgres was measured and left aside: its ``PGVectorStore`` writes row by
row, each in a transaction of its own, and filters neither words nor arrays. It can read these tables
(``tests/contract/test_postgres.py`` shows how).
"""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

import asyncpg

from omnimemory.core.errors import ConfigError, InvalidRequest, StoreError, StoreUnavailable
from omnimemory.core.ids import collection_name
from omnimemory.core.lexical import Frequencies, idf, term_id
from omnimemory.models.base import Vectors
from omnimemory.stores.base import VectorStore
from omnimemory.stores.postgres_connections import EXAMPLE, Connections, exclusively
from omnimemory.stores.postgres_rows import (
    SPARSE_ENTRIES,
    Row,
    keys_of,
    packed_vector,
    packed_words,
    to_hits,
    to_row,
    to_stored,
)
from omnimemory.stores.postgres_sql import INDEXED_DIMENSIONS, LAYOUT, Catalogue, Query, Table
from omnimemory.stores.records import Filter, Fingerprint, Hit, PoolStats, Record, Stored

if TYPE_CHECKING:
    from omnimemory.core.settings import Settings
    from omnimemory.stores.postgres_connections import Connection

logger = logging.getLogger(__name__)
T = TypeVar("T")

_UPSERT_BATCH = 128
"""Records turned into rows in one go: 10 ms of the loop."""
_PER_TOTAL = 1_000
"""An index over N records serves a user with n of them when n * n > 1,000 * N: walking past the others
to 60 of the user's then takes less time than comparing all of the user's."""
_SIZE_KEPT = 300.0
"""Seconds for which it is remembered whether a user is large."""
_SIZES_KEPT = 10_000
_CHECK_EVERY = 2_000
"""Records written between two looks at whether a table has become large; the first write looks, too."""
_BUILD_SECONDS = 600.0


class PostgresStore(VectorStore):
    """Tables in ``schema`` of the database at ``uri``.

    Searches within fewer than ``index_at`` records compare each and are exact. A table that outgrows
    that gets an HNSW index (once, in a few seconds, while writes to it wait), which from then on serves
    searches of large users and of whole apps, as far as user, kind and status narrow them: it nominates
    neighbours in half precision, which are compared exactly. It makes writes about four times slower,
    so raise ``index_at`` where no single user has many records. Words are always exact.

    A call takes at most ``timeout`` seconds, waiting for one of ``max_connections`` included. A server
    that is down delays nothing but the calls made meanwhile: the store opens without it.
    """

    provider: ClassVar[str] = "postgresql"

    def __init__(
        self,
        uri: str,
        *,
        schema: str = "omnimemory",
        max_connections: int = 10,
        timeout: float = 10.0,
        index_at: int = 10_000,
    ) -> None:
        super().__init__()
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
            raise InvalidRequest(f"schema must be lower-case letters, digits and _, got {schema!r}")
        limits = {"max_connections": max_connections, "timeout": timeout, "index_at": index_at}
        for name, value in limits.items():
            if value <= 0:
                raise InvalidRequest(f"{name} must be more than 0, got {value}")
        self._connections = Connections(uri, limit=max_connections, timeout=timeout)
        self._schema = schema
        self._index_at = index_at
        self._catalogue = Catalogue(schema)
        self._sizes: dict[tuple[str, str | None], tuple[bool, float]] = {}
        self._unchecked: defaultdict[str, int] = defaultdict(lambda: _CHECK_EVERY)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        if settings.postgres_uri is None:
            raise ConfigError(f"POSTGRES_URI is not set; a right value is {EXAMPLE}")
        return cls(
            settings.postgres_uri.get_secret_value(),
            max_connections=settings.max_connections,
            timeout=settings.vector_db_timeout,
        )

    def pool_stats(self) -> PoolStats:
        return self._connections.stats()

    # Lifetime

    async def _open(self) -> None:
        await self._connections.open()
        try:
            await self._check()
        except StoreUnavailable as exc:
            logger.warning("the vector store is not there yet, calls will fail until it is: %s", exc)
        except BaseException:  # cancelled, too: a store that did not open is not closed by its caller
            await self._connections.close()
            raise

    async def _close(self) -> None:
        self._sizes.clear()
        self._unchecked.clear()
        await self._connections.close()

    async def _check(self) -> None:
        await self._connections.run(lambda connection: connection.fetchval("SELECT 1"))

    # Collections

    async def _fingerprint(self, app_id: str) -> Fingerprint | None:
        return await self._connections.run(partial(self._described, app_id))

    async def _described(self, app_id: str, connection: Connection) -> Fingerprint | None:
        table = self._table(app_id)
        try:
            found = await connection.fetchrow(self._catalogue.one(), table.name)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            return None
        if found is None:
            return None
        if found["layout"] != LAYOUT:
            raise StoreError(
                f"the table {table.path} has layout {found['layout']} and this release knows {LAYOUT}; "
                "use the release that made it, or drop the table and run `omnimemory rebuild`"
            )
        query = Query()
        indexed = {row["attname"] for row in await connection.fetch(table.indexed(query), *query.values)}
        lost = [made_by for column, made_by in table.indexes().items() if column not in indexed]
        if lost:
            raise StoreError(
                f"the table {table.path} in {self._connections.place} lost an index; restore it with "
                f"`{'; '.join(lost)}`"
            )
        return _fingerprint_of(found)

    async def _create(self, app_id: str, fingerprint: Fingerprint) -> None:
        async def create(connection: Connection) -> None:
            async with connection.transaction():
                await exclusively(connection)
                if await connection.fetchval("SELECT to_regnamespace($1) IS NULL", self._schema):
                    await connection.execute(self._catalogue.create_schema())
                await connection.execute(self._catalogue.create())
                found = await self._described(app_id, connection)
                if found is None:
                    await self._build(app_id, fingerprint, connection)
                elif found != fingerprint:
                    raise StoreUnavailable(f"app {app_id!r} was just built by another process; try again")

        await self._connections.run(create)

    async def _build(self, app_id: str, fingerprint: Fingerprint, connection: Connection) -> None:
        table = self._table(app_id)
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table.path):
            raise StoreError(
                f"the table {table.path} in {self._connections.place} was made by another program; rename it"
            )
        for statement in table.create(fingerprint.dimensions):
            await connection.execute(statement)
        built_with = fingerprint.embedder, fingerprint.dimensions, fingerprint.analyser
        await connection.execute(self._catalogue.put(), table.name, app_id, *built_with, LAYOUT)

    async def _collections(self) -> dict[str, Fingerprint]:
        async def read(connection: Connection) -> list[asyncpg.Record]:
            try:
                return await connection.fetch(self._catalogue.every())
            except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
                return []

        return {row["app_id"]: _fingerprint_of(row) for row in await self._connections.run(read)}

    async def _drop(self, app_id: str) -> None:
        async def drop(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute(self._catalogue.remove(), table.name)
                await connection.execute(table.drop())

        table = self._table(app_id)
        await self._connections.run(drop)
        self._sizes = {key: size for key, size in self._sizes.items() if key[0] != app_id}
        self._unchecked.pop(app_id, None)

    # Writes

    async def _upsert(self, app_id: str, records: Sequence[Record]) -> None:
        statement = self._table(app_id).upsert()
        in_order = sorted(records, key=lambda record: record.id)  # two writers never wait for each other
        for start in range(0, len(in_order), _UPSERT_BATCH):
            rows = [to_row(record) for record in in_order[start : start + _UPSERT_BATCH]]
            await self._run(app_id, partial(_executed, statement, rows))
        self._unchecked[app_id] += len(records)
        if self._unchecked[app_id] >= _CHECK_EVERY:
            await self._index_if_large(app_id)
            self._unchecked[app_id] = 0

    async def _index_if_large(self, app_id: str) -> None:
        table, dimensions = self._table(app_id), self._fingerprints[app_id].dimensions
        if dimensions > INDEXED_DIMENSIONS or not await self._measured(app_id, None):
            return

        async def build(connection: Connection) -> None:
            if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table.vector_index):
                return  # asking CREATE INDEX to find out would hold up writers
            async with connection.transaction():
                await connection.execute("SET LOCAL statement_timeout = 0")
                await connection.execute(table.index_vectors(dimensions))

        await self._connections.run(build, timeout=_BUILD_SECONDS)

    async def _delete(self, app_id: str, memory_ids: Sequence[str], *, user_id: str | None) -> None:
        query = Query()
        await self._fetch(app_id, self._table(app_id).delete(query, list(memory_ids), user_id), query)

    # Reads

    async def _get(self, app_id: str, memory_ids: Sequence[str]) -> list[Stored]:
        query = Query()
        rows = await self._fetch(app_id, self._table(app_id).heads(query, list(memory_ids)), query)
        return [to_stored(row) for row in rows]

    async def _dense(self, app_id: str, vector: Vectors, where: Filter, *, limit: int) -> list[Hit]:
        table, packed = self._table(app_id), packed_vector(vector)
        if await self._is_index_worthwhile(app_id, where):
            query = Query()
            dimensions = len(vector)
            statement = table.nearest_by_index(query, packed, where, limit=limit, dimensions=dimensions)
            rows = await self._fetch(app_id, statement, query)
            if len(rows) == limit:
                return to_hits(rows)
        query = Query()
        statement = table.nearest(query, packed, where, limit=limit)
        return to_hits(await self._fetch(app_id, statement, query))

    async def _lexical(self, app_id: str, tokens: Sequence[str], where: Filter, *, limit: int) -> list[Hit]:
        frequencies = await self._frequencies(app_id, tokens, user_id=where.user_id)
        rarities = {
            term_id(token): idf(frequencies.documents, count) for token, count in frequencies.counts.items()
        }
        if not rarities:
            return []
        query, terms = Query(), list(rarities)
        starts = range(0, len(terms), SPARSE_ENTRIES)
        statement = self._table(app_id).best_by_words(
            query,
            [packed_words({t: rarities[t] for t in terms[at : at + SPARSE_ENTRIES]}) for at in starts],
            where,
            keys=keys_of(terms, where.user_id),
            terms=keys_of(terms, None),
            rarities=list(rarities.values()),
            limit=limit,
        )
        return to_hits(await self._fetch(app_id, statement, query))

    async def _frequencies(self, app_id: str, tokens: Sequence[str], *, user_id: str | None) -> Frequencies:
        query = Query()
        keys = dict(zip(tokens, keys_of([term_id(token) for token in tokens], user_id), strict=True))
        statement = self._table(app_id).frequencies(query, list(set(keys.values())), user_id)
        held = {row["key"]: row["held"] for row in await self._fetch(app_id, statement, query)}
        return Frequencies(held[None], {token: held[key] for token, key in keys.items() if held[key]})

    async def _similarities(
        self, app_id: str, vector: Vectors, record_ids: Sequence[str]
    ) -> dict[str, float]:
        query = Query()
        statement = self._table(app_id).similarities(query, packed_vector(vector), list(record_ids))
        return {str(row["id"]): row["score"] for row in await self._fetch(app_id, statement, query)}

    async def _scan(self, app_id: str, where: Filter, *, limit: int, start: str | None) -> list[Stored]:
        query = Query()
        statement = self._table(app_id).scan(query, where, limit=limit, start=start)
        return [to_stored(row) for row in await self._fetch(app_id, statement, query)]

    async def _count(self, app_id: str, where: Filter) -> int:
        query = Query()
        (row,) = await self._fetch(app_id, self._table(app_id).count(query, where), query)
        return int(row["count"])

    # Shared steps

    def _table(self, app_id: str) -> Table:
        return Table(self._schema, collection_name(app_id))

    async def _fetch(self, app_id: str, statement: str, query: Query) -> list[asyncpg.Record]:
        values = query.values
        return await self._run(app_id, lambda connection: connection.fetch(statement, *values))

    async def _run(self, app_id: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What ``work`` answers; after a failure it is read anew what the collection was built with."""
        try:
            return await self._connections.run(work)
        except StoreError:
            self._fingerprints.pop(app_id, None)
            raise

    async def _is_index_worthwhile(self, app_id: str, where: Filter) -> bool:
        """Whether so much is searched that the nearest by the index will do; never within a narrow filter."""
        narrow = where.session_id, where.said_after, where.said_before, where.as_of
        if where.facets or narrow != (None, None, None, None):
            return False
        large, until = self._sizes.get((app_id, where.user_id), (False, 0.0))
        return large if time.monotonic() < until else await self._measured(app_id, where.user_id)

    async def _measured(self, app_id: str, user_id: str | None) -> bool:
        query = Query()
        statement = self._table(app_id).size(query, user_id, least=self._index_at, per_total=_PER_TOTAL)
        (row,) = await self._fetch(app_id, statement, query)
        if len(self._sizes) >= _SIZES_KEPT:
            self._sizes.clear()
        self._sizes[app_id, user_id] = bool(row["large"]), time.monotonic() + _SIZE_KEPT
        return bool(row["large"])


async def _executed(statement: str, rows: Sequence[Row], connection: Connection) -> None:
    """All of the rows or none, in one round trip."""
    await connection.executemany(statement, rows)


def _fingerprint_of(row: asyncpg.Record) -> Fingerprint:
    return Fingerprint(embedder=row["embedder"], dimensions=row["dimensions"], analyser=row["analyser"])
