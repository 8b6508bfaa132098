"""What to do next, as commands that work when they are pasted."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omnimemory.core.display import one_line
from omnimemory.core.errors import NotFound


def command(*words: str, app_id: str | None = None, home: Path | None = None) -> str:
    """``omnimemory ...`` in backticks, quoted for a shell, with the options that this command was given."""
    options = {"--app-id": app_id, "--home": None if home is None else str(home)}
    given = [part for name, value in options.items() if value is not None for part in (name, value)]
    return f"`{one_line(shlex.join(('omnimemory', *words, *given)), limit=1000)}`"


@contextmanager
def where_not_found(shown_by: str) -> Iterator[None]:
    """Let the error name the command that shows what there is."""
    try:
        yield
    except NotFound as exc:
        raise NotFound(f"{exc}; see {shown_by}") from exc
