"""Records as rows of a table and back. Pure."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from omnimemory.core.schemas import Status
from omnimemory.models.base import Vectors
from omnimemory.stores.records import Hit, Record, RecordKind, Stored

if TYPE_CHECKING:
    import asyncpg

    Found: TypeAlias = asyncpg.Record

Row: TypeAlias = tuple[object, ...]
"""The values of ``postgres_sql.COLUMNS``, in their order."""

SPARSE_ENTRIES = 16_000
"""Most entries of one sparse vector (a limit of pgvector)."""
_SPARSE_SIZE = 1_000_000_000
"""Most dimensions of a sparse vector. Term ids are folded into it, so that two words are taken for one
four times as often as by their ids alone: in about one of a billion pairs."""
_ESCAPE = "\x1a"


def packed_vector(vector: Vectors) -> bytes:
    """``vector`` in pgvector's binary format."""
    return len(vector).to_bytes(2, "big") + b"\0\0" + vector.astype(">f4").tobytes()


def packed_words(by_term: Mapping[int, float]) -> bytes:
    """Numbers by term id as a sparse vector in pgvector's binary format."""
    terms = np.fromiter(by_term.keys(), np.int64, len(by_term)) % _SPARSE_SIZE
    numbers = np.fromiter(by_term.values(), np.float32, len(by_term))
    order = np.lexsort((-numbers, terms))
    keys, first = np.unique(terms[order], return_index=True)  # of two folded into one, the larger number
    head = np.array([_SPARSE_SIZE, len(keys), 0], dtype=">i4")
    return head.tobytes() + keys.astype(">i4").tobytes() + numbers[order][first].astype(">f4").tobytes()


def keys_of(terms: Sequence[int], user_id: str | None) -> list[int]:
    """What the word indexes know terms by: of one user's records, or of all (without a user).

    For one user, different terms have different keys; those of other users may coincide.
    """
    if user_id is not None:
        user = user_id.encode()
        terms = [zlib.crc32(user, term) for term in terms]
    return [term - (term >> 31 << 32) for term in terms]  # as the database's signed integers


@lru_cache(maxsize=4096)
def facet_key(facet: str) -> int:
    """A facet of any length as a 64-bit number."""
    return int.from_bytes(hashlib.blake2b(facet.encode(), digest_size=8).digest(), "big", signed=True)


def escaped(text: str) -> str:
    """``text`` without NUL, which PostgreSQL cannot hold; ``unescaped`` restores it."""
    if "\0" not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, f"{_ESCAPE}1").replace("\0", f"{_ESCAPE}0")


def unescaped(text: str) -> str:
    if _ESCAPE not in text:
        return text
    return text.replace(f"{_ESCAPE}0", "\0").replace(f"{_ESCAPE}1", _ESCAPE)


def to_row(record: Record) -> Row:
    by_term = record.words
    terms = list(by_term)
    spill: list[float] | None = None
    if len(terms) > SPARSE_ENTRIES:
        spill = [by_term[term] for term in terms[SPARSE_ENTRIES:]]
        by_term = {term: by_term[term] for term in terms[:SPARSE_ENTRIES]}
    return (
        record.id,
        record.memory_id,
        record.kind.value,
        record.user_id,
        record.session_id,
        record.version,
        record.status.value,
        record.occurred_at,
        record.created_at,
        record.evidence_at,
        record.ended_at,
        record.importance,
        record.substance,
        None if record.statement_id is None else escaped(record.statement_id),
        [facet_key(facet) for facet in record.facets],
        bool(terms),
        keys_of(terms, None),
        keys_of(terms, record.user_id),
        packed_words(by_term),
        spill,
        packed_vector(record.vector),
        escaped(record.document),
    )


def to_hit(row: Found) -> Hit:
    statement_id = row["statement_id"]
    return Hit(
        str(row["id"]),
        str(row["memory_id"]),
        RecordKind(row["kind"]),
        None if statement_id is None else unescaped(statement_id),
        row["version"],
        row["score"],
        row["evidence_at"],
        row["importance"],
        row["substance"],
    )


def to_hits(rows: Sequence[Found]) -> list[Hit]:
    return [to_hit(row) for row in rows]


def to_stored(row: Found) -> Stored:
    return Stored(
        id=str(row["id"]),
        memory_id=str(row["memory_id"]),
        kind=RecordKind(row["kind"]),
        user_id=row["user_id"],
        version=row["version"],
        status=Status(row["status"]),
        document=unescaped(row["document"]),
    )
