"""An SDK that opens at its first use, and one way to call it from code with and without a loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from omnimemory.core.errors import ConfigError
from omnimemory.sdk import OmniMemorySDK

T = TypeVar("T")
Call = Callable[[OmniMemorySDK], Coroutine[Any, Any, T]]


class Connection:
    """The SDK a caller brought, or one opened from the environment when it is first needed.

    SDKs with equal settings share one engine in the process, which is closed at exit.

    Raises:
        ConfigError: ``memory`` is no ``OmniMemorySDK``.
    """

    def __init__(self, memory: object = None) -> None:
        if memory is not None and not isinstance(memory, OmniMemorySDK):
            raise ConfigError(
                f"memory must be an OmniMemorySDK, got {type(memory).__name__}; "
                "an OmniMemorySDK serves blocking calls too"
            )
        self._sdk: OmniMemorySDK | None = memory

    def run(self, call: Call[T]) -> T:
        """``call``, carried out on the engine's own loop and waited for; safe inside a running loop."""
        sdk = self.open()
        return sdk.run_blocking(lambda: call(sdk))

    async def arun(self, call: Call[T]) -> T:
        """``call``, awaited; what opening loads for the first time is loaded off the loop."""
        sdk = self._sdk
        if sdk is None:
            sdk = await asyncio.to_thread(self.open)
        return await call(sdk)

    def open(self) -> OmniMemorySDK:
        """The SDK; opened here, if it was not brought."""
        if self._sdk is None:
            self._sdk = OmniMemorySDK()
        return self._sdk
