"""Background work a caller can ask about."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from pydantic import Field, JsonValue

from omnimemory.core.base import DictReadable
from omnimemory.core.scope import Time


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
