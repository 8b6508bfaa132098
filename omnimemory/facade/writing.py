"""Calls that store: conversations, single messages, an agent's own memories, old chats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from omnimemory.core.ids import MAX_ID_LENGTH
from omnimemory.core.schemas import AgentMemoryRequest, Message, Role, Scope, UserMessages
from omnimemory.facade.arguments import instance, instances, json_objects, optional_flag, optional_text
from omnimemory.facade.connection import Connection, Response, scope_of

if TYPE_CHECKING:
    from pydantic import JsonValue

    from omnimemory.ledger.values import Appended

Progress = Callable[[int, int], None]


class Writing(Connection):
    """Everything handed in is on disk when the call returns."""

    async def add_memory(
        self,
        user_message: UserMessages,
        *,
        infer: bool | None = None,
        instructions: str | None = None,
        idempotency_key: str | None = None,
    ) -> Response:
        """Accept a conversation; it is on disk when this returns and becomes a note in the background.

        Long inputs are synthesised in windows of ``default_max_messages``. ``infer=False`` keeps the
        turns verbatim and makes no note. Returns ``task_id``, ``status`` ("accepted") and the scope.
        """
        given = instance(user_message, UserMessages, "user_message")
        scope = scope_of(given)
        wanted = optional_flag(infer, "infer")
        rules = optional_text(instructions, "instructions")
        key = optional_text(idempotency_key, "idempotency_key", most=MAX_ID_LENGTH)
        appended = await self.run(
            lambda engine: engine.ingest.add(
                scope,
                given.messages,
                metadata=given.metadata,
                infer=wanted,
                instructions=rules,
                idempotency_key=key,
            )
        )
        return _accepted(scope, appended)

    async def add_agent_memory(
        self, agent_request: AgentMemoryRequest, *, infer: bool = True, idempotency_key: str | None = None
    ) -> Response:
        """Accept what an agent wants remembered: one note, no conflict resolution.

        ``infer=False`` keeps it word for word, without a model.
        """
        given = instance(agent_request, AgentMemoryRequest, "agent_request")
        scope = scope_of(given)
        wanted = instance(infer, bool, "infer")
        key = optional_text(idempotency_key, "idempotency_key", most=MAX_ID_LENGTH)
        appended = await self.run(
            lambda engine: engine.ingest.add_agent_memory(
                scope, given.messages, metadata=given.metadata, infer=wanted, idempotency_key=key
            )
        )
        return _accepted(scope, appended)

    async def memory_batcher_add_message(
        self,
        app_id: str,
        user_id: str,
        role: Role,
        content: str,
        session_id: str | None = None,
        message_id: str | None = None,
        timestamp: datetime | None = None,
        name: str | None = None,
    ) -> Response:
        """Add one message to the session's batch; a full batch is synthesised.

        The batch is the ledger: it survives a restart. A ``message_id`` makes a repeat harmless.
        Returns ``status`` ("pending" or "flushed"), ``pending_messages``, ``batch_size``, ``task_id``, and
        in ``held`` why queued tasks wait, as for the daily cap.
        """
        message = Message(role=role, content=content, id=message_id, timestamp=timestamp, name=name)
        return await self.ingest(
            UserMessages(app_id=app_id, user_id=user_id, session_id=session_id, messages=[message])
        )

    async def ingest(
        self,
        user_messages: UserMessages,
        *,
        infer: bool | None = None,
        transcript: Sequence[Mapping[str, JsonValue]] | None = None,
    ) -> Response:
        """Add messages as a chat produces them: ``memory_batcher_add_message`` for several.

        ``transcript`` is added to the session's transcript (``append_transcript``) in the same commit.
        """
        given = instance(user_messages, UserMessages, "user_messages")
        scope = scope_of(given)
        wanted = optional_flag(infer, "infer")
        entries = None if transcript is None else json_objects(transcript, "transcript")
        appended = await self.run(
            lambda engine: engine.ingest.ingest(
                scope, given.messages, metadata=given.metadata, infer=wanted, transcript=entries
            )
        )
        return self._batched(appended)

    async def ingest_transcript(
        self,
        user_messages: UserMessages,
        *,
        whole_history: bool = False,
        infer: bool | None = None,
        transcript: Sequence[Mapping[str, JsonValue]] | None = None,
    ) -> Response:
        """Add what is new in a transcript that repeats what was handed in before.

        Messages with an id match by it, and known ones with other content become a new version of
        their turn; runs without ids match where the stored session ends as the transcript begins.
        ``whole_history`` says that the caller always hands in the whole session. ``transcript`` takes
        the place of the session's transcript (``replace_transcript``) in the same commit.
        """
        given = instance(user_messages, UserMessages, "user_messages")
        scope = scope_of(given)
        whole = instance(whole_history, bool, "whole_history")
        wanted = optional_flag(infer, "infer")
        entries = None if transcript is None else json_objects(transcript, "transcript")
        appended = await self.run(
            lambda engine: engine.ingest.ingest_transcript(
                scope,
                given.messages,
                metadata=given.metadata,
                whole_history=whole,
                infer=wanted,
                transcript=entries,
            )
        )
        return self._batched(appended)

    async def add_many(
        self,
        conversations: Iterable[UserMessages],
        *,
        infer: bool | None = None,
        on_progress: Progress | None = None,
    ) -> Response:
        """Backfill old chats, with their own timestamps. Run it again after any interruption: what is
        stored already is recognised. ``on_progress`` gets (messages accepted, messages in all).

        Returns ``conversations``, ``messages``, ``stored`` and the ``task_ids``.
        """
        from omnimemory.backfill import backfill

        given = instances(conversations, UserMessages, "conversations")
        wanted = optional_flag(infer, "infer")
        report = await self.run(lambda engine: backfill(engine, given, infer=wanted, on_progress=on_progress))
        return report.model_dump(mode="json")

    async def flush(self, scope: Scope | None = None, *, wait: bool = True) -> list[str]:
        """Synthesise what waits in batches; with ``wait``, until the scope's notes are applied or parked."""
        where = None if scope is None else instance(scope, Scope, "scope")
        return await self.run(lambda engine: engine.flush(where, wait=wait))

    def _batched(self, appended: Appended) -> Response:
        return {
            "status": "pending" if appended.task_id is None else "flushed",
            "pending_messages": appended.pending,
            "batch_size": self.settings.default_max_messages,
            "task_id": appended.task_id,
            "held": appended.held,
        }


def _stored(appended: Appended) -> str:
    new, given = sum(appended.stored), len(appended.turns)
    messages, are = "message" if given == 1 else "messages", "is" if new == 1 else "are"
    return f"{new} of {given} {messages} {are} new and stored"


def _accepted(scope: Scope, appended: Appended) -> Response:
    return {
        "task_id": appended.task_id,
        "status": "accepted",
        "message": "; ".join(filter(None, [_stored(appended), appended.held])),
        "app_id": scope.app_id,
        "user_id": scope.user_id,
        "session_id": scope.session_id,
    }
