"""Waiting for background work: until it is settled, or cannot go on for now."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from omnimemory.core.schemas import Scope, Task
from omnimemory.ledger.ledger import Ledger
from omnimemory.models.base import Usage
from omnimemory.projector import Projector
from omnimemory.signals import Signal
from omnimemory.worker import Work

POLL_SECONDS = 0.5
"""How often the ledger is looked at when nothing tells of a change, as when another process made it."""


class Settling:
    """Knows what is at work in this process, and asks the ledger for the rest."""

    def __init__(self, ledger: Ledger, projector: Projector, changed: Signal, *, shared: bool) -> None:
        self._ledger = ledger
        self._projector = projector
        self._changed = changed
        self._shared = shared
        self._at_work = 0

    def counted(self, work: Work) -> Work:
        """``work``, known to be going on here for as long as it does."""

        async def counting(task: Task, usage: Usage) -> dict[str, JsonValue] | None:
            self._at_work += 1
            try:
                return await work(task, usage)
            finally:
                self._at_work -= 1

        return counting

    async def task(self, scope: Scope, task_id: str, *, timeout: float | None) -> Task:
        """The task once it is done or parked.

        Raises:
            NotFound: no such task in this scope.
            TimeoutError: it was neither within ``timeout`` seconds; it goes on.
        """
        async with asyncio.timeout(timeout):
            while True:
                task = await self._ledger.task(task_id, app_id=scope.app_id, user_id=scope.user_id)
                if task.is_settled:
                    return task
                await self._changed.wait(POLL_SECONDS)

    async def all(self, scope: Scope | None, *, timeout: float | None) -> bool:
        """Wait until the scope's tasks are done or parked and the store was told; whether they are.

        They are not when ``timeout`` seconds have passed, or when the ledger says why tasks are held.
        """
        try:
            async with asyncio.timeout(timeout):
                while (left := await self._ledger.unfinished(scope)) or await self._undelivered(scope):
                    if left and self._ledger.held is not None:
                        return False
                    await self._changed.wait(POLL_SECONDS)
        except TimeoutError:
            return False
        return True

    async def drain(self, seconds: float) -> None:
        """Wait, at most so long, for the work of this process that can be done by then.

        Tasks that are held or due only later stay in the ledger, and so does what a store that does not
        answer has yet to hear. Where processes share the ledger, what none has begun is left to all.
        """
        deadline = datetime.now(UTC) + timedelta(seconds=seconds)
        try:
            async with asyncio.timeout(seconds):
                while self._at_work or (not self._shared and await self._can_go_on(deadline)):
                    await self._changed.wait(POLL_SECONDS)
        except TimeoutError:
            return

    async def _can_go_on(self, deadline: datetime) -> bool:
        if await self._undelivered(None):
            return True
        if self._ledger.held is not None or self._projector.stalled or not await self._ledger.unfinished():
            return False
        due = await self._ledger.next_due()
        return due is None or due <= deadline  # None: all that is open is leased to us

    async def _undelivered(self, scope: Scope | None) -> bool:
        return bool(await self._ledger.outbox_size(scope, due=True)) and not self._projector.stalled
