"""``omnimemory memory batch``: messages as they come, synthesised when a batch is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from omnimemory.cli.options import (
    AppId,
    Home,
    Json,
    Metadata,
    OnlySession,
    OnlyUser,
    Said,
    SaidFile,
    SessionId,
    Timeout,
    UserId,
    Wait,
)

if TYPE_CHECKING:
    from omnimemory.cli.waiting import Outcome
    from omnimemory.facade.connection import Response
    from omnimemory.sdk import OmniMemorySDK

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Collect messages; a full batch becomes a note."""


@app.command()
def add(
    app_id: AppId,
    user_id: UserId,
    session_id: SessionId = None,
    message: Said = None,
    messages_file: SaidFile = None,
    metadata: Metadata = None,
    wait: Wait = None,
    timeout: Timeout = 60,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Add messages to the session's batch. They are on disk, and can be recalled, when this returns."""
    from omnimemory.cli.connect import using
    from omnimemory.cli.messages import given_messages, metadata_of
    from omnimemory.cli.waiting import Waiting
    from omnimemory.core.schemas import UserMessages

    waiting = Waiting(wait, timeout, home=home)
    given = UserMessages(
        app_id=app_id,
        user_id=user_id,
        session_id=session_id,
        messages=given_messages(message, messages_file),
        metadata=metadata_of(metadata),
    )

    async def work(sdk: OmniMemorySDK) -> tuple[Response, Outcome | None]:
        batched = await sdk.ingest(given)
        return batched, await waiting.for_task(sdk, batched["task_id"], app_id)

    batched, outcome = using(home, work)
    said = f"{batched['status']}: {batched['pending_messages']} of {batched['batch_size']} messages wait."
    lines = [said, *filter(None, [batched.get("held")])]
    waiting.report(batched, lines, outcome, as_json=as_json)


@app.command()
def flush(
    app_id: AppId,
    user_id: OnlyUser = None,
    session_id: OnlySession = None,
    wait: Wait = None,
    timeout: Timeout = 60,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Synthesise what waits in batches now."""
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import print_document
    from omnimemory.cli.waiting import Waiting, end
    from omnimemory.core.schemas import Scope

    waiting = Waiting(wait, timeout, home=home)
    scope = Scope(app_id=app_id, user_id=user_id, session_id=session_id)

    async def work(sdk: OmniMemorySDK) -> tuple[list[str], list[Outcome]]:
        made = await sdk.flush(scope, wait=False)
        return made, await waiting.for_tasks(sdk, made, app_id)

    made, outcomes = using(home, work)
    lines = [f"{len(made)} {'batch' if len(made) == 1 else 'batches'} flushed.", *map(waiting.said, outcomes)]
    document = {
        "status": "flushed",
        "pending_messages": 0,
        "task_ids": made,
        "tasks": [outcome.task.to_dict() for outcome in outcomes if outcome.task is not None],
    }
    print_document(document, "\n".join(lines), as_json=as_json)
    end(outcomes)


@app.command()
def status(
    app_id: AppId,
    user_id: OnlyUser = None,
    session_id: OnlySession = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """How many messages wait for their batch to be full."""
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import print_document
    from omnimemory.core.schemas import Scope

    scope = Scope(app_id=app_id, user_id=user_id, session_id=session_id)

    async def work(sdk: OmniMemorySDK) -> tuple[int, int]:
        return await sdk.run(lambda engine: engine.ledger.pending(scope)), sdk.settings.default_max_messages

    waiting, size = using(home, work)
    document = {
        "status": "pending" if waiting else "empty",
        "pending_messages": waiting,
        "batch_size": size,
        "app_id": app_id,
        "user_id": user_id,
        "session_id": session_id,
    }
    print_document(document, f"{waiting} messages wait; a batch has {size}.", as_json=as_json)
