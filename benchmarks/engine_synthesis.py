"""From a chat to its note: the engine's own time, and what a caller waits with a model that thinks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.engine_writes import APP, CALLERS
from benchmarks.material import facts, subjects, talk
from benchmarks.measure import Bench, Figure, percentile
from benchmarks.scripted import answers, model_process
from omnimemory import OmniMemorySDK
from omnimemory.core.schemas import UserMessages
from omnimemory.testing.scripted import ScriptedChatModel

THINKING = 0.3
"""Seconds the slow model takes for each call."""
FACTS = 5
"""With an answer to each: ten messages."""


async def measure(bench: Bench) -> AsyncIterator[Figure]:
    async with OmniMemorySDK(
        home=bench.folder / "instant", chat_model=ScriptedChatModel(answers())
    ) as memory:
        async for figure in _one_by_one(bench, memory, thinking=0, targets=(15, 15)):
            yield figure
    with model_process(THINKING) as url:
        async with _thinking_memory(bench.folder / "thinking", url) as memory:
            async for figure in _one_by_one(bench, memory, thinking=THINKING, targets=(340, 660)):
                yield figure
        async with _thinking_memory(bench.folder / "crowd", url) as memory:
            yield await _crowd(bench, memory)


def _thinking_memory(home: Path, url: str) -> OmniMemorySDK:
    return OmniMemorySDK(home=home, llm_base_url=url, llm_model="scripted", llm_api_key="none")


async def _one_by_one(
    bench: Bench, memory: OmniMemorySDK, *, thinking: float, targets: tuple[float, float]
) -> AsyncIterator[Figure]:
    """A user's first chat, which nothing is linked to, and a second one about the same matters."""
    users = bench.scaled(12, 5) if thinking else bench.scaled(60, 20)
    task = bench.progress.add_task(f"synthesis, {thinking * 1e3:.0f} ms model", total=2 * users)
    rng = random.Random(23)
    first: list[float] = []
    second: list[float] = []
    await _add(memory, "warm", facts(rng, subjects(rng, FACTS)))
    matters = [subjects(rng, FACTS) for _ in range(users)]
    for seconds, operations in ((first, {}), (second, {"UPDATE": 1})):
        for user, about in enumerate(matters):
            await memory.flush()  # this add's own time, not that of indexing the ones before
            took, found = await _add(memory, f"user-{user}", facts(rng, about))
            assert {name: count for name, count in found.items() if name != "CREATE"} == operations, found
            seconds.append(took)
            bench.progress.advance(task)
    calls = int(thinking * 1e3)
    for name, seconds, target, rounds in (
        ("unlinked (2 calls)", first, targets[0], 1),
        ("UPDATE (3 calls)", second, targets[1], 2),
    ):
        yield Figure(
            measure=f"add of 10 messages to note applied, p50: {name}",
            size=f"{calls} ms model" + (", HTTP" if thinking else ""),
            ours=percentile(seconds, 50),
            unit="ms",
            baseline=rounds * thinking * 1e3 if thinking else None,
            baseline_name="the model alone" if thinking else "",
            target=target,
        )


async def _add(memory: OmniMemorySDK, user_id: str, said: list[str]) -> tuple[float, dict[str, int]]:
    """Seconds from handing a chat in to its task being done, and how often each operation was applied."""
    given = UserMessages(app_id=APP, user_id=user_id, messages=talk(said))
    start = time.perf_counter()
    accepted = await memory.add_memory(given)
    task = await memory.wait_for_task(accepted["task_id"], APP)
    took = time.perf_counter() - start
    assert task.result is not None, task.error
    found = task.result["operations"]
    assert isinstance(found, dict)
    return took, {name: int(str(count)) for name, count in found.items()}


async def _crowd(bench: Bench, memory: OmniMemorySDK) -> Figure:
    """As many callers as users at once, each with one new user's first chat after the other."""
    each = bench.scaled(5, 2)
    task = bench.progress.add_task(f"{CALLERS} users adding", total=CALLERS * each)
    await _add(memory, "warm", facts(random.Random(1), subjects(random.Random(1), FACTS)))

    async def caller(number: int) -> None:
        rng = random.Random(number)
        for chat in range(each):
            await _add(memory, f"user-{number}-{chat}", facts(rng, subjects(rng, FACTS)))
            bench.progress.advance(task)

    start = time.perf_counter()
    await asyncio.gather(*map(caller, range(CALLERS)))
    return Figure(
        measure=f"{CALLERS} users adding at once",
        size=f"{THINKING * 1e3:.0f} ms model, HTTP, unlinked, {CALLERS * each} adds",
        ours=CALLERS * each / (time.perf_counter() - start),
        unit="adds/s",
        baseline=CALLERS / THINKING,
        baseline_name="the model alone",
        target=40,
        at_least=True,
    )
