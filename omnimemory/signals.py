"""A condition many may wait for without polling: "something has changed, look again"."""

from __future__ import annotations

import asyncio


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
