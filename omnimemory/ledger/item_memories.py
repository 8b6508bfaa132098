"""The memory by which an item is found by meaning: it begins, changes and ends with the item.

It is a note without statements. Evolution links and rewrites statements only, so nothing but a put
ever changes what an item's memory says.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from omnimemory.core.ids import new_id
from omnimemory.core.item_memory import item_metadata
from omnimemory.core.items import APP_USER, PutItem
from omnimemory.core.schemas import Memory, MemoryKind, Metadata, Scope, Status, StatusReason
from omnimemory.core.scoring import TURN_IMPORTANCE
from omnimemory.ledger import history, outbox
from omnimemory.ledger.rows import chunked, memory_of, moment
from omnimemory.ledger.schema import memories

_m = memories.c
_ACTIVE = select(_m.seq, _m.document).where(
    _m.id.in_(bindparam("ids", expanding=True)), _m.status == Status.ACTIVE
)


def keep(
    conn: Connection, scope: Scope, put: PutItem, text: str, memory_id: str | None, *, now: int
) -> str | None:
    """Make an item's memory say ``text``; ``memory_id`` is the one it has had so far.

    Returns:
        The id of its memory from now on; None with an empty text, which needs none.
    """
    if not text:
        end(conn, [] if memory_id is None else [memory_id], now=now)
        return None
    metadata = item_metadata(put.namespace, put.key, put.value or {})
    known = [] if memory_id is None else _active(conn, [memory_id])
    if not known:  # new, or the one before was ended by hand
        stored = history.store(conn, _remembered(scope, text, metadata, now))
        outbox.enqueue(conn, [stored])
        return stored.id
    [memory] = known
    if (memory.text, memory.metadata) != (text, metadata):
        changes = {"text": text, "metadata": metadata, "updated_at": moment(now)}
        _replace(conn, memory, StatusReason.EDITED, changes, now=now)
    return memory.id


def end(conn: Connection, memory_ids: Sequence[str], *, now: int) -> None:
    """End the memories of items that are gone; those that were ended by hand stay as they are."""
    for part in chunked(memory_ids):
        for memory in _active(conn, part):
            changes = {"status": Status.DELETED, "ended_at": moment(now)}
            _replace(conn, memory, StatusReason.ORPHANED, changes, now=now)


def _active(conn: Connection, memory_ids: Sequence[str]) -> list[Memory]:
    return [memory_of(row) for row in conn.execute(_ACTIVE, {"ids": list(memory_ids)})]


def _remembered(scope: Scope, text: str, metadata: Metadata, now: int) -> Memory:
    return Memory(
        id=new_id(),
        app_id=scope.app_id,
        user_id=scope.user_id or APP_USER,
        kind=MemoryKind.NOTE,
        text=text,
        occurred_at=moment(now),
        created_at=moment(now),
        importance=TURN_IMPORTANCE,  # as a turn's: verbatim, with no retrieval fields
        metadata=metadata,
    )


def _replace(
    conn: Connection, memory: Memory, reason: StatusReason, changes: dict[str, object], *, now: int
) -> None:
    state = {**changes, "status_reason": reason, "version": memory.version + 1}
    _, stored = history.replace(conn, memory.model_copy(update=state), now=now)
    outbox.enqueue(conn, [stored])
