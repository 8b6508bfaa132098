"""What becomes of background work as far as a command sees it, and how it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from omnimemory.cli.advice import command
from omnimemory.cli.failures import DONE, FAILED, INTERRUPTED, UNAVAILABLE
from omnimemory.core.display import one_line, plain
from omnimemory.core.errors import LedgerUnavailable, StoreUnavailable
from omnimemory.core.schemas import Task, TaskStatus

if TYPE_CHECKING:
    from omnimemory.facade.connection import Response
    from omnimemory.sdk import OmniMemorySDK


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A task as the command leaves it, and the exit code that this makes.

    ``task`` is None where nobody could be asked. ``left`` says what goes on with a task that the
    command did not see settled.
    """

    task_id: str
    task: Task | None
    left: str = ""
    code: int = DONE


class Waiting:
    """How long a command waits for what it set going: until all is settled, ``timeout`` seconds at most.

    ``wanted`` is ``--wait`` or ``--no-wait``; None waits only where no daemon does the work. A wait
    that Ctrl-C ends is the last one: the command then tells what it has done.
    """

    def __init__(self, wanted: bool | None, timeout: float, *, home: Path | None) -> None:
        self._wanted = wanted
        self._timeout = timeout
        self._home = home

    async def for_task(self, sdk: OmniMemorySDK, task_id: str | None, app_id: str) -> Outcome | None:
        """What became of the task; None where there is none."""
        found = await self.for_tasks(sdk, [] if task_id is None else [task_id], app_id)
        return found[0] if found else None

    async def for_tasks(self, sdk: OmniMemorySDK, task_ids: Sequence[str], app_id: str) -> list[Outcome]:
        """The same for several, side by side."""
        from omnimemory.cli.connect import served_by_daemon

        if not task_ids:
            return []
        daemon = await served_by_daemon(sdk)
        left = "goes on in the daemon" if daemon else f"waits for the next command, or {self._start()}"
        if self._wanted is False or (self._wanted is None and daemon):
            return [Outcome(task_id=one, task=await sdk.get_task(one, app_id), left=left) for one in task_ids]
        waits = [asyncio.create_task(self._settled(sdk, one, app_id, left=left)) for one in task_ids]
        try:
            return await asyncio.gather(*waits)
        except asyncio.CancelledError:
            if (current := asyncio.current_task()) is not None:
                current.uncancel()
            return [Outcome(task_id=one, task=None, left=left, code=INTERRUPTED) for one in task_ids]

    async def _settled(self, sdk: OmniMemorySDK, task_id: str, app_id: str, *, left: str) -> Outcome:
        try:
            try:
                task = await sdk.wait_for_task(task_id, app_id, timeout=self._timeout)
            except TimeoutError:
                late = UNAVAILABLE if self._wanted else DONE
                task = await sdk.get_task(task_id, app_id)
                return Outcome(task_id=task_id, task=task, left=f"is not done yet; it {left}", code=late)
        except (StoreUnavailable, LedgerUnavailable) as exc:
            lost = f"goes on at the next start: {one_line(str(exc))}"
            return Outcome(task_id=task_id, task=None, left=lost, code=UNAVAILABLE)
        parked = task.status is TaskStatus.PARKED
        return Outcome(task_id=task_id, task=task, code=FAILED if parked else DONE)

    def _start(self) -> str:
        return command("daemon", "start", home=self._home)

    def report(self, done: Response, lines: list[str], outcome: Outcome | None, *, as_json: bool) -> None:
        """Print what a command did and what became of its task, and end with the exit code of both."""
        from omnimemory.cli.output import print_document

        if outcome is not None:
            known = None if outcome.task is None else outcome.task.to_dict()
            done, lines = done | {"task": known}, [*lines, self.said(outcome)]
        print_document(done, "\n".join(lines), as_json=as_json)
        end([outcome] if outcome else [])

    def said(self, outcome: Outcome) -> str:
        """What became of a task, and what there is to do."""
        name = f"Task {outcome.task_id}"
        if outcome.left or outcome.task is None:
            return f"{name} {outcome.left}."
        if outcome.task.status is not TaskStatus.PARKED:
            return f"{name}: {outcome.task.status.value}."
        error = plain(outcome.task.error or "no reason")
        retry = command("tasks", "retry", outcome.task_id, app_id=outcome.task.app_id, home=self._home)
        return (
            f"{name} gave up after {outcome.task.attempts} attempts and is kept: {error}\n"
            f"Mend the cause, then {retry}"
        )


def end(outcomes: Sequence[Outcome]) -> None:
    """Exit where one of them is no success."""
    if code := max((outcome.code for outcome in outcomes), default=DONE):
        raise typer.Exit(code)
