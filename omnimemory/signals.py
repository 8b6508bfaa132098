"""How the lanes wait without polling: for a change many may look at, and for work one has to do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

IDLE_SECONDS = 5.0
BUSY_SECONDS = 1.0


class Signal:
    """``wait`` returns after the next ``notify``; a waiter looks at the state itself."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Wait for a change, at most ``seconds``; whether there was one."""
        event = self._event
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True


class Doorbell:
    """Wakes one waiter: a ring while it was busy is not lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    @property
    def rung(self) -> bool:
        """Whether it rang since the last ``quiet``."""
        return self._event.is_set()

    def quiet(self) -> None:
        """Forget earlier rings, before looking for work."""
        self._event.clear()

    async def wait(self, due: datetime | None) -> None:
        """Until a ring or until ``due``; never longer than ``IDLE_SECONDS``, as others may bring work.

        What is due already and yet was not to be had is looked for again after ``BUSY_SECONDS``.
        """
        seconds = IDLE_SECONDS
        if due is not None:
            left = (due - datetime.now(UTC)).total_seconds()
            seconds = min(IDLE_SECONDS, left if left > 0 else BUSY_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
