"""Summaries that go to a webhook: written once, delivered with retries that survive a restart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile

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
    """Does a summary task: the full summary, then one attempt to deliver it.

    The summary and each attempt are checkpointed, so that what comes next, another attempt or a
    restart, neither asks the model again nor counts the attempts anew.
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
            DeliveryFailed: it was not delivered; says when to run the task again, if at all.
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
            await self._note(task, result)
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
        entry: Result = {"at": datetime.now(UTC).isoformat()}
        try:
            entry["status"] = await self._sender.post(str(task.payload["callback_url"]), body, headers)
        except DeliveryFailed as exc:
            entry["error"] = str(exc)
            wait = None if exc.permanent else self._wait(log)
            if wait is not None:
                entry["next_at"] = (datetime.now(UTC) + timedelta(seconds=wait)).isoformat()
            await self._note(task, result | {"deliveries": [*log, entry]})
            self._observer.delivered("refused" if exc.permanent else "failed")
            raise DeliveryFailed(str(exc), permanent=exc.permanent, retry_after=wait) from exc
        result["deliveries"] = [*log, entry]
        await self._note(task, result)
        self._observer.delivered("delivered")

    async def _note(self, task: Task, result: Result) -> None:
        """What a restart must not do again."""
        await self._ledger.apply(Plan(), task=task, progress=1, result=result)

    def _wait(self, log: Sequence[JsonValue]) -> float | None:
        """Seconds until the next attempt, after those of the log and one more; None when it was the last.

        A task that was retried by hand has an earlier round of attempts in its log, with a final one.
        """
        tried = sum(1 for _ in takewhile(_has_a_next, reversed(log)))
        if tried + 1 >= self._settings.webhook_attempts:
            return None
        return float(self._settings.webhook_base_seconds * 2**tried)


def _has_a_next(entry: JsonValue) -> bool:
    return isinstance(entry, dict) and "next_at" in entry


def _list(value: JsonValue) -> list[JsonValue]:
    return list(value) if isinstance(value, list) else []
