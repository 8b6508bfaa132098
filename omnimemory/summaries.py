"""Summaries that go to a webhook: written once, delivered with retries that survive a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import JsonValue

from omnimemory.agents.base import Agents
from omnimemory.core.errors import DeliveryFailed
from omnimemory.core.ids import new_id
from omnimemory.core.schemas import Memory, MemoryKind, Message, Scope, Task
from omnimemory.core.settings import Settings
from omnimemory.evolution.plan import Plan
from omnimemory.ledger.ledger import Ledger
from omnimemory.metrics import SILENT, Observer
from omnimemory.models.base import Usage
from omnimemory.webhooks import HeaderSeal, WebhookSender

Result = dict[str, JsonValue]


def unstored_turns(scope: Scope, messages: Sequence[Message]) -> list[Memory]:
    """Messages in the form the agents read, for work that stores nothing."""
    now = datetime.now(UTC)
    return [
        Memory(
            id=new_id(),
            app_id=scope.app_id,
            user_id=scope.user_id or "",
            session_id=scope.session_id,
            kind=MemoryKind.TURN,
            text=message.content,
            role=message.role,
            name=message.name,
            occurred_at=message.timestamp,
            created_at=now,
        )
        for message in messages
    ]


class SummaryDelivery:
    """Does a summary task: the full summary, then its delivery.

    The summary and each attempt are checkpointed, so a restart neither asks the model again nor
    starts the attempts anew.
    """

    def __init__(
        self,
        ledger: Ledger,
        agents: Agents,
        sender: WebhookSender,
        seal: HeaderSeal,
        settings: Settings,
        *,
        observer: Observer = SILENT,
    ) -> None:
        self._observer = observer
        self._ledger = ledger
        self._agents = agents
        self._sender = sender
        self._seal = seal
        self._settings = settings

    async def run(self, task: Task, usage: Usage) -> Result:
        """The result with its delivery log.

        Raises:
            DeliveryFailed: after the last attempt, or at a refusal that will not change.
        """
        result = dict(task.result or {})
        if task.progress == 0:
            messages = [Message.model_validate(m) for m in _list(task.payload["messages"])]
            scope = Scope(app_id=task.app_id, user_id=task.user_id, session_id=task.session_id)
            turns = unstored_turns(scope, messages)
            summary = await self._agents.summarize(
                turns, fast=False, instructions=self._settings.note_instructions, usage=usage
            )
            result |= {"content": summary.content, "structured": dict(summary.structured or {})}
            await self._ledger.apply(Plan(), task=task, progress=1, result=result)
        await self._deliver(task, result)
        return result

    async def _deliver(self, task: Task, result: Result) -> None:
        log = _list(result.get("deliveries", []))
        headers = self._seal.open(str(task.payload["callback_headers"]))
        body: Result = {
            "task_id": task.task_id,
            "app_id": task.app_id,
            "user_id": task.user_id,
            "session_id": task.session_id,
            "status": "completed",
            "content": result["content"],
            "structured": result["structured"],
            "delivery": "webhook",
        }
        tried = len(log) % self._settings.webhook_attempts
        for attempt in range(tried, self._settings.webhook_attempts):
            entry: Result = {"at": datetime.now(UTC).isoformat()}
            failure: DeliveryFailed | None = None
            try:
                entry["status"] = await self._sender.post(str(task.payload["callback_url"]), body, headers)
            except DeliveryFailed as exc:
                entry["error"] = str(exc)
                failure = exc
            permanent = failure is not None and failure.permanent
            self._observer.delivered("refused" if permanent else "failed" if failure else "delivered")
            log.append(entry)
            result["deliveries"] = log
            await self._ledger.apply(Plan(), task=task, progress=1, result=result)
            if failure is None:
                return
            if permanent or attempt + 1 == self._settings.webhook_attempts:
                raise failure
            await asyncio.sleep(self._settings.webhook_base_seconds * 2**attempt)


def _list(value: JsonValue) -> list[JsonValue]:
    return list(value) if isinstance(value, list) else []
