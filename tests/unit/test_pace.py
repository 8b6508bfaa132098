"""Background work gives way to callers, and to nobody else."""

from __future__ import annotations

import asyncio
import time

import pytest

from omnimemory.pace import Pace

STEP = 0.004


def busy(seconds: float) -> None:
    """Hold the interpreter."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


async def work(steps: int = 1) -> str:
    for _ in range(steps):
        await asyncio.sleep(0)
        busy(STEP)
    return "done"


async def test_while_nobody_calls_work_goes_on_at_full_speed() -> None:
    pace = Pace(0.1)
    started = time.perf_counter()
    for _ in range(10):
        assert await pace.piece(work()) == "done"
    assert time.perf_counter() - started < 4 * 10 * STEP


async def test_while_calls_come_in_work_takes_its_share_of_the_time() -> None:
    pace = Pace(0.2)
    pieces = 0

    async def lane() -> None:
        nonlocal pieces
        while True:
            await pace.piece(work())
            pieces += 1

    running = asyncio.create_task(lane())
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < 0.5:
        pace.called()
        await asyncio.sleep(0.002)
    running.cancel()
    assert 0.1 * elapsed < pieces * STEP < 0.3 * elapsed


async def test_one_call_holds_work_up_for_a_moment_only() -> None:
    pace = Pace(0.01)
    await pace.piece(work(steps=10))
    pace.called()
    started = time.perf_counter()
    await pace.piece(work())
    assert time.perf_counter() - started < 0.2, "its share alone would have made it wait for four seconds"


async def test_waiting_is_no_work() -> None:
    pace = Pace(0.01)
    for _ in range(3):
        pace.called()
        started = time.perf_counter()
        await pace.piece(asyncio.sleep(0.05))
        assert time.perf_counter() - started < 0.1


async def test_between_two_long_steps_others_are_heard() -> None:
    pace = Pace(0.5)
    pieces = [asyncio.create_task(pace.piece(work(steps=5))) for _ in range(10)]
    longest = 0.0
    while not all(piece.done() for piece in pieces):
        asked = time.perf_counter()
        await asyncio.sleep(0)
        longest = max(longest, time.perf_counter() - asked)
    assert longest < 4 * STEP, "ten steps together would have taken ten times as long as one"


async def test_errors_and_cancellation_reach_the_work() -> None:
    pace = Pace(0.5)
    cleaned = asyncio.Event()

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    with pytest.raises(ValueError, match="no"):
        await pace.piece(failing())
    task = asyncio.create_task(pace.piece(endless()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned.is_set()


async def test_a_timeout_within_the_work_is_the_works_own() -> None:
    async def patient() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "went on"
        return "never"

    assert await Pace(0.5).piece(patient()) == "went on"


async def test_work_that_is_cancelled_before_its_turn_never_begins() -> None:
    pace = Pace(0.01)
    await pace.piece(work(steps=5))
    for _ in range(50):
        pace.called()
    begun = False

    async def late() -> None:
        nonlocal begun
        begun = True

    task = asyncio.create_task(pace.piece(late()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not begun
