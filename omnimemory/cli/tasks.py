"""``omnimemory tasks``: background work, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import AppId, Home, Json, Limit, OnlyUser, TaskId, Timeout, Wait

if TYPE_CHECKING:
    from omnimemory.cli.listing import Listing
    from omnimemory.cli.waiting import Outcome
    from omnimemory.core.schemas import Task
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
    status: Annotated[
        list[State] | None,
        typer.Option(metavar="<status>", help=f"Only {', '.join(State)}; may be repeated."),
    ] = None,
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
    print_document(document, _listing(tasks) if tasks else "No task matches.", as_json=as_json)


@app.command()
def show(
    task_id: TaskId,
    app_id: AppId,
    user_id: OnlyUser = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Show one task with its result or its error."""
    from omnimemory.cli.advice import command, where_not_found
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import print_document

    with where_not_found(command("tasks", "list", app_id=app_id, home=home)):
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
    from omnimemory.cli.advice import command, where_not_found
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import print_document
    from omnimemory.cli.waiting import Waiting, end

    waiting = Waiting(wait, timeout, home=home)

    async def work(sdk: OmniMemorySDK) -> tuple[Task, Outcome | None]:
        queued = await sdk.retry_task(task_id, app_id, user_id)
        return queued, await waiting.for_task(sdk, task_id, app_id)

    with where_not_found(command("tasks", "list", "--status", State.PARKED, app_id=app_id, home=home)):
        queued, outcome = using(home, work)
    if outcome is not None:
        print_document((outcome.task or queued).to_dict(), waiting.said(outcome), as_json=as_json)
        end([outcome])


def _listing(tasks: list[Task]) -> Listing:
    from omnimemory.cli.listing import Column, Listing, identified
    from omnimemory.core.display import one_line

    columns = (
        identified("task"),
        Column("kind"),
        Column("status"),
        Column("attempts", lead="attempts ", right=True),
        Column("created"),
        Column("user", lead="user "),
        Column("error", prose=True),
    )
    rows = [
        (
            task.task_id,
            task.kind.value,
            task.status.value,
            str(task.attempts),
            f"{task.created_at:%Y-%m-%dT%H:%M:%SZ}",
            one_line(task.user_id, limit=256),
            one_line(task.error or "", limit=10_000),
        )
        for task in tasks
    ]
    return Listing(columns, rows)


def _details(task: Task) -> str:
    from omnimemory.core.display import plain

    shown = task.to_dict()
    return "\n".join(f"{name}: {plain(str(value))}" for name, value in shown.items() if value is not None)
