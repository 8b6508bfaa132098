"""``omnimemory rebuild``: fill the store anew from the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer

from omnimemory.cli.options import Home, Json


def rebuild(
    app_id: Annotated[
        str | None, typer.Option(help="Only this application; all of them if left out.")
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Rebuild the vector store from the ledger. Memories are not changed."""
    from omnimemory.cli.connect import connect
    from omnimemory.cli.output import bars, console, print_json
    from omnimemory.ops.rebuild import rebuild as rebuild_store

    async def run(on_progress: Callable[[int, int], None]) -> int:
        async with connect(home) as sdk:
            return await sdk.run(lambda engine: rebuild_store(engine, app_id=app_id, on_progress=on_progress))

    with bars(console(errors=True)) as progress:
        bar = progress.add_task("Rebuilding", total=None)
        count = asyncio.run(run(lambda done, total: progress.update(bar, completed=done, total=total)))
    if as_json:
        print_json({"rebuilt": count})
    else:
        console().print(f"{count} {'memory' if count == 1 else 'memories'} rebuilt.")
