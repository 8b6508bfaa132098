"""The ``omnimemory`` command. Commands import the engine when they run, so that help stays fast."""

from __future__ import annotations

import sys
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
from omnimemory.cli.failures import EXIT_CODES, ReportingGroup

app = typer.Typer(
    name="omnimemory",
    cls=ReportingGroup,
    help="Long-term memory for LLM applications.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (changing.add, changing.update, changing.delete, changing.restore, tracing.evolution):
    memory.app.command()(command)
memory.app.add_typer(batch.app, name="batch")
for name, group in (
    ("memory", memory.app),
    ("agent", agent.app),
    ("tasks", tasks.app),
    ("daemon", daemon.app),
    ("keys", keys.app),
):
    app.add_typer(group, name=name)
app.command("serve")(serve.serve)
app.command("health")(health.health)
app.command("info")(health.info)
app.command("demo")(demo.demo)
app.command("rebuild")(rebuild.rebuild)
app.command("reindex")(reindex.reindex)


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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
