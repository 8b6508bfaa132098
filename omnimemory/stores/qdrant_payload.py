"""A record's payload in Qdrant, the same for the embedded engine and for a server. Pure.

What a record has not, its payload has not either: a field costs space in every point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from omnimemory.core.schemas import Status
from omnimemory.stores.records import Record, RecordKind, Stored

Payload = dict[str, Any]
"""What the drivers take and give; it stays inside the two adapters."""

HIT_FIELDS = ["memory_id", "kind", "statement_id", "version", "evidence_at", "importance", "substance"]
STORED_FIELDS = ["memory_id", "kind", "user_id", "version", "status", "document"]


def payload_of(record: Record) -> Payload:
    """Everything but the vectors."""
    payload: Payload = {
        "memory_id": record.memory_id,
        "kind": record.kind.value,
        "user_id": record.user_id,
        "version": record.version,
        "status": record.status.value,
        "occurred_at": record.occurred_at,
        "created_at": record.created_at,
        "evidence_at": record.evidence_at,
        "document": record.document,
    }
    if record.ended_at < math.inf:  # JSON knows no infinity
        payload["ended_at"] = record.ended_at
    if record.importance:
        payload["importance"] = record.importance
    if record.substance != 1.0:
        payload["substance"] = record.substance
    if record.session_id is not None:
        payload["session_id"] = record.session_id
    if record.statement_id is not None:
        payload["statement_id"] = record.statement_id
    if record.facets:
        payload["facets"] = list(record.facets)
    return payload


def stored_of(point_id: object, payload: Mapping[str, Any] | None) -> Stored:
    """A record read with ``STORED_FIELDS``."""
    held = payload or {}
    return Stored(
        id=str(point_id),
        memory_id=held["memory_id"],
        kind=RecordKind(held["kind"]),
        user_id=held["user_id"],
        version=held["version"],
        status=Status(held["status"]),
        document=held["document"],
    )
