"""Whether the parts work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

from omnimemory.core.errors import OmniMemoryError
from omnimemory.engine import Engine

CHECK_SECONDS = 5.0
READY_SECONDS = 1.0
"""How long an answer holds, so that who asks often takes nothing from those who store."""


class Checks:
    """Asks the parts of an engine; none may take longer than ``CHECK_SECONDS``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asking = asyncio.Lock()
        self._ready = False
        self._asked_at = float("-inf")

    async def ready(self) -> bool:
        """Whether ledger and store work, as of at most ``READY_SECONDS`` ago."""
        async with self._asking:
            if time.monotonic() - self._asked_at > READY_SECONDS:
                self._ready = all(await asyncio.gather(self.ledger(), self.store()))
                self._asked_at = time.monotonic()
            return self._ready

    async def ledger(self) -> bool:
        """Whether it can be written: a write that changes nothing, as it prolongs no lease."""
        return await _works(self._engine.ledger.heartbeat((), lease_seconds=CHECK_SECONDS))

    async def store(self) -> bool:
        return await _works(self._engine.store.check())

    async def embedder(self) -> bool:
        return await _works(self._engine.embedder.embed(["health"]))


async def _works(check: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check
    except (OmniMemoryError, TimeoutError):
        return False
    return True
