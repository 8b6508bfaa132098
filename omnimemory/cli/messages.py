"""Messages as people type and keep them: options, JSON, JSONL, plain text."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from omnimemory.core.errors import InvalidRequest, MessageError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from omnimemory.core.schemas import Message

STDIN = "-"
ACCEPTED = """\
accepted forms:
  JSON   [{"role": "user", "content": "...", "timestamp"?, "id"?, "name"?, "metadata"?}, ...]
         or {"messages": [...]}; a timestamp is ISO 8601, in UTC where it names no zone
  JSONL  one such message a line
  text   user: I prefer dark mode
         assistant: Noted."""

_SPEAKER = re.compile(r"(user|assistant|system|tool)[ \t]*:", re.IGNORECASE)


def given_messages(said: Sequence[str] | None, file: str | None) -> list[Message]:
    """The messages of ``--message`` or ``--messages-file``.

    Raises:
        MessageError: none, both, or one that cannot be read; the message shows a right one.
    """
    text, source = _source(said, file)
    if text is None:
        return [_spoken(line) for line in said or ()]
    return _read(text, source)


def given_text_or_messages(said: Sequence[str] | None, file: str | None) -> str | list[Message]:
    """The same, where text that names no speaker is welcome too."""
    text, source = _source(said, file)
    if text is None:
        lines = list(said or ())
        if any(_SPEAKER.match(line) for line in lines):
            return [_spoken(line) for line in lines]
        return "\n".join(lines)
    if _looks_like_json(text) or any(_SPEAKER.match(line) for line in text.splitlines()):
        return _read(text, source)
    return text.strip()


def metadata_of(pairs: Sequence[str] | None) -> dict[str, JsonValue]:
    """``name=value`` pairs; a value that is JSON is read as such, another one is text."""
    found: dict[str, JsonValue] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise InvalidRequest(f"--metadata {pair!r}: give name=value")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = value
    return found


def _source(said: Sequence[str] | None, file: str | None) -> tuple[str | None, str]:
    """The text to read and where it is from; None where ``said`` holds the messages."""
    if said and file:
        raise MessageError("give --message or --messages-file, not both")
    if STDIN in (said or ()) and len(said or ()) > 1:
        raise MessageError("--message - reads all messages from standard input; give it alone")
    if file is None and list(said or ()) == [STDIN]:
        file = STDIN
    if file is None:
        if not said:
            raise MessageError(
                "no messages; give --message 'user:...' (may be repeated), "
                "or --messages-file FILE ('-' for standard input)"
            )
        return None, "--message"
    name = "standard input" if file == STDIN else file
    try:
        raw = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as exc:
        raise MessageError(f"cannot read {name}: {exc.strerror or exc}\n{ACCEPTED}") from exc
    except UnicodeDecodeError as exc:
        raise MessageError(f"{name} is not UTF-8 text\n{ACCEPTED}") from exc
    if not text.strip():
        raise MessageError(f"{name} is empty\n{ACCEPTED}")
    return text, name


def _spoken(line: str) -> Message:
    """``user:I prefer dark mode``."""
    from omnimemory.core.schemas import Message, Role

    found = _SPEAKER.match(line)
    if found is None:
        roles = ", ".join(get_args(Role))
        shown = line if len(line) <= 60 else f"{line[:60]}..."
        raise MessageError(f"--message {shown!r} does not say who said it; begin with 'user:' ({roles})")
    return Message(role=cast("Role", found[1].lower()), content=line[found.end() :].strip())


def _looks_like_json(text: str) -> bool:
    return text.lstrip()[:1] in ("[", "{")


def _read(text: str, source: str) -> list[Message]:
    if not _looks_like_json(text):
        return _from_text(text, source)
    from omnimemory.core.schemas import Message

    messages = []
    for place, item in _items(text, source):
        if not isinstance(item, dict):
            raise MessageError(f"{source}: {place} is not an object\n{ACCEPTED}")
        try:
            messages.append(Message(**_zoned(item)))
        except (InvalidRequest, TypeError) as exc:
            raise MessageError(f"{source}: {place}: {exc}") from exc
    return messages


def _items(text: str, source: str) -> list[tuple[str, object]]:
    """What the JSON or JSONL holds, each with the place that errors name."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(lines) > 1 and all(line.lstrip().startswith("{") for _, line in lines):
        return [(f"line {number}", _parsed(line, f"{source}: line {number}")) for number, line in lines]
    whole = _parsed(text, source)
    if isinstance(whole, dict):
        whole = whole["messages"] if isinstance(whole.get("messages"), list) else [whole]
    return [(f"message {number}", item) for number, item in enumerate(whole, 1)]


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        where = f"line {exc.lineno} column {exc.colno}" if "\n" in text.strip() else f"column {exc.colno}"
        raise MessageError(f"{place} is not JSON: {exc.msg} at {where}\n{ACCEPTED}") from exc
    except (ValueError, RecursionError) as exc:
        raise MessageError(f"{place} is not JSON that can be read: {exc}\n{ACCEPTED}") from exc


def _zoned(item: dict[str, Any]) -> dict[str, Any]:
    """A time without a zone is UTC, as in options; what is no time is left to the message's own check."""
    try:
        said = datetime.fromisoformat(item["timestamp"])
    except (KeyError, TypeError, ValueError):
        return item
    return item if said.tzinfo else item | {"timestamp": said.replace(tzinfo=UTC)}


def _from_text(text: str, source: str) -> list[Message]:
    """A line that begins with a speaker begins a message; the lines below belong to it."""
    said: list[list[str]] = []
    for line in text.splitlines():
        if _SPEAKER.match(line):
            said.append([line])
        elif said:
            said[-1].append(line)
        elif line.strip():
            raise MessageError(f"{source}: the first line does not say who said it\n{ACCEPTED}")
    return [_spoken("\n".join(lines)) for lines in said]
