"""``omnimemory rebuild``: fill the store anew from the ledger."""

from __future__ import annotations

import asyncio
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
    from omnimemory.cli.output import console, print_json
    from omnimemory.ops.rebuild import rebuild as rebuild_store

    async def run() -> int:
        async with connect(home) as sdk:
            return await sdk.run(lambda engine: rebuild_store(engine, app_id=app_id))

    count = asyncio.run(run())
    if as_json:
        print_json({"rebuilt": count})
    else:
        console().print(f"{count} {'memory' if count == 1 else 'memories'} rebuilt.")
