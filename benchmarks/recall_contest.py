"""One run of the recall benchmark: OmniMemory, its baselines, OmniMemory with notes, strangers' questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import recall_baselines
from benchmarks.measure import Bench, machine, percentile
from benchmarks.recall_ours import Ingested, Replies, Setup, cited_places, stated_places, subject, turn_places
from benchmarks.recall_quality import DIGITS, Places, qualities
from benchmarks.recall_report import Data, Foreign, Method, QueryTime, Report, WithNotes
from benchmarks.recall_set import Asked, RecallSet, RecallSetError
from omnimemory.core.schemas import MemoryKind
from omnimemory.models.chunking import TokenCounter
from omnimemory.wiring import embedder_from

PACKAGES = ("langchain-core", "onnxruntime", "fastembed", "snowballstemmer")


async def contest(
    given: RecallSet,
    path: Path,
    bench: Bench,
    *,
    setup: Setup = Setup(),  # noqa: B008  # frozen
    limit: int | None = None,
    notes: bool = True,
    foreign: bool = False,
) -> Report:
    """Everything measured on one set; its quality figures are the same on every run.

    Raises:
        RecallSetError: ``foreign`` without two conversations that are asked something.
        ConfigError: the setup names a part that does not exist or is not installed.
    """
    asked = given.asked(limit=limit)
    if foreign and len({one.conversation for one in asked}) < 2:
        raise RecallSetError(f"{path}: strangers' questions need two conversations that are asked something")
    async with subject(given, setup, bench, name="turns") as ours:
        ingested = await ours.ingest(infer=False)
        replies = await ours.ask(asked)
        strangers = _foreign(await ours.ask_strangers(asked), replies) if foreign else None
        parts = await ours.parts()
    embedder = embedder_from(setup.settings(bench.folder / "stock"), given=None, counter=TokenCounter())
    try:
        stock = await recall_baselines.langchain(given, asked, embedder, bench)
    finally:
        await embedder.aclose()
    return Report(
        data=_data(given, path, asked),
        parts=parts,
        versions=machine(PACKAGES),
        omnimemory=_ours(asked, [turn_places(found) for found in replies.results], replies, ingested),
        langchain=_baseline(asked, stock),
        bm25=_baseline(asked, recall_baselines.bm25(given, asked, bench)),
        omnimemory_with_notes=await _with_notes(given, asked, bench, setup) if notes else None,
        foreign=strangers,
    )


async def _with_notes(given: RecallSet, asked: Sequence[Asked], bench: Bench, setup: Setup) -> WithNotes:
    async with subject(given, setup, bench, name="notes") as ours:
        ingested = await ours.ingest(infer=True)
        replies = await ours.ask(asked, kinds=("turn", "note"))
        message_ids = await ours.message_ids()
    turns = _ours(asked, [turn_places(found) for found in replies.results], replies, ingested)
    stated = [stated_places(found, message_ids) for found in replies.results]
    cited = [cited_places(found, message_ids) for found in replies.results]
    notes = [
        len(place)
        for places, found in zip(cited, replies.results, strict=True)
        for place, result in zip(places, found, strict=True)
        if result.memory.kind is MemoryKind.NOTE
    ]
    return WithNotes(
        **turns.model_dump(by_alias=True),
        counting_statements=qualities(asked, stated),
        counting_citations=qualities(asked, cited),
        notes_in_ten=_rounded(len(notes) / len(asked)),
        turns_per_note=_rounded(sum(notes) / len(notes)) if notes else 0.0,
    )


def _ours(asked: Sequence[Asked], places: Sequence[Places], replies: Replies, ingested: Ingested) -> Method:
    return Method(
        **dict(qualities(asked, places)),
        query_ms=_query_time(replies.seconds),
        index_seconds=round(ingested.seconds, 3),
        index_mb=round(ingested.index_mb, 1),
        ledger_mb=round(ingested.ledger_mb, 1),
        rss_growth_mb=round(ingested.rss_mb, 1),
    )


def _baseline(asked: Sequence[Asked], found: recall_baselines.Baseline) -> Method:
    return Method(
        **dict(qualities(asked, found.results)),
        query_ms=_query_time(found.seconds) if found.seconds else None,
        index_seconds=round(found.index_seconds, 3),
    )


def _query_time(seconds: Sequence[float]) -> QueryTime:
    return QueryTime(p50=round(percentile(seconds, 50), 3), p95=round(percentile(seconds, 95), 3))


def _foreign(counts: Sequence[int], own: Replies) -> Foreign:
    return Foreign(
        results=_rounded(float(np.mean(counts))),
        without_results=_rounded(float(np.mean([count == 0 for count in counts]))),
        questions=len(counts),
        own_results=_rounded(float(np.mean([len(found) for found in own.results]))),
    )


def _data(given: RecallSet, path: Path, asked: Sequence[Asked]) -> Data:
    left_out = given.left_out()
    return Data(
        name=given.name,
        file=path.name,
        conversations=len(given.conversations),
        turns=sum(len(each.turns) for each in given.conversations),
        questions=len(asked),
        blank_turns=left_out.blank_turns,
        unknown_gold=left_out.unknown_gold,
        questions_left_out=left_out.questions,
    )


def _rounded(value: float) -> float:
    return round(value, DIGITS)
