"""Acknowledging messages, and how long until they are indexed."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import qdrant_edge as qe

from benchmarks.material import chats, sentence
from benchmarks.measure import Bench, Figure, percentile, timed
from omnimemory import OmniMemorySDK
from omnimemory.models.local import WordLlamaEmbedder

CALLERS = 32
APP = "bench"


async def measure(bench: Bench) -> AsyncIterator[Figure]:
    for synchronous, target in (("FULL", 6.0), ("NORMAL", 2.0)):
        async with OmniMemorySDK(home=bench.folder / synchronous, ledger_synchronous=synchronous) as memory:
            await memory.warm_up()
            add = _adding(memory)
            async for figure in _acknowledged(bench, add, synchronous, target):
                yield figure
            await memory.close(drain=False)
    yield await _indexed(bench)


def _adding(memory: OmniMemorySDK) -> Callable[[int], Awaitable[object]]:
    """Adds one message, to a session whose batch it does not fill."""
    rng = random.Random(7)

    def add(number: int) -> Awaitable[object]:
        return memory.memory_batcher_add_message(APP, f"user-{number // 8}", "user", sentence(rng), "chat")

    return add


async def _acknowledged(
    bench: Bench, add: Callable[[int], Awaitable[object]], synchronous: str, target: float
) -> AsyncIterator[Figure]:
    alone, together = bench.scaled(300, 60), bench.scaled(6400, 1600)
    task = bench.progress.add_task(f"acknowledge, {synchronous}", total=alone + together)
    commits = _bare_commits(bench.folder / f"{synchronous}.db", synchronous, alone)
    seconds = []
    for number in range(alone):
        start = time.perf_counter()
        await add(number)
        seconds.append(time.perf_counter() - start)
        bench.progress.advance(task)
    yield Figure(
        measure="acknowledge one message, p50",
        size=synchronous,
        ours=percentile(seconds, 50),
        unit="ms",
        baseline=percentile(commits, 50),
        baseline_name="bare SQLite insert",
        target=target,
    )

    async def caller(first: int) -> None:
        for number in range(first, together, CALLERS):
            await add(alone + number)
            bench.progress.advance(task)

    start = time.perf_counter()
    await asyncio.gather(*map(caller, range(CALLERS)))
    rate = together / (time.perf_counter() - start)
    bare = _bare_commits(bench.folder / f"{synchronous}.db", synchronous, min(together, 1000))
    yield Figure(
        measure=f"{CALLERS} callers at once, acknowledged",
        size=f"{synchronous}, {together:,} messages",
        ours=rate,
        unit="/s",
        baseline=len(bare) / sum(bare),
        baseline_name="bare SQLite inserts, one by one",
        target=2000,
        at_least=True,
    )


def _bare_commits(path: Path, synchronous: str, count: int) -> list[float]:
    """Seconds of each single-row insert and commit."""
    rng = random.Random(7)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("CREATE TABLE IF NOT EXISTS turns (id INTEGER PRIMARY KEY, text TEXT)")
        insert = partial(connection.execute, "INSERT INTO turns (text) VALUES (?)")
        return [timed(partial(insert, (sentence(rng),))) for _ in range(count)]


async def _indexed(bench: Bench) -> Figure:
    turns = bench.scaled(5000, 1000)
    given = list(chats(random.Random(11), APP, users=turns // 100, turns=100))
    task = bench.progress.add_task("index", total=turns)
    async with OmniMemorySDK(home=bench.folder / "index") as memory:
        await memory.warm_up()
        start = time.perf_counter()
        accepted = await memory.add_many(given, infer=False)
        await wait_until_indexed(memory, lambda left: bench.progress.update(task, completed=turns - left))
        seconds = time.perf_counter() - start
        assert accepted["stored"] == turns
    bare = await _bare_index(bench.folder / "bare", [m.content for chat in given for m in chat.messages])
    return Figure(
        measure="from handing over to all indexed, local embedder",
        size=f"{turns:,} turns",
        ours=seconds,
        unit="s",
        baseline=bare,
        baseline_name="embed and upsert alone",
        target=5.0 * turns / 5000,
    )


async def wait_until_indexed(memory: OmniMemorySDK, show: Callable[[int], None]) -> None:
    """Return once the store holds everything; ``show`` gets the number of memories that are left."""
    waiting = asyncio.create_task(memory.flush())
    while not (await asyncio.wait({waiting}, timeout=0.5))[0]:
        show(int((await memory.get_connection_pool_stats())["not_yet_indexed"]))
    waiting.result()
    show(0)


async def _bare_index(folder: Path, texts: Sequence[str]) -> float:
    """Seconds to embed the texts and to put vectors, without words or filters, into a bare shard."""
    embedder = WordLlamaEmbedder()
    await embedder.embed(["warm"])
    folder.mkdir()  # noqa: ASYNC240  # nothing else runs here
    config = qe.EdgeConfig(vectors={"v": qe.EdgeVectorParams(size=256, distance=qe.Distance.Cosine)})
    shard = qe.EdgeShard.create(str(folder), config)
    start = time.perf_counter()
    for first in range(0, len(texts), 256):
        batch = texts[first : first + 256]
        rows = await embedder.embed(batch)
        points = [
            qe.Point(first + i, {"v": row.tolist()}, {"text": text})
            for i, (row, text) in enumerate(zip(rows, batch, strict=True))
        ]
        shard.update(qe.UpdateOperation.upsert_points(points))
    shard.flush()
    seconds = time.perf_counter() - start
    shard.close()
    return seconds
