"""How the lanes wait without polling: for a change, for work to do, for the end of an outage."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NoReturn, TypeVar

from omnimemory.core.errors import LedgerError, OmniMemoryError

logger = logging.getLogger(__name__)
T = TypeVar("T")

IDLE_SECONDS = 5.0
BUSY_SECONDS = 1.0
RESTART_SECONDS = 1.0
OUTAGE_SECONDS = (0.25, 10.0)
"""Shortest and longest wait before what does not work is tried again."""


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


class Outage:
    """For how long something has not worked, and how long to wait before it is tried again.

    The wait grows with the outage, so that its end is noticed within half of its own length.
    The log hears of an outage when it begins and when it ends.
    """

    def __init__(self, who: str) -> None:
        self._who = who
        self._since: float | None = None
        self._until = 0.0

    @property
    def lasts(self) -> bool:
        """Whether it did not work when it was last tried."""
        return self._since is not None

    @property
    def left(self) -> float:
        """Seconds until it is worth a try."""
        return max(0.0, self._until - time.monotonic())

    def go_on(self, error: Exception) -> float:
        """It failed. Seconds until it is worth a try."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
            logger.warning("%s: waiting for the end of an outage: %s", self._who, error)
        shortest, longest = OUTAGE_SECONDS
        seconds = random.uniform(0.5, 1.0) * min(longest, max(shortest, (now - self._since) / 2))
        self._until = now + seconds
        return seconds

    def end(self) -> None:
        """It works."""
        if self._since is not None:
            logger.info("%s: going on after %.1f s", self._who, time.monotonic() - self._since)
        self._since = None
        self._until = 0.0


async def forever(who: str, step: Callable[[], Awaitable[None]]) -> NoReturn:
    """Repeat ``step``, through outages of what it needs."""
    outage = Outage(who)
    while True:
        try:
            await step()
        except OmniMemoryError as exc:
            await asyncio.sleep(outage.go_on(exc))
        else:
            outage.end()


async def outlasting(outage: Outage, write: Callable[[], Awaitable[T]]) -> T:
    """The result of ``write``, which is repeated until the ledger has taken it; it may be done twice."""
    while True:
        try:
            return await write()
        except LedgerError as exc:
            await asyncio.sleep(outage.go_on(exc))


async def supervised(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Keep a lane running until its own end: what it could not handle is logged and it starts again."""
    while True:
        try:
            await run()
            return
        except asyncio.CancelledError:
            raise
        except Exception:  # the edge of a lane: it must not end while the engine is open
            logger.exception("the %s stopped and starts again", name)
            await asyncio.sleep(RESTART_SECONDS)
