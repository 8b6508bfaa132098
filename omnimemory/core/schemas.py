"""The public schemas in one place: what callers hand in (here), what is stored and what comes back.

Datetimes are aware UTC. Everything is frozen.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from omnimemory.core.base import Request
from omnimemory.core.errors import InvalidRequest, MessageError
from omnimemory.core.ids import check_id
from omnimemory.core.memories import (
    Decision,
    Depth,
    Link,
    Memory,
    MemoryKind,
    NoteSections,
    Operation,
    Statement,
    StatementPair,
    Status,
    StatusReason,
)
from omnimemory.core.results import (
    MemoryPage,
    NearMiss,
    Recalled,
    ScoredMemory,
)
from omnimemory.core.scope import (
    AppId,
    GivenMetadata,
    Metadata,
    Role,
    Scope,
    SessionId,
    Time,
    UserId,
)
from omnimemory.core.tasks import (
    Task,
    TaskKind,
    TaskStatus,
)

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
    "Metadata",
    "NearMiss",
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
    "Time",
    "UserMessages",
]


class Message(Request):
    """One chat message as the caller has it.

    ``id`` and ``timestamp`` may be left out: the engine assigns both per occurrence, so the
    same object may be handed in many times. A message without an id is always new.
    """

    _error: ClassVar[type[InvalidRequest]] = MessageError

    role: Role
    content: str
    name: str | None = None
    timestamp: Time | None = None
    id: str | None = None
    metadata: GivenMetadata = Field(default_factory=dict)

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
    metadata: GivenMetadata = Field(default_factory=dict)


class AgentMemoryRequest(Request):
    """What an agent wants remembered: free text or messages."""

    app_id: AppId
    user_id: UserId
    session_id: SessionId | None = None
    messages: str | list[Message] = Field(min_length=1)
    metadata: GivenMetadata = Field(default_factory=dict)


class ConversationSummaryRequest(Request):
    """A conversation to summarise: at once, or by webhook when ``callback_url`` is given."""

    app_id: AppId
    user_id: UserId
    session_id: SessionId | None = None
    messages: str | list[Message] = Field(min_length=1)
    callback_url: str | None = None
    callback_headers: dict[str, str] = Field(default_factory=dict)
