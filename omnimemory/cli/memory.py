"""``omnimemory memory``: reading memories from the shell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import Home, Json

if TYPE_CHECKING:
    from omnimemory.core.schemas import ScoredMemory

app = typer.Typer(help="Query memories.", no_args_is_help=True)


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
    explain: Annotated[
        bool, typer.Option("--explain", help="Show every number that made the score.")
    ] = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Recall the most useful memories for a query."""
    from omnimemory.cli.connect import connect
    from omnimemory.cli.output import print_json

    async def run() -> Sequence[ScoredMemory]:
        async with connect(home) as sdk:
            found = await sdk.recall(
                app_id,
                query,
                user_id=user_id,
                session_id=session_id,
                n_results=n_results,
                similarity_threshold=threshold,
                kinds=tuple(item.value for item in kind or Kind),
                explain=explain,
            )
        return found.memories

    results = asyncio.run(run())
    if as_json:
        print_json([result.to_dict() for result in results])
    else:
        _print(results, explain=explain)


def _print(results: Sequence[ScoredMemory], *, explain: bool) -> None:
    from rich.text import Text

    from omnimemory.cli.output import console, explained, scores_table

    out = console()
    if not results:
        out.print("No memory matches.")
        return
    out.print(scores_table(results, parts=explain))
    for result in results if explain else ():
        out.print(Text(f"#{result.rank} {result.memory_id}", style="bold"))
        for line in explained(result):
            out.print(Text(f"   {line}"))
