"""``omnimemory daemon``: one process that owns the embedded store, for every command and SDK of a user."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import Home, Json, settings_of

if TYPE_CHECKING:
    from omnimemory.attach.place import Place

app = typer.Typer(no_args_is_help=True)

_FOLLOW_SECONDS = 0.2


@app.callback()
def group() -> None:
    """Start, stop and look at the daemon, which owns the embedded store."""


@app.command()
def start(as_json: Json = False, home: Home = None) -> None:
    """Start the daemon; returns when it is ready. Commands and SDKs of this home then use it."""
    from omnimemory.cli.output import print_document
    from omnimemory.daemon import process

    state, started = process.start(_place(home))
    print_document(
        state.model_dump(mode="json") | {"started": started},
        f"The daemon {'runs now' if started else 'runs already'} (process {state.pid}).",
        as_json=as_json,
    )


@app.command()
def stop(
    timeout: Annotated[float, typer.Option(min=0, help="Longest wait for its work to end, in seconds.")] = 60,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Stop the daemon gracefully. What it has not finished goes on at the next start."""
    from omnimemory.cli.output import print_document
    from omnimemory.daemon import process

    stopped = process.stop(_place(home), timeout=timeout)
    text = "The daemon has stopped." if stopped else "No daemon runs."
    print_document({"stopped": stopped}, text, as_json=as_json)


@app.command()
def status(as_json: Json = False, home: Home = None) -> None:
    """Whether the daemon runs; exit code 3 where it does not."""
    from omnimemory.cli.failures import NOT_FOUND
    from omnimemory.cli.output import print_document
    from omnimemory.daemon import process

    found = process.status(_place(home))
    if found.ready and found.started_at is not None:
        text = f"The daemon runs (process {found.pid}) since {found.started_at:%Y-%m-%d %H:%M:%S} UTC."
    elif found.running:
        text = f"The daemon (process {found.pid}) is starting or stopping."
    else:
        text = f"No daemon runs in {found.home}."
    print_document(found.model_dump(mode="json"), text, as_json=as_json)
    if not found.running:
        raise typer.Exit(NOT_FOUND)


@app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
    home: Home = None,
) -> None:
    """Show the daemon's log."""
    from omnimemory.core.errors import NotFound

    path = _place(home).log
    try:
        with path.open(encoding="utf-8", errors="replace") as log:
            for line in deque(log, maxlen=lines):
                _show(line)
            while follow:
                if line := log.readline():
                    _show(line)
                else:
                    time.sleep(_FOLLOW_SECONDS)
    except FileNotFoundError as exc:
        raise NotFound(
            f"no daemon ever ran here: there is no {path}; start one: omnimemory daemon start"
        ) from exc
    except KeyboardInterrupt:
        return


def _show(line: str) -> None:
    from omnimemory.core.display import plain

    typer.echo(plain(line), nl=False)


def _place(home: Path | None) -> Place:
    from omnimemory.attach.place import Place

    return Place(settings_of(home).home)
