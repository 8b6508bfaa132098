"""States of a memory over time: the current one in its row, each earlier one in the history."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from omnimemory.core.errors import VersionConflict
from omnimemory.core.schemas import Memory
from omnimemory.ledger.rows import memory_of, memory_values
from omnimemory.ledger.schema import memories, memory_versions

_m = memories.c
_CURRENT = select(_m.seq, _m.version, _m.status, _m.document).where(
    _m.id == bindparam("id"), _m.app_id == bindparam("app_id"), _m.user_id == bindparam("user_id")
)
_KEEP = insert(memory_versions)
_INSERT = insert(memories)


def store(conn: Connection, memory: Memory, *, buffered: bool = False, task_id: str | None = None) -> Memory:
    """Insert a new memory. Returns it with its ``seq``."""
    row = memory_values(memory) | {"buffered": int(buffered), "task_id": task_id}
    seq = conn.execute(_INSERT, row).inserted_primary_key
    assert seq is not None
    return memory.model_copy(update={"seq": seq[0]})


def replace(conn: Connection, memory: Memory, *, now: int) -> tuple[Memory, Memory]:
    """Make ``memory`` the current state and keep the one before.

    Returns:
        The state before, and the new one with its ``seq``.

    Raises:
        VersionConflict: the current state is not the version before this one, or is not there.
    """
    key = {"id": memory.id, "app_id": memory.app_id, "user_id": memory.user_id}
    row = conn.execute(_CURRENT, key).one_or_none()
    if row is None or row.version != memory.version - 1:
        raise _changed(memory, None if row is None else row.version)
    conn.execute(
        _KEEP,
        {
            "memory_id": memory.id,
            "version": row.version,
            "status": row.status,
            "document": row.document,
            "replaced_at": now,
        },
    )
    changed = update(memories).where(_m.id == memory.id, _m.version == row.version)
    if conn.execute(changed.values(**memory_values(memory))).rowcount != 1:
        raise _changed(memory, None)
    return memory_of(row), memory.model_copy(update={"seq": row.seq})


def _changed(memory: Memory, found: int | None) -> VersionConflict:
    state = "is gone" if found is None else f"is at version {found}"
    return VersionConflict(f"memory {memory.id} {state}, cannot take version {memory.version}; read it again")
