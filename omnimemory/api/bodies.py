"""What callers send, in the words of the SDK's parameters."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator
from pydantic.json_schema import SkipJsonSchema

from omnimemory.api.fields import (
    AppId,
    Body,
    Budget,
    CallbackHeaders,
    CallbackUrl,
    Composite,
    Cosine,
    Cursor,
    Filter,
    Flag,
    Kind,
    Label,
    Metadata,
    Moment,
    Parameters,
    Results,
    Role,
    SessionId,
    Status,
    TaskState,
    Text,
    UserId,
)
from omnimemory.core.schemas import (
    AgentMemoryRequest,
    ConversationSummaryRequest,
    Message,
    UserMessages,
)

BOTH_KINDS: tuple[Kind, ...] = ("turn", "note")


class MessageBody(Body):
    """A chat message. ``id`` makes a repeat harmless; ``timestamp`` is when it was said."""

    role: Role
    content: Text
    name: Label | None = None
    timestamp: Moment | None = None
    id: Label | None = None
    metadata: Metadata = Field(default_factory=dict)

    def message(self) -> Message:
        return Message(
            role=self.role,
            content=self.content,
            name=self.name,
            timestamp=self.timestamp,
            id=self.id,
            metadata=self.metadata,
        )


Messages = Annotated[list[MessageBody], Field(min_length=1)]


class ScopedBody(Body):
    """Whose memories are meant."""

    app_id: AppId
    user_id: UserId
    session_id: SessionId | None = None


class MemoryBody(ScopedBody):
    """A conversation to remember."""

    messages: Messages
    metadata: Metadata = Field(default_factory=dict)
    infer: bool | None = None
    instructions: Text | None = None

    def conversation(self) -> UserMessages:
        return UserMessages(
            app_id=self.app_id,
            user_id=self.user_id,
            session_id=self.session_id,
            messages=[message.message() for message in self.messages],
            metadata=self.metadata,
        )


def given(messages: str | list[MessageBody]) -> str | list[Message]:
    """Free text as it is, messages as the SDK has them."""
    return messages if isinstance(messages, str) else [message.message() for message in messages]


class AgentMemoryBody(ScopedBody):
    """What an agent wants remembered: free text or messages."""

    messages: Text | Messages
    metadata: Metadata = Field(default_factory=dict)
    infer: bool = True

    def memory(self) -> AgentMemoryRequest:
        return AgentMemoryRequest(
            app_id=self.app_id,
            user_id=self.user_id,
            session_id=self.session_id,
            messages=given(self.messages),
            metadata=self.metadata,
        )


class BatchBody(ScopedBody):
    """Messages for the session's batch."""

    messages: Messages
    metadata: Metadata = Field(default_factory=dict)
    infer: bool | None = None

    def list_of_messages(self) -> list[Message]:
        return [message.message() for message in self.messages]


class BatchMessageBody(ScopedBody):
    """One message for the session's batch."""

    role: Role
    content: Text
    message_id: Label | None = None
    timestamp: Moment | None = None
    name: Label | None = None
    metadata: Metadata = Field(default_factory=dict)
    infer: bool | None = None

    def list_of_messages(self) -> list[Message]:
        return [
            Message(
                role=self.role,
                content=self.content,
                name=self.name,
                timestamp=self.timestamp,
                id=self.message_id,
            )
        ]


def _several_or_one(value: object) -> str:
    return "messages" if isinstance(value, dict) and "messages" in value else "message"


Batched = Annotated[
    Annotated[BatchBody, Tag("messages")] | Annotated[BatchMessageBody, Tag("message")],
    Discriminator(_several_or_one),
]


class FlushBody(Body):
    """Which batches to synthesise now; ``wait`` until their notes are there."""

    app_id: AppId
    user_id: UserId | None = None
    session_id: SessionId | None = None
    wait: bool = False


class QueryBody(Body):
    """What to recall."""

    app_id: AppId
    query: Text
    user_id: UserId | None = None
    session_id: SessionId | None = None
    n_results: Results | None = None
    similarity_threshold: Cosine | None = None
    composite_threshold: Composite | None = None
    filters: dict[str, JsonValue] | None = None
    kinds: Annotated[list[Kind], Field(min_length=1)] = Field(list(BOTH_KINDS))
    statuses: Annotated[list[Status], Field(min_length=1)] = Field(["active"])
    said_after: Moment | None = None
    said_before: Moment | None = None
    as_of: Moment | None = None
    token_budget: Budget | None = None
    group_by_session: bool = False
    shown: list[str] = Field([])
    explain: bool = False


class QueryParameters(Parameters):
    """What to recall, as a query string. ``filters`` are ``name:value``, as often as needed."""

    app_id: AppId
    query: Text
    user_id: UserId | None = None
    session_id: SessionId | None = None
    n_results: Results | None = None
    similarity_threshold: Cosine | None = None
    composite_threshold: Composite | None = None
    filters: list[Filter] = Field([])
    kinds: list[Kind] = Field(list(BOTH_KINDS))
    statuses: list[Status] = Field(["active"])
    said_after: Moment | None = None
    said_before: Moment | None = None
    as_of: Moment | None = None
    token_budget: Budget | None = None
    group_by_session: Flag = False
    shown: list[str] = Field([])
    explain: Flag = False


class ListParameters(Parameters):
    """Which memories to list, in the order they were stored."""

    app_id: AppId
    user_id: UserId | None = None
    session_id: SessionId | None = None
    kinds: list[Kind] = Field(list(BOTH_KINDS))
    statuses: list[Status] = Field(["active"])
    said_after: Moment | None = None
    said_before: Moment | None = None
    as_of: Moment | None = None
    limit: Results = 100
    cursor: Cursor | None = None
    newest_first: Flag = False


class ScopeParameters(Parameters):
    """The app, and where only one user's memories are meant, the user."""

    app_id: AppId
    user_id: UserId | None = None


class DeleteParameters(ScopeParameters):
    """``cascade``: also end the turns that no other active note cites."""

    cascade: Flag = True


class TasksParameters(ScopeParameters):
    """Which tasks to list."""

    statuses: list[TaskState] = Field([])
    limit: Results = 100


class UpdateBody(Body):
    """The new text, the new user metadata, or both."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    text: Text | SkipJsonSchema[None] = None
    metadata: Metadata | SkipJsonSchema[None] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set or any(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("give text, metadata or both, and neither as null")
        return self


class SummaryBody(ScopedBody):
    """A conversation to summarise; with a callback the summary is posted there."""

    messages: Text | Messages
    callback_url: CallbackUrl | None = None
    callback_headers: CallbackHeaders = Field(default_factory=dict)

    def summary(self, *, callback_url: str | None) -> ConversationSummaryRequest:
        return ConversationSummaryRequest(
            app_id=self.app_id,
            user_id=self.user_id,
            session_id=self.session_id,
            messages=given(self.messages),
            callback_url=self.callback_url or callback_url,
            callback_headers=self.callback_headers,
        )


class AnswerBody(Body):
    """A question to answer from what is remembered."""

    app_id: AppId
    query: Text
    user_id: UserId | None = None
    session_id: SessionId | None = None
    n_results: Results | None = None
    similarity_threshold: Cosine | None = None
