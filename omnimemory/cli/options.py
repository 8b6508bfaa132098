"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from omnimemory.core.settings import Settings

Home = Annotated[
    Path | None,
    typer.Option(
        help="The folder that holds the data; OMNIMEMORY_HOME or the user's data folder if left out.",
        file_okay=False,
        metavar="<dir>",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
AppId = Annotated[str, typer.Option(metavar="<id>", help="The application.")]
UserId = Annotated[str, typer.Option(metavar="<id>", help="The user whose memory it is.")]
OnlyUser = Annotated[str | None, typer.Option("--user-id", metavar="<id>", help="Only this user's.")]
SessionId = Annotated[str | None, typer.Option(metavar="<id>", help="The conversation it belongs to.")]
OnlySession = Annotated[str | None, typer.Option("--session-id", metavar="<id>", help="Only this session's.")]
MemoryId = Annotated[str, typer.Argument(metavar="MEMORY_ID", help="The memory's id.", show_default=False)]
TaskId = Annotated[str, typer.Argument(metavar="TASK_ID", help="The task's id.", show_default=False)]
Said = Annotated[
    list[str] | None,
    typer.Option(
        "--message",
        "-m",
        metavar="<role:text>",
        help="What was said, as 'user:...' or 'assistant:...'; may be repeated. '-' reads standard input.",
    ),
]
SaidFile = Annotated[
    str | None,
    typer.Option(
        "--messages-file",
        "-f",
        metavar="<file>",
        help="A file with the messages: JSON, JSONL, or text with lines as 'user: ...'. "
        "'-' reads standard input.",
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata",
        metavar="<name=value>",
        help="User metadata; may be repeated. JSON values are read.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Wait = Annotated[
    bool | None,
    typer.Option(
        "--wait/--no-wait",
        help="Wait until the work is done. Without a daemon that is the default, as nothing else does it.",
        show_default=False,
    ),
]
Timeout = Annotated[float, typer.Option(min=0, metavar="<seconds>", help="Longest wait.")]
Limit = Annotated[
    int, typer.Option("--limit", "-n", min=1, max=1000, metavar="<number>", help="How many at most.")
]
Results = Annotated[
    int | None,
    typer.Option(
        "--n-results", "-n", metavar="<number>", help="How many at most; the setting's number if left out."
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(metavar="<cosine>", help="Least cosine similarity; the setting's if left out."),
]
IdempotencyKey = Annotated[
    str | None, typer.Option(metavar="<key>", help="The same key again stores nothing twice.")
]


def settings_of(home: Path | None) -> Settings:
    """The settings, with ``--home`` before what they say."""
    from omnimemory.core.settings import Settings

    return Settings.load({} if home is None else {"home": home})
