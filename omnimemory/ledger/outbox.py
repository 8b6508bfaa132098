"""The outbox: which memories the vector store has yet to hear about.

A memory may have several rows; each stands for one change, of itself or of a neighbour that
its words depend on. A row goes only once its own delivery is confirmed, so a change that comes
while an older one is being delivered is never lost.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, insert, select, update

from omnimemory.core.schemas import Memory, MemoryKind, Scope
from omnimemory.ledger.operation import Operations, reads, writes
from omnimemory.ledger.rows import chunked, memory_of, micros, moment, readable
from omnimemory.ledger.schema import memories, outbox
from omnimemory.ledger.values import OutboxRow

_INSERT = insert(outbox)
_REBUILD_CHUNK = 2000

_ROWS = select(outbox.c.seq, outbox.c.app_id, outbox.c.memory_id, outbox.c.version, outbox.c.attempts)
_DUE = _ROWS.where(outbox.c.not_before <= bindparam("now")).order_by(outbox.c.seq).limit(bindparam("limit"))
_named = outbox.alias()
_ROWS_BESIDE = _ROWS.join(
    _named,
    and_(
        _named.c.app_id == outbox.c.app_id,
        _named.c.user_id == outbox.c.user_id,
        _named.c.memory_id == outbox.c.memory_id,
    ),
).distinct()
_SIZE = select(func.count()).select_from(outbox)
_ANY = select(outbox.c.seq).limit(1)
_NEXT_DUE = select(func.min(outbox.c.not_before))
_DONE = delete(outbox).where(outbox.c.seq.in_(bindparam("seqs", expanding=True)))
_RETRY = (
    update(outbox)
    .where(outbox.c.seq.in_(bindparam("seqs", expanding=True)))
    .values(attempts=outbox.c.attempts + 1, error=bindparam("why"), not_before=bindparam("when"))
)
_ROWS_OF = select(memories.c.seq, memories.c.app_id, memories.c.user_id, memories.c.id, memories.c.version)


@functools.cache
def _waiting(of_user: bool) -> Select[int, str]:
    last = func.max(outbox.c.seq)
    rows = select(outbox.c.memory_id, last.label("last")).where(outbox.c.app_id == bindparam("app"))
    if of_user:
        rows = rows.where(outbox.c.user_id == bindparam("user"))
    rows = rows.group_by(outbox.c.memory_id).order_by(last.desc()).limit(bindparam("limit"))
    latest = rows.subquery()
    found = select(memories.c.seq, memories.c.document).join(latest, latest.c.memory_id == memories.c.id)
    return found.order_by(latest.c.last.desc())


def enqueue(conn: Connection, changed: Iterable[Memory]) -> None:
    """Queue the memories for projection, in this order."""
    _queue(conn, [(memory.app_id, memory.user_id, memory.id, memory.version) for memory in changed])


def _queue(conn: Connection, named: Sequence[tuple[str, str, str, int]]) -> None:
    keys = ("app_id", "user_id", "memory_id", "version")
    rows = [dict(zip(keys, one, strict=True)) | {"not_before": 0, "attempts": 0} for one in named]
    if rows:
        conn.execute(_INSERT, rows)


class Outbox(Operations):
    """Deliveries to the vector store, and what recall must know while they are under way."""

    _empty_as_of: int | None = None
    """The ``written`` of the database at which the outbox was last seen empty."""

    @reads
    def outbox(self, conn: Connection, limit: int, now: datetime | None = None) -> list[OutboxRow]:
        """The rows due at ``now`` (default: the clock's), oldest first."""
        at = self._now() if now is None else micros(now)
        return [OutboxRow(*row) for row in conn.execute(_DUE, {"now": at, "limit": limit})]

    @reads
    def outbox_left(self, conn: Connection, seqs: Sequence[int]) -> list[OutboxRow]:
        """Those of the rows that still wait, and all others of their memories: what is delivered now is
        their latest state. Another process may have delivered some.
        """
        parts = [_ROWS_BESIDE.where(_named.c.seq.in_(part)) for part in chunked(seqs)]
        return [OutboxRow(*row) for part in parts for row in conn.execute(part)]

    @writes
    def requeue(self, conn: Connection, app_id: str, memory_ids: Sequence[str]) -> None:
        """Queue memories of the app once more, erased ones too."""
        users: dict[str, str] = {}
        for part in chunked(memory_ids):
            found = select(memories.c.id, memories.c.user_id).where(memories.c.id.in_(part))
            users |= {row.id: row.user_id for row in conn.execute(found.where(memories.c.app_id == app_id))}
        _queue(conn, [(app_id, users.get(memory_id, ""), memory_id, 1) for memory_id in memory_ids])

    @writes
    def outbox_done(self, conn: Connection, seqs: Sequence[int]) -> None:
        """Forget rows whose delivery the store has confirmed."""
        for part in chunked(seqs):
            conn.execute(_DONE, {"seqs": list(part)})

    @writes
    def outbox_retry(self, conn: Connection, seqs: Sequence[int], error: str, not_before: datetime) -> None:
        """Keep rows that could not be delivered; they are due again at ``not_before``."""
        for part in chunked(seqs):
            conn.execute(_RETRY, {"seqs": list(part), "why": readable(error), "when": micros(not_before)})

    async def outbox_pending(
        self, app_id: str, *, user_id: str | None = None, limit: int = 1000
    ) -> list[Memory]:
        """The current state of the memories that wait to be projected, the latest change first.

        Nothing is read while nothing can have been written since the outbox was last seen empty.
        """
        written = self._database.written
        if self._empty_as_of == written:
            return []
        return await self._outbox_pending(app_id, user_id, limit, written=written)

    @reads
    def _outbox_pending(
        self, conn: Connection, app_id: str, user_id: str | None, limit: int, *, written: int
    ) -> list[Memory]:
        values: dict[str, object] = {"app": app_id, "limit": limit}
        if user_id is not None:
            values["user"] = user_id
        found = [memory_of(row) for row in conn.execute(_waiting(user_id is not None), values)]
        if not found and conn.execute(_ANY).first() is None:
            self._empty_as_of = written  # read before the snapshot was taken: it saw all of it
        return found

    @reads
    def outbox_of(
        self,
        conn: Connection,
        app_id: str,
        *,
        user_id: str | None = None,
        kind: MemoryKind | None = None,
        limit: int = 1000,
    ) -> list[OutboxRow]:
        """The rows of an app, or of one of its users, due or not, oldest first."""
        found = _ROWS.where(outbox.c.app_id == app_id)
        if user_id is not None:
            found = found.where(outbox.c.user_id == user_id)
        if kind is not None:
            found = found.join(memories, memories.c.id == outbox.c.memory_id).where(
                memories.c.kind == kind.value
            )
        return [OutboxRow(*row) for row in conn.execute(found.order_by(outbox.c.seq).limit(limit))]

    @reads
    def outbox_size(self, conn: Connection, scope: Scope | None = None, *, due: bool = False) -> int:
        """How many rows wait: of every app, or of a scope's app and user; with ``due``, only those
        that no failed delivery has put off.
        """
        found = _SIZE.where(outbox.c.not_before <= self._now()) if due else _SIZE
        if scope is not None:
            found = found.where(outbox.c.app_id == scope.app_id)
        if scope is not None and scope.user_id is not None:
            found = found.where(outbox.c.user_id == scope.user_id)
        return conn.execute(found).scalar_one()

    @reads
    def all_wait(self, conn: Connection, app_id: str) -> bool:
        """Whether every memory of the app waits to be projected, as with one new to the store."""
        waiting = select(outbox.c.memory_id).where(outbox.c.app_id == app_id)
        projected = select(memories.c.seq).where(memories.c.app_id == app_id, memories.c.id.not_in(waiting))
        return conn.execute(projected.limit(1)).first() is None

    @reads
    def outbox_next_due(self, conn: Connection) -> datetime | None:
        """When the first row is due, perhaps long past; None when the outbox is empty."""
        due: int | None = conn.execute(_NEXT_DUE).scalar_one()
        return None if due is None else moment(due)

    async def requeue_all(self, app_id: str) -> int:
        """Queue every memory of the app, ended ones too, for a rebuild. Returns how many.

        Works in slices, so that appends do not wait behind it.
        """
        total, last = 0, 0
        while True:
            count, last = await self._requeue_slice(app_id, last)
            total += count
            if count < _REBUILD_CHUNK:
                return total

    @writes
    def _requeue_slice(self, conn: Connection, app_id: str, after: int) -> tuple[int, int]:
        found = _ROWS_OF.where(memories.c.app_id == app_id, memories.c.seq > after)
        rows = conn.execute(found.order_by(memories.c.seq).limit(_REBUILD_CHUNK)).all()
        if not rows:
            return 0, after
        _queue(conn, [(row.app_id, row.user_id, row.id, row.version) for row in rows])
        return len(rows), rows[-1].seq
