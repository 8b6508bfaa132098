"""What the calls answer, for the schema."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from omnimemory.api import examples
from omnimemory.api.fields import Kind, Role, Status, TaskState


def shown_as(example: examples.Example) -> ConfigDict:
    """A model's configuration that shows an example of it in the schema."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class Answered(BaseModel):
    """What a call answers. The text under a field describes it in the schema."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class InScope(Answered):
    """Whose it is."""

    app_id: str
    """The application."""
    user_id: str
    """The user."""
    session_id: str | None
    """The conversation, where one was named."""


class Accepted(InScope):
    """Stored; the note is written in the background."""

    model_config = shown_as(examples.ACCEPTED)

    task_id: str | None
    """The task that writes the note; null where none is written."""
    status: Literal["accepted"]
    """It is on disk."""
    message: str
    """How many messages were new, and why the task waits where it does."""


class LastDelivery(Answered):
    """The session's last batch that was handed to synthesis."""

    task_id: str
    """Its task."""
    status: TaskState
    """How far the task has come."""
    at: datetime
    """When it was handed over."""


class Batch(Answered):
    """The state of a batch after the call."""

    model_config = shown_as(examples.BATCH)

    status: Literal["pending", "flushed"]
    """`flushed` when these messages made the batch full."""
    pending_messages: int
    """Messages that wait in the batch."""
    batch_size: int
    """How many make it full."""
    task_id: str | None
    """The task of the batch that is full now."""
    held: str | None
    """Why queued tasks wait, as for the daily cap."""
    last_delivery: LastDelivery | None
    """The batch before, or this one."""


class Flushed(Answered):
    """What a flush handed to synthesis."""

    model_config = shown_as(examples.FLUSHED)

    status: Literal["pending", "flushed"]
    """`pending` when it was waited for notes and they were not there in time."""
    pending_messages: int
    """Messages that wait in batches."""
    batch_size: int
    """How many make a batch full."""
    task_ids: list[str]
    """The tasks that were made."""
    held: str | None
    """Why queued tasks wait, as for the daily cap."""
    last_delivery: LastDelivery | None
    """The newest batch of the scope."""


class Statement(Answered):
    """One sentence of a note that stands alone."""

    id: str
    """Its name within the note."""
    text: str
    """The sentence."""
    sources: list[str]
    """The turns it came from."""
    occurred_at: datetime | None = None
    """When that was said."""


class MemoryMetadata(Answered):
    """What is known about a memory; what does not apply is left out. The user's own is `metadata`."""

    app_id: str
    """The application."""
    user_id: str
    """The user."""
    session_id: str | None = None
    """The conversation."""
    kind: Kind
    """`turn`: what was said, word for word; `note`: what the agents made of it."""
    status: Status
    """`active` is recalled; `updated` was replaced, `superseded` contradicted, `deleted` ended."""
    status_reason: str
    """What brought it there: `created`, `consolidated`, `manual_update`, `restored`, ..."""
    next_id: str | None = None
    """The memory that took its place."""
    version: int
    """The states of this record, from 1."""
    occurred_at: datetime | None = None
    """When it was said."""
    created_at: datetime
    """When it was stored."""
    updated_at: datetime | None = None
    """The time of the newest evidence for it, once it was changed."""
    ended_at: datetime | None = None
    """When it ceased to be active."""
    tags: list[str]
    """A note's topics."""
    keywords: list[str]
    """A note's words to be found by."""
    queries: list[str]
    """Questions that a note answers."""
    follow_ups: list[str]
    """What a note leaves open."""
    depth: str
    """How much there was to learn: `high`, `medium`, `low`, `unknown`."""
    importance: float
    """From 0 to 1; a part of the composite score."""
    statements: list[Statement]
    """A note's sentences; each is searched for itself."""
    sources: list[str]
    """The turns that a note was made of."""
    metadata: dict[str, JsonValue]
    """The user metadata that was handed in."""
    unresolved: bool
    """Conflicts with older notes are still to be looked at."""
    role: Role | None = None
    """Who spoke a turn."""
    name: str | None = None
    """The speaker's name."""
    message_id: str | None = None
    """The caller's own id of a turn."""
    seq: int | None = None
    """Its place in the order of saying."""
    matched_statement: str | None = None
    """In results: the sentence that the query found."""


class OneMemory(Answered):
    """A memory."""

    model_config = shown_as(examples.TURN)

    memory_id: str
    """Its id."""
    document: str
    """Its text."""
    memory_note: str
    """The same as `document`."""
    metadata: MemoryMetadata
    """What is known about it."""


class ChangedMemory(OneMemory):
    """A memory as it is after a change."""

    model_config = shown_as(examples.CHANGED)

    success: Literal[True]
    """It was changed."""


class Deleted(Answered):
    """An ended memory; it can be restored."""

    model_config = shown_as(examples.DELETED)

    success: Literal[True]
    """It was ended."""
    memory_id: str
    """Its id."""


class Scores(Answered):
    """The numbers that a memory was found by."""

    composite_score: float
    """Relevance x (1 + recency + importance); the order of the results."""
    match: float
    """How well it fits the query, whatever else was found."""
    similarity_score: float | None
    """Cosine of the query and the memory; null where no embedder answered."""
    lexical_score: float
    """BM25 of the query's words."""


class Result(Scores, OneMemory):
    """A recalled memory with the numbers that ranked it."""

    model_config = shown_as(examples.RESULT)

    rank: int
    """From 1."""
    relevance: float
    """How well it fits the query among the candidates, from 0 to 1."""
    recency_score: float
    """From 1, new, down to 0.01."""
    importance_score: float
    """From 0 to 1."""
    explanation: dict[str, JsonValue] | None = None
    """With `explain`: every number that made the score."""


class NearMiss(Scores):
    """A candidate that is not among the results."""

    memory_id: str
    """Its id."""
    reason: str
    """Why it was left out."""


class Results(Answered):
    """The most useful memories."""

    model_config = shown_as(examples.RESULTS)

    memories: list[Result]
    """The best first."""
    count: int
    """How many there are."""
    block: str | None = None
    """With a token budget: a text for a prompt, which frames the memories as data."""
    tokens: int | None = None
    """The size of the block."""
    near_misses: list[NearMiss] | None = None
    """With `explain`: what came close, the best first."""


class Chain(Answered):
    """How a memory evolved."""

    model_config = shown_as(examples.MEMORIES)

    memories: list[OneMemory]
    """In the order of time."""
    count: int
    """How many there are."""


class Page(Answered):
    """A page of memories."""

    model_config = shown_as(examples.PAGE)

    memories: list[OneMemory]
    """In the order they were stored."""
    count: int
    """How many there are on this page."""
    next_cursor: str | None
    """What to send as `cursor` for the next page; null on the last."""


class Summary(InScope):
    """A summary; nothing was stored."""

    model_config = shown_as(examples.SUMMARISED)

    content: str
    """The summary."""
    delivery: Literal["sync"]
    """It is in this answer."""
    status: Literal["completed"]
    """It is done."""


class SummaryAccepted(InScope):
    """The summary will be posted to the callback."""

    model_config = shown_as(examples.SUMMARY_ACCEPTED)

    task_id: str
    """Its task, which carries the delivery log."""
    status: Literal["accepted"]
    """It is on disk."""
    delivery: Literal["webhook"]
    """It goes to the callback."""


class Answer(Answered):
    """An answer and what it rests on."""

    model_config = shown_as(examples.ANSWERED)

    answer: str
    """The answer, or the word that the memories do not hold it."""
    memories: list[Result]
    """The memories that it was given, the best first."""


class OneTask(InScope):
    """Background work."""

    model_config = shown_as(examples.TASK)

    task_id: str
    """Its id."""
    kind: str
    """`synthesis`, `agent_memory`, `resolve` or `summary`."""
    status: TaskState
    """`parked` gave up, is kept, and can be retried."""
    progress: int
    """Messages worked through."""
    attempts: int
    """How often it was begun."""
    error: str | None
    """What went wrong last, or why it waits."""
    result: dict[str, JsonValue] | None
    """What it made; a summary's holds its `deliveries`."""
    created_at: datetime
    """When it was queued."""
    started_at: datetime | None
    """When it was begun first."""
    finished_at: datetime | None
    """When it was done or parked."""


class Tasks(Answered):
    """Tasks."""

    model_config = shown_as(examples.TASKS)

    tasks: list[OneTask]
    """The newest first."""
    count: int
    """How many there are."""
