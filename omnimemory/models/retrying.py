"""Trying again what may pass, a bounded number of times."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from omnimemory.core.errors import OmniMemoryError, RateLimited

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how patiently. Seconds; ``attempts`` counts the first one too."""

    attempts: int = 3
    base: float = 0.5
    cap: float = 8.0

    def ceiling(self, failures: int) -> float:
        """The longest wait after so many failures: base, 2 x base, 4 x base ... up to the cap."""
        return min(self.cap, self.base * 2.0 ** min(failures - 1, 60))


async def with_retries(
    call: Callable[[], Awaitable[T]],
    *,
    retries: Retries = Retries(),
    sleep: Sleep = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> T:
    """The answer of ``call``, which is made again after errors marked ``transient``.

    Waits grow exponentially with full jitter (a random share, ``jitter()``, of the ceiling). An endpoint
    that says how long to wait is obeyed when that is at most ``cap``; a longer wish is handed to
    the caller at once with the error, as the work is better put off than held.

    Raises:
        OmniMemoryError: the last error, or the first that will not pass.
    """
    failures = 0
    while True:
        try:
            return await call()
        except OmniMemoryError as exc:
            failures += 1
            if not exc.transient or failures >= retries.attempts:
                raise
            wait = jitter() * retries.ceiling(failures)
            if isinstance(exc, RateLimited) and exc.retry_after is not None:
                if exc.retry_after > retries.cap:
                    raise
                wait = max(wait, exc.retry_after)
        await sleep(wait)
