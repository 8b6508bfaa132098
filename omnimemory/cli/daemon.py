"""``omnimemory daemon``: one process that owns the embedded store, for every command and SDK of a user."""

from __future__ import annotations

import select
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import Home, Json, settings_of

if TYPE_CHECKING:
    from omnimemory.attach.place import Place

app = typer.Typer(no_args_is_help=True)

_FOLLOW_MILLISECONDS = 200


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
    timeout: Annotated[
        float, typer.Option(min=0, metavar="<seconds>", help="Longest wait for its work to end.")
    ] = 60,
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
    """Whether the daemon runs. Exit code 3 where it does not, 5 where it does not answer."""
    from omnimemory.cli.failures import NOT_FOUND, UNAVAILABLE
    from omnimemory.cli.output import print_document
    from omnimemory.daemon import process

    found = process.status(_place(home))
    if found.ready and found.started_at is not None:
        text = f"The daemon runs (process {found.pid}) since {found.started_at:%Y-%m-%d %H:%M:%S} UTC."
    elif found.stuck:
        text = f"The daemon (process {found.pid}) does not answer; {process.kill(found.pid)}."
    elif found.running:
        text = f"The daemon (process {found.pid}) is starting or stopping."
    else:
        text = f"No daemon runs in {found.home}."
    print_document(found.model_dump(mode="json"), text, as_json=as_json)
    if not found.running:
        raise typer.Exit(NOT_FOUND)
    if found.stuck:
        raise typer.Exit(UNAVAILABLE)


@app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, metavar="<number>", help="How many of the last lines.")
    ] = 50,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Show the daemon's log."""
    from omnimemory.cli.output import print_json
    from omnimemory.core.errors import InvalidRequest

    if follow and as_json:
        raise InvalidRequest("--json prints one document, and a log that goes on is none; leave --follow out")
    place = _place(home)
    try:
        with place.open_log() as log:
            last = deque(log, maxlen=lines)
            if as_json:
                print_json({"log": str(place.log), "lines": [line.rstrip("\n") for line in last]})
                return
            for line in last:
                _show(line)
            while follow and not _left():
                for line in log:
                    _show(line)
    except KeyboardInterrupt:
        return


def _left() -> bool:
    """Whether nobody reads what is printed any more; waits a moment for that."""
    reader = select.poll()
    reader.register(sys.stdout, 0)  # an error or a hang-up is told unasked
    return bool(reader.poll(_FOLLOW_MILLISECONDS))


def _show(line: str) -> None:
    from omnimemory.core.display import plain

    typer.echo(plain(line), nl=False)


def _place(home: Path | None) -> Place:
    from omnimemory.attach.place import Place

    return Place(settings_of(home).home)
