"""Recall among 100,000 to a million turns, while they are written and afterwards.

``python benchmarks/scale.py [--sizes 100k,300k,1m] [--one-user] [--json] [--quick]``

Synthetic turns of 1,000 users (or one) are written to the store in the projector's batches: through
the SDK, with the ledger's transactions, a million would take hours. Questions go through the engine's
recall, their embedding included. A probe asks one every few milliseconds meanwhile: the longest it
waits for an answer is the longest pause. The baseline is one bare shard with all turns in it, IDF per
user. Legs are held against exact search. A million turns take 6 GB and a quarter of an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.measure import Bench, Figure
    from benchmarks.scale_turns import Corpus
    from omnimemory.engine import Engine
    from omnimemory.stores.records import Record

PROBE_EVERY = 0.01
QUESTIONS = 400
COMPARED = 30
Legs = tuple[list[float], list[float]]


@dataclass(slots=True)
class Measured:
    """Seconds of each recall and of each leg, and what else was seen of one corpus.

    ``waits`` are the probe's, ``reopened`` the first recalls after a restart. ``exact`` is the share of
    the exact ten best that the dense and the lexical leg found, ``bare`` the legs in one bare shard.
    ``memory`` and ``disk`` are in bytes.
    """

    waits: list[float] = field(default_factory=list)
    writing: float = 0.0
    recalls: list[float] = field(default_factory=list)
    legs: Legs = field(default_factory=lambda: ([], []))
    exact: tuple[float, float] = (0.0, 0.0)
    memory: float = 0.0
    disk: float = 0.0
    reopened: list[float] = field(default_factory=list)
    bare: Legs = field(default_factory=lambda: ([], []))


async def measure(bench: Bench, corpus: Corpus) -> Measured:
    """Write the corpus and ask about it, through the engine and in one bare shard."""
    from benchmarks.scale_exact import agreement, bare_shard
    from omnimemory.core.settings import Settings
    from omnimemory.wiring import engine_from

    questions = corpus.questions(bench.scaled(QUESTIONS, 100), seed=7)
    home = bench.folder / f"{corpus.size}-{corpus.users}"
    settings = Settings.load({"home": home, "synthesis": False})
    found = Measured()
    compared: list[Record] = []
    before = _memory()
    async with engine_from(settings) as engine:
        start = time.perf_counter()
        found.waits = await _written(bench, engine, corpus, compared)
        found.writing = time.perf_counter() - start
        for user_id, text in corpus.questions(50, seed=17):
            await _asked(engine, user_id, text)
        found.recalls = [await _asked(engine, user_id, text) for user_id, text in questions]
        found.legs = await _legs(engine, questions)
        found.memory = _memory() - before
        found.exact = await agreement(engine.store, compared, [text for _, text in questions[:COMPARED]])
    found.disk = _disk(home / "qdrant")
    async with engine_from(settings) as engine:
        found.reopened = [await _asked(engine, user_id, text) for user_id, text in questions[:100]]
    task = bench.progress.add_task(f"bare shard, {corpus.name}", total=corpus.size)
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    found.bare = await bare_shard(folder, corpus, questions, lambda done: bench.progress.advance(task, done))
    return found


def figures(corpus: Corpus, found: Measured) -> Iterator[Figure]:
    """What is shown of one corpus."""
    from benchmarks.measure import Figure, percentile

    figure = partial(Figure, size=corpus.name)
    both = [dense + lexical for dense, lexical in zip(*found.bare, strict=True)]
    for share, target in ((50, None), (95, 20.0 if corpus.users == 1 else 10.0)):
        yield figure(
            measure=f"recall, p{share}",
            ours=percentile(found.recalls, share),
            unit="ms",
            baseline=percentile(both, share),
            baseline_name="bare shard, two legs",
            target=target,
        )
    for name, ours, theirs in zip(("dense", "lexical"), found.legs, found.bare, strict=True):
        for share in (50, 95):
            yield figure(
                measure=f"{name} leg, p{share}",
                ours=percentile(ours, share),
                unit="ms",
                baseline=percentile(theirs, share),
                baseline_name="bare shard",
            )
    for name, exact in zip(("dense", "lexical"), found.exact, strict=True):
        yield figure(measure=f"{name} leg, of the exact 10", ours=exact, unit="", target=0.98, at_least=True)
    yield figure(measure="query while writing, p99", ours=percentile(found.waits, 99), unit="ms")
    longest = percentile(found.waits, 100)
    yield figure(measure="query while writing, longest", ours=longest, unit="ms", target=50.0)
    yield figure(measure="first queries after reopening", ours=percentile(found.reopened, 100), unit="ms")
    yield figure(measure="writing beside the queries", ours=corpus.size / found.writing, unit="turns/s")
    for name, size in (("memory", found.memory), ("disk", found.disk)):
        yield figure(measure=f"{name} per 100k", ours=size / corpus.size / 10, unit="MB")


async def _legs(engine: Engine, questions: Sequence[tuple[str, str]]) -> Legs:
    """Seconds of each leg for each question."""
    from benchmarks.scale_exact import PER_LEG
    from benchmarks.scale_turns import APP
    from omnimemory.core.text import query_tokens
    from omnimemory.stores.records import Filter

    dense: list[float] = []
    lexical: list[float] = []
    vectors = await engine.embedder.embed([text for _, text in questions])
    for (user_id, text), vector in zip(questions, vectors, strict=True):
        where = Filter(user_id=user_id)
        start = time.perf_counter()
        await engine.store.dense(APP, vector, where, limit=PER_LEG)
        between = time.perf_counter()
        await engine.store.lexical(APP, query_tokens(text), where, limit=PER_LEG)
        dense.append(between - start)
        lexical.append(time.perf_counter() - between)
    return dense, lexical


async def _written(bench: Bench, engine: Engine, corpus: Corpus, compared: list[Record]) -> list[float]:
    """Write everything; the seconds each of the probe's queries waited. Keeps user 0's records."""
    from benchmarks.scale_turns import APP

    waits: list[float] = []

    async def probe() -> None:
        for user_id, text in itertools.cycle(corpus.questions(1000, seed=11)):
            due = time.perf_counter() + PROBE_EVERY
            await asyncio.sleep(PROBE_EVERY)
            await _asked(engine, user_id, text)
            waits.append(time.perf_counter() - due)

    await engine.store.prepare(APP, engine.projector.fingerprint)
    for user_id, text in corpus.questions(20, seed=13):  # loads the embedder and the analyser
        await _asked(engine, user_id, text)
    task = bench.progress.add_task(f"write {corpus.name}", total=corpus.size)
    probing = asyncio.create_task(probe())
    try:
        async for records in corpus.batches():
            await engine.store.upsert(APP, records)
            compared += [record for record in records if record.user_id == "user-0"]
            bench.progress.advance(task, len(records))
            if probing.done():
                break
    finally:
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
    if not probing.cancelled():
        probing.result()
    return waits


async def _asked(engine: Engine, user_id: str, text: str) -> float:
    """Seconds of one recall."""
    from benchmarks.scale_turns import APP
    from omnimemory.core.schemas import Scope
    from omnimemory.recall.request import RecallRequest

    start = time.perf_counter()
    await engine.recall(RecallRequest(scope=Scope(app_id=APP, user_id=user_id), query=text, n_results=10))
    return time.perf_counter() - start


def _memory() -> float:
    """Bytes of this process in memory, mapped files included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _disk(folder: Path) -> float:
    """Bytes that the files below take; holes take none."""
    return sum(path.stat().st_blocks * 512.0 for path in folder.rglob("*") if path.is_file())


async def _figures(corpora: Sequence[Corpus], bench: Bench) -> list[Figure]:
    return [figure for corpus in corpora for figure in figures(corpus, await measure(bench, corpus))]


def main() -> None:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from benchmarks.measure import Bench, as_json, show
    from benchmarks.scale_turns import Corpus

    given = _parser().parse_args()
    logging.basicConfig(level=logging.WARNING)
    if given.quick:
        corpora = [Corpus(20_000, 200)]
    elif given.one_user:
        corpora = [Corpus(100_000, 1)]
    else:
        corpora = [Corpus(size, 1000) for size in given.sizes]
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="omnimemory-scale-", ignore_cleanup_errors=True) as folder,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        found = asyncio.run(_figures(corpora, Bench(Path(folder), given.quick, progress)))
    if given.json:
        print(as_json(found))
    else:
        piped = Console()
        show(found, piped if piped.is_terminal else Console(width=140), title="OmniMemory at scale")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure recall among many turns.")
    parser.add_argument("--sizes", type=_sizes, default="100k,300k,1m", help="turns of 1,000 users")
    parser.add_argument("--one-user", action="store_true", help="instead, one user with 100k turns")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="20k turns of 200 users: under a minute")
    return parser


def _sizes(text: str) -> list[int]:
    units = {"k": 1_000, "m": 1_000_000}
    sizes = []
    for part in text.lower().split(","):
        digits, unit = (part[:-1], units[part[-1]]) if part[-1:] in units else (part, 1)
        if not digits.isdigit() or not int(digits):
            raise argparse.ArgumentTypeError(f"{part!r} is no size; give for instance 100k,1m")
        sizes.append(int(digits) * unit)
    return sizes


if __name__ == "__main__":
    if not __package__:  # run by its path: the package it belongs to is found from the folder above
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    main()
