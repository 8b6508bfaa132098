"""Summaries, background tasks and monitoring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omnimemory.core.base import Frozen
from omnimemory.core.schemas import ConversationSummaryRequest, Scope, ScoredMemory, Task, TaskStatus
from omnimemory.facade.arguments import (
    identifier,
    instance,
    instances,
    members,
    optional_seconds,
    whole_number,
)
from omnimemory.facade.connection import Connection, Response, scope_of


class Description(Frozen):
    """An engine's make-up."""

    home: str
    store: str
    embedder: str
    agents: str


class Working(Connection):
    """Background work can be asked about, waited for and retried."""

    async def summarize_conversation(self, summary_request: ConversationSummaryRequest) -> Response:
        """A summary at once (``content``, ``delivery`` "sync"), or, with a ``callback_url``, a task whose
        full summary is posted there (``task_id``, ``status`` "accepted"). Stores no memory.
        """
        given = instance(summary_request, ConversationSummaryRequest, "summary_request")
        scope = scope_of(given)
        where = {"app_id": scope.app_id, "user_id": scope.user_id, "session_id": scope.session_id}
        url, headers = given.callback_url, given.callback_headers
        if url is None:
            summary = await self.run(lambda engine: engine.summarize(scope, given.messages))
            return {"content": summary.content, "delivery": "sync", "status": "completed", **where}
        task = await self.run(
            lambda engine: engine.summarize_later(
                scope, given.messages, callback_url=url, callback_headers=headers
            )
        )
        return {"task_id": task.task_id, "status": "accepted", "delivery": "webhook", **where}

    async def answer(self, query: str, memories: Sequence[ScoredMemory]) -> str:
        """An answer from the given memories, or the plain word that they do not hold it."""
        asked = instance(query, str, "query")
        given = instances(memories, ScoredMemory, "memories")
        return await self.run(lambda engine: engine.answer(asked, given))

    async def get_task(self, task_id: str, app_id: str, user_id: str | None = None) -> Task:
        """What became of background work. Raises ``NotFound``."""
        scope = Scope(app_id=app_id, user_id=user_id)
        known = identifier(task_id, "task_id")
        return await self.run(
            lambda engine: engine.ledger.task(known, app_id=scope.app_id, user_id=scope.user_id)
        )

    async def wait_for_task(
        self, task_id: str, app_id: str, user_id: str | None = None, *, timeout: float | None = None
    ) -> Task:
        """The task once it is done or parked; raises ``TimeoutError`` after ``timeout`` seconds."""
        scope = Scope(app_id=app_id, user_id=user_id)
        known = identifier(task_id, "task_id")
        seconds = optional_seconds(timeout, "timeout")
        return await self.run(lambda engine: engine.settled(scope, known, timeout=seconds))

    async def list_tasks(
        self,
        app_id: str,
        user_id: str | None = None,
        *,
        statuses: Iterable[str] | None = None,
        limit: int = 100,
    ) -> list[Task]:
        """The scope's tasks, newest first."""
        scope = Scope(app_id=app_id, user_id=user_id)
        wanted = None if statuses is None else members(TaskStatus, statuses)
        most = whole_number(limit, "limit")
        return list(await self.run(lambda engine: engine.ledger.tasks(scope, statuses=wanted, limit=most)))

    async def retry_task(self, task_id: str, app_id: str, user_id: str | None = None) -> Task:
        """Queue a parked task again. Raises ``NotFound`` when no such task is parked."""
        scope = Scope(app_id=app_id, user_id=user_id)
        known = identifier(task_id, "task_id")
        return await self.run(lambda engine: engine.retry_task(scope, known))

    async def get_connection_pool_stats(self) -> Response:
        """``active_handlers``, ``max_connections``, ``available_handlers`` of the store, and more."""
        return await self.run(lambda engine: engine.stats())

    async def describe(self) -> Description:
        """Where things are kept and what works on them."""
        found = await self.run(lambda engine: engine.stats())
        return Description(
            home=str(self.settings.home),
            store=str(found["provider"]),
            embedder=str(found["embedder"]),
            agents=str(found["agents"]),
        )
