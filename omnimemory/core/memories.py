"""What is stored: a memory, its statements and states, and what ties and changes memories."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import Field

from omnimemory.core.base import DictReadable, Frozen
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.scope import Metadata, Role, Scope, Time
from omnimemory.core.tables import memory_html, memory_line, memory_text


class MemoryKind(StrEnum):
    TURN = "turn"
    NOTE = "note"


class Status(StrEnum):
    """``active`` is recalled; ``updated`` was replaced, ``deleted`` ended, ``superseded`` contradicted."""

    ACTIVE = "active"
    UPDATED = "updated"
    SUPERSEDED = "superseded"
    DELETED = "deleted"


class StatusReason(StrEnum):
    CREATED = "created"
    CONSOLIDATED = "consolidated"
    CONTRADICTED = "contradicted"
    AMENDED = "amended"
    EDITED = "edited"
    MANUAL_UPDATE = "manual_update"
    MANUAL_DELETE = "manual_delete"
    ORPHANED = "orphaned"
    RESTORED = "restored"


class Depth(StrEnum):
    """How much there is to learn from a conversation; drives the importance score."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNKNOWN = "unknown"


class Statement(Frozen):
    """One self-contained sentence of a note, with the turns it came from.

    ``id`` (``s1``, ``s2``, ...) is unique within its note.
    """

    id: str
    text: str
    sources: tuple[str, ...] = ()
    occurred_at: Time | None = None


class NoteSections(Frozen):
    """The four level-2 Markdown sections of a note's text; an empty one is left out."""

    summary: str = ""
    behavioral_patterns: str = ""
    experience_learnings: str = ""
    guidance: str = ""


class Memory(DictReadable):
    """One memory: a verbatim turn, or a note written by the agents.

    ``version`` counts the states of this record from 1. ``occurred_at`` is when it was said,
    ``created_at`` when it was stored, ``updated_at`` the time of the newest evidence for it.
    ``role``, ``name``, ``message_id`` and ``seq`` (the order of saying) are a turn's;
    ``statements``, ``sections`` and the retrieval fields are a note's.
    """

    id: str
    app_id: str
    user_id: str
    session_id: str | None = None
    kind: MemoryKind
    text: str
    status: Status = Status.ACTIVE
    status_reason: StatusReason = StatusReason.CREATED
    next_id: str | None = None
    version: int = 1
    occurred_at: Time | None = None
    created_at: Time
    updated_at: Time | None = None
    ended_at: Time | None = None
    tags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()
    depth: Depth = Depth.UNKNOWN
    importance: float = 0.0
    statements: tuple[Statement, ...] = ()
    sections: NoteSections | None = None
    sources: tuple[str, ...] = ()
    metadata: Metadata = Field(default_factory=dict)
    unresolved: bool = False
    role: Role | None = None
    name: str | None = None
    message_id: str | None = None
    seq: int | None = None

    @property
    def is_active(self) -> bool:
        return self.status is Status.ACTIVE

    @property
    def scope(self) -> Scope:
        return Scope(app_id=self.app_id, user_id=self.user_id, session_id=self.session_id)

    def described(self) -> dict[str, Any]:
        """Everything but the text, JSON-ready; the ``metadata`` of the dict form."""
        return self.model_dump(mode="json", exclude={"id", "text", "sections"}, exclude_none=True)

    def _mapping(self) -> dict[str, Any]:
        return {
            "memory_id": self.id,
            "document": self.text,
            "memory_note": self.text,
            "metadata": self.described(),
        }

    def __str__(self) -> str:
        return memory_text(self)

    def __repr__(self) -> str:
        return memory_line(self)

    def _repr_html_(self) -> str:
        return memory_html(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Memory:
        """The inverse of the dict form, for callers that hold only JSON."""
        try:
            return cls(id=data["memory_id"], text=data["document"], **data["metadata"])
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidRequest(
                "not a memory: expected memory_id, document and metadata, as get_memory returns them"
            ) from exc


class Neighbours(NamedTuple):
    """The turns around a turn in its session, the nearest first."""

    before: tuple[Memory, ...] = ()
    after: tuple[Memory, ...] = ()


class StatementPair(Frozen):
    """A new statement and an old one that tie two notes together."""

    new_id: str
    old_id: str
    similarity: float


class Link(Frozen):
    """An existing note near a new one, with the statement pairs that tie them, best first."""

    memory: Memory
    pairs: tuple[StatementPair, ...]
    similarity: float


class Operation(StrEnum):
    """What happened to a memory. The first three are the resolver's, the rest the engine's."""

    UPDATE = "UPDATE"
    DELETE = "DELETE"
    SKIP = "SKIP"
    CREATE = "CREATE"
    MANUAL_UPDATE = "MANUAL_UPDATE"
    MANUAL_DELETE = "MANUAL_DELETE"
    RESTORE = "RESTORE"


class Decision(Frozen):
    """What was done to ``memory_id``, by whom and why; ``new_id`` is what took its place.

    ``contradicted`` holds the texts of the old note's statements that ended.
    """

    id: str
    app_id: str
    user_id: str
    memory_id: str
    operation: Operation
    new_id: str | None = None
    confidence: float | None = None
    reasoning: str = ""
    contradicted: tuple[str, ...] = ()
    task_id: str | None = None
    created_at: Time
