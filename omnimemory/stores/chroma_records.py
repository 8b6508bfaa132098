"""Records, filters and words in Chroma's terms. Pure.

A filter of Chroma costs what each of its conditions matches, in all collections of the server
together. So user, kind and status share one field (``shelf``), and a word's number carries the app
and one of 16 groups of its users: what a user's query looks up is about as large as the user's data.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TypeAlias

from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Status
from omnimemory.stores.records import Filter, Hit, Record, RecordKind, Stored

Value: TypeAlias = str | int | float | bool | list[str] | list[int] | None
Fields: TypeAlias = dict[str, Value]
Where: TypeAlias = dict[str, "str | float | list[str] | Where | list[Where]"]

GROUPS = 16
MOST_LISTED = 4_000
"""Items of all lists of one record together: from 5,462 on, Chroma 1.5 accepts the write and then
fails every later call to the collection."""
_PART = "+"
_NEVER = sys.float_info.max
_STATES = tuple(product(RecordKind, Status))


def check_facets(records: Sequence[Record]) -> None:
    """Refuse a record with more facets than Chroma can hold."""
    for record in records:
        if len(record.facets) > MOST_LISTED:
            raise InvalidRequest(
                f"record {record.id} has {len(record.facets)} items of metadata; Chroma holds up to "
                f"{MOST_LISTED} of one record"
            )


def fields_of(record: Record) -> Fields:
    """The record's metadata; None where the record has nothing, which removes what an older one had."""
    return {
        "memory_id": record.memory_id,
        "shelf": _shelf(record.kind, record.status, record.user_id),
        "state": _state(record.kind, record.status),
        "session_id": record.session_id,
        "statement_id": record.statement_id,
        "version": record.version,
        "occurred_at": record.occurred_at,
        "created_at": record.created_at,
        "ended_at": min(record.ended_at, _NEVER),
        "evidence_at": None if record.evidence_at == record.occurred_at else record.evidence_at,
        "importance": record.importance or None,
        "substance": None if record.substance == 1.0 else record.substance,
        "facets": list(record.facets) or None,
    }


def words_of(app_id: str, record: Record, terms: Iterable[int]) -> dict[str, Fields]:
    """What the words' collection holds of a record, by id: nothing when it has no words, and several
    entries when it has very many."""
    group = _group(record.user_id)
    numbers = [_numbered(app_id, group, term) for term in terms]
    found: dict[str, Fields] = {}
    for part, start in enumerate(range(0, len(numbers), MOST_LISTED)):
        fields: Fields = {"owner": record.user_id, "words": numbers[start : start + MOST_LISTED]}
        if part:
            fields |= {"of": record.id, "part": part}
        found[f"{record.id}{_PART}{part}" if part else record.id] = fields
    return found


def record_of(words_id: str) -> str:
    """The record that an entry of the words' collection belongs to."""
    return words_id.partition(_PART)[0]


def weights_text(words: Mapping[int, float]) -> str:
    """The words' BM25 weights by term id, as JSON with five digits each."""
    return json.dumps({str(term): float(f"{weight:.5g}") for term, weight in words.items()})


def held_weights(text: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(text)
    return found


def to_hit(record_id: str, fields: Mapping[str, Value], score: float) -> Hit:
    kind, _, _ = _shelved(fields)
    return Hit(
        id=record_id,
        memory_id=str(fields["memory_id"]),
        kind=kind,
        statement_id=_text(fields.get("statement_id")),
        version=int(_number(fields["version"])),
        score=score,
        evidence_at=_number(fields.get("evidence_at", fields["occurred_at"])),
        importance=_number(fields.get("importance", 0.0)),
        substance=_number(fields.get("substance", 1.0)),
    )


def to_stored(record_id: str, fields: Mapping[str, Value], document: str) -> Stored:
    kind, status, user_id = _shelved(fields)
    return Stored(
        id=record_id,
        memory_id=str(fields["memory_id"]),
        kind=kind,
        user_id=user_id,
        version=int(_number(fields["version"])),
        status=status,
        document=document,
    )


def matching(where: Filter) -> Where | None:
    """The conditions of ``where``; None when it excludes nothing."""
    clauses: list[Where] = []
    if where.user_id is not None:
        shelves = [_shelf(kind, status, where.user_id) for kind, status in _wanted(where)]
        clauses.append({"shelf": {"$in": shelves}})
    elif len(_wanted(where)) < len(_STATES):
        clauses.append(_in_states(where))
    if where.session_id is not None:
        clauses.append({"session_id": where.session_id})
    clauses += [{"facets": {"$contains": facet}} for facet in where.facets]
    if where.said_after is not None:
        clauses.append({"occurred_at": {"$gte": float(where.said_after)}})
    if where.said_before is not None:
        clauses.append({"occurred_at": {"$lt": float(where.said_before)}})
    if where.as_of is not None:
        clauses.append({"created_at": {"$lte": float(where.as_of)}})
        clauses.append({"ended_at": {"$gt": float(where.as_of)}})
    return all_of(clauses)


def of_user(user_id: str | None) -> Where | None:
    """Records of any kind and status."""
    return matching(Filter(user_id=user_id, statuses=frozenset(Status)))


def of_memories(memory_ids: Sequence[str]) -> Where:
    return {"memory_id": {"$in": list(memory_ids)}}


def further_parts(record_ids: Sequence[str] | None = None) -> Where:
    """In the words' collection: what is not the first entry of a record (of these records)."""
    return {"part": {"$gte": 1}} if record_ids is None else {"of": {"$in": list(record_ids)}}


def worded_by(user_id: str | None) -> Where | None:
    """In the words' collection: the user's records that have words."""
    return None if user_id is None else {"owner": user_id}


def holding(app_id: str, terms: Iterable[int], user_id: str | None) -> Where | None:
    """In the words' collection: the user's records that hold any of the terms."""
    groups = range(GROUPS) if user_id is None else (_group(user_id),)
    numbers = [_numbered(app_id, group, term) for term in terms for group in groups]
    held: list[Where] = [{"words": {"$contains": number}} for number in numbers]
    any_of: Where = {"$or": held} if len(held) > 1 else held[0]
    owner = worded_by(user_id)
    return all_of([any_of] if owner is None else [owner, any_of])


def all_of(clauses: Sequence[Where]) -> Where | None:
    if len(clauses) < 2:
        return clauses[0] if clauses else None
    return {"$and": list(clauses)}


def _wanted(where: Filter) -> list[tuple[RecordKind, Status]]:
    return [(kind, status) for kind, status in _STATES if kind in where.kinds and status in where.statuses]


def _in_states(where: Filter) -> Where:
    """Whichever says it with fewer values: most records of an app are active."""
    wanted = [_state(kind, status) for kind, status in _wanted(where)]
    others = [state for state in (_state(*pair) for pair in _STATES) if state not in wanted]
    excludes = Status.ACTIVE in where.statuses and len(where.kinds) == len(RecordKind)
    return {"state": {"$nin": others}} if excludes else {"state": {"$in": wanted}}


def _state(kind: RecordKind, status: Status) -> str:
    return f"{kind.value}/{status.value}"


def _shelf(kind: RecordKind, status: Status, user_id: str) -> str:
    return f"{kind.value}/{status.value}/{user_id}"


def _shelved(fields: Mapping[str, Value]) -> tuple[RecordKind, Status, str]:
    kind, status, user_id = str(fields["shelf"]).split("/", 2)
    return RecordKind(kind), Status(status), user_id


def _group(user_id: str) -> int:
    return zlib.crc32(user_id.encode()) % GROUPS


def _numbered(app_id: str, group: int, term: int) -> int:
    """A term of one group of one app as a signed 64-bit number."""
    return (zlib.crc32(f"{group}/{app_id}".encode()) << 32 | term) - (1 << 63)


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _number(value: Value) -> float:
    if not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} stands where a number belongs")
    return float(value)
