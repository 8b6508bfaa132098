"""The parts of an engine, and whether they work: each is truly tried."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from omnimemory.core.base import Frozen
from omnimemory.core.errors import OmniMemoryError
from omnimemory.models.base import Prompt

if TYPE_CHECKING:
    from omnimemory.engine import Engine

TRY_SECONDS = 30.0


class PartHealth(Frozen):
    """How a part does; ``error`` says why it does not work."""

    part: str
    name: str
    error: str | None = None


class Part(NamedTuple):
    """A part, and something that it can only do where it works."""

    part: str
    name: str
    attempt: Callable[[], Awaitable[object]]

    async def examined(self, *, within: float = TRY_SECONDS) -> PartHealth:
        """Whether it works; what takes longer than ``within`` seconds does not."""
        error = None
        try:
            async with asyncio.timeout(within):
                await self.attempt()
        except OmniMemoryError as exc:
            error = str(exc)
        except TimeoutError:
            error = f"no answer within {within:g} seconds"
        return PartHealth(part=self.part, name=self.name, error=error)


def parts_of(engine: Engine) -> Iterator[Part]:
    """The ledger, the store, the embedder and, when configured, the chat model, which costs a call.

    The ledger is written to, without a change: no lease is prolonged.
    """
    yield Part("ledger", "ledger", lambda: engine.ledger.heartbeat((), lease_seconds=TRY_SECONDS))
    yield Part("store", engine.settings.provider, engine.store.check)
    yield Part("embedder", engine.embedder.name, lambda: engine.embedder.embed(["health"]))
    if (model := engine.chat_model) is not None:
        question = Prompt(system="Answer with one word.", user="ok?")
        yield Part("model", engine.agents.name, lambda: model.complete(question, max_tokens=16))
