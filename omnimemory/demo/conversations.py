"""Conversation files: what the demo reads, checked and put in order of saying."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, cast

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from omnimemory.core.base import describe
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Role

BUNDLED = Path(__file__).with_name("conversations.json")

ACCEPTED_FORMS = """\
accepted forms (JSON, or JSONL with one item a line):
  {"conversations": [{"id", "user"?, "turns": [{"role", "text", "id"?, "session"?, "time"?, "speaker"?}]}],
   "questions"?: [{"conversation", "question", "gold"?, "owner"?}]}
  [{"role": "user", "content": "...", "timestamp"?: "2026-01-31T09:00:00Z"}, ...]"""


def _as_text(value: object) -> object:
    """Numbers for ids are common; content may come as a list of parts, of which the text is kept."""
    if value is None:
        return ""
    if isinstance(value, list):
        parts = [part.get("text") for part in value if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return str(value) if isinstance(value, int) else value


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Text = Annotated[str, BeforeValidator(_as_text)]
Speaker = Annotated[str, AfterValidator(str.strip)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]


class _Item(BaseModel):
    """An item of a conversation file: what is not ours is left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Turn(_Item):
    """One thing said. ``said_at`` without a zone is read as UTC; None means unknown."""

    id: Text = ""
    session: Text = "1"
    role: Role
    text: Text = Field(validation_alias=AliasChoices("text", "content"))
    speaker: Speaker | None = Field(default=None, validation_alias=AliasChoices("speaker", "name"))
    said_at: Moment | None = Field(default=None, validation_alias=AliasChoices("time", "timestamp"))


class Conversation(_Item):
    """What one user said and was told. Without a ``user`` it is a user of its own, by its id."""

    id: Text = ""
    user: Text = ""
    turns: tuple[Turn, ...] = Field(validation_alias=AliasChoices("turns", "messages"))


class Question(_Item):
    """A question of a conversation's user. ``gold`` are ids of the turns that answer it.

    ``owner`` names the conversation that alone holds the answer: asked by another one's user, the
    question must come back without it.
    """

    conversation: Text
    question: str = Field(min_length=1)
    gold: tuple[str, ...] = ()
    owner: Text = ""


class Session(_Item):
    """One sitting of one user, in order of saying."""

    user: str
    id: str
    turns: tuple[Turn, ...]


class Conversations(_Item):
    """Checked conversations: at least one turn with text; every id filled, unique in its conversation.

    Turns without text (tool calls, images) are left out.
    """

    name: str = ""
    conversations: tuple[Conversation, ...]
    questions: tuple[Question, ...] = ()

    @field_validator("conversations")
    @classmethod
    def _complete(cls, given: tuple[Conversation, ...]) -> tuple[Conversation, ...]:
        kept = [done for n, c in enumerate(given, 1) if (done := _completed(c, n)).turns]
        if not kept:
            raise ValueError("there is no message with text")
        return tuple(kept)

    @property
    def users(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(c.user for c in self.conversations))

    @property
    def turn_count(self) -> int:
        return sum(len(c.turns) for c in self.conversations)

    def user_of(self, conversation: str) -> str | None:
        """The user of a conversation by its id, None where there is no such conversation."""
        return next((c.user for c in self.conversations if c.id == conversation), None)

    def turns_of(self, user: str) -> Iterator[Turn]:
        return (turn for c in self.conversations if c.user == user for turn in c.turns)

    def sessions(self) -> list[Session]:
        """All sessions, each user's by time; where a time is unknown the file's order stands."""
        found: dict[tuple[str, str], list[Turn]] = {}
        owner: dict[tuple[str, str], str] = {}
        for conversation in self.conversations:
            for turn in conversation.turns:
                key = (conversation.id, turn.session)
                found.setdefault(key, []).append(turn)
                owner[key] = conversation.user
        sessions = [
            Session(user=owner[key], id="/".join(key), turns=tuple(_by_time(turns)))
            for key, turns in found.items()
        ]
        return [s for user in self.users for s in _sessions_by_time([s for s in sessions if s.user == user])]


def _by_time(turns: list[Turn]) -> list[Turn]:
    times = [turn.said_at for turn in turns]
    return turns if None in times else sorted(turns, key=lambda t: cast("datetime", t.said_at))


def _sessions_by_time(sessions: list[Session]) -> list[Session]:
    starts = [session.turns[0].said_at for session in sessions]
    if None in starts:
        return sessions
    return sorted(sessions, key=lambda s: cast("datetime", s.turns[0].said_at))


def read_conversations(path: Path = BUNDLED) -> Conversations:
    """The conversations of a file, in any of the accepted forms.

    Raises:
        InvalidRequest: no such file, not JSON, another form, or nothing said in it; the message
            says where, and which forms are accepted.
    """
    try:
        raw = path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise InvalidRequest(f"cannot read {path}: {exc.strerror or exc}\n{ACCEPTED_FORMS}") from exc
    except UnicodeDecodeError as exc:
        raise InvalidRequest(f"{path} is not UTF-8 text\n{ACCEPTED_FORMS}") from exc
    if not raw.strip():
        raise InvalidRequest(f"{path} is empty\n{ACCEPTED_FORMS}")
    document = _enveloped(_decoded(raw, path), path)
    try:
        given = Conversations.model_validate(document)
    except ValidationError as exc:
        problem = f"{path} has another form: {_shortened(describe(exc))}"
        raise InvalidRequest(f"{problem}\n{ACCEPTED_FORMS}") from exc
    return given if given.name else given.model_copy(update={"name": path.stem})


def _decoded(raw: str, path: Path) -> object:
    try:
        return json.loads(raw)
    except (json.JSONDecodeError, RecursionError) as whole:
        lines = [line for line in raw.splitlines() if line.strip()]
        try:
            return [json.loads(line) for line in lines] if len(lines) > 1 else _refuse(whole, path)
        except (json.JSONDecodeError, RecursionError):
            return _refuse(whole, path)


def _refuse(error: Exception, path: Path) -> object:
    raise InvalidRequest(f"{path} is not JSON: {error}\n{ACCEPTED_FORMS}") from error


def _enveloped(document: object, path: Path) -> dict[str, object]:
    """Every accepted form as the full one."""
    if isinstance(document, dict) and "conversations" in document:
        return document
    if isinstance(document, dict):
        document = [document]
    if isinstance(document, list) and all(isinstance(item, dict) for item in document):
        whole = [item for item in document if "turns" in item or "messages" in item]
        if len(whole) == len(document):
            return {"conversations": whole}
        if not whole:
            return {"conversations": [{"user": "user", "turns": document}]}
    raise InvalidRequest(f"{path} has another form\n{ACCEPTED_FORMS}")


def _completed(conversation: Conversation, number: int) -> Conversation:
    name = conversation.id or f"conversation-{number}"
    said = [turn for turn in conversation.turns if turn.text.strip()]
    turns = [
        turn if turn.id else turn.model_copy(update={"id": f"{name}.{n}"}) for n, turn in enumerate(said, 1)
    ]
    if len({turn.id for turn in turns}) < len(turns):
        raise ValueError(f"two turns of {name} have the same id; give each its own, or none")
    return conversation.model_copy(
        update={"id": name, "user": conversation.user or name, "turns": tuple(turns)}
    )


def _shortened(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
