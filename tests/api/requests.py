"""One right request for every call of the API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

V1 = "/api/v1"
ANN = {"app_id": "shop", "user_id": "ann"}
SAID = [{"role": "user", "content": "I live in Oslo."}]


@dataclass(frozen=True)
class Ask:
    """A call as a test makes it; ``right`` is what its key needs."""

    method: str
    path: str
    right: str
    params: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    stores: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _write(path: str, body: dict[str, Any]) -> Ask:
    return Ask("POST", V1 + path, "write", body=body, stores=True)


def _by_id(method: str, path: str, right: str, **more: Any) -> Ask:
    return Ask(method, V1 + path, right, params=ANN, **more)


SCOPED = [
    _write("/memories", {**ANN, "messages": SAID}),
    _write("/agent/memories", {**ANN, "messages": "Ann likes tea."}),
    _write("/memory-batcher/messages", {**ANN, "role": "user", "content": "I live in Oslo."}),
    _write("/memory-batcher/messages", {**ANN, "messages": SAID}),
    _write("/memory-batcher/flush", ANN),
    _write("/agent/summaries", {**ANN, "messages": "Ann likes tea."}),
    Ask("GET", V1 + "/memories", "read", params=ANN),
    Ask("GET", V1 + "/memories/query", "read", params={**ANN, "query": "Where?"}),
    Ask("POST", V1 + "/memories/query", "read", body={**ANN, "query": "Where?"}),
    Ask("POST", V1 + "/agent/answers", "read", body={**ANN, "query": "Where?"}),
    Ask("GET", V1 + "/tasks", "read", params=ANN),
]
"""Calls that any scope may make."""

BY_ID = [
    _by_id("GET", "/memories/{memory_id}", "read"),
    _by_id("PATCH", "/memories/{memory_id}", "write", body={"text": "Ann lives in Rome."}),
    _by_id("DELETE", "/memories/{memory_id}", "write"),
    _by_id("POST", "/memories/{memory_id}/restore", "write", stores=True),
    _by_id("GET", "/memories/{memory_id}/evolution", "read"),
    _by_id("GET", "/memories/{memory_id}/evolution/graph", "read"),
    _by_id("GET", "/memories/{memory_id}/evolution/report", "read"),
    _by_id("GET", "/tasks/{task_id}", "read"),
    _by_id("POST", "/tasks/{task_id}/retry", "write", stores=True),
]
"""Calls about a memory or a task."""

SERVER = [Ask("GET", path, "monitor") for path in ("/health", "/metrics", V1 + "/system/pool-stats")]
"""Calls about the server."""
