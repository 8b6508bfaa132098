"""Records, filters and hits as MongoDB's documents. Pure.

A record is one document. Its vector is a BSON vector of float32, its words are two fields: ``terms``,
an array of term ids for the index, and ``words``, the same ids packed with their weights, for scoring.
Everything a caller chose is a value, never a field's name or an operator.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bson.binary import VECTOR_SUBTYPE, Binary
from pymongo import ASCENDING, IndexModel

from omnimemory.core.errors import StoreError
from omnimemory.core.schemas import Status
from omnimemory.models.base import Vectors
from omnimemory.stores.records import Filter, Fingerprint, Hit, Record, RecordKind, Stored

Document = dict[str, Any]
"""What the driver takes and gives; it stays inside this adapter."""

WORDED = -1
"""A term that every record with words holds: counting it counts them. Term ids are 0 or more."""
VECTOR_HEADER = b"\x27\x00"
"""Float32, no padding: what a BSON vector begins with (BSON specification, binary subtype 9)."""
WORD = np.dtype([("term", "<u4"), ("weight", "<f4")])
_NEVER = sys.float_info.max  # an infinity is no number to every search index

HEAD_FIELDS: Mapping[str, int] = dict.fromkeys(
    ("memory_id", "kind", "statement_id", "version", "evidence_at", "importance", "substance"), 1
)
STORED_FIELDS: Mapping[str, int] = dict.fromkeys(
    ("memory_id", "kind", "user_id", "version", "status", "document"), 1
)

INDEXES = [
    IndexModel([("user_id", ASCENDING), ("_id", ASCENDING)], name="by_user"),
    IndexModel([("memory_id", ASCENDING)], name="by_memory"),
    IndexModel([("terms", ASCENDING), ("user_id", ASCENDING)], name="by_term"),
    IndexModel(
        [("user_id", ASCENDING), ("facets", ASCENDING)],
        name="by_facet",
        partialFilterExpression={"facets": {"$exists": True}},
    ),
]
"""Every collection has these; a search that lacks one reads the whole collection."""
RECENT_INDEX = IndexModel([("written_at", ASCENDING), ("user_id", ASCENDING)], name="by_writing")
"""For servers with ``$vectorSearch`` alone."""


def to_document(record: Record, *, written_at: float) -> Document:
    terms = record.words
    packed = np.array(sorted(terms.items()), dtype=WORD)  # sorted, so that equal words score equal
    document: Document = {
        "_id": record.id,
        "memory_id": record.memory_id,
        "kind": record.kind.value,
        "user_id": record.user_id,
        "version": record.version,
        "status": record.status.value,
        "occurred_at": record.occurred_at,
        "created_at": record.created_at,
        "evidence_at": record.evidence_at,
        "ended_at": min(record.ended_at, _NEVER),
        "importance": record.importance,
        "substance": record.substance,
        "written_at": written_at,
        "vector": to_binary(record.vector),
        "document": record.document,
    }
    if terms:
        document["terms"] = [WORDED, *terms]
        document["words"] = packed.tobytes()
    if record.session_id is not None:
        document["session_id"] = record.session_id
    if record.statement_id is not None:
        document["statement_id"] = record.statement_id
    if record.facets:
        document["facets"] = list(record.facets)
    return document


def to_binary(vector: Vectors) -> Binary:
    return Binary(VECTOR_HEADER + vector.astype("<f4", copy=False).tobytes(), VECTOR_SUBTYPE)


def to_hit(document: Document, score: float) -> Hit:
    return Hit(
        document["_id"],
        document["memory_id"],
        RecordKind(document["kind"]),
        document.get("statement_id"),
        document["version"],
        score,
        document["evidence_at"],
        document["importance"],
        document["substance"],
    )


def to_stored(document: Document) -> Stored:
    return Stored(
        id=document["_id"],
        memory_id=document["memory_id"],
        kind=RecordKind(document["kind"]),
        user_id=document["user_id"],
        version=document["version"],
        status=Status(document["status"]),
        document=document["document"],
    )


def matching(where: Filter, further: Document | None = None) -> Document:
    """The conditions of ``where`` and ``further``; what excludes nothing is left out.

    Only operators that a ``find`` and the filter of ``$vectorSearch`` both know.
    """
    every: Document = dict(further or {})
    if where.user_id is not None:
        every["user_id"] = {"$eq": where.user_id}
    if where.session_id is not None:
        every["session_id"] = {"$eq": where.session_id}
    if len(where.kinds) < len(RecordKind):
        every["kind"] = {"$in": sorted(kind.value for kind in where.kinds)}
    if len(where.statuses) < len(Status):
        every["status"] = {"$in": sorted(status.value for status in where.statuses)}
    if where.facets:
        every["$and"] = [{"facets": {"$eq": facet}} for facet in where.facets]
    said = {"$gte": where.said_after, "$lt": where.said_before}
    if given := {operator: time for operator, time in said.items() if time is not None}:
        every["occurred_at"] = given
    if where.as_of is not None:
        every["created_at"] = {"$lte": where.as_of}
        every["ended_at"] = {"$gt": where.as_of}
    return every


def of_memories(memory_ids: Sequence[str], *, user_id: str | None) -> Document:
    found: Document = {"memory_id": {"$in": list(memory_ids)}}
    if user_id is not None:
        found["user_id"] = {"$eq": user_id}
    return found


def counting(collection: str, terms: Sequence[int], user_id: str | None) -> list[Document]:
    """An aggregation that counts the holders of each term, from the index alone: ``{term, holders}``.

    A term that nothing holds has no answer.
    """
    user: Document = {} if user_id is None else {"user_id": {"$eq": user_id}}
    counts: list[list[Document]] = [
        [
            {"$match": {"terms": {"$eq": term}, **user}},
            {"$group": {"_id": {"$literal": term}, "holders": {"$sum": 1}}},
        ]
        for term in terms
    ]
    others: list[Document] = [{"$unionWith": {"coll": collection, "pipeline": own}} for own in counts[1:]]
    return [*counts[0], *others]


# The catalogue: one entry per collection, which makes the collection ours.


def to_entry(name: str, app_id: str, fingerprint: Fingerprint, *, ready: bool) -> Document:
    return {
        "_id": name,
        "app_id": app_id,
        "embedder": fingerprint.embedder,
        "dimensions": fingerprint.dimensions,
        "analyser": fingerprint.analyser,
        "ready": ready,
    }


def fingerprint_of(entry: Document) -> Fingerprint:
    """What the entry's collection was built with.

    Raises:
        StoreError: the entry is not one that OmniMemory wrote.
    """
    try:
        return Fingerprint(str(entry["embedder"]), int(entry["dimensions"]), str(entry["analyser"]))
    except (KeyError, TypeError, ValueError) as exc:
        raise StoreError(
            f"the catalogue's entry of collection {entry.get('_id')!r} is damaged; remove it and the "
            "collection, then run `omnimemory rebuild`"
        ) from exc
