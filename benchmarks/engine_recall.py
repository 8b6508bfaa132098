"""Recall at three sizes, one user among many, and under 32 callers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import qdrant_edge as qe

from benchmarks.engine_writes import APP, CALLERS, wait_until_indexed
from benchmarks.material import chats, question
from benchmarks.measure import Bench, Figure, percentile, timed
from omnimemory import OmniMemorySDK
from omnimemory.core.ids import collection_name
from omnimemory.core.text import ANALYSER, query_tokens
from omnimemory.models.base import Vectors
from omnimemory.models.local import WordLlamaEmbedder
from omnimemory.stores.qdrant_local_layout import bucket_of, read_manifest, shard_folder
from omnimemory.stores.qdrant_local_points import (
    MEANING,
    WORDS,
    of_user,
    query_words,
    shard_config,
    to_filter,
)
from omnimemory.stores.records import Filter, Fingerprint

PER_USER = 100
PER_LEG = 60
"""Records each leg of the bare query fetches: what recall asks of it."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question of one of the users."""

    user_id: str
    text: str


async def measure(bench: Bench) -> AsyncIterator[Figure]:
    sizes = ((1000, 1.5), (10_000, 2.0)) if bench.quick else ((1000, 1.5), (10_000, 2.0), (100_000, 5.0))
    for size, target in sizes:
        home = bench.folder / f"recall-{size}"
        async with OmniMemorySDK(home=home, synthesis=False) as memory:
            await _fill(bench, memory, size)
            queries = _queries(size, bench.scaled(600, 300))
            for query in queries[:100]:
                await _ask(memory, query)
            ours = [await _timed(memory, query) for query in queries[100:]]
            at_once = await _at_once(memory, _queries(size, 1500, seed=17)) if size == 10_000 else None
        bare = await _baselines(home, size, queries[100:])
        for figure in _one_by_one(size, target, ours, bare):
            yield figure
        if at_once is not None:
            for figure in _crowded(*at_once, sequential=1.0 / float(np.mean(bare.ids))):
                yield figure


@dataclass(frozen=True, slots=True)
class _Bare:
    """Seconds of each query: two legs in the same shard, ids alone or with the texts, and in an array."""

    ids: list[float]
    texts: list[float]
    array: list[float]


def _one_by_one(size: int, target: float, ours: Sequence[float], bare: _Bare) -> list[Figure]:
    where = f"{size:,} memories, {size // PER_USER:,} users"
    recalled = percentile(ours, 50)
    figures = [
        Figure(
            measure="recall, query embedding included, p50",
            size=where,
            ours=recalled,
            unit="ms",
            baseline=percentile(bare.ids, 50),
            baseline_name="bare shard, two legs",
            target=target,
        ),
        Figure(
            measure="recall, p95",
            size=where,
            ours=percentile(ours, 95),
            unit="ms",
            baseline=percentile(bare.array, 50),
            baseline_name="numpy matmul and top 10, whole app, p50",
        ),
    ]
    if size == 100_000:
        figures += [
            Figure(
                measure=f"recall over a bare two-leg query {returning}, p50",
                size=where,
                ours=recalled / percentile(seconds, 50),
                unit="x",
                baseline=percentile(seconds, 50),
                baseline_unit="ms",
                baseline_name=f"bare shard, two legs {returning}",
                target=2.0,
            )
            for returning, seconds in (("of ids", bare.ids), ("of texts", bare.texts))
        ]
    return figures


def _crowded(seconds: Sequence[float], elapsed: float, *, sequential: float) -> list[Figure]:
    size = f"10,000 memories, {CALLERS} callers"
    return [
        Figure(
            measure="recall, queries answered",
            size=size,
            ours=len(seconds) / elapsed,
            unit="/s",
            baseline=sequential,
            baseline_name="bare shard, one by one",
            target=500,
            at_least=True,
        ),
        Figure(measure="recall, p95", size=size, ours=percentile(seconds, 95), unit="ms", target=100),
    ]


async def _fill(bench: Bench, memory: OmniMemorySDK, size: int) -> None:
    task = bench.progress.add_task(f"fill {size:,}", total=size)
    given = chats(random.Random(size), APP, users=size // PER_USER, turns=PER_USER)
    await memory.add_many(given, infer=False)
    await wait_until_indexed(memory, lambda left: bench.progress.update(task, completed=size - left))


def _queries(size: int, count: int, seed: int = 5) -> list[Query]:
    rng = random.Random(seed)
    return [Query(f"user-{rng.randrange(size // PER_USER)}", question(rng)) for _ in range(count)]


async def _ask(memory: OmniMemorySDK, query: Query) -> None:
    found = await memory.query_memory(APP, query.text, user_id=query.user_id)
    assert found


async def _timed(memory: OmniMemorySDK, query: Query) -> float:
    start = time.perf_counter()
    await _ask(memory, query)
    return time.perf_counter() - start


async def _at_once(memory: OmniMemorySDK, queries: Sequence[Query]) -> tuple[list[float], float]:
    """Seconds of each query, and of all of them."""
    seconds: list[float] = []

    async def caller(first: int) -> None:
        for query in queries[first::CALLERS]:
            seconds.append(await _timed(memory, query))  # noqa: PERF401  # as they come, of all callers

    start = time.perf_counter()
    await asyncio.gather(*map(caller, range(CALLERS)))
    return seconds, time.perf_counter() - start


async def _baselines(home: Path, size: int, queries: Sequence[Query]) -> _Bare:
    embedder = WordLlamaEmbedder()
    vectors = await embedder.embed([query.text for query in queries])
    config = shard_config(Fingerprint(embedder.name, embedder.dimensions, ANALYSER))
    collection = home / "qdrant" / collection_name(APP)
    count = read_manifest(collection).shards
    shards = [
        qe.EdgeShard.load(str(shard_folder(collection, count, number)), config) for number in range(count)
    ]
    asked = [
        (shards[bucket_of(query.user_id) % count], query, vector)
        for query, vector in zip(queries, vectors, strict=True)
    ]
    for shard, query, vector in asked[:50]:
        _two_legs(shard, query, vector, texts=True)
    ids, texts = (
        [timed(partial(_two_legs, shard, query, vector, texts=wanted)) for shard, query, vector in asked]
        for wanted in (False, True)
    )
    for shard in shards:
        shard.close()
    every = np.random.default_rng(3).standard_normal((size, embedder.dimensions)).astype(np.float32)
    array = [timed(partial(_exact, every, vector)) for vector in vectors[:100]]
    return _Bare(ids, texts, array)


def _two_legs(shard: qe.EdgeShard, query: Query, vector: Vectors, *, texts: bool) -> None:
    where = to_filter(Filter(user_id=query.user_id))
    own_words = qe.SearchParams(idf=qe.IdfParams(corpus=of_user(query.user_id)))
    words = query_words(query_tokens(query.text))
    for nearest, params in (
        (qe.Query.Nearest(vector.tolist(), using=MEANING), None),
        (qe.Query.Nearest(words, using=WORDS), own_words),
    ):
        shard.query(qe.QueryRequest(PER_LEG, query=nearest, filter=where, params=params, with_payload=texts))


def _exact(every: Vectors, vector: Vectors) -> None:
    scores = every @ vector
    best = np.argpartition(-scores, 10)[:10]
    best[np.argsort(-scores[best])]
