"""From messages to stored turns: the limits, the echo guard, replay matching, and the append."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from weakref import WeakValueDictionary

from pydantic import JsonValue

from omnimemory.core.errors import MessageError, ScopeError
from omnimemory.core.ids import content_hash
from omnimemory.core.schemas import Memory, Message, Metadata, Scope, Task, TaskKind
from omnimemory.core.settings import Settings, variable_of
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import Appended, AppendMode, Entries, NewTurn, OnChange, Payload
from omnimemory.metrics import SILENT, Observer, observed
from omnimemory.recall.pack import strip_echo

LOOKBACK = 1000
"""Stored turns beyond the transcript's length that a whole history is looked for in."""


def turns_from(
    messages: Sequence[Message], *, settings: Settings, metadata: Metadata | None = None
) -> list[NewTurn]:
    """The turns to store. Our own recalled block inside a message is left out; a message that
    holds nothing else gives no turn.

    Raises:
        MessageError: no messages, too many, or one over the size limit; nothing is stored.
    """
    if not messages:
        raise MessageError("no messages; give at least one")
    if len(messages) > settings.max_messages_per_call:
        limit = variable_of("max_messages_per_call")
        raise MessageError(f"{len(messages)} messages in one call; split them, or raise {limit}")
    return [
        NewTurn(
            role=message.role,
            text=text,
            name=message.name,
            message_id=message.id,
            occurred_at=message.timestamp,
            metadata={**(metadata or {}), **message.metadata},
        )
        for position, message in enumerate(messages)
        if (text := _checked(message, position, settings))
    ]


def _checked(message: Message, position: int, settings: Settings) -> str:
    size = len(message.content)
    if size > settings.max_message_chars:
        limit = variable_of("max_message_chars")
        raise MessageError(
            f"message {position} has {size} characters, the limit is {settings.max_message_chars}; "
            f"split it, or raise {limit}"
        )
    return strip_echo(message.content).strip()


def as_messages(messages: str | Sequence[Message]) -> list[Message]:
    """What an agent hands in: messages as they are, free text as one message of the assistant's.

    Raises:
        MessageError: when the text is blank.
    """
    if isinstance(messages, str):
        return [Message(role="assistant", content=messages)]
    return list(messages)


def common_metadata(turns: Sequence[Memory]) -> Metadata:
    """The metadata items all ``turns`` share; a note about them carries these."""
    if not turns:
        return {}
    first, *others = turns
    return {
        key: value
        for key, value in first.metadata.items()
        if all(key in turn.metadata and turn.metadata[key] == value for turn in others)
    }


def replayed(
    stored: Sequence[Memory], incoming: Sequence[NewTurn], *, whole_history: bool, from_start: bool = False
) -> int:
    """How many leading messages of a transcript are already stored.

    The longest suffix of the stored session that is a prefix of the transcript is a replay. A caller
    that always hands in its whole history (``whole_history``) may hold a shorter one: then a
    transcript that stands in the session as one run is a replay altogether. It may also have edited
    it: then what both begin with is a replay, where ``stored`` holds the session ``from_start``.
    """
    known = [_key(turn.message_id, turn.role, turn.text) for turn in stored]
    given = [_key(turn.message_id, turn.role, turn.text) for turn in incoming]
    lengths = range(min(len(known), len(given)), 0, -1)
    replay = next((n for n in lengths if _alike(known[-n:], given[:n])), 0)
    if not whole_history:
        return replay
    if any(_alike(known[start:], given) for start in range(len(known) - len(given) + 1)):
        return len(given)
    pairs = enumerate(zip(known, given, strict=False))
    common = next((n for n, (a, b) in pairs if not _same(a, b)), min(len(known), len(given)))
    return max(replay, common) if from_start else replay


_Key = tuple[str | None, str | None, str]


def _key(message_id: str | None, role: str | None, text: str) -> _Key:
    return (message_id, role, text)


def _alike(stored: Sequence[_Key], given: Sequence[_Key]) -> bool:
    return all(_same(a, b) for a, b in zip(stored, given, strict=False))


def _same(stored: _Key, given: _Key) -> bool:
    """By id where the given message has one, else by role and text."""
    return stored[0] == given[0] if given[0] is not None else stored[1:] == given[1:]


def traced(payload: Mapping[str, JsonValue], observer: Observer) -> dict[str, JsonValue]:
    """A task's payload with the trace of the call that queues it; see ``trace_of``."""
    carrier = observer.carrier()
    return {**payload, "trace": dict(carrier)} if carrier else dict(payload)


def trace_of(task: Task) -> dict[str, str]:
    """The trace that the task belongs to."""
    found = task.payload.get("trace")
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}


class Ingest:
    """Accepts messages: durable when a call returns, whatever happens to the process then.

    ``accepted`` is told of every append, so that the background lanes wake up.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        *,
        accepted: Callable[[Appended], None],
        observer: Observer = SILENT,
    ) -> None:
        self.observer = observer
        self._ledger = ledger
        self._settings = settings
        self._accepted = accepted
        self._sessions: WeakValueDictionary[Scope, asyncio.Lock] = WeakValueDictionary()

    @observed("add")
    async def add(
        self,
        scope: Scope,
        messages: Sequence[Message],
        *,
        metadata: Metadata | None = None,
        infer: bool | None = None,
        instructions: str | None = None,
        idempotency_key: str | None = None,
    ) -> Appended:
        """Accept a conversation: durable when this returns, synthesised at once in the background."""
        synthesise = self._settings.synthesis if infer is None else infer
        return await self._append(
            scope,
            turns_from(messages, settings=self._settings, metadata=metadata),
            mode="task" if synthesise else "none",
            payload={"instructions": instructions} if instructions else {},
            idempotency_key=idempotency_key,
        )

    @observed("ingest")
    async def ingest(
        self,
        scope: Scope,
        messages: Sequence[Message],
        *,
        metadata: Metadata | None = None,
        infer: bool | None = None,
        transcript: Sequence[Payload] | None = None,
    ) -> Appended:
        """Accept messages as they come: they wait in the session's batch until it is full or idle.

        ``transcript`` extends the session's transcript in the same transaction.
        """
        synthesise = self._settings.synthesis if infer is None else infer
        turns = turns_from(messages, settings=self._settings, metadata=metadata)
        entries = None if transcript is None else Entries(transcript)
        return await self._append(scope, turns, mode="buffer" if synthesise else "none", transcript=entries)

    @observed("ingest_transcript")
    async def ingest_transcript(
        self,
        scope: Scope,
        messages: Sequence[Message],
        *,
        metadata: Metadata | None = None,
        whole_history: bool = False,
        infer: bool | None = None,
        transcript: Sequence[Payload] | None = None,
    ) -> Appended:
        """Accept a transcript that repeats what was handed in before; only what is new is stored.

        Messages with an id match by id alone, and one with a known id and other content becomes a
        new version of its turn. Runs without ids match where the longest suffix of the stored
        session is a prefix of ``messages``; see ``ingest.replayed`` for ``whole_history``.
        ``transcript`` takes the place of the session's transcript in the same transaction.
        """
        synthesise = self._settings.synthesis if infer is None else infer
        turns = turns_from(messages, settings=self._settings, metadata=metadata)
        lock = self._sessions.setdefault(scope, asyncio.Lock())
        async with lock:
            seen = await self._replayed(scope, turns, whole_history=whole_history)
            new = [turn for position, turn in enumerate(turns) if position >= seen or turn.message_id]
            return await self._append(
                scope,
                new,
                mode="buffer" if synthesise else "none",
                on_change="version",
                transcript=None if transcript is None else Entries(transcript, replaces=True),
            )

    async def _replayed(self, scope: Scope, turns: Sequence[NewTurn], *, whole_history: bool) -> int:
        if all(turn.message_id is not None for turn in turns):
            return 0  # the append recognises them by their ids
        limit = len(turns) + (LOOKBACK if whole_history else 0)
        stored = await self._ledger.session_tail(scope, limit=limit)
        return replayed(stored, turns, whole_history=whole_history, from_start=len(stored) < limit)

    @observed("add_agent_memory")
    async def add_agent_memory(
        self,
        scope: Scope,
        messages: str | Sequence[Message],
        *,
        metadata: Metadata | None = None,
        infer: bool = True,
        idempotency_key: str | None = None,
    ) -> Appended:
        """Accept what an agent wants remembered; one note is made of it, without conflict resolution."""
        return await self._append(
            scope,
            turns_from(as_messages(messages), settings=self._settings, metadata=metadata),
            mode="task",
            kind=TaskKind.AGENT_MEMORY,
            payload={"infer": infer},
            idempotency_key=idempotency_key,
        )

    async def _append(
        self,
        scope: Scope,
        turns: Sequence[NewTurn],
        *,
        mode: AppendMode,
        kind: TaskKind = TaskKind.SYNTHESIS,
        payload: Mapping[str, JsonValue] | None = None,
        idempotency_key: str | None = None,
        on_change: OnChange = "conflict",
        transcript: Entries | None = None,
    ) -> Appended:
        if scope.user_id is None:
            raise ScopeError("user_id is required to store anything; no shared default is assumed")
        key = None
        if idempotency_key is not None:
            body = json.dumps([asdict(turn) for turn in turns], default=str, sort_keys=True)
            key = (idempotency_key, content_hash(scope.model_dump_json(), kind, body))
        appended = await self._ledger.append(
            scope,
            turns,
            mode=mode,
            task_kind=kind,
            task_payload=traced(payload or {}, self.observer),
            batch_size=self._settings.default_max_messages,
            idempotency=key,
            on_change=on_change,
            transcript=transcript,
        )
        self._accepted(appended)
        return replace(appended, held=self._ledger.held)
