"""Tasks: durable background work, leased to one worker at a time.

A synthesis changes its user's notes, so the syntheses of a user run one after the other, in
the order of their messages. Other kinds run in any order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from omnimemory.core.errors import NotFound, VersionConflict
from omnimemory.core.ids import new_id
from omnimemory.core.schemas import Scope, Task, TaskKind, TaskStatus
from omnimemory.ledger import locks, owners, spending
from omnimemory.ledger.leases import MARGIN_SECONDS, Watch
from omnimemory.ledger.operation import Operations, reads, writes
from omnimemory.ledger.rows import json_text, micros, moment, readable, session_key, task_of, within
from omnimemory.ledger.schema import OPEN, RUNNING, tasks
from omnimemory.ledger.values import Payload, Spent

ORDERED = (TaskKind.SYNTHESIS, TaskKind.RESOLVE)
_MICROSECONDS = 1_000_000
_NOBODY = ""  # no list of owners is empty: SQLAlchemy has one text for IN and NOT IN an empty list

_INSERT = insert(tasks)
_t = tasks.c
_OTHER = tasks.alias("other")
_ordered = _t.kind.in_(ORDERED)
_queued = _t.status == TaskStatus.QUEUED
_NOW: BindParameter[int] = bindparam("now")
_LAPSED: BindParameter[int] = bindparam("lapsed")
_DEAD: BindParameter[str] = bindparam("dead", expanding=True)
_OWNER: BindParameter[str] = bindparam("owner")

_FIRST_OF_USER = select(func.min(_t.seq)).where(OPEN, _ordered).group_by(_t.app_id, _t.user_id)
_UNORDERED = select(_t.seq).where(OPEN, ~_ordered)
# after a retry, a later task of the same user may be at work already
_FOLLOWER_AT_WORK = exists().where(
    _OTHER.c.app_id == _t.app_id,
    _OTHER.c.user_id == _t.user_id,
    _OTHER.c.seq > _t.seq,
    _OTHER.c.kind.in_(ORDERED),
    _OTHER.c.status == literal_column("'running'"),  # as the partial index says it
    or_(_OTHER.c.lease_owner == _OWNER, _OTHER.c.lease_until > _LAPSED),
    _OTHER.c.lease_owner.not_in(_DEAD),
)
_IN_TURN = and_(_t.seq.in_(_FIRST_OF_USER.union_all(_UNORDERED)), or_(~_ordered, ~_FOLLOWER_AT_WORK))
# our own leases are never taken over: their work is still going on in this process
_ABANDONED = and_(
    RUNNING, _t.lease_owner != _OWNER, or_(_t.lease_until <= _LAPSED, _t.lease_owner.in_(_DEAD))
)
_CLAIMABLE = (
    select(tasks)
    .where(
        OPEN,
        _t.kind.in_(bindparam("kinds", expanding=True)),
        _IN_TURN,
        or_(and_(_queued, _t.not_before <= _NOW), _ABANDONED),
    )
    .order_by(_t.seq)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(tasks)
    .where(_t.seq.in_(bindparam("seqs", expanding=True)))
    .values(
        status=TaskStatus.RUNNING,
        attempts=_t.attempts + 1,
        started_at=func.coalesce(_t.started_at, bindparam("at")),
        lease_owner=bindparam("by"),
        lease_until=bindparam("until"),
    )
)
_NEXT_DUE = select(
    func.min(case((_queued, _t.not_before), (_t.lease_owner.in_(_DEAD), 0), else_=_t.lease_until))
).where(OPEN, or_(and_(_queued, _IN_TURN), and_(RUNNING, _t.lease_owner != _OWNER)))
_HOLDERS = select(_t.lease_owner, func.max(_t.lease_until)).where(RUNNING).group_by(_t.lease_owner)
_BY_ID = select(tasks).where(_t.id == bindparam("id"))


def add_task(conn: Connection, scope: Scope, kind: TaskKind, payload: Payload | None, *, now: int) -> str:
    """Queue a task; ``scope`` names a user. Returns its id."""
    task_id = new_id()
    conn.execute(
        _INSERT,
        {
            "id": task_id,
            "kind": kind.value,
            "app_id": scope.app_id,
            "user_id": scope.user_id,
            "session_id": session_key(scope.session_id),
            "status": TaskStatus.QUEUED.value,
            "open": 1,
            "payload": json_text(payload or {}),
            "progress": 0,
            "attempts": 0,
            "created_at": now,
            "not_before": 0,
            "calls": 0,
            "input_tokens": 0,
            "output_tokens": 0,
        },
    )
    return task_id


def _leased(task_id: str, owner: str) -> Update:
    return update(tasks).where(_t.id == task_id, _t.lease_owner == owner, RUNNING)


def advance(
    conn: Connection,
    task_id: str,
    owner: str,
    *,
    progress: int | None = None,
    finished_at: int | None = None,
    result: Payload | None = None,
    spent: Spent | None = None,
) -> None:
    """Write down how far a leased task has come; with ``finished_at`` it is done.

    Raises:
        VersionConflict: the lease is no longer ours.
    """
    changes: dict[str, object] = {"progress": _t.progress if progress is None else progress}
    if result is not None:
        changes["result"] = json_text(result)
    if finished_at is not None:
        changes |= _settled(TaskStatus.DONE, finished_at) | {"error": None}
    _change_leased(conn, task_id, owner, changes)
    _spend(conn, task_id, spent, finished_at)


def _settled(status: TaskStatus, at: int) -> dict[str, object]:
    return {"status": status, "open": 0, "finished_at": at, "lease_owner": None, "lease_until": None}


def _change_leased(conn: Connection, task_id: str, owner: str, changes: dict[str, object]) -> None:
    if conn.execute(_leased(task_id, owner).values(**changes)).rowcount != 1:
        raise VersionConflict(f"task {task_id} is no longer leased by this worker")


def _spend(conn: Connection, task_id: str, spent: Spent | None, at: int | None) -> None:
    """What the task has cost, and the day."""
    if spent is None or at is None or not spent.calls:
        return
    sums = {
        "calls": _t.calls + spent.calls,
        "input_tokens": _t.input_tokens + spent.input_tokens,
        "output_tokens": _t.output_tokens + spent.output_tokens,
    }
    conn.execute(update(tasks).where(_t.id == task_id).values(**sums))
    spending.add(conn, spent, at=at)


class Tasks(Operations):
    """The queue as callers and workers see it.

    A lease is over when its worker's process is known to be gone, or has let ``lease_seconds`` pass
    without renewing it while this process watched, or when it ended ``leases.MARGIN_SECONDS`` ago:
    clocks may differ, or jump, by as much. Workers that share a ledger have equal ``lease_seconds``.
    """

    _watch: Watch
    held: str | None = None
    """Why queued tasks wait longer than usual; whoever asks about one reads it as its error."""

    @writes
    def add_task(
        self,
        conn: Connection,
        scope: Scope,
        kind: TaskKind,
        payload: dict[str, JsonValue] | None = None,
    ) -> Task:
        """Queue a task for the scope's user."""
        locks.take(conn, locks.of_user(scope.app_id, scope.user_id or ""))
        task_id = add_task(conn, scope, kind, payload, now=self._now())
        return task_of(conn.execute(_BY_ID, {"id": task_id}).one())

    @writes
    def claim(
        self,
        conn: Connection,
        limit: int,
        *,
        lease_seconds: float,
        kinds: Iterable[TaskKind] | None = None,
    ) -> list[Task]:
        """Lease up to ``limit`` tasks, oldest first, and count an attempt for each.

        A task is free when it is queued and due, or when the lease on it is over. A user's second
        open synthesis waits for the first.
        """
        locks.take(conn, locks.CLAIMS)  # one by one: each sees what the others have at work
        known = self._leases(conn, lease_seconds)
        wanted = {"kinds": list(TaskKind if kinds is None else kinds), "limit": limit}
        claimable = conn.execute(_CLAIMABLE, {**known, **wanted}).all()
        if not claimable:
            return []
        seqs = [row.seq for row in claimable]
        until = self._shared_now(conn) + int(lease_seconds * _MICROSECONDS)
        conn.execute(_CLAIM, {"seqs": seqs, "at": self._now(), "by": self.owner, "until": until})
        return [task_of(row) for row in conn.execute(select(tasks).where(_t.seq.in_(seqs)).order_by(_t.seq))]

    @writes
    def heartbeat(self, conn: Connection, task_ids: Collection[str], lease_seconds: float) -> frozenset[str]:
        """Prolong our leases on these tasks. Returns the ones that are still ours."""
        ours = [_t.id.in_(list(task_ids)), _t.lease_owner == self.owner, RUNNING]
        until = self._shared_now(conn) + int(lease_seconds * _MICROSECONDS)
        conn.execute(update(tasks).where(*ours).values(lease_until=until))
        return frozenset(conn.execute(select(_t.id).where(*ours)).scalars())

    @writes
    def complete(
        self,
        conn: Connection,
        task_id: str,
        *,
        result: dict[str, JsonValue] | None = None,
        spent: Spent | None = None,
    ) -> None:
        """The task is done.

        Raises:
            VersionConflict: the lease is no longer ours (also from the two methods below).
        """
        advance(conn, task_id, self.owner, finished_at=self._now(), result=result, spent=spent)

    @writes
    def retry_later(
        self,
        conn: Connection,
        task_id: str,
        error: str,
        not_before: datetime,
        *,
        spent: Spent | None = None,
    ) -> None:
        """The task failed this time; it is due again at ``not_before``, and its user's later ones wait."""
        changes: dict[str, object] = {
            "status": TaskStatus.QUEUED,
            "error": readable(error),
            "not_before": micros(not_before),
            "lease_owner": None,
            "lease_until": None,
        }
        _change_leased(conn, task_id, self.owner, changes)
        _spend(conn, task_id, spent, self._now())

    @writes
    def park(self, conn: Connection, task_id: str, error: str, *, spent: Spent | None = None) -> None:
        """The task gave up; it is kept with its error, and its user's later tasks go on."""
        changes = _settled(TaskStatus.PARKED, self._now()) | {"error": readable(error)}
        _change_leased(conn, task_id, self.owner, changes)
        _spend(conn, task_id, spent, self._now())

    @writes
    def retry(self, conn: Connection, app_id: str, task_id: str, *, user_id: str | None = None) -> Task:
        """Queue a parked task again, with its attempts counted from zero and its progress kept.

        Raises:
            NotFound: no such task is parked in this scope.
        """
        parked = [*_named(task_id, app_id, user_id), _t.status == TaskStatus.PARKED]
        changed = (
            update(tasks)
            .where(*parked)
            .values(status=TaskStatus.QUEUED, open=1, attempts=0, error=None, not_before=0, finished_at=None)
        )
        if conn.execute(changed).rowcount != 1:
            raise NotFound(f"no parked task {task_id!r} in this scope")
        return task_of(conn.execute(_BY_ID, {"id": task_id}).one())

    @writes
    def release(self, conn: Connection, *, keep: Collection[str] = ()) -> int:
        """Give our leases back, but for those on ``keep``, without counting an attempt. Returns how many."""
        ours = update(tasks).where(_t.lease_owner == self.owner, RUNNING, _t.id.not_in(list(keep)))
        freed = ours.values(
            status=TaskStatus.QUEUED, attempts=_t.attempts - 1, lease_owner=None, lease_until=None
        )
        return conn.execute(freed).rowcount

    @reads
    def task(
        self, conn: Connection, task_id: str, *, app_id: str | None = None, user_id: str | None = None
    ) -> Task:
        """One task.

        Raises:
            NotFound: there is none in this scope.
        """
        row = conn.execute(select(tasks).where(*_named(task_id, app_id, user_id))).one_or_none()
        if row is None:
            raise NotFound(f"no task {task_id!r} in this scope")
        return self._explained(task_of(row))

    @reads
    def tasks(
        self,
        conn: Connection,
        scope: Scope,
        *,
        statuses: Collection[TaskStatus] | None = None,
        limit: int = 100,
    ) -> Sequence[Task]:
        """The scope's tasks, newest first."""
        found = select(tasks).where(*within(tasks, scope)).order_by(_t.seq.desc()).limit(limit)
        if statuses is not None:
            found = found.where(_t.status.in_(list(statuses)))
        return [self._explained(task_of(row)) for row in conn.execute(found)]

    def _explained(self, task: Task) -> Task:
        waits = self.held is not None and task.status is TaskStatus.QUEUED
        return task.model_copy(update={"error": self.held}) if waits else task

    @reads
    def next_due(self, conn: Connection) -> datetime | None:
        """When ``claim`` is next worth a try: perhaps long past; None while nothing is open.

        Says nothing about tasks that wait for one of our own: settling that one frees them.
        """
        due = conn.execute(_NEXT_DUE, self._leases(conn)).scalar_one()
        return None if due is None else moment(due)

    @reads
    def unfinished(self, conn: Connection, scope: Scope | None = None) -> int:
        """How many tasks are queued or running."""
        where = [OPEN] if scope is None else [OPEN, *within(tasks, scope)]
        return conn.execute(select(func.count()).select_from(tasks).where(*where)).scalar_one()

    @reads
    def spent(self, conn: Connection, scope: Scope, *, task_id: str | None = None) -> Spent:
        """Model calls and tokens of the scope's tasks, or of one of them."""
        counted = (_t.calls, _t.input_tokens, _t.output_tokens)
        sums = [func.coalesce(func.sum(column), 0) for column in counted]
        found = select(*sums).where(*within(tasks, scope))
        if task_id is not None:
            found = found.where(_t.id == task_id)
        calls, input_tokens, output_tokens = conn.execute(found).one()
        return Spent(int(calls), int(input_tokens), int(output_tokens))

    def _leases(self, conn: Connection, lease_seconds: float | None = None) -> dict[str, object]:
        """What tells leases that hold from those that are over, as parameters."""
        renewals: dict[str, int] = {row[0]: row[1] for row in conn.execute(_HOLDERS)}
        dead = {owner for owner in renewals if owners.is_dead(owner)} | {_NOBODY}
        return {
            "now": self._now(),
            "lapsed": self._shared_now(conn) - int(MARGIN_SECONDS * _MICROSECONDS),
            "dead": sorted(dead | self._watch.silent(renewals, lease_seconds=lease_seconds)),
            "owner": self.owner,
        }


def _named(task_id: str, app_id: str | None, user_id: str | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_t.id == task_id]
    if app_id is not None:
        found.append(_t.app_id == app_id)
    if user_id is not None:
        found.append(_t.user_id == user_id)
    return found
