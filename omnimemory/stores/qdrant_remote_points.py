"""Records, filters and hits in the terms of qdrant-client. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from qdrant_client import models

from omnimemory.core.schemas import Status
from omnimemory.stores.qdrant_payload import payload_of, stored_of
from omnimemory.stores.qdrant_remote_layout import MEANING, TERMS, WORDS
from omnimemory.stores.records import Filter, Hit, Record, RecordKind, Stored

_MOST_POINTS = 256
_MOST_BYTES = 4_000_000
"""A server takes requests of 32 MB; a smaller one is written sooner."""


def batches(records: Sequence[Record]) -> Iterator[list[models.PointStruct]]:
    """The records as points, in portions that a server takes in one request."""
    portion: list[models.PointStruct] = []
    size = 0
    for record in records:
        words = len(record.tokens) + len(record.context)
        weight = 4 * len(record.document) + 12 * record.vector.size + 60 * words + 1_000
        if portion and (len(portion) == _MOST_POINTS or size + weight > _MOST_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(_to_point(record))
        size += weight
    if portion:
        yield portion


def _to_point(record: Record) -> models.PointStruct:
    vector: dict[str, Any] = {MEANING: record.vector.tolist()}
    payload = payload_of(record)
    if words := record.words:
        vector[WORDS] = sparse(words)
        payload[TERMS] = list(words)
    return models.PointStruct(id=record.id, vector=vector, payload=payload)


def sparse(weights: Mapping[int, float]) -> models.SparseVector:
    return models.SparseVector(indices=list(weights), values=list(weights.values()))


def to_hit(point: models.Record | models.ScoredPoint, score: float) -> Hit:
    payload = point.payload or {}
    return Hit(
        str(point.id),
        payload["memory_id"],
        RecordKind(payload["kind"]),
        payload.get("statement_id"),
        payload["version"],
        score,
        payload["evidence_at"],
        payload.get("importance", 0.0),
        payload.get("substance", 1.0),
    )


def to_stored(point: models.Record) -> Stored:
    return stored_of(point.id, point.payload)


@lru_cache(maxsize=1024)
def to_filter(where: Filter) -> models.Filter:
    """The conditions of ``where``; what excludes nothing is left out."""
    must: list[models.Condition] = []
    must_not: list[models.Condition] = []
    if where.user_id is not None:
        must.append(_equals("user_id", where.user_id))
    if where.session_id is not None:
        must.append(_equals("session_id", where.session_id))
    if len(where.kinds) < len(RecordKind):
        must.append(_one_of("kind", sorted(where.kinds)))
    if len(where.statuses) < len(Status):
        must.append(_one_of("status", sorted(where.statuses)))
    must.extend(_equals("facets", facet) for facet in where.facets)
    if where.said_after is not None or where.said_before is not None:
        must.append(_within("occurred_at", models.Range(gte=where.said_after, lt=where.said_before)))
    if where.as_of is not None:
        must.append(_within("created_at", models.Range(lte=where.as_of)))
        must_not.append(_within("ended_at", models.Range(lte=where.as_of)))
    return models.Filter(must=must, must_not=must_not)


def of_memories(memory_ids: Sequence[str], *, user_id: str | None) -> models.Filter:
    must: list[models.Condition] = [_one_of("memory_id", memory_ids)]
    if user_id is not None:
        must.append(_equals("user_id", user_id))
    return models.Filter(must=must)


def of_records(record_ids: Sequence[str]) -> models.Filter:
    return models.Filter(must=[models.HasIdCondition(has_id=list(record_ids))])


def with_words(user_id: str | None) -> models.Filter:
    return _of_user(models.HasVectorCondition(has_vector=WORDS), user_id)


def with_term(term: int, user_id: str | None) -> models.Filter:
    return _of_user(models.FieldCondition(key=TERMS, match=models.MatchValue(value=term)), user_id)


def _of_user(condition: models.Condition, user_id: str | None) -> models.Filter:
    must = [condition]
    if user_id is not None:
        must.append(_equals("user_id", user_id))
    return models.Filter(must=must)


def _equals(name: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=name, match=models.MatchValue(value=value))


def _one_of(name: str, values: Sequence[str]) -> models.FieldCondition:
    return models.FieldCondition(key=name, match=models.MatchAny(any=[str(value) for value in values]))


def _within(name: str, bounds: models.Range) -> models.FieldCondition:
    return models.FieldCondition(key=name, range=bounds)
