"""What the plugins add to a turn of LangChain's and LlamaIndex's agents, beside the frameworks' own parts.

``python -m benchmarks.frameworks [--quick] [--json] [--only FRAMEWORK]``

The chat model answers at once. 10,000 memories of 100 users; each session is another one's. The ways
of doing one thing take turns, a session of ten questions each; what a turn left to be indexed is waited
for, outside the time. Synthesis is off, as it is in the engine's recall benchmark: it runs beside the
turns.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import tempfile
import time
import warnings
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.engine_writes import wait_until_indexed
from benchmarks.frameworks_contest import APP, Asked, Contest, Material, Turn, memories, sessions
from benchmarks.measure import Bench, Figure, as_json, percentile, show
from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.models.local import WordLlamaEmbedder

TARGET = 5.0
"""Milliseconds a turn may take longer than without us, the ledger's commits aside."""
WARM_SESSIONS = 1
PACKAGES = {
    "langchain": ("langchain", "langchain-core", "langgraph"),
    "llamaindex": ("llama-index-core", "llama-index-workflows"),
}


async def run(frameworks: list[str], bench: Bench) -> list[Figure]:
    given = memories()
    async with OmniMemorySDK(home=bench.folder, synthesis=False) as memory:
        total = sum(len(chat.messages) for chat in given)
        filling = bench.progress.add_task("fill", total=total)
        await memory.add_many(given, infer=False)
        await wait_until_indexed(memory, lambda left: bench.progress.update(filling, completed=total - left))
        append = await _append(bench, memory)
        figures = []
        for name in frameworks:
            part = import_module(f"benchmarks.frameworks_{name}")
            for contest in await part.contests(Material(memory, WordLlamaEmbedder(), given)):
                figures += await _held(bench, memory, contest, append)
    return figures


async def _append(bench: Bench, memory: OmniMemorySDK) -> float:
    """Milliseconds until the ledger has one message more, p50."""

    async def append(asked: Asked) -> object:
        message = Message(role="user", content=asked.text)
        return await memory.ingest(
            UserMessages(app_id=APP, user_id=asked.user, session_id=asked.session, messages=[message])
        )

    return (await _p50s(bench, memory, "append", {"append": append}))["append"]


async def _held(bench: Bench, memory: OmniMemorySDK, contest: Contest, append: float) -> list[Figure]:
    ways: dict[str, Turn] = {"": contest.ours, **contest.stock}
    if contest.without is not None:
        ways["without"] = contest.without
    took = await _p50s(bench, memory, contest.name, ways)
    ours = took.pop("")
    without = took.pop("without", None)
    if without is None:
        return [
            Figure(
                measure=contest.name,
                size="p50",
                ours=ours,
                unit="ms",
                baseline=took[name],
                baseline_name=name,
            )
            for name in contest.stock
        ]
    added = ours - without
    return [
        Figure(
            measure=f"{contest.name}, a turn",
            size="p50, in all",
            ours=ours,
            unit="ms",
            baseline=without,
            baseline_name="with its thread alone",
        ),
        *(
            Figure(
                measure=f"{contest.name}, a turn",
                size="p50, added",
                ours=added,
                unit="ms",
                baseline=took[name] - without,
                baseline_name=f"{name}, added",
            )
            for name in contest.stock
        ),
        Figure(
            measure=f"{contest.name}, a turn",
            size=f"p50, added beyond {contest.commits} commits",
            ours=added - contest.commits * append,
            unit="ms",
            baseline=append,
            baseline_name="one append to the ledger",
            target=TARGET,
        ),
    ]


async def _p50s(bench: Bench, memory: OmniMemorySDK, name: str, ways: dict[str, Turn]) -> dict[str, float]:
    """Milliseconds of each way, p50 over the same questions."""
    count = WARM_SESSIONS + bench.scaled(30, 6)
    task = bench.progress.add_task(name, total=count)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    gc.collect()
    gc.freeze()  # the millions of numbers in the stock stores are nobody's garbage
    for number, session in enumerate(sessions(name, count)):
        for way, turn in ways.items():
            for asked in session:
                took = await _timed(turn, replace(asked, session=f"{way}-{asked.session}"))
                if number >= WARM_SESSIONS:
                    seconds[way].append(took)
                await memory.flush()
        bench.progress.advance(task)
    return {way: percentile(took, 50) for way, took in seconds.items()}


async def _timed(turn: Turn, asked: Asked) -> float:
    start = time.perf_counter()
    await turn(asked)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the plugins add to a turn.")
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", choices=PACKAGES, action="append", help="this framework; may be repeated")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    # LlamaIndex looks at all attributes of its agents, pydantic's deprecated ones among them.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    names = given.only or list(PACKAGES)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="omnimemory-bench-", ignore_cleanup_errors=True) as folder,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        figures = asyncio.run(run(names, Bench(Path(folder), given.quick, progress)))
    packages = tuple(package for name in names for package in PACKAGES[name])
    if given.json:
        print(as_json(figures, packages))
    else:
        piped = Console()
        console = piped if piped.is_terminal else Console(width=180)
        show(figures, console, "OmniMemory in a turn of an agent", packages)


if __name__ == "__main__":
    main()
