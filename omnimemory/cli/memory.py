"""``omnimemory memory``: reading memories from the shell."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import Home

if TYPE_CHECKING:
    from omnimemory.core.schemas import Recalled

app = typer.Typer(help="Query memories.", no_args_is_help=True)

NOTHING = "No memory matches."


Budget = Annotated[
    int | None, typer.Option(help="Print a block for a prompt instead, of at most so many tokens.")
]
Grouped = Annotated[
    bool, typer.Option("--grouped", help="The block's memories by session, in the order of time.")
]
Explain = Annotated[bool, typer.Option("--explain", help="Show every number that made the score.")]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document instead of text: a list of memories or, with --explain or "
        "--token-budget, all that the recall gave.",
    ),
]


class Kind(StrEnum):
    TURN = "turn"
    NOTE = "note"


@app.callback()
def group() -> None:
    """Query memories."""


@app.command()
def query(
    app_id: Annotated[str, typer.Option(help="The application whose memories are searched.")],
    query: Annotated[str, typer.Option("--query", "-q", help="What to look for, in plain words.")],
    user_id: Annotated[str | None, typer.Option(help="Only this user's memories.")] = None,
    session_id: Annotated[str | None, typer.Option(help="Only this session's memories.")] = None,
    n_results: Annotated[
        int | None,
        typer.Option("--n-results", "-n", help="How many at most; the setting's number if left out."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Least cosine similarity; the setting's if left out.")
    ] = None,
    kind: Annotated[
        list[Kind] | None, typer.Option(help="Only turns or only notes; may be repeated.")
    ] = None,
    token_budget: Budget = None,
    grouped: Grouped = False,
    explain: Explain = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Recall the most useful memories for a query."""
    from omnimemory.cli.connect import connect
    from omnimemory.cli.output import print_json
    from omnimemory.core.errors import InvalidRequest

    if grouped and token_budget is None:
        raise InvalidRequest("--grouped arranges the block for a prompt; give --token-budget too")

    async def run() -> Recalled:
        async with connect(home) as sdk:
            return await sdk.recall(
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
            )

    found = asyncio.run(run())
    if as_json:
        print_json(_document(found) if explain or token_budget else _memories(found))
        return
    if token_budget is not None:
        _print_block(found)
    if explain:
        _print_explained(found)
    elif token_budget is None:
        _print_results(found)


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
    from omnimemory.cli.output import console, scores_table

    console().print(scores_table(found.memories, parts=False) if found.memories else NOTHING)


def _print_block(found: Recalled) -> None:
    """The block as it is, so that it can be piped into a prompt; without one, a line on stderr."""
    from omnimemory.cli.output import console
    from omnimemory.core.display import plain

    if found.block:
        typer.echo(plain(found.block))
    else:
        console(errors=True).print("No memory fits the budget." if found.memories else NOTHING)


def _print_explained(found: Recalled) -> None:
    from rich.padding import Padding

    from omnimemory.cli.output import console, explanation_parts, heading, near_misses_table

    out = console()
    if not found.memories:
        out.print(NOTHING)
    for result in found:
        out.print(heading(result))
        for part in explanation_parts(result):
            out.print(Padding(part, (1, 0, 0, 4), expand=False))
        out.print()
    if found.near_misses:
        out.print(near_misses_table(found.near_misses))
