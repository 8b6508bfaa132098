"""How errors leave the command line: one line on stderr and an exit code that scripts can rely on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, cast

from typer import BadParameter, Context, Exit, echo
from typer.core import TyperGroup

from omnimemory.core.errors import (
    ConfigError,
    InvalidRequest,
    NotFound,
    OmniMemoryError,
    StoreLocked,
)

EXIT_CODES = (
    "Exit codes: 0 done; 1 failed; 2 wrong use or setting; 3 not found; "
    "4 busy, another process holds the data; 5 a service is unavailable or what was waited for is not done, "
    "try again; 130 interrupted by Ctrl-C."
)
DONE, FAILED, WRONG_USE, NOT_FOUND, BUSY, UNAVAILABLE = range(6)
INTERRUPTED = 130
"""What shells give a command that Ctrl-C ended."""

_AS_JSON = "omnimemory.as_json"
_UsageError = cast("type[BadParameter]", BadParameter.__mro__[1])  # typer exports it by no name of its own


class OutputFailed(Exception):
    """Standard output cannot be written, as on a full disk."""


class Output(TextIOWrapper):
    """Standard output, whose failure is not just any ``OSError``.

    Raises:
        OutputFailed: what was printed cannot be written.
        BrokenPipeError: nobody reads on, as after ``head``.
    """

    def write(self, text: str) -> int:
        with _told_apart():
            return super().write(text)

    def flush(self) -> None:
        with _told_apart():
            super().flush()


@contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise OutputFailed(f"cannot write standard output: {exc.strerror}") from exc


@contextmanager
def all_written() -> Iterator[None]:
    """Write what is still buffered at the end; where that fails, the command has failed, whatever it did."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except (OutputFailed, BrokenPipeError) as exc:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries again at its end
        if isinstance(exc, OutputFailed):
            _report(type(exc).__name__, str(exc), as_json="--json" in sys.argv)
        raise SystemExit(FAILED) from None


def exit_code(error: OmniMemoryError) -> int:
    """The exit code of an error, as ``EXIT_CODES`` documents it."""
    if isinstance(error, InvalidRequest | ConfigError):
        return WRONG_USE
    if isinstance(error, NotFound):
        return NOT_FOUND
    if isinstance(error, StoreLocked):
        return BUSY
    return UNAVAILABLE if error.transient else FAILED


class ReportingGroup(TyperGroup):
    """A command group that ends an error on stderr, as text or where ``--json`` was asked as JSON."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:  # type: ignore[override]  # as below
        ctx.meta[_AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Context) -> Any:  # type: ignore[override]  # typer's own click context
        try:
            return super().invoke(ctx)
        except OmniMemoryError as exc:
            _report(type(exc).__name__, str(exc), as_json=ctx.meta[_AS_JSON])
            raise Exit(exit_code(exc)) from exc
        except _UsageError as exc:
            if not ctx.meta[_AS_JSON]:
                raise
            _report("InvalidRequest", exc.format_message(), as_json=True)
            raise Exit(exc.exit_code) from exc


def _report(kind: str, detail: str, *, as_json: bool) -> None:
    """On stderr; ``kind`` is the error's class, as ``code`` is in the REST API's problems."""
    if as_json:
        echo(json.dumps({"error": kind, "detail": detail}, ensure_ascii=False), err=True)
        return
    from rich.text import Text

    from omnimemory.cli.output import console
    from omnimemory.core.display import plain

    console(errors=True).print(Text.assemble(("error: ", "bold red"), plain(detail)), soft_wrap=True)
