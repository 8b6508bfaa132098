"""Records, filters and hits in qdrant-edge's terms. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import qdrant_edge as qe

from omnimemory.core.lexical import term_id
from omnimemory.core.schemas import Status
from omnimemory.stores.qdrant_payload import payload_of, stored_of
from omnimemory.stores.records import Filter, Fingerprint, Hit, Record, RecordKind, Stored

MEANING = "meaning"
WORDS = "words"


def shard_config(fingerprint: Fingerprint) -> qe.EdgeConfig:
    """A cosine vector and a sparse one scored with IDF; one search thread, as a shard has one segment.

    Vectors are read into memory as they are needed: the engine's files are 32 MB at least, and it would
    hold all of them.
    """
    meaning = qe.EdgeVectorParams(fingerprint.dimensions, qe.Distance.Cosine, memory=qe.Memory.Cold)
    return qe.EdgeConfig(
        vectors={MEANING: meaning},
        sparse_vectors={WORDS: qe.EdgeSparseVectorParams(modifier=qe.Modifier.Idf)},
        max_search_threads=1,
    )


def field_indexes() -> list[qe.UpdateOperation]:
    """An index on every field that a filter names: without one a leg over 100k records is 7 times slower."""
    index = qe.UpdateOperation.create_field_index
    keywords = ("session_id", "kind", "status", "memory_id", "facets")
    times = ("occurred_at", "created_at", "ended_at")
    return [
        index("user_id", qe.KeywordIndexParams(is_tenant=True)),
        *(index(name, qe.KeywordIndexParams()) for name in keywords),
        *(index(name, qe.FloatIndexParams()) for name in times),
    ]


def to_point(record: Record) -> qe.Point:
    vector: dict[str, Any] = {MEANING: record.vector.tolist()}
    if terms := record.words:
        vector[WORDS] = qe.SparseVector(list(terms), list(terms.values()))
    return qe.Point(record.id, vector, payload_of(record))


def query_words(tokens: Sequence[str]) -> qe.SparseVector:
    """Each distinct word once; its IDF is the engine's part."""
    terms = {term_id(token) for token in tokens}
    return qe.SparseVector(list(terms), [1.0] * len(terms))


def reweighted(words: qe.SparseVector, by: Mapping[int, float]) -> qe.SparseVector:
    """``words`` with each weight times the term's number in ``by``; terms without one are left out."""
    kept = {
        term: weight * by[term]
        for term, weight in zip(words.indices, words.values, strict=True)
        if term in by
    }
    return qe.SparseVector(list(kept), list(kept.values()))


def weight_of(point: qe.ScoredPoint, term: int) -> float:
    """The weight of a term that the record holds, of a point read with its words."""
    words = cast("dict[str, qe.SparseVector]", point.vector)[WORDS]
    return words.values[words.indices.index(term)]


class Head(NamedTuple):
    """What a hit tells of its record, but for the score."""

    id: str
    memory_id: str
    kind: RecordKind
    statement_id: str | None
    version: int
    evidence_at: float
    importance: float
    substance: float

    def scored(self, score: float) -> Hit:
        return Hit(
            self.id,
            self.memory_id,
            self.kind,
            self.statement_id,
            self.version,
            score,
            self.evidence_at,
            self.importance,
            self.substance,
        )


def id_of(point: qe.Record | qe.ScoredPoint) -> int:
    """A record's id as a number: a UUID hashes and compares in Python, ten times slower."""
    return cast("uuid.UUID", point.id).int  # every record id is a UUID


def head_of(record: Record) -> Head:
    return Head(
        record.id,
        record.memory_id,
        record.kind,
        record.statement_id,
        record.version,
        record.evidence_at,
        record.importance,
        record.substance,
    )


def to_head(point: qe.Record) -> Head:
    payload = point.payload or {}
    return Head(
        str(point.id),
        payload["memory_id"],
        RecordKind(payload["kind"]),
        payload.get("statement_id"),
        payload["version"],
        payload["evidence_at"],
        payload.get("importance", 0.0),
        payload.get("substance", 1.0),
    )


def to_stored(point: qe.Record) -> Stored:
    return stored_of(point.id, point.payload)


@lru_cache(maxsize=1024)
def to_filter(where: Filter) -> qe.Filter:
    """The conditions of ``where``, cheapest first; what excludes nothing is left out."""
    must: list[Any] = []
    must_not: list[Any] = []
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
        said = qe.RangeFloat(gte=where.said_after, lt=where.said_before)
        must.append(qe.FieldCondition("occurred_at", range=said))
    if where.as_of is not None:
        must.append(qe.FieldCondition("created_at", range=qe.RangeFloat(lte=where.as_of)))
        must_not.append(qe.FieldCondition("ended_at", range=qe.RangeFloat(lte=where.as_of)))
    return qe.Filter(must=must, must_not=must_not)


@lru_cache(maxsize=1024)
def of_user(user_id: str) -> qe.Filter:
    return qe.Filter(must=[_equals("user_id", user_id)])


def with_words(user_id: str | None) -> qe.Filter:
    must: list[Any] = [qe.HasVectorCondition(WORDS)]
    if user_id is not None:
        must.append(_equals("user_id", user_id))
    return qe.Filter(must=must)


def of_memories(memory_ids: Sequence[str], *, user_id: str | None) -> qe.Filter:
    must: list[Any] = [_one_of("memory_id", memory_ids)]
    if user_id is not None:
        must.append(_equals("user_id", user_id))
    return qe.Filter(must=must)


def of_records(record_ids: Sequence[str]) -> qe.Filter:
    return qe.Filter(must=[qe.HasIdCondition(set(record_ids))])


def _equals(field: str, value: str) -> qe.FieldCondition:
    return qe.FieldCondition(field, match=qe.MatchValue(value))


def _one_of(field: str, values: Sequence[str]) -> qe.FieldCondition:
    return qe.FieldCondition(field, match=qe.MatchAny([str(value) for value in values]))
