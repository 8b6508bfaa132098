"""Callers first: how background work that needs the interpreter gives way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

SECONDS_PER_CALL = 0.02
"""For so long after a call its caller goes first; a call may take some milliseconds."""
_LONGEST = 1.0
_LONG_STEP = 0.001


class Pace:
    """Lets pieces of work begin: at once while nobody calls, and else so that they run on the loop for
    ``share`` of the time. Between two long steps of them the loop hears everybody else.

    What counts is how long a piece runs, not how long it takes: one that waits for a model on another
    machine holds nobody up, and is not held up.
    """

    def __init__(self, share: float) -> None:
        self._per_second = 1 / share
        self._due = 0.0
        self._claimed = 0.0
        self.others_next = False

    def called(self) -> None:
        """Somebody has called, and waits."""
        now = time.perf_counter()
        self._claimed = min(max(self._claimed, now) + SECONDS_PER_CALL, now + _LONGEST)

    async def piece(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's result; it begins when it is its turn."""
        try:
            while (left := min(self._due, self._claimed) - time.perf_counter()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(left)  # until a time, which calls put off
        except BaseException:  # cancelled: it will never begin
            work.close()
            raise
        return await _Metered(work, self)

    def ran(self, seconds: float) -> None:
        """A piece has run a step on the loop."""
        self._due = max(self._due, time.perf_counter() - seconds) + seconds * self._per_second
        if seconds > _LONG_STEP and not self.others_next:
            self.others_next = True
            asyncio.get_running_loop().call_soon(self._heard)

    def _heard(self) -> None:
        self.others_next = False


class Paces:
    """The paces of an engine's lanes: what each has at least, and while calls come in at most."""

    def __init__(self) -> None:
        self.synthesis = Pace(share=0.1)
        self.index = Pace(share=0.2)

    def called(self) -> None:
        """A caller waits."""
        self.synthesis.called()
        self.index.called()


class _Metered(Generic[T]):
    """Runs a coroutine, one step at a time."""

    def __init__(self, work: Coroutine[Any, Any, T], pace: Pace) -> None:
        self._work = work
        self._pace = pace

    def __await__(self) -> Generator[Any, Any, T]:
        step, given = self._work.send, None
        while True:
            try:
                while self._pace.others_next:
                    yield
            except BaseException as exc:  # noqa: BLE001  # a cancellation is for the work to deal with
                step, given = self._work.throw, exc
            started = time.perf_counter()
            try:
                waited_for = step(given)
            except StopIteration as done:
                result: T = done.value
                return result
            finally:
                self._pace.ran(time.perf_counter() - started)
            step = self._work.send
            try:
                given = yield waited_for
            except BaseException as exc:  # noqa: BLE001  # likewise
                step, given = self._work.throw, exc
