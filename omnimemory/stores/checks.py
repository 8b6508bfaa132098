"""What every store refuses before its backend sees it. Pure; each check says what to change."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from omnimemory.core.errors import DimensionMismatch, InvalidRequest
from omnimemory.core.ids import check_id
from omnimemory.models.base import Vectors
from omnimemory.stores.records import Filter, Fingerprint, Record, RecordKind

MAX_LIMIT = 10_000
MAX_IDS = 10_000
UNIT_TOLERANCE = 1e-3
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_record_id(value: object) -> bool:
    """Whether ``value`` is UUID text in its canonical, lower-case form."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def check_limit(limit: int) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"limit must be a whole number from 1 to {MAX_LIMIT}, got {limit!r}")


def known_ids(ids: Iterable[str], field: str) -> list[str]:
    """The distinct ids that can exist, in order; any other text names nothing."""
    if isinstance(ids, str):
        raise InvalidRequest(f"{field} must be a list of ids, got one text; wrap it in a list")
    found = [value for value in dict.fromkeys(ids) if is_record_id(value)]
    if len(found) > MAX_IDS:
        raise InvalidRequest(f"{field} has {len(found)} ids; at most {MAX_IDS} are allowed in one call")
    return found


def check_filter(where: Filter) -> None:
    """Refuse scope ids and times that no record can have."""
    if where.user_id is not None:
        check_id(where.user_id, "user_id")
    if where.session_id is not None:
        check_id(where.session_id, "session_id")
    for name in ("said_after", "said_before", "as_of"):
        value = getattr(where, name)
        if value is not None and not math.isfinite(value):
            raise InvalidRequest(f"{name} must be seconds since the epoch, got {value!r}")
    for facet in where.facets:
        _check_text(facet, "a facet of the filter")


def check_vectors(vectors: Sequence[Vectors], fingerprint: Fingerprint) -> None:
    """Every vector has the collection's shape, is finite and has unit length.

    Raises:
        DimensionMismatch: naming both numbers of dimensions.
        InvalidRequest: a vector that is not finite or not of unit length.
    """
    import numpy as np

    for vector in vectors:
        if vector.shape != (fingerprint.dimensions,):
            shape = "x".join(str(n) for n in vector.shape)
            raise DimensionMismatch(
                f"a vector of {shape} dimensions was given to a collection of {fingerprint.dimensions} "
                f"(built by {fingerprint.embedder!r}); use that embedder or run `omnimemory reindex`"
            )
        length = math.sqrt(np.vdot(vector, vector))  # of all ways the quickest for one row
        if not abs(length - 1.0) <= UNIT_TOLERANCE:  # also for NaN
            raise InvalidRequest(
                "a vector is not finite or not of unit length; normalise the embedder's output"
            )


def check_records(records: Sequence[Record]) -> None:
    """Ids are unique and canonical, heads carry their memory's id, every number is finite."""
    if len({record.id for record in records}) != len(records):
        raise InvalidRequest("two records of one upsert share an id; give each record its own")
    for user_id in {record.user_id for record in records}:
        check_id(user_id, "user_id")
    for session_id in {record.session_id for record in records}:
        if session_id is not None:
            check_id(session_id, "session_id")
    for record in records:
        _check_record(record)


def _check_record(record: Record) -> None:
    if not (is_record_id(record.id) and is_record_id(record.memory_id)):
        raise InvalidRequest(f"record {record.id!r}: id and memory_id must be lower-case UUID text")
    is_statement = record.kind is RecordKind.STATEMENT
    if is_statement == (record.id == record.memory_id) or is_statement == (record.statement_id is None):
        raise InvalidRequest(
            f"record {record.id}: a turn or note has its memory's id and no statement_id, "
            "a statement has an id of its own and a statement_id"
        )
    if record.version < 1:
        raise InvalidRequest(f"record {record.id}: versions count from 1, got {record.version}")
    numbers = (record.occurred_at, record.created_at, record.evidence_at, record.importance)
    if not all(map(math.isfinite, numbers)) or math.isnan(record.ended_at):
        raise InvalidRequest(f"record {record.id}: a time or the importance is not a finite number")
    _check_text(record.document, f"the document of record {record.id}")
    for facet in record.facets:
        _check_text(facet, f"a facet of record {record.id}")


def _check_text(text: str, what: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise InvalidRequest(f"{what} holds a lone surrogate; decode it as UTF-8 first") from exc
