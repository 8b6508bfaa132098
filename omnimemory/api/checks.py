"""Whether the parts work."""

from __future__ import annotations

import asyncio
import time

from omnimemory.engine import Engine
from omnimemory.parts import PartHealth, parts_of

CHECK_SECONDS = 5.0
READY_SECONDS = 1.0
"""How long an answer holds, so that who asks often takes nothing from those who store."""


class Checks:
    """Tries the parts of an engine that cost nothing to try; none may take longer than ``CHECK_SECONDS``."""

    def __init__(self, engine: Engine) -> None:
        self._parts = [part for part in parts_of(engine) if part.part != "model"]
        self._asking = asyncio.Lock()
        self._ready = False
        self._asked_at = float("-inf")

    async def all(self) -> list[PartHealth]:
        """How ledger, store and embedder do."""
        return await asyncio.gather(*(part.examined(within=CHECK_SECONDS) for part in self._parts))

    async def ready(self) -> bool:
        """Whether ledger and store work, as of at most ``READY_SECONDS`` ago."""
        async with self._asking:
            if time.monotonic() - self._asked_at > READY_SECONDS:
                needed = [part for part in self._parts if part.part != "embedder"]
                found = await asyncio.gather(*(part.examined(within=CHECK_SECONDS) for part in needed))
                self._ready = all(one.error is None for one in found)
                self._asked_at = time.monotonic()
            return self._ready
