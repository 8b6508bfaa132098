"""``omnimemory serve``: the REST API in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from omnimemory.cli.options import Home, settings_of


def serve(
    host: Annotated[
        str | None,
        typer.Option(metavar="<address>", help="The address to listen on; OMNIMEMORY_API_HOST if left out."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="<port>", help="The port; OMNIMEMORY_API_PORT if left out."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="<number>",
            help="Server processes; several need a Postgres ledger and a store server.",
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Serve the REST API until stopped."""
    from omnimemory.cli.connect import naming_daemon
    from omnimemory.core.errors import ConfigError, InvalidRequest

    settings = settings_of(home)
    if home is not None and (workers or settings.api_workers) > 1:
        raise InvalidRequest("several workers read their own settings; set OMNIMEMORY_HOME, not --home")
    try:
        from omnimemory.api.run import serve as serve_api
    except ModuleNotFoundError as exc:
        raise ConfigError(f'the REST API needs {exc.name}: pip install "omnimemory[server]"') from exc
    with naming_daemon(settings.home):
        serve_api(settings, host=host, port=port, workers=workers)
