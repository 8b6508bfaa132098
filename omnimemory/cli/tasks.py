"""``omnimemory tasks``: background work, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import AppId, Home, Json, Limit, OnlyUser, TaskId, Timeout, Wait

if TYPE_CHECKING:
    from rich.table import Table

    from omnimemory.core.schemas import Task
    from omnimemory.facade.connection import Response
    from omnimemory.sdk import OmniMemorySDK

app = typer.Typer(no_args_is_help=True)


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    PARKED = "parked"


@app.callback()
def group() -> None:
    """Background work: list it, look into it, try it again."""


@app.command("list")
def list_tasks(
    app_id: AppId,
    user_id: OnlyUser = None,
    status: Annotated[list[State] | None, typer.Option(help="Only these; may be repeated.")] = None,
    limit: Limit = 100,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """List tasks, the newest first."""
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import print_document

    states = [item.value for item in status] if status else None
    tasks = using(home, lambda sdk: sdk.list_tasks(app_id, user_id, statuses=states, limit=limit))
    document = [task.to_dict() for task in tasks]
    print_document(document, _table(tasks) if tasks else "No task matches.", as_json=as_json)


@app.command()
def show(
    task_id: TaskId,
    app_id: AppId,
    user_id: OnlyUser = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Show one task with its result or its error."""
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import print_document

    task = using(home, lambda sdk: sdk.get_task(task_id, app_id, user_id))
    print_document(task.to_dict(), _details(task), as_json=as_json)


@app.command()
def retry(
    task_id: TaskId,
    app_id: AppId,
    user_id: OnlyUser = None,
    wait: Wait = None,
    timeout: Timeout = 60,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Queue a parked task again."""
    from omnimemory.cli.connect import awaited, using
    from omnimemory.cli.output import print_document

    async def work(sdk: OmniMemorySDK) -> tuple[Task, Task | None]:
        queued = await sdk.retry_task(task_id, app_id, user_id)
        return queued, await awaited(sdk, task_id, app_id, wait=wait, timeout=timeout)

    queued, settled = using(home, work)
    task = settled or queued
    print_document(task.to_dict(), sentence(task), as_json=as_json)
    fail_if_parked(task)


def report(done: Response, lines: list[str], task: Task | None, *, as_json: bool) -> None:
    """What a command did, and what became of its task where somebody waited; a parked one is a failure."""
    from omnimemory.cli.output import print_document

    if task is not None:
        done, lines = done | {"task": task.to_dict()}, [*lines, sentence(task)]
    print_document(done, "\n".join(lines), as_json=as_json)
    if task is not None:
        fail_if_parked(task)


def sentence(task: Task) -> str:
    """What became of a task, in a line."""
    from omnimemory.core.display import one_line

    if task.status.value != State.PARKED:
        return f"Task {task.task_id}: {task.status.value}."
    error = one_line(task.error or "no reason")
    return (
        f"Task {task.task_id} gave up after {task.attempts} attempts and is kept: {error}\n"
        f"Mend the cause, then `omnimemory tasks retry {task.task_id} --app-id ...`"
    )


def fail_if_parked(task: Task) -> None:
    """Exit code 1 where the work was given up."""
    from omnimemory.cli.failures import FAILED

    if task.status.value == State.PARKED:
        raise typer.Exit(FAILED)


def _table(tasks: list[Task]) -> Table:
    from omnimemory.cli.output import new_table
    from omnimemory.core.display import one_line, plain

    table = new_table()
    table.add_column("task", no_wrap=True)
    for name in ("kind", "status", "user"):
        table.add_column(name)
    table.add_column("attempts", justify="right")
    table.add_column("created", no_wrap=True)
    table.add_column("error", ratio=1)
    for task in tasks:
        table.add_row(
            task.task_id,
            task.kind.value,
            task.status.value,
            plain(task.user_id),
            str(task.attempts),
            f"{task.created_at:%Y-%m-%d %H:%M:%S}",
            one_line(task.error or ""),
        )
    return table


def _details(task: Task) -> str:
    from omnimemory.core.display import plain

    shown = task.to_dict()
    return "\n".join(f"{name}: {plain(str(value))}" for name, value in shown.items() if value is not None)
