"""``omnimemory memory add|update|delete|restore``: what changes memories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import (
    AppId,
    Home,
    IdempotencyKey,
    Json,
    MemoryId,
    Metadata,
    OnlyUser,
    Said,
    SaidFile,
    SessionId,
    Timeout,
    UserId,
    Wait,
    Yes,
)

if TYPE_CHECKING:
    from omnimemory.cli.waiting import Outcome
    from omnimemory.facade.connection import Response
    from omnimemory.sdk import OmniMemorySDK


def add(
    app_id: AppId,
    user_id: UserId,
    session_id: SessionId = None,
    message: Said = None,
    messages_file: SaidFile = None,
    metadata: Metadata = None,
    infer: Annotated[
        bool | None,
        typer.Option(
            "--infer/--no-infer",
            help="Make a note of it, or keep only what was said; as OMNIMEMORY_SYNTHESIS says if left out.",
            show_default=False,
        ),
    ] = None,
    instructions: Annotated[
        str | None,
        typer.Option(metavar="<text>", help="Your own instructions for those that write the note."),
    ] = None,
    idempotency_key: IdempotencyKey = None,
    wait: Wait = None,
    timeout: Timeout = 60,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Remember a conversation. It is on disk when this returns."""
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
        accepted = await sdk.add_memory(
            given, infer=infer, instructions=instructions, idempotency_key=idempotency_key
        )
        return accepted, await waiting.for_task(sdk, accepted["task_id"], app_id)

    accepted, outcome = using(home, work)
    waiting.report(accepted, [f"{accepted['message']}."], outcome, as_json=as_json)


def update(
    memory_id: MemoryId,
    app_id: AppId,
    text: Annotated[str | None, typer.Option(metavar="<text>", help="The new text.")] = None,
    metadata: Metadata = None,
    user_id: OnlyUser = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Change a memory's text or user metadata. The old one stays in the chain."""
    from omnimemory.cli.advice import command, where_not_found
    from omnimemory.cli.connect import using
    from omnimemory.cli.messages import metadata_of
    from omnimemory.cli.output import print_document
    from omnimemory.core.errors import InvalidRequest

    if text is None and not metadata:
        raise InvalidRequest("nothing to change; give --text, --metadata, or both")
    values = metadata_of(metadata) if metadata else None
    with where_not_found(command("memory", "list", app_id=app_id, home=home)):
        memory = using(
            home,
            lambda sdk: sdk.update_memory(memory_id, app_id, text=text, metadata=values, user_id=user_id),
        )
    print_document(memory.to_dict(), f"Updated; it is memory {memory.id} now.", as_json=as_json)


def delete(
    memory_id: MemoryId,
    app_id: AppId,
    user_id: OnlyUser = None,
    cascade: Annotated[
        bool, typer.Option(help="End what is known from it alone, too: a note's turns, a turn's notes.")
    ] = True,
    yes: Yes = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """End a memory. `memory restore` brings it back."""
    from omnimemory.cli.advice import command, where_not_found
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import print_document
    from omnimemory.core.errors import NotFound

    confirm(f"Delete memory {memory_id} of app {app_id}?", yes=yes)
    with where_not_found(command("memory", "list", app_id=app_id, home=home)):
        if not using(home, lambda sdk: sdk.delete_memory(app_id, memory_id, user_id, cascade=cascade)):
            raise NotFound(f"no active memory {memory_id!r} in this app")
    restore = command("memory", "restore", memory_id, app_id=app_id, home=home)
    print_document(
        {"memory_id": memory_id, "deleted": True},
        f"Deleted. {restore} brings it back.",
        as_json=as_json,
    )


def restore(
    memory_id: MemoryId,
    app_id: AppId,
    user_id: OnlyUser = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Bring an ended memory back, as a new one of its chain."""
    from omnimemory.cli.advice import command, where_not_found
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import print_document

    with where_not_found(command("memory", "list", "--status", "any", app_id=app_id, home=home)):
        memory = using(home, lambda sdk: sdk.restore_memory(memory_id, app_id, user_id))
    print_document(memory.to_dict(), f"Restored as memory {memory.id}.", as_json=as_json)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something ends; where nobody can answer, ``--yes`` must have been given.

    Raises:
        InvalidRequest: nobody can be asked.
        typer.Abort: the answer was no.
    """
    import sys

    from omnimemory.core.display import one_line
    from omnimemory.core.errors import InvalidRequest

    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidRequest("this needs a yes, and no terminal is there to ask; give --yes")
    typer.confirm(one_line(question), abort=True, err=True)
