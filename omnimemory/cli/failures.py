"""How errors leave the command line: one line on stderr and an exit code that scripts can rely on."""

from __future__ import annotations

from typing import Any

from typer import Context, Exit
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
    "4 busy, another process holds the data; 5 a service is unavailable, try again."
)
FAILED, WRONG_USE, NOT_FOUND, BUSY, UNAVAILABLE = 1, 2, 3, 4, 5


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
    """A command group that ends an ``OmniMemoryError`` as ``error: ...`` and its exit code."""

    def invoke(self, ctx: Context) -> Any:  # type: ignore[override]  # typer's own click context
        try:
            return super().invoke(ctx)
        except OmniMemoryError as exc:
            from rich.text import Text

            from omnimemory.cli.output import console
            from omnimemory.core.display import plain

            first, _, rest = plain(str(exc)).partition("\n")
            stderr = console(errors=True)
            stderr.print(Text(f"error: {first}", style="red"), soft_wrap=True)
            if rest:
                stderr.print(Text(rest), soft_wrap=True)
            raise Exit(exit_code(exc)) from exc
