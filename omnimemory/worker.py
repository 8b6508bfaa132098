"""The synthesis lane: leased tasks, in order per user, retried with backoff, parked when hopeless.

An outage of the store or the ledger parks nothing: tasks wait for its end, however long it lasts.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from omnimemory.budget import DailyTokens
from omnimemory.core.errors import (
    DeliveryFailed,
    InvalidModelOutput,
    LedgerUnavailable,
    OmniMemoryError,
    RateLimited,
    StoreUnavailable,
    VersionConflict,
)
from omnimemory.core.schemas import Task, TaskKind
from omnimemory.core.settings import Settings
from omnimemory.ingest import trace_of
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import Spent
from omnimemory.metrics import SILENT, Observer, Outcome
from omnimemory.models.base import Usage
from omnimemory.pace import Pace
from omnimemory.signals import Doorbell, Outage, Signal, forever, outlasting

logger = logging.getLogger(__name__)

Work = Callable[[Task, Usage], Coroutine[Any, Any, dict[str, JsonValue] | None]]
"""Does a task and returns its result, None when it wrote down itself that the task is done; safe to
call again after any failure."""

IDLE_CHECK_SECONDS = 5.0
_OUTAGES = (StoreUnavailable, LedgerUnavailable)
"""What says nothing about the task: no number of attempts makes it give up."""

DELIVERY_SHARE = 4
"""One slot in so many may be delivering to webhooks: how long that takes is up to others' servers."""
_NO_DELIVERY = tuple(kind for kind in TaskKind if kind is not TaskKind.SUMMARY)


class Worker:
    """Claims tasks and does them, as many at once as ``worker_concurrency`` allows.

    A task fails for good only by being parked: visible, retryable, never dropped.
    """

    def __init__(
        self,
        ledger: Ledger,
        work: Mapping[TaskKind, Work],
        *,
        settings: Settings,
        changed: Signal,
        pace: Pace | None = None,
        observer: Observer = SILENT,
    ) -> None:
        self._pace = pace or Pace(1.0)
        self._tokens = DailyTokens(ledger, settings.daily_token_cap)
        self._observer = observer
        self._ledger = ledger
        self._work = work
        self._settings = settings
        self._changed = changed
        self._bell = Doorbell()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._delivering: set[str] = set()
        self._outage = Outage("the tasks")
        self._claims_are_known = True

    def wake(self) -> None:
        """New tasks may be claimable."""
        self._bell.ring()

    async def run(self) -> None:
        """Work until cancelled; what was leased then goes back to the queue."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(forever("the leases", self._keep_leases))
                group.create_task(forever("the batches", self._queue_what_waited))
                await forever("the synthesis lane", lambda: self._start_some(group))
        finally:
            await self._ledger.release()

    async def _start_some(self, group: asyncio.TaskGroup) -> None:
        self._bell.quiet()
        if (until := await self._tokens.spent_until()) is not None:
            await self._bell.wait(until)
            return
        for task in await self._claim():
            self._running[task.task_id] = group.create_task(self._do(task))
            if task.kind is TaskKind.SUMMARY:
                self._delivering.add(task.task_id)
        await asyncio.sleep(0)  # what was claimed reads its turns before we ask for more
        await self._bell.wait(await self._ledger.next_due())

    async def _claim(self) -> list[Task]:
        free = self._settings.worker_concurrency - len(self._running)
        if not free:
            return []
        if not self._claims_are_known:  # what a lost answer leased to us, nobody else would free
            await self._ledger.release(keep=list(self._running))
        self._claims_are_known = False
        room = max(1, self._settings.worker_concurrency // DELIVERY_SHARE) - len(self._delivering)
        kinds = _NO_DELIVERY if room <= 0 else None
        claimed = await self._ledger.claim(free, lease_seconds=self._settings.lease_seconds, kinds=kinds)
        if surplus := [task for task in claimed if task.kind is TaskKind.SUMMARY][max(0, room) :]:
            claimed = [task for task in claimed if task not in surplus]
            await self._ledger.release(keep=[*self._running, *(task.task_id for task in claimed)])
            self._bell.ring()  # for what waits behind them
        self._claims_are_known = True
        return claimed

    async def _do(self, task: Task) -> None:
        usage = Usage()
        try:
            with self._observer.operation(f"task.{task.kind}", parent=trace_of(task)):
                async with asyncio.timeout(self._settings.task_timeout):
                    result = await self._pace.piece(self._work[task.kind](task, usage))
                if result is not None:
                    await self._ledger.complete(task.task_id, result=result, spent=_spent(usage))
            self._tell(task, "done")
            self._outage.end()
        except (OmniMemoryError, TimeoutError) as exc:
            await self._failed(task, exc, usage)
        except Exception as exc:  # the worker's loop: one bad task must not end the others
            logger.exception("task %s failed unexpectedly", task.task_id)
            await self._failed(task, exc, usage)
        finally:
            del self._running[task.task_id]
            self._delivering.discard(task.task_id)
            self._bell.ring()
            self._changed.notify()

    async def _failed(self, task: Task, error: Exception, usage: Usage) -> None:
        """Retry later what may pass, park the rest; the error stays readable either way."""
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        delay = self._delay(task.attempts, error)

        async def write_down() -> None:
            if delay is None:
                await self._ledger.park(task.task_id, text, spent=_spent(usage))
            else:
                due = datetime.now(UTC) + timedelta(seconds=delay)
                await self._ledger.retry_later(task.task_id, text, due, spent=_spent(usage))

        try:
            await outlasting(self._outage, write_down)
        except VersionConflict:
            logger.info("task %s has been taken over by another worker, or was done", task.task_id)
            self._tell(task, "taken_over")
        else:
            level = logging.DEBUG if isinstance(error, _OUTAGES) else logging.WARNING
            what = "parked" if delay is None else f"tried again in {delay:.1f} s"
            self._tell(task, "parked" if delay is None else "retried")
            logger.log(level, "task %s, attempt %d: %s; %s", task.task_id, task.attempts, text, what)

    def _tell(self, task: Task, outcome: Outcome) -> None:
        age = (datetime.now(UTC) - task.created_at).total_seconds()
        self._observer.attempted(task.kind, outcome, age=max(0.0, age))

    def _delay(self, attempts: int, error: Exception) -> float | None:
        """Seconds until the next attempt; None where there shall be none.

        Exponential backoff with full jitter, never shorter than the endpoint asked for.
        """
        if isinstance(error, _OUTAGES):
            return self._outage.go_on(error)
        if isinstance(error, DeliveryFailed):
            return error.retry_after
        may_pass = isinstance(error, TimeoutError | InvalidModelOutput | VersionConflict) or (
            isinstance(error, OmniMemoryError) and error.transient
        )
        if not may_pass or attempts >= self._settings.task_attempts:
            return None
        base, cap = self._settings.retry_base_seconds, self._settings.retry_cap_seconds
        delay: float = random.uniform(0.5, 1.0) * min(cap, base * 2.0 ** (attempts - 1))
        if isinstance(error, RateLimited) and error.retry_after is not None:
            delay = max(delay, min(error.retry_after, cap))
        return delay

    async def _keep_leases(self) -> None:
        """Renew our leases; stop working on a task that another worker has taken over."""
        await asyncio.sleep(self._settings.lease_seconds / 3)
        if not self._running:
            return
        held = list(self._running)
        ours = await self._ledger.heartbeat(held, lease_seconds=self._settings.lease_seconds)
        for task_id in set(held) - ours:
            if running := self._running.get(task_id):
                running.cancel()

    async def _queue_what_waited(self) -> None:
        """Synthesise batches that nobody has added to for a while; resolve what could not be before."""
        idle, again = self._settings.batch_idle_seconds, self._settings.resolve_again_seconds
        now = datetime.now(UTC)
        flushed = await self._ledger.flush_buffer(None, idle_before=now - timedelta(seconds=idle))
        queued = await self._ledger.queue_resolutions(stored_before=now - timedelta(seconds=again))
        if flushed or queued:
            self._bell.ring()
        await asyncio.sleep(min(IDLE_CHECK_SECONDS, idle / 2, again / 2))


def _spent(usage: Usage) -> Spent:
    return Spent(usage.calls, usage.input_tokens, usage.output_tokens)
