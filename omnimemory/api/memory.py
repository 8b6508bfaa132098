"""The SDK's calls over an engine that runs on this very loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from omnimemory.engine import Engine
from omnimemory.facade.connection import CLOSE_SECONDS
from omnimemory.sdk import OmniMemorySDK

T = TypeVar("T")


class ServedMemory(OmniMemorySDK):
    """``OmniMemorySDK`` without a loop of its own. Whoever opened the engine closes it."""

    def __init__(self, engine: Engine) -> None:
        self.settings = engine.settings
        self._engine = engine

    async def run(self, call: Callable[[Engine], Awaitable[T]]) -> T:
        return await call(self._engine)

    def close_blocking(self, *, drain: bool = True, timeout: float = CLOSE_SECONDS) -> None:
        """Nothing: the engine is not ours."""
