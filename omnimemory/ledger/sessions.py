"""The order of turns within a session."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from omnimemory.core.schemas import Memory, MemoryKind, Status
from omnimemory.ledger.rows import memory_of, session_key
from omnimemory.ledger.schema import memories

_m = memories.c
_TURNS = select(_m.seq, _m.document).where(
    _m.app_id == bindparam("app_id"),
    _m.user_id == bindparam("user_id"),
    _m.session_id == bindparam("session_id"),
    _m.kind == MemoryKind.TURN,
    _m.status != Status.DELETED,
)
_PREVIOUS = _TURNS.where(_m.seq < bindparam("at")).order_by(_m.seq.desc()).limit(1)
_NEXT = _TURNS.where(_m.seq > bindparam("at")).order_by(_m.seq).limit(1)


def previous_turn(conn: Connection, turn: Memory) -> Memory | None:
    """The turn said before this one in its session; deleted ones do not count."""
    row = conn.execute(_PREVIOUS, _place(turn)).one_or_none()
    return None if row is None else memory_of(row)


def next_turn(conn: Connection, turn: Memory) -> Memory | None:
    """The turn said after this one in its session; deleted ones do not count."""
    row = conn.execute(_NEXT, _place(turn)).one_or_none()
    return None if row is None else memory_of(row)


def beside(conn: Connection, turn: Memory) -> list[Memory]:
    """The one or two turns whose context this turn is."""
    return [other for other in (previous_turn(conn, turn), next_turn(conn, turn)) if other is not None]


def _place(turn: Memory) -> dict[str, object]:
    return {
        "app_id": turn.app_id,
        "user_id": turn.user_id,
        "session_id": session_key(turn.session_id),
        "at": turn.seq,
    }
