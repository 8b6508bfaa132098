"""``omnimemory memory``: memories found, read and listed; its other commands are made elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import (
    AppId,
    Home,
    Json,
    Limit,
    MemoryId,
    OnlySession,
    OnlyUser,
    Results,
    Threshold,
)

if TYPE_CHECKING:
    from omnimemory.core.schemas import Recalled

app = typer.Typer(no_args_is_help=True)

NOTHING = "No memory matches."


class Kind(StrEnum):
    TURN = "turn"
    NOTE = "note"


class State(StrEnum):
    ACTIVE = "active"
    UPDATED = "updated"
    SUPERSEDED = "superseded"
    DELETED = "deleted"
    ANY = "any"


Budget = Annotated[
    int | None,
    typer.Option(metavar="<number>", help="Print a block for a prompt instead, of at most so many tokens."),
]
Grouped = Annotated[
    bool, typer.Option("--grouped", help="The block's memories by session, in the order of time.")
]
Explain = Annotated[bool, typer.Option("--explain", help="Show every number that made the score.")]
AllAsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document instead of text: a list of memories or, with --explain or "
        "--token-budget, all that the recall gave.",
    ),
]
Kinds = Annotated[
    list[Kind] | None,
    typer.Option("--kind", metavar="<turn|note>", help="Only turns or only notes; may be repeated."),
]
Moment = Annotated[
    datetime | None,
    typer.Option(metavar="<time>", help="ISO 8601; without a zone it is UTC.", show_default=False),
]


@app.callback()
def group() -> None:
    """Add, find, read, change and trace memories."""


def query(
    app_id: AppId,
    query: Annotated[
        str, typer.Option("--query", "-q", metavar="<text>", help="What to look for, in plain words.")
    ],
    user_id: OnlyUser = None,
    session_id: OnlySession = None,
    n_results: Results = None,
    threshold: Threshold = None,
    kind: Kinds = None,
    token_budget: Budget = None,
    grouped: Grouped = False,
    explain: Explain = False,
    as_json: AllAsJson = False,
    home: Home = None,
) -> None:
    """Recall the most useful memories for a query."""
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import print_json
    from omnimemory.core.errors import InvalidRequest

    if grouped and token_budget is None:
        raise InvalidRequest("--grouped arranges the block for a prompt; give --token-budget too")
    found = using(
        home,
        lambda sdk: sdk.recall(
            app_id,
            query,
            user_id=user_id,
            session_id=session_id,
            n_results=n_results,
            similarity_threshold=threshold,
            kinds=tuple(item.value for item in kind or Kind),
            token_budget=token_budget,
            group_by_session=grouped,
            explain=explain,
        ),
    )
    if as_json:
        print_json(_document(found) if explain or token_budget else _memories(found))
        return
    if token_budget is not None:
        _print_block(found)
    if explain:
        _print_explained(found)
    elif token_budget is None:
        _print_results(found)


def get(
    memory_id: MemoryId,
    app_id: AppId,
    user_id: OnlyUser = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Show one memory, whatever became of it."""
    from omnimemory.cli.advice import command, where_not_found
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import print_document
    from omnimemory.core.display import plain
    from omnimemory.core.errors import NotFound

    with where_not_found(command("memory", "list", app_id=app_id, home=home)):
        memory = using(home, lambda sdk: sdk.get_memory(memory_id, app_id, user_id))
        if memory is None:
            raise NotFound(f"no memory {memory_id!r} in this app")
    print_document(memory.to_dict(), plain(str(memory)), as_json=as_json)


def list_memories(
    app_id: AppId,
    user_id: OnlyUser = None,
    session_id: OnlySession = None,
    kind: Kinds = None,
    status: Annotated[
        list[State] | None,
        typer.Option(
            metavar="<status>",
            help=f"{', '.join(State)}; active ones if left out; may be repeated.",
            show_default=False,
        ),
    ] = None,
    said_after: Moment = None,
    said_before: Moment = None,
    as_of: Moment = None,
    limit: Limit = 100,
    cursor: Annotated[
        str | None, typer.Option(metavar="<cursor>", help="Where the page before this one ended.")
    ] = None,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="Begin with the oldest.")] = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """List memories, the newest first."""
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import console, memories_listing, print_json

    states = set(status or [State.ACTIVE])
    wanted = set(State) if State.ANY in states else states
    page = using(
        home,
        lambda sdk: sdk.list_memories(
            app_id,
            user_id,
            session_id,
            kinds=tuple(item.value for item in kind or Kind),
            statuses=tuple(item.value for item in wanted - {State.ANY}),
            said_after=_in_utc(said_after),
            said_before=_in_utc(said_before),
            as_of=_in_utc(as_of),
            limit=limit,
            cursor=cursor,
            newest_first=not oldest_first,
        ),
    )
    if as_json:
        memories = [memory.to_dict() for memory in page]
        print_json({"memories": memories, "count": len(memories), "next_cursor": page.next_cursor})
        return
    console().print(memories_listing(page.memories) if page.memories else NOTHING)
    if page.next_cursor is not None:
        console(errors=True).print(f"More with --cursor {page.next_cursor}", soft_wrap=True)


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _memories(found: Recalled) -> list[dict[str, object]]:
    return [result.to_dict() for result in found]


def _document(found: Recalled) -> dict[str, object]:
    return {
        "memories": _memories(found),
        "near_misses": [miss.model_dump(mode="json") for miss in found.near_misses],
        "block": found.block,
        "tokens": found.tokens,
        "packed": [result.memory_id for result in found.packed],
    }


def _print_results(found: Recalled) -> None:
    from omnimemory.cli.output import console, scores_listing

    console().print(scores_listing(found.memories, parts=False) if found.memories else NOTHING)


def _print_block(found: Recalled) -> None:
    """The block as it is, so that it can be piped into a prompt; without one, a line on stderr."""
    from omnimemory.cli.output import console
    from omnimemory.core.display import plain

    if found.block:
        typer.echo(plain(found.block))
    else:
        console(errors=True).print("No memory fits the budget." if found.memories else NOTHING)


def _print_explained(found: Recalled) -> None:
    from omnimemory.cli.output import console, explanation_parts, heading, near_misses_listing

    out = console()
    if not found.memories:
        out.print(NOTHING)
    for result in found:
        out.print(heading(result))
        for part in explanation_parts(result):
            out.print()
            out.print(part)
        out.print("\n")
    if found.near_misses:
        out.print(near_misses_listing(found.near_misses))
