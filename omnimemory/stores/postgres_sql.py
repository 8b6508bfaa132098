"""The SQL of the PostgreSQL store. Pure.

The only names put into it are the schema's, which is checked, and those that
``core.ids.collection_name`` makes (``[a-z0-9_]``). Every value is a parameter.
"""

# ruff: noqa: S608  # see above: no text from outside gets into a statement

from __future__ import annotations

from dataclasses import dataclass, field

from omnimemory.core.schemas import Status
from omnimemory.stores.postgres_rows import SPARSE_ENTRIES, facet_key
from omnimemory.stores.records import Filter, RecordKind

LAYOUT = 1
"""Version of the tables' layout."""
INDEXED_DIMENSIONS = 4_000
"""Vectors of more dimensions get no HNSW index (a limit of pgvector) and are always compared one by one."""

_TYPES = {
    "id": "uuid PRIMARY KEY",
    "memory_id": "uuid NOT NULL",
    "kind": "text NOT NULL",
    "user_id": 'text COLLATE "C" NOT NULL',
    "session_id": 'text COLLATE "C"',
    "version": "bigint NOT NULL",
    "status": "text NOT NULL",
    "occurred_at": "double precision NOT NULL",
    "created_at": "double precision NOT NULL",
    "evidence_at": "double precision NOT NULL",
    "ended_at": "double precision NOT NULL",
    "importance": "double precision NOT NULL",
    "substance": "double precision NOT NULL",
    "statement_id": "text",
    "facets": "bigint[] NOT NULL",
    "worded": "boolean NOT NULL",
    "terms": "integer[] NOT NULL",
    "own_terms": "integer[] NOT NULL",
    "words": "sparsevec NOT NULL",
    "spill": "real[]",
    "embedding": "vector({dimensions}) NOT NULL",
    "document": "text NOT NULL",
}
COLUMNS = tuple(_TYPES)
_HIT = "id, memory_id, kind, statement_id, version, evidence_at, importance, substance"
_STORED = "id, memory_id, kind, user_id, version, status, document"
_MARGIN = 40
"""Neighbours asked of the HNSW index beyond the limit; its half-precision order is put right among them."""


@dataclass(slots=True)
class Query:
    """A statement in the making, and the values of its parameters."""

    values: list[object] = field(default_factory=list)

    def put(self, value: object) -> str:
        """The parameter that stands for ``value``."""
        self.values.append(value)
        return f"${len(self.values)}"

    def conditions(self, where: Filter) -> str:
        """``where`` as SQL; what excludes nothing is left out."""
        parts = [] if where.user_id is None else [f"user_id = {self.put(where.user_id)}"]
        return " AND ".join([*parts, *self.others(where)]) or "true"

    def others(self, where: Filter) -> list[str]:
        """All conditions but the one on the user."""
        parts = []
        if where.session_id is not None:
            parts.append(f"session_id = {self.put(where.session_id)}")
        if len(where.kinds) < len(RecordKind):
            parts.append(f"kind = ANY({self.put(sorted(kind.value for kind in where.kinds))}::text[])")
        if len(where.statuses) < len(Status):
            statuses = sorted(status.value for status in where.statuses)
            parts.append(f"status = ANY({self.put(statuses)}::text[])")
        if where.facets:
            parts.append(f"facets @> {self.put([facet_key(facet) for facet in where.facets])}::bigint[]")
        if where.said_after is not None:
            parts.append(f"occurred_at >= {self.put(where.said_after)}::float8")
        if where.said_before is not None:
            parts.append(f"occurred_at < {self.put(where.said_before)}::float8")
        if where.as_of is not None:
            moment = f"{self.put(where.as_of)}::float8"
            parts.append(f"created_at <= {moment} AND ended_at > {moment}")
        return parts


@dataclass(frozen=True, slots=True)
class Table:
    """The statements over one app's table."""

    schema: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def vector_index(self) -> str:
        return f"{self.path}_hnsw"

    # Making it

    def create(self, dimensions: int) -> list[str]:
        """The table, its indexes, and what stays beside a row when the row is long."""
        columns = ", ".join(f"{name} {kind}" for name, kind in _TYPES.items())
        main = ", ".join(
            f"ALTER {name} SET STORAGE MAIN" for name in ("embedding", "words", "terms", "own_terms")
        )
        return [
            f"CREATE TABLE {self.path} ({columns.format(dimensions=dimensions)})",
            f"ALTER TABLE {self.path} {main}",
            *self.indexes().values(),
        ]

    def indexes(self) -> dict[str, str]:
        """The statement that makes each index, by its first column.

        The index of each user's words takes what is written at once: otherwise every search would read
        the list of what is yet to be indexed. Those that serve whole apps let writers be quick.
        """
        of = f"CREATE INDEX ON {self.path}"
        return {
            "user_id": f"{of} (user_id, id) INCLUDE (worded)",
            "session_id": f"{of} (session_id, user_id)",
            "memory_id": f"{of} (memory_id)",
            "facets": f"{of} USING gin (facets)",
            "terms": f"{of} USING gin (terms)",
            "own_terms": f"{of} USING gin (own_terms) WITH (fastupdate = off)",
        }

    def indexed(self, query: Query) -> str:
        """The first columns of the table's indexes."""
        return (
            "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]"
            f" WHERE indrelid = {query.put(self.path)}::text::regclass AND indisvalid"
        )

    def index_vectors(self, dimensions: int) -> str:
        return (
            f"CREATE INDEX IF NOT EXISTS {self.name}_hnsw ON {self.path}"
            f" USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops)"
        )

    def drop(self) -> str:
        return f"DROP TABLE IF EXISTS {self.path}"

    # Writing

    def upsert(self) -> str:
        names = ", ".join(COLUMNS)
        values = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))
        replaced = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
        return (
            f"INSERT INTO {self.path} ({names}) VALUES ({values}) ON CONFLICT (id) DO UPDATE SET {replaced}"
        )

    def delete(self, query: Query, memory_ids: list[str], user_id: str | None) -> str:
        own = "" if user_id is None else f" AND user_id = {query.put(user_id)}"
        return f"DELETE FROM {self.path} WHERE memory_id = ANY({query.put(memory_ids)}::uuid[]){own}"

    # Reading

    def heads(self, query: Query, memory_ids: list[str]) -> str:
        ids = query.put(memory_ids)
        return f"SELECT {_STORED} FROM {self.path} WHERE id = ANY({ids}::uuid[]) AND id = memory_id"

    def scan(self, query: Query, where: Filter, *, limit: int, start: str | None) -> str:
        at = "" if start is None else f" AND id >= {query.put(start)}::uuid"
        return (
            f"SELECT {_STORED} FROM {self.path} WHERE {query.conditions(where)}{at}"
            f" ORDER BY id LIMIT {query.put(limit)}"
        )

    def count(self, query: Query, where: Filter) -> str:
        return f"SELECT count(*) FROM {self.path} WHERE {query.conditions(where)}"

    def similarities(self, query: Query, vector: bytes, record_ids: list[str]) -> str:
        return (
            f"SELECT id, 1 - (embedding <=> {query.put(vector)}::vector) AS score FROM {self.path}"
            f" WHERE id = ANY({query.put(record_ids)}::uuid[])"
        )

    def nearest(self, query: Query, vector: bytes, where: Filter, *, limit: int) -> str:
        """Every record that matches is compared: exact, and in the order of ids where scores are equal."""
        return (
            f"SELECT {_HIT}, 1 - (embedding <=> {query.put(vector)}::vector) AS score FROM {self.path}"
            f" WHERE {query.conditions(where)} ORDER BY score DESC, id LIMIT {query.put(limit)}"
        )

    def nearest_by_index(
        self, query: Query, vector: bytes, where: Filter, *, limit: int, dimensions: int
    ) -> str:
        """The HNSW index nominates; its nominees are compared exactly."""
        given = query.put(vector)
        half = f"halfvec({dimensions})"
        return (
            f"SELECT {_HIT}, 1 - (embedding <=> {given}::vector) AS score FROM (SELECT * FROM {self.path}"
            f" WHERE {query.conditions(where)} ORDER BY embedding::{half} <=> {given}::vector::{half}"
            f" LIMIT {query.put(limit + _MARGIN)}) AS near ORDER BY score DESC, id LIMIT {query.put(limit)}"
        )

    def size(self, query: Query, user_id: str | None, *, least: int, per_total: int) -> str:
        """``large``: whether at least ``least`` records are the user's (in the table, without one), and so
        large a share of the table that an index over all of it finds them sooner than comparing each."""
        own = "" if user_id is None else f" WHERE user_id = {query.put(user_id)}"
        bound = (
            f"SELECT greatest({query.put(least)}::float8, sqrt({query.put(per_total)}::float8"
            f" * greatest(reltuples, 0)))::bigint AS least"
            f" FROM pg_class WHERE oid = {query.put(self.path)}::text::regclass"
        )
        return (
            f"WITH bound AS MATERIALIZED ({bound}) SELECT (SELECT count(*) FROM (SELECT FROM {self.path}{own}"
            f" LIMIT (SELECT least FROM bound)) AS found) >= (SELECT least FROM bound) AS large"
        )

    def frequencies(self, query: Query, keys: list[int], user_id: str | None) -> str:
        """How many records hold each key, and in the row without one, how many hold any."""
        given = query.put(keys)
        if user_id is None:
            total, held = "worded", "terms @> ARRAY[key]"
        else:
            user = query.put(user_id)
            total = f"user_id = {user} AND worded"
            held = f"own_terms @> ARRAY[key] AND {_of_user(user)}"
        return (
            f"SELECT NULL::integer AS key, count(*) AS held FROM {self.path} WHERE {total}"
            f" UNION ALL SELECT key, (SELECT count(*) FROM {self.path} WHERE {held})"
            f" FROM unnest({given}::integer[]) AS key"
        )

    def best_by_words(
        self,
        query: Query,
        words: list[bytes],
        where: Filter,
        *,
        keys: list[int],
        terms: list[int],
        rarities: list[float],
        limit: int,
    ) -> str:
        """BM25, summed by the database over ``words``: the rarities by term, as sparse vectors."""
        held = "terms" if where.user_id is None else "own_terms"
        user = [] if where.user_id is None else [_of_user(query.put(where.user_id))]
        score = " ".join(f"- (words <#> {query.put(part)}::sparsevec)" for part in words)
        spilled = (
            f"CASE WHEN spill IS NULL THEN 0 ELSE (SELECT coalesce(sum(weight * rarity), 0)"
            f" FROM unnest(terms[{SPARSE_ENTRIES + 1}:], spill) AS s(term, weight)"
            f" JOIN unnest({query.put(terms)}::integer[], {query.put(rarities)}::real[]) AS q(term, rarity)"
            f" USING (term)) END"
        )
        found = " AND ".join([f"{held} && {query.put(keys)}::integer[]", *user, *query.others(where)])
        return (
            f"SELECT {_HIT}, {score} + {spilled} AS score FROM {self.path} WHERE {found}"
            f" ORDER BY score DESC, id LIMIT {query.put(limit)}"
        )


def _of_user(parameter: str) -> str:
    """The user's records, by a condition that no index serves: the keys of ``own_terms`` are already the
    user's, and reading all of the user's records to intersect with them takes longer."""
    return f"(user_id = {parameter}) IS TRUE"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The statements over the table that says which tables are ours and what they were built with."""

    schema: str

    @property
    def path(self) -> str:
        return f"{self.schema}.collections"

    def create_schema(self) -> str:
        return f"CREATE SCHEMA {self.schema}"

    def create(self) -> str:
        return (
            f"CREATE TABLE IF NOT EXISTS {self.path} (name text PRIMARY KEY, app_id text NOT NULL,"
            " embedder text NOT NULL, dimensions integer NOT NULL, analyser text NOT NULL,"
            " layout integer NOT NULL)"
        )

    def put(self) -> str:
        return (
            f"INSERT INTO {self.path} (name, app_id, embedder, dimensions, analyser, layout)"
            " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET app_id = excluded.app_id,"
            " embedder = excluded.embedder, dimensions = excluded.dimensions,"
            " analyser = excluded.analyser, layout = excluded.layout"
        )

    def remove(self) -> str:
        return f"DELETE FROM {self.path} WHERE name = $1"

    def one(self) -> str:
        return f"{self._whole()} AND name = $1"

    def every(self) -> str:
        return f"{self._whole()} ORDER BY name"

    def _whole(self) -> str:
        """Those whose table is there."""
        return (
            f"SELECT app_id, embedder, dimensions, analyser, layout FROM {self.path}"
            f" WHERE to_regclass('{self.schema}.' || name) IS NOT NULL"
        )
