"""The order of turns within a session."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, literal_column, select

from omnimemory.core.schemas import Memory, MemoryKind, Status
from omnimemory.ledger.rows import memory_of, session_key
from omnimemory.ledger.schema import memories, outbox

_m = memories.c
_SESSION = (
    _m.app_id == bindparam("app_id"),
    _m.user_id == bindparam("user_id"),
    _m.session_id == bindparam("session_id"),
    _m.kind == MemoryKind.TURN,
    _m.status != Status.DELETED,
)
_PREVIOUS = (*_SESSION, _m.seq < bindparam("at"))
_NEXT = (*_SESSION, _m.seq > bindparam("at"))
_READ = select(_m.seq, _m.document)
_READ_PREVIOUS = _READ.where(*_PREVIOUS).order_by(_m.seq.desc()).limit(1)
_READ_NEXT = _READ.where(*_NEXT).order_by(_m.seq).limit(1)
_LINE_UP_PREVIOUS = insert(outbox).from_select(
    ["app_id", "user_id", "memory_id", "version", "not_before", "attempts"],
    select(_m.app_id, _m.user_id, _m.id, _m.version, literal_column("0"), literal_column("0"))
    .where(*_PREVIOUS)
    .order_by(_m.seq.desc())
    .limit(1),
)


def previous_turn(conn: Connection, turn: Memory) -> Memory | None:
    """The turn said before this one in its session; deleted ones do not count."""
    row = conn.execute(_READ_PREVIOUS, _place(turn)).one_or_none()
    return None if row is None else memory_of(row)


def next_turn(conn: Connection, turn: Memory) -> Memory | None:
    """The turn said after this one in its session; deleted ones do not count."""
    row = conn.execute(_READ_NEXT, _place(turn)).one_or_none()
    return None if row is None else memory_of(row)


def beside(conn: Connection, turn: Memory) -> list[Memory]:
    """The one or two turns whose context this turn is."""
    return [other for other in (previous_turn(conn, turn), next_turn(conn, turn)) if other is not None]


def enqueue_previous(conn: Connection, turn: Memory) -> None:
    """Queue the turn said before this one for projection: its words change with what follows it."""
    conn.execute(_LINE_UP_PREVIOUS, _place(turn))


def _place(turn: Memory) -> dict[str, object]:
    return {
        "app_id": turn.app_id,
        "user_id": turn.user_id,
        "session_id": session_key(turn.session_id),
        "at": turn.seq,
    }
