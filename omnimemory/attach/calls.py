"""What may be asked of an engine in another process, and how arguments and results travel.

The protocols are the contract. The engine fulfils them, which a type check proves; the daemon
answers exactly these calls; and both sides read from their annotations how a value becomes JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, get_type_hints

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError, create_model

from omnimemory.core.base import describe
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.items import ItemOp, ItemResult
from omnimemory.core.proposals import Summary
from omnimemory.core.schemas import (
    Decision,
    Memory,
    MemoryKind,
    Message,
    Metadata,
    Recalled,
    Scope,
    ScoredMemory,
    Status,
    Task,
    TaskStatus,
)
from omnimemory.ledger.values import Appended, Page, Payload
from omnimemory.parts import PartHealth
from omnimemory.recall.request import RecallRequest

if TYPE_CHECKING:
    from omnimemory.engine import Engine

Entry = dict[str, JsonValue]


class EngineCalls(Protocol):
    """``Engine``, as far as it can be called from elsewhere."""

    async def flush(self, scope: Scope | None = None, *, wait: bool = True) -> list[str]: ...
    async def update(
        self, scope: Scope, memory_id: str, *, text: str | None = None, metadata: Metadata | None = None
    ) -> Memory: ...
    async def delete(self, scope: Scope, memory_id: str, *, cascade: bool = True) -> None: ...
    async def restore(self, scope: Scope, memory_id: str) -> Memory: ...
    async def recall(self, request: RecallRequest) -> Recalled: ...
    async def recall_packed(
        self, request: RecallRequest, token_budget: int, *, group_by_session: bool = False
    ) -> Recalled: ...
    async def get(self, scope: Scope, memory_id: str) -> Memory: ...
    async def chain(self, scope: Scope, memory_id: str) -> list[Memory]: ...
    async def summarize(self, scope: Scope, messages: str | Sequence[Message]) -> Summary: ...
    async def summarize_later(
        self,
        scope: Scope,
        messages: str | Sequence[Message],
        *,
        callback_url: str,
        callback_headers: Mapping[str, str],
    ) -> Task: ...
    async def answer(self, query: str, memories: Sequence[ScoredMemory]) -> str: ...
    async def settled(self, scope: Scope, task_id: str, *, timeout: float | None = None) -> Task: ...
    async def retry_task(self, scope: Scope, task_id: str) -> Task: ...
    async def check(self) -> None: ...
    async def examine(self) -> list[PartHealth]: ...
    async def stats(self) -> dict[str, JsonValue]: ...


class IngestCalls(Protocol):
    """``Engine.ingest``."""

    async def add(
        self,
        scope: Scope,
        messages: Sequence[Message],
        *,
        metadata: Metadata | None = None,
        infer: bool | None = None,
        instructions: str | None = None,
        idempotency_key: str | None = None,
    ) -> Appended: ...
    async def ingest(
        self,
        scope: Scope,
        messages: Sequence[Message],
        *,
        metadata: Metadata | None = None,
        infer: bool | None = None,
        transcript: Sequence[Payload] | None = None,
    ) -> Appended: ...
    async def ingest_transcript(
        self,
        scope: Scope,
        messages: Sequence[Message],
        *,
        metadata: Metadata | None = None,
        whole_history: bool = False,
        infer: bool | None = None,
        transcript: Sequence[Payload] | None = None,
    ) -> Appended: ...
    async def add_agent_memory(
        self,
        scope: Scope,
        messages: str | Sequence[Message],
        *,
        metadata: Metadata | None = None,
        infer: bool = True,
        idempotency_key: str | None = None,
    ) -> Appended: ...


class ItemCalls(Protocol):
    """``Engine.items``."""

    async def batch(self, scope: Scope, ops: Sequence[ItemOp]) -> list[ItemResult]: ...


class LedgerCalls(Protocol):
    """``Engine.ledger``: what the facade reads there, and a session's transcript."""

    async def task(self, task_id: str, *, app_id: str, user_id: str | None = None) -> Task: ...
    async def tasks(
        self, scope: Scope, *, statuses: frozenset[TaskStatus] | None = None, limit: int = 100
    ) -> Sequence[Task]: ...
    async def decisions(
        self, scope: Scope, *, memory_ids: Sequence[str] | None = None, limit: int = 1000
    ) -> Sequence[Decision]: ...
    async def transcript(self, scope: Scope, *, last: int | None = None) -> Sequence[Entry]: ...
    async def append_transcript(self, scope: Scope, entries: Sequence[Payload]) -> None: ...
    async def replace_transcript(self, scope: Scope, entries: Sequence[Payload]) -> None: ...
    async def clear_transcript(self, scope: Scope) -> int: ...
    async def pending(self, scope: Scope | None = None) -> int: ...
    async def list(
        self,
        scope: Scope,
        *,
        kinds: frozenset[MemoryKind] | None = None,
        statuses: frozenset[Status] | None = frozenset({Status.ACTIVE}),
        said_after: datetime | None = None,
        said_before: datetime | None = None,
        as_of: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        newest_first: bool = False,
    ) -> Page: ...


PARTS: Mapping[str, type] = {
    "engine": EngineCalls,
    "ingest": IngestCalls,
    "items": ItemCalls,
    "ledger": LedgerCalls,
}
"""The protocols by the name of the engine's part that fulfils each; ``engine`` is itself."""


class Call:
    """One method of a part: from arguments to JSON and back, and the same for its result."""

    def __init__(self, part: str, method: str) -> None:
        self.part = part
        self.method = method
        self._function = getattr(PARTS[part], method)

    @property
    def name(self) -> str:
        return f"{self.part}.{self.method}"

    @cached_property
    def _signature(self) -> inspect.Signature:
        whole = inspect.signature(self._function)
        return whole.replace(parameters=list(whole.parameters.values())[1:])  # without self

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self._function)

    @cached_property
    def _arguments(self) -> type[BaseModel]:
        fields: dict[str, Any] = {
            name: (self._hints[name], ... if parameter.default is parameter.empty else parameter.default)
            for name, parameter in self._signature.parameters.items()
        }
        config = ConfigDict(extra="forbid")
        return create_model(self.name, __config__=config, **fields)

    @cached_property
    def _result(self) -> TypeAdapter[Any]:
        return TypeAdapter(self._hints["return"])

    def pack(self, *args: object, **kwargs: object) -> bytes:
        """The arguments as JSON.

        Raises:
            InvalidRequest: they cannot travel.
        """
        given = self._signature.bind(*args, **kwargs).arguments
        try:
            return self._arguments(**given).model_dump_json(exclude_unset=True).encode()
        except ValidationError as exc:
            raise InvalidRequest(describe(exc)) from exc
        except ValueError as exc:
            raise InvalidRequest(f"an argument of {self.name} is not JSON: {exc}") from exc

    def unpack(self, body: bytes) -> dict[str, Any]:
        """The arguments by name, from their JSON.

        Raises:
            InvalidRequest: it is not what the call takes.
        """
        try:
            given = self._arguments.model_validate_json(body)
        except ValidationError as exc:
            raise InvalidRequest(f"{self.name}: {describe(exc)}") from exc
        return {name: getattr(given, name) for name in given.model_fields_set}

    async def on(self, engine: Engine, body: bytes) -> bytes:
        """Make the call; its result as JSON."""
        result = await self.of(engine)(**self.unpack(body))
        return self._result.dump_json(result)

    def of(self, engine: Engine) -> Callable[..., Awaitable[Any]]:
        """The engine's own method."""
        target = engine if self.part == "engine" else getattr(engine, self.part)
        method: Callable[..., Awaitable[Any]] = getattr(target, self.method)
        return method

    def result(self, body: bytes) -> Any:
        """The result from its JSON."""
        return self._result.validate_json(body)


CALLS: Mapping[str, Call] = {
    call.name: call
    for part, protocol in PARTS.items()
    for call in (Call(part, name) for name in vars(protocol) if not name.startswith("_"))
}
"""Every call by its name, such as ``ledger.list``."""


if TYPE_CHECKING:

    def _fulfilled(engine: Engine) -> tuple[EngineCalls, IngestCalls, ItemCalls, LedgerCalls]:
        return engine, engine.ingest, engine.items, engine.ledger
