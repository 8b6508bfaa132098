"""What callers send, in the words of the SDK's parameters."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic.json_schema import SkipJsonSchema

from omnimemory.api import examples
from omnimemory.api.fields import (
    METADATA_LIMITS,
    AppId,
    Body,
    Budget,
    CallbackHeaders,
    CallbackUrl,
    Composite,
    Cosine,
    Cursor,
    Filters,
    Flag,
    Kind,
    Kinds,
    Label,
    Metadata,
    Moment,
    Parameters,
    Results,
    Role,
    Sent,
    SessionId,
    Shown,
    Statuses,
    TaskStates,
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


_METADATA = f"Names and JSON values that queries can filter by. {METADATA_LIMITS}"
Attached = Annotated[Metadata, Field(default_factory=dict, description=_METADATA)]


class MessageBody(Body):
    """A chat message."""

    role: Role
    """Who speaks."""
    content: Text
    """What was said."""
    name: Label | None = None
    """The speaker's name, where several people share a role."""
    timestamp: Moment | None = None
    """When it was said; now if left out."""
    id: Label | None = None
    """The caller's own id. It makes a repeat harmless; other content under it is a 409."""
    metadata: Attached

    def message(self) -> Message:
        return Message(
            role=self.role,
            content=self.content,
            name=self.name,
            timestamp=self.timestamp,
            id=self.id,
            metadata=self.metadata,
        )


Messages = Annotated[list[MessageBody], Field(min_length=1, fail_fast=True)]
"""How many there may be is a setting, which the engine checks; how large a body, the entrance."""


class ScopedBody(Body):
    """Whose memories are meant."""

    app_id: AppId
    """The application; another one's memories cannot be reached."""
    user_id: UserId
    """The user whom the memories are about."""
    session_id: SessionId | None = None
    """The conversation, where there are several."""


class MemoryBody(ScopedBody):
    """A conversation to remember."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CONVERSATION]})

    messages: Messages
    """What was said, in order; at most `OMNIMEMORY_MAX_MESSAGES_PER_CALL` (10,000)."""
    metadata: Attached
    infer: bool | None = None
    """False keeps the turns and makes no note; `OMNIMEMORY_SYNTHESIS` if left out."""
    instructions: Text | None = None
    """What the agents that write the note shall mind."""

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

    model_config = ConfigDict(json_schema_extra={"examples": [examples.AGENT_MEMORY]})

    messages: Text | Messages
    """Free text, or messages."""
    metadata: Attached
    infer: bool = True
    """False keeps it word for word, without a model."""

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
    """What was said, in order."""
    metadata: Attached
    infer: bool | None = None
    """False keeps the turns and makes no note; `OMNIMEMORY_SYNTHESIS` if left out."""

    def list_of_messages(self) -> list[Message]:
        return [message.message() for message in self.messages]


class BatchMessageBody(ScopedBody):
    """One message for the session's batch."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.MESSAGE]})

    role: Role
    """Who speaks."""
    content: Text
    """What was said."""
    message_id: Label | None = None
    """The caller's own id. It makes a repeat harmless; other content under it is a 409."""
    timestamp: Moment | None = None
    """When it was said; now if left out."""
    name: Label | None = None
    """The speaker's name, where several people share a role."""
    metadata: Attached
    infer: bool | None = None
    """False keeps the turn and makes no note; `OMNIMEMORY_SYNTHESIS` if left out."""

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


class Narrowed(Sent):
    """The app, and where only one user's memories or one session's are meant, these."""

    app_id: AppId
    """The application; another one's memories cannot be reached."""
    user_id: UserId | None = None
    """Only this user's; the whole app's if left out."""
    session_id: SessionId | None = None
    """Only this conversation's."""


class FlushBody(Narrowed, Body):
    """Which batches to synthesise now."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.FLUSH]})

    wait: bool = False
    """Answer once the notes are there: at most `OMNIMEMORY_FLUSH_SECONDS` later, then as `pending`."""


class Selected(Narrowed):
    """Which memories count."""

    kinds: Kinds = Field(list(BOTH_KINDS))
    """Turns are what was said, notes what the agents made of it."""
    statuses: Statuses = Field(["active"])
    """`updated`, `superseded` and `deleted` ones are history."""
    said_after: Moment | None = None
    """Only what was said then or later."""
    said_before: Moment | None = None
    """Only what was said before."""
    as_of: Moment | None = None
    """As it was stored at that moment."""


class Asked(Narrowed):
    """A question, and how many memories may be its answer."""

    query: Text
    """The question or the topic, in any language."""
    n_results: Results | None = None
    """Most memories; `OMNIMEMORY_N_RESULTS` (5) if left out, 50 with a token budget."""
    similarity_threshold: Cosine | None = None
    """Least cosine of a result; `OMNIMEMORY_RECALL_THRESHOLD` if left out."""


class Query(Asked, Selected):
    """What to recall."""

    composite_threshold: Composite | None = None
    """Least composite score of a result; `OMNIMEMORY_COMPOSITE_SCORE_THRESHOLD` if left out."""
    token_budget: Budget | None = None
    """Also give a `block` for a prompt of at most this many tokens."""
    shown: Shown = Field([])
    """Texts and message ids that the prompt holds already: turns that are just that are left out."""


class QueryBody(Query, Body):
    """What to recall."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.QUERY]})

    filters: Metadata | None = None
    """User metadata that results must have: names and their JSON values."""
    group_by_session: bool = False
    """The block has sessions under their dates, not the best first; needs a token budget."""
    explain: bool = False
    """Also give every number that made each score, and the near misses."""


class QueryParameters(Query, Parameters):
    """What to recall, as a query string."""

    filters: Filters = Field([])
    """User metadata that results must have: `name:value`, as often as needed."""
    group_by_session: Flag = False
    """The block has sessions under their dates, not the best first; needs a token budget."""
    explain: Flag = False
    """Also give every number that made each score, and the near misses."""


class ListParameters(Selected, Parameters):
    """Which memories to list, in the order they were stored."""

    limit: Results = 100
    """Most memories of one page."""
    cursor: Cursor | None = None
    """The `next_cursor` of the page before."""
    newest_first: Flag = False
    """The order turned round."""


class ScopeParameters(Parameters):
    """The app, and where only one user's memories are meant, the user."""

    app_id: AppId
    """The application; another one's memories cannot be reached."""
    user_id: UserId | None = None
    """Only this user's; another user's id answers as unknown then."""


class DeleteParameters(ScopeParameters):
    """What to end along with the memory."""

    cascade: Flag = True
    """Also end the turns that no other active note cites."""


class TasksParameters(ScopeParameters):
    """Which tasks to list."""

    statuses: TaskStates = Field([])
    """Only tasks in one of these states; all if left out."""
    limit: Results = 100
    """Most tasks."""


class UpdateBody(Body):
    """The new text, the new user metadata, or both."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "examples": [examples.UPDATE]})

    text: Text | SkipJsonSchema[None] = None
    """It makes a new memory, which takes the old one's place."""
    metadata: Annotated[Metadata | SkipJsonSchema[None], Field(description=_METADATA)] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set or any(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("give text, metadata or both, and neither as null")
        return self


class SummaryBody(ScopedBody):
    """A conversation to summarise; with a callback the summary is posted there."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SUMMARY]})

    messages: Text | Messages
    """Free text, or messages."""
    callback_url: CallbackUrl | None = None
    """Where to post a full summary; a short one is the answer if left out."""
    callback_headers: CallbackHeaders = Field(default_factory=dict)
    """Sent along, such as an Authorization; kept encrypted, never logged."""

    def summary(self, *, callback_url: str | None) -> ConversationSummaryRequest:
        return ConversationSummaryRequest(
            app_id=self.app_id,
            user_id=self.user_id,
            session_id=self.session_id,
            messages=given(self.messages),
            callback_url=self.callback_url or callback_url,
            callback_headers=self.callback_headers,
        )


class AnswerBody(Asked, Body):
    """A question to answer from what is remembered."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.QUESTION]})
