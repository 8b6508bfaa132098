"""The ``omnimemory`` command. Commands import the engine when they run, so that help stays fast."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Annotated

import typer

from omnimemory.cli import (
    agent,
    batch,
    changing,
    daemon,
    demo,
    health,
    keys,
    memory,
    rebuild,
    reindex,
    serve,
    tasks,
    tracing,
)
from omnimemory.cli.failures import EXIT_CODES, Output, ReportingGroup, all_written

Command = Callable[..., None]

_BY_USE = (
    *("memory", "agent", "tasks", "daemon", "serve", "keys"),
    *("demo", "info", "health", "rebuild", "reindex"),
)
_SHORT = {
    "daemon": "One process that owns the data, so that commands share it.",
    "rebuild": "Fill the vector store anew from the ledger.",
    "reindex": "Embed everything again after a change of embedder.",
}


class Commands(ReportingGroup):
    """The commands in the order of their use."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # as in its base
        return sorted(super().list_commands(ctx), key=_BY_USE.index)


app = typer.Typer(
    name="omnimemory",
    cls=Commands,
    help="Long-term memory for LLM applications.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_in_memory: tuple[tuple[str, Command], ...] = (
    ("add", changing.add),
    ("query", memory.query),
    ("get", memory.get),
    ("list", memory.list_memories),
    ("update", changing.update),
    ("delete", changing.delete),
    ("restore", changing.restore),
    ("evolution", tracing.evolution),
)
for name, command in _in_memory:
    memory.app.command(name)(command)
memory.app.add_typer(batch.app, name="batch")
for name, group in (
    ("memory", memory.app),
    ("agent", agent.app),
    ("tasks", tasks.app),
    ("daemon", daemon.app),
    ("keys", keys.app),
):
    app.add_typer(group, name=name, short_help=_SHORT.get(name))
_single: tuple[tuple[str, Command], ...] = (
    ("serve", serve.serve),
    ("health", health.health),
    ("info", health.info),
    ("demo", demo.demo),
    ("rebuild", rebuild.rebuild),
    ("reindex", reindex.reindex),
)
for name, command in _single:
    app.command(name, short_help=_SHORT.get(name))(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"omnimemory {version('omnimemory')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Long-term memory for LLM applications."""


def main() -> None:
    """The entry point. A stream that cannot show a character gets an escape for it, not a traceback."""
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout = Output(
            sys.stdout.buffer,
            encoding=sys.stdout.encoding,
            errors="backslashreplace",
            line_buffering=sys.stdout.line_buffering,
            write_through=sys.stdout.write_through,
        )
    with all_written():
        app()
