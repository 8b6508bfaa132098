"""Summaries, background tasks and monitoring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omnimemory.core.base import Frozen
from omnimemory.core.schemas import ConversationSummaryRequest, Scope, ScoredMemory, Task, TaskStatus
from omnimemory.facade.connection import Connection, Response, members, scope_of


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
        scope = scope_of(summary_request)
        where = {"app_id": scope.app_id, "user_id": scope.user_id, "session_id": scope.session_id}
        if summary_request.callback_url is None:
            summary = await self.run(lambda engine: engine.summarize(scope, summary_request.messages))
            return {"content": summary.content, "delivery": "sync", "status": "completed", **where}
        url, headers = summary_request.callback_url, summary_request.callback_headers
        task = await self.run(
            lambda engine: engine.summarize_later(
                scope, summary_request.messages, callback_url=url, callback_headers=headers
            )
        )
        return {"task_id": task.task_id, "status": "accepted", "delivery": "webhook", **where}

    async def answer(self, query: str, memories: Sequence[ScoredMemory]) -> str:
        """An answer from the given memories, or the plain word that they do not hold it."""
        return await self.run(lambda engine: engine.answer(query, memories))

    async def get_task(self, task_id: str, app_id: str, user_id: str | None = None) -> Task:
        """What became of background work. Raises ``NotFound``."""
        return await self.run(lambda engine: engine.ledger.task(task_id, app_id=app_id, user_id=user_id))

    async def wait_for_task(
        self, task_id: str, app_id: str, user_id: str | None = None, *, timeout: float | None = None
    ) -> Task:
        """The task once it is done or parked; raises ``TimeoutError`` after ``timeout`` seconds."""
        scope = Scope(app_id=app_id, user_id=user_id)
        return await self.run(lambda engine: engine.settled(scope, task_id, timeout=timeout))

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
        return list(await self.run(lambda engine: engine.ledger.tasks(scope, statuses=wanted, limit=limit)))

    async def retry_task(self, task_id: str, app_id: str, user_id: str | None = None) -> Task:
        """Queue a parked task again. Raises ``NotFound`` when no such task is parked."""
        scope = Scope(app_id=app_id, user_id=user_id)
        return await self.run(lambda engine: engine.retry_task(scope, task_id))

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
