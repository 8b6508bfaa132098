"""What the calls answer, for the schema."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, JsonValue

from omnimemory.api.fields import TaskState


class Accepted(BaseModel):
    """Stored; the note is written in the background. ``task_id`` is None where none is."""

    task_id: str | None
    status: Literal["accepted"]
    message: str
    app_id: str
    user_id: str
    session_id: str | None


class LastDelivery(BaseModel):
    """The session's last batch that was handed to synthesis."""

    task_id: str
    status: TaskState
    at: datetime


class Batch(BaseModel):
    """The state of a batch after the call."""

    status: Literal["pending", "flushed"]
    pending_messages: int
    batch_size: int
    task_id: str | None
    last_delivery: LastDelivery | None


class Flushed(BaseModel):
    """What a flush handed to synthesis."""

    status: Literal["pending", "flushed"]
    pending_messages: int
    batch_size: int
    task_ids: list[str]
    last_delivery: LastDelivery | None


class OneMemory(BaseModel):
    """A memory; ``memory_note`` is its ``document``."""

    memory_id: str
    document: str
    memory_note: str
    metadata: dict[str, JsonValue]


class ChangedMemory(OneMemory):
    """A memory as it is after a change."""

    success: Literal[True]


class Deleted(BaseModel):
    """An ended memory; it can be restored."""

    success: Literal[True]
    memory_id: str


class Result(OneMemory):
    """A recalled memory with the numbers that ranked it."""

    rank: int
    relevance: float
    match: float
    similarity_score: float | None
    lexical_score: float
    recency_score: float
    importance_score: float
    composite_score: float
    explanation: dict[str, JsonValue] | None = None


class NearMiss(BaseModel):
    """A candidate that is not among the results, and why."""

    memory_id: str
    composite_score: float
    match: float
    similarity_score: float | None
    lexical_score: float
    reason: str


class Results(BaseModel):
    """The most useful memories, best first; with a token budget also a block for a prompt."""

    memories: list[Result]
    count: int
    block: str | None = None
    tokens: int | None = None
    near_misses: list[NearMiss] | None = None


class Page(BaseModel):
    """A page of memories; ``next_cursor`` fetches the next one."""

    memories: list[OneMemory]
    count: int
    next_cursor: str | None


class Chain(BaseModel):
    """How a memory evolved, the oldest first."""

    memories: list[OneMemory]
    count: int


class Summary(BaseModel):
    """A summary; nothing was stored."""

    content: str
    delivery: Literal["sync"]
    status: Literal["completed"]
    app_id: str
    user_id: str
    session_id: str | None


class SummaryAccepted(BaseModel):
    """The summary will be posted to the callback; the task carries the delivery log."""

    task_id: str
    status: Literal["accepted"]
    delivery: Literal["webhook"]
    app_id: str
    user_id: str
    session_id: str | None


class Answer(BaseModel):
    """An answer and the memories it was given."""

    answer: str
    memories: list[Result]


class OneTask(BaseModel):
    """Background work. ``parked`` gave up, is kept, and can be retried."""

    task_id: str
    kind: str
    app_id: str
    user_id: str
    session_id: str | None
    status: TaskState
    progress: int
    attempts: int
    error: str | None
    result: dict[str, JsonValue] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Tasks(BaseModel):
    """Tasks, the newest first."""

    tasks: list[OneTask]
    count: int


class PoolStats(BaseModel):
    """The store's connections and the background's backlog."""

    provider: str
    active_handlers: int
    max_connections: int
    available_handlers: int
    embedder: str
    agents: str
    unfinished_tasks: int
    not_yet_indexed: int
    held: str | None


class Alive(BaseModel):
    """One word."""

    status: Literal["alive", "ready"]


class Check(BaseModel):
    """How one part does; ``name`` says what it is."""

    status: Literal["ok", "failing"]
    name: str


class Health(BaseModel):
    """How the parts do."""

    status: Literal["ok", "failing"]
    version: str
    checks: dict[str, Check]


class Root(BaseModel):
    """What this is and where to go on."""

    name: str
    version: str
    docs: str
    health: str
