"""How memories change: all of a step or nothing, with its history, reasons and citations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from omnimemory.core.schemas import Decision, Memory, MemoryKind, Scope, Status, Task, TaskKind
from omnimemory.ledger import history, locks, outbox, sessions
from omnimemory.ledger.operation import Operations, reads, writes
from omnimemory.ledger.rows import chunked, decision_of, memory_of, micros
from omnimemory.ledger.schema import UNRESOLVED, citations, decisions, memories, memory_versions
from omnimemory.ledger.tasks import add_task, advance
from omnimemory.ledger.values import Changes, Spent

_m = memories.c
_d = decisions.c
_DECIDE = insert(decisions)
_CITE = insert(citations)
_UNCITE = delete(citations).where(citations.c.memory_id == bindparam("note"))
_NEVER_RETRIED = (
    select(_m.seq, _m.document)
    .where(
        UNRESOLVED,
        _m.status == Status.ACTIVE,
        _m.task_id.is_(None),
        _m.created_at <= bindparam("before"),
    )
    .order_by(_m.seq)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_RETRIED_BY = update(memories).where(_m.id == bindparam("note")).values(task_id=bindparam("task"))


class Evolution(Operations):
    """Applying steps of evolution, and reading back what they did."""

    @writes
    def apply(
        self,
        conn: Connection,
        plan: Changes,
        *,
        task: Task | None = None,
        progress: int | None = None,
        result: dict[str, JsonValue] | None = None,
        spent: Spent | None = None,
        finish: bool = False,
    ) -> None:
        """Carry out a step in one transaction and queue what it touched for projection.

        Each changed memory must be the version after the stored one. With ``task``, the step
        counts only while we hold its lease; ``progress``, ``result`` and ``spent`` are written
        with the step, and ``finish`` makes the task done.

        Raises:
            VersionConflict: a memory has changed since, or the lease is lost. Nothing is written.
            Conflict: a created memory or decision is stored already. Nothing is written.
        """
        locks.take(conn, *{locks.of_user(m.app_id, m.user_id) for m in (*plan.created, *plan.changed)})
        now = self._now()
        if task is not None:
            finished_at = now if finish else None
            advance(
                conn,
                task.task_id,
                self.owner,
                progress=progress,
                finished_at=finished_at,
                result=result,
                spent=spent,
            )
        touched: dict[str, Memory] = {}
        for memory in plan.created:
            touched[memory.id] = stored = history.store(conn, memory)
            if stored.kind is MemoryKind.TURN:
                touched |= {turn.id: turn for turn in sessions.beside(conn, stored)}
        for memory in plan.changed:
            before, after = history.replace(conn, memory, now=now)
            touched[after.id] = after
            if _reads_otherwise(before, after):
                touched |= {turn.id: turn for turn in sessions.beside(conn, after) if turn.id not in touched}
        _cite(conn, [*plan.created, *plan.changed])
        _record(conn, plan.decisions)
        outbox.enqueue(conn, touched.values())

    @writes
    def queue_resolutions(
        self, conn: Connection, *, stored_before: datetime, limit: int = 100
    ) -> Sequence[str]:
        """Queue a second pass of the resolver for each active unresolved note stored before then.

        A note gets one such task for good: it is retried and parked like any other. Returns the
        ids of the new tasks.
        """
        rows = conn.execute(_NEVER_RETRIED, {"before": micros(stored_before), "limit": limit}).all()
        queued = []
        for note in map(memory_of, rows):
            payload = {"memory_id": note.id}
            task_id = add_task(conn, note.scope, TaskKind.RESOLVE, payload, now=self._now())
            conn.execute(_RETRIED_BY, {"note": note.id, "task": task_id})
            queued.append(task_id)
        return queued

    @reads
    def history(
        self, conn: Connection, app_id: str, memory_id: str, *, user_id: str | None = None
    ) -> list[Memory]:
        """Every state of a memory, version 1 first; empty where the scope does not hold it."""
        mine = [_m.id == memory_id, _m.app_id == app_id]
        if user_id is not None:
            mine.append(_m.user_id == user_id)
        current = conn.execute(select(_m.seq, _m.document).where(*mine)).one_or_none()
        if current is None:
            return []
        past = (
            select(_m.seq, memory_versions.c.document)
            .join(memories, _m.id == memory_versions.c.memory_id)
            .where(*mine)
            .order_by(memory_versions.c.version)
        )
        return [memory_of(row) for row in (*conn.execute(past), current)]

    @reads
    def component(
        self, conn: Connection, app_id: str, memory_id: str, *, user_id: str | None = None
    ) -> list[Memory]:
        """All memories that evolution ties to this one, itself among them, in the order stored.

        A memory has one successor at most: what leads to anything ahead of it is the whole.
        """
        scope = [_m.app_id == app_id]
        if user_id is not None:
            scope.append(_m.user_id == user_id)
        ahead = select(_m.id, _m.next_id).where(_m.id == memory_id, *scope).cte("ahead", recursive=True)
        ahead = ahead.union(select(_m.id, _m.next_id).join(ahead, _m.id == ahead.c.next_id).where(*scope))
        tied = select(ahead.c.id).cte("tied", recursive=True)
        tied = tied.union(select(_m.id).join(tied, _m.next_id == tied.c.id).where(*scope))
        found = select(_m.seq, _m.document).join(tied, tied.c.id == _m.id).order_by(_m.seq)
        return [memory_of(row) for row in conn.execute(found)]

    @reads
    def decisions(
        self,
        conn: Connection,
        scope: Scope,
        *,
        memory_ids: Collection[str] | None = None,
        limit: int = 100,
    ) -> Sequence[Decision]:
        """The scope's latest decisions, oldest first; with ``memory_ids``, those on or leading to them."""
        found = select(_d.seq, _d.document).where(_d.app_id == scope.app_id)
        if scope.user_id is not None:
            found = found.where(_d.user_id == scope.user_id)
        if scope.session_id is not None:
            found = found.where(_d.memory_id.in_(select(_m.id).where(_m.session_id == scope.session_id)))
        if memory_ids is None:
            parts = [found]
        else:
            parts = [
                found.where(or_(_d.memory_id.in_(part), _d.new_id.in_(part)))
                for part in chunked(list(memory_ids))
            ]
        rows = {
            row.seq: row for part in parts for row in conn.execute(part.order_by(_d.seq.desc()).limit(limit))
        }
        return [decision_of(rows[seq]) for seq in sorted(rows)[-limit:]]

    @reads
    def citations(
        self, conn: Connection, app_id: str, turn_ids: Sequence[str], *, user_id: str | None = None
    ) -> dict[str, frozenset[tuple[str, str]]]:
        """For each turn, the statements of active notes that cite it, as (note id, statement id).

        A turn that none cites has an empty set.
        """
        cited: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        found = select(citations).join(memories, _m.id == citations.c.memory_id).where(_m.app_id == app_id)
        if user_id is not None:
            found = found.where(_m.user_id == user_id)
        for part in chunked(turn_ids):
            for row in conn.execute(found.where(citations.c.turn_id.in_(part))):
                cited[row.turn_id].add((row.memory_id, row.statement_id))
        return {turn_id: frozenset(cited[turn_id]) for turn_id in turn_ids}


def _reads_otherwise(before: Memory, after: Memory) -> bool:
    """Whether the words of the turns beside this one change with it."""
    if after.kind is not MemoryKind.TURN:
        return False
    return before.is_active != after.is_active or before.text != after.text


def _cite(conn: Connection, changed: Iterable[Memory]) -> None:
    """Keep the citations of active notes, and of no others."""
    for note in changed:
        if note.kind is not MemoryKind.NOTE:
            continue
        if note.version > 1:
            conn.execute(_UNCITE, {"note": note.id})
        pairs = {(turn_id, statement.id) for statement in note.statements for turn_id in statement.sources}
        if pairs and note.is_active:
            rows = [{"turn_id": turn, "memory_id": note.id, "statement_id": part} for turn, part in pairs]
            conn.execute(_CITE, rows)


def _record(conn: Connection, taken: Sequence[Decision]) -> None:
    if taken:
        conn.execute(
            _DECIDE,
            [
                {
                    "id": decision.id,
                    "app_id": decision.app_id,
                    "user_id": decision.user_id,
                    "memory_id": decision.memory_id,
                    "new_id": decision.new_id,
                    "document": decision.model_dump_json(),
                }
                for decision in taken
            ],
        )
