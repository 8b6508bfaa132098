"""Values to rows and back: exact both ways, times to the microsecond."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic_core import PydanticSerializationError
from sqlalchemy import ColumnElement, FromClause, Row

from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Decision, Memory, Scope, Task
from omnimemory.ledger.values import Payload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOT_IN_DOCUMENT = {"seq"}
CHUNK = 500

T = TypeVar("T")
AnyRow = Row[*tuple[Any, ...]]


def micros(moment: datetime) -> int:
    """Whole microseconds since the epoch."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The inverse of ``micros``; an addition, as floats of seconds lose microseconds."""
    return _EPOCH + timedelta(microseconds=value)


def _maybe_moment(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


def session_key(session_id: str | None) -> str:
    """How a session is stored: a missing one as the empty text."""
    return session_id or ""


def chunked(values: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """Slices small enough for every database's limit of parameters."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def within(table: FromClause, scope: Scope) -> list[ColumnElement[bool]]:
    """The conditions that keep a statement inside ``scope``."""
    found: list[ColumnElement[bool]] = [table.c.app_id == scope.app_id]
    if scope.user_id is not None:
        found.append(table.c.user_id == scope.user_id)
    if scope.session_id is not None:
        found.append(table.c.session_id == scope.session_id)
    return found


def document(memory: Memory) -> str:
    """The memory's JSON; ``seq`` is the row's.

    Raises:
        InvalidRequest: the text or metadata holds what UTF-8 cannot (lone surrogates).
    """
    try:
        return memory.model_dump_json(exclude=_NOT_IN_DOCUMENT)
    except PydanticSerializationError as exc:
        raise InvalidRequest(f"this memory cannot be stored as JSON: {exc}") from exc


def memory_values(memory: Memory) -> dict[str, object]:
    """The columns of a memory that follow from the memory itself."""
    return {
        "id": memory.id,
        "app_id": memory.app_id,
        "user_id": memory.user_id,
        "session_id": session_key(memory.session_id),
        "kind": memory.kind.value,
        "status": memory.status.value,
        "next_id": memory.next_id,
        "version": memory.version,
        "occurred_at": None if memory.occurred_at is None else micros(memory.occurred_at),
        "created_at": micros(memory.created_at),
        "message_id": memory.message_id,
        "unresolved": int(memory.unresolved),
        "document": document(memory),
    }


def memory_of(row: AnyRow) -> Memory:
    """The memory of a row that has ``document`` and ``seq``."""
    memory = Memory.model_validate_json(row.document)
    return memory.model_copy(update={"seq": row.seq})


def decision_of(row: AnyRow) -> Decision:
    return Decision.model_validate_json(row.document)


def json_text(payload: Payload | None) -> str | None:
    return None if payload is None else json.dumps(dict(payload), ensure_ascii=True, allow_nan=False)


def opaque(value: object) -> str:
    """A caller's own JSON value as text that reads back equal, whatever characters it holds.

    Raises:
        InvalidRequest: it is no JSON value.
    """
    try:
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidRequest(f"only JSON values can be kept: {exc}") from exc


def readable(text: str) -> str:
    """``text`` as every database takes it: what is no UTF-8, or NUL, becomes a replacement character."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def task_of(row: AnyRow) -> Task:
    return Task(
        task_id=row.id,
        kind=row.kind,
        app_id=row.app_id,
        user_id=row.user_id,
        session_id=row.session_id or None,
        status=row.status,
        payload=json.loads(row.payload),
        progress=row.progress,
        attempts=row.attempts,
        error=row.error,
        result=None if row.result is None else json.loads(row.result),
        created_at=moment(row.created_at),
        started_at=_maybe_moment(row.started_at),
        finished_at=_maybe_moment(row.finished_at),
    )
