"""``omnimemory reindex``: embed everything again after a change of embedder or analyser."""

from __future__ import annotations

from typing import Annotated

import typer

from omnimemory.cli.options import Home, Json, settings_of


def reindex(
    app_id: Annotated[
        str | None, typer.Option(metavar="<id>", help="Only this application; all of them if left out.")
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Make collections anew that another embedder or analyser has built. Memories are not changed.

    Offline: first stop every process that uses them. Interrupted, the same command goes on where it
    was. At the end all of it is compared with the ledger.
    """
    from omnimemory.cli.filling import fill_store, summary
    from omnimemory.cli.output import print_document

    settings = settings_of(home)
    filled = fill_store(settings, settings.provider, app_id=app_id, replace=True)
    document = {"provider": settings.provider, "apps": [app.model_dump() for app in filled]}
    print_document(document, summary(filled, settings.provider), as_json=as_json)
