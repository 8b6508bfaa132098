"""What goes into the ledger and what comes out, besides the schemas of ``core``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from pydantic import JsonValue

from omnimemory.core.schemas import Decision, Memory, Role

Payload = Mapping[str, JsonValue]
AppendMode = Literal["task", "buffer", "none"]
OnChange = Literal["conflict", "version"]


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A message to be accepted. ``occurred_at`` None stands for the moment of acceptance."""

    role: Role
    text: str
    name: str | None = None
    message_id: str | None = None
    occurred_at: datetime | None = None
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entries:
    """What a session's transcript gets: more entries, or with ``replaces`` these instead of its own."""

    entries: Sequence[Payload]
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of the turns of one call, in their order.

    ``stored`` is False where the message id was there already with equal content. ``task_id``
    is the task that will read the turns, None while they wait in the buffer. ``pending`` counts
    the turns of the session that wait in the buffer after the call. ``held`` says why tasks wait
    longer than usual.
    """

    turns: tuple[Memory, ...]
    stored: tuple[bool, ...]
    task_id: str | None
    pending: int
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Chance:
    """The cosines of unrelated texts of an app, measured on its first ``documents`` memories."""

    mean: float
    deviation: float
    documents: int


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A memory whose store records may be older than its state in the ledger."""

    seq: int
    app_id: str
    memory_id: str
    version: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page of memories; ``cursor`` fetches the next one and is None after the last."""

    memories: tuple[Memory, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Tasks by status, done ones left out, and the age of the oldest one queued or running."""

    tasks: Mapping[str, int]
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Spent:
    """Model calls and tokens."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Changes(Protocol):
    """What one step of evolution does: new memories, next versions of old ones, and why."""

    @property
    def created(self) -> Sequence[Memory]: ...

    @property
    def changed(self) -> Sequence[Memory]: ...

    @property
    def decisions(self) -> Sequence[Decision]: ...
