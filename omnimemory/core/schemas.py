"""The values that cross the project: what callers hand in, what is stored, what comes back.

Datetimes are aware UTC. Everything is frozen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, JsonValue, field_validator

from omnimemory.core.base import DictReadable, Frozen, Request
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.ids import check_id

__all__ = [
    "AgentMemoryRequest",
    "ConversationSummaryRequest",
    "Decision",
    "Depth",
    "Link",
    "Memory",
    "MemoryKind",
    "MemoryPage",
    "Message",
    "NoteSections",
    "Operation",
    "Recalled",
    "Role",
    "Scope",
    "ScoredMemory",
    "Statement",
    "StatementPair",
    "Status",
    "StatusReason",
    "Task",
    "TaskKind",
    "TaskStatus",
    "UserMessages",
]


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Time = Annotated[AwareDatetime, AfterValidator(_utc)]
AppId = Annotated[str, BeforeValidator(lambda v: check_id(v, "app_id"))]
UserId = Annotated[str, BeforeValidator(lambda v: check_id(v, "user_id"))]
SessionId = Annotated[str, BeforeValidator(lambda v: check_id(v, "session_id"))]
Metadata = dict[str, JsonValue]
Role = Literal["user", "assistant", "system", "tool"]


class Scope(Request):
    """Whose memories are meant. ``user_id`` and ``session_id`` narrow when given."""

    app_id: AppId
    user_id: UserId | None = None
    session_id: SessionId | None = None


class Message(Request):
    """One chat message as the caller has it.

    ``id`` and ``timestamp`` may be left out: the engine assigns both per occurrence, so the
    same object may be handed in many times. A message without an id is always new.
    """

    role: Role
    content: str
    name: str | None = None
    timestamp: Time | None = None
    id: str | None = None
    metadata: Metadata = Field(default_factory=dict)

    @field_validator("content")
    @classmethod
    def _content_not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("the content is blank; leave the message out or give it text")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("the content holds a lone surrogate; decode it as UTF-8 first") from None
        return value.replace("\x00", "\N{REPLACEMENT CHARACTER}")

    @field_validator("id", "name")
    @classmethod
    def _usable_id(cls, value: str | None) -> str | None:
        return None if value is None else check_id(value, "the message's id or name")


class UserMessages(Request):
    """A conversation, or a part of one, for ``add_memory``."""

    app_id: AppId
    user_id: UserId
    session_id: SessionId | None = None
    messages: list[Message] = Field(min_length=1)
    metadata: Metadata = Field(default_factory=dict)


class AgentMemoryRequest(Request):
    """What an agent wants remembered: free text or messages."""

    app_id: AppId
    user_id: UserId
    session_id: SessionId | None = None
    messages: str | list[Message] = Field(min_length=1)
    metadata: Metadata = Field(default_factory=dict)


class ConversationSummaryRequest(Request):
    """A conversation to summarise: at once, or by webhook when ``callback_url`` is given."""

    app_id: AppId
    user_id: UserId
    session_id: SessionId | None = None
    messages: str | list[Message] = Field(min_length=1)
    callback_url: str | None = None
    callback_headers: dict[str, str] = Field(default_factory=dict)


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


class Operation(StrEnum):
    """What happened to a memory. The first three are the resolver's, the rest the engine's."""

    UPDATE = "UPDATE"
    DELETE = "DELETE"
    SKIP = "SKIP"
    CREATE = "CREATE"
    MANUAL_UPDATE = "MANUAL_UPDATE"
    MANUAL_DELETE = "MANUAL_DELETE"
    RESTORE = "RESTORE"


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

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Memory:
        """The inverse of the dict form, for callers that hold only JSON."""
        try:
            return cls(id=data["memory_id"], text=data["document"], **data["metadata"])
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidRequest(
                "not a memory: expected memory_id, document and metadata, as get_memory returns them"
            ) from exc


class ScoredMemory(DictReadable):
    """A recalled memory with the numbers that ranked it (DESIGN section 6).

    ``relevance`` orders within one query; ``match`` does not depend on the other candidates.
    ``similarity_score`` is the exact cosine of the best matching record (-1..1, None when no
    embedder answered), ``lexical_score`` its BM25 score (>= 0).
    """

    memory: Memory
    rank: int
    relevance: float
    match: float
    similarity_score: float | None
    lexical_score: float
    recency_score: float
    importance_score: float
    composite_score: float
    matched_statement: Statement | None = None
    explanation: dict[str, JsonValue] | None = None

    @property
    def memory_id(self) -> str:
        return self.memory.id

    @property
    def document(self) -> str:
        return self.memory.text

    @property
    def metadata(self) -> dict[str, Any]:
        found = self.memory.described()
        if self.matched_statement is not None:
            found["matched_statement"] = self.matched_statement.text
        return found

    def _mapping(self) -> dict[str, Any]:
        scores = self.model_dump(mode="json", exclude={"memory", "matched_statement"})
        if self.explanation is None:
            del scores["explanation"]
        return {
            "memory_id": self.memory_id,
            "document": self.document,
            "memory_note": self.document,
            "metadata": self.metadata,
            **scores,
        }


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


class TaskKind(StrEnum):
    SYNTHESIS = "synthesis"
    AGENT_MEMORY = "agent_memory"
    SUMMARY = "summary"
    RESOLVE = "resolve"


class TaskStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    PARKED = "parked"


class Task(DictReadable):
    """Background work a caller can ask about. ``parked`` gave up, is kept, and can be retried."""

    task_id: str
    kind: TaskKind
    app_id: str
    user_id: str
    session_id: str | None = None
    status: TaskStatus
    payload: dict[str, JsonValue] = Field(default_factory=dict, repr=False, exclude=True)
    progress: int = 0
    attempts: int = 0
    error: str | None = None
    result: dict[str, JsonValue] | None = None
    created_at: Time
    started_at: Time | None = None
    finished_at: Time | None = None

    @property
    def is_settled(self) -> bool:
        return self.status in (TaskStatus.DONE, TaskStatus.PARKED)

    def _mapping(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.model_dump_json())
        return found


class Recalled(Frozen):
    """What a recall found, best first; reads as a sequence of memories.

    With a token budget, ``block`` is a ready-made text for a prompt that frames as many of them as
    fit as data, ``packed`` are those, and ``tokens`` is its size.
    """

    memories: tuple[ScoredMemory, ...] = ()
    block: str = ""
    packed: tuple[ScoredMemory, ...] = ()
    tokens: int = 0

    def __iter__(self) -> Iterator[ScoredMemory]:  # type: ignore[override]  # pydantic's yields pairs
        return iter(self.memories)

    def __len__(self) -> int:
        return len(self.memories)

    def __getitem__(self, index: int) -> ScoredMemory:
        return self.memories[index]


class MemoryPage(Frozen):
    """One page of a listing; ``next_cursor`` fetches the next one and is None after the last."""

    memories: tuple[Memory, ...] = ()
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[Memory]:  # type: ignore[override]  # pydantic's yields pairs
        return iter(self.memories)

    def __len__(self) -> int:
        return len(self.memories)

    def __getitem__(self, index: int) -> Memory:
        return self.memories[index]
