"""The order of turns within a session."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, literal_column, select

from omnimemory.core.schemas import Memory, MemoryKind, Status
from omnimemory.ledger.rows import memory_of, session_key
from omnimemory.ledger.schema import memories, outbox

NEIGHBOURS = 2
"""Turns on each side that a turn's words and vector may depend on (``stores.projection``)."""

_m = memories.c
_SESSION = (
    _m.app_id == bindparam("app_id"),
    _m.user_id == bindparam("user_id"),
    _m.session_id == bindparam("session_id"),
    _m.kind == MemoryKind.TURN,
    _m.status == Status.ACTIVE,
)
_PREVIOUS = (*_SESSION, _m.seq < bindparam("at"))
_NEXT = (*_SESSION, _m.seq > bindparam("at"))
_READ = select(_m.seq, _m.document)
_READ_PREVIOUS = _READ.where(*_PREVIOUS).order_by(_m.seq.desc()).limit(NEIGHBOURS)
_READ_NEXT = _READ.where(*_NEXT).order_by(_m.seq).limit(NEIGHBOURS)
_LINE_UP_PREVIOUS = insert(outbox).from_select(
    ["app_id", "user_id", "memory_id", "version", "not_before", "attempts"],
    select(_m.app_id, _m.user_id, _m.id, _m.version, literal_column("0"), literal_column("0"))
    .where(*_PREVIOUS)
    .order_by(_m.seq.desc())
    .limit(NEIGHBOURS),
)


def previous_turns(conn: Connection, turn: Memory) -> tuple[Memory, ...]:
    """The turns said before this one in its session, the nearest first; only active ones count."""
    return tuple(memory_of(row) for row in conn.execute(_READ_PREVIOUS, _place(turn)))


def next_turns(conn: Connection, turn: Memory) -> tuple[Memory, ...]:
    """The turns said after this one in its session, the nearest first; only active ones count."""
    return tuple(memory_of(row) for row in conn.execute(_READ_NEXT, _place(turn)))


def beside(conn: Connection, turn: Memory) -> tuple[Memory, ...]:
    """The turns whose context this turn is."""
    return previous_turns(conn, turn) + next_turns(conn, turn)


def enqueue_previous(conn: Connection, turn: Memory) -> None:
    """Queue the turns said before this one for projection: their words change with what follows them."""
    conn.execute(_LINE_UP_PREVIOUS, _place(turn))


def _place(turn: Memory) -> dict[str, object]:
    return {
        "app_id": turn.app_id,
        "user_id": turn.user_id,
        "session_id": session_key(turn.session_id),
        "at": turn.seq,
    }
