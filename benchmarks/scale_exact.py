"""What the store's answers are held against: exact search over one user's records, and the bare shard."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import qdrant_edge as qe

from benchmarks.measure import timed
from benchmarks.scale_turns import APP, BATCH, Corpus
from omnimemory.core.lexical import idf
from omnimemory.core.text import ANALYSER, query_tokens
from omnimemory.models.base import Vectors
from omnimemory.models.local import WordLlamaEmbedder
from omnimemory.stores.base import VectorStore
from omnimemory.stores.qdrant_local_points import (
    MEANING,
    WORDS,
    field_indexes,
    of_user,
    query_words,
    shard_config,
    to_filter,
    to_point,
)
from omnimemory.stores.records import Filter, Fingerprint, Hit, Record

TOP = 10
PER_LEG = 60


async def agreement(
    store: VectorStore, records: Sequence[Record], questions: Sequence[str]
) -> tuple[float, float]:
    """The share of the exact ten best of one user's records that each leg finds: (dense, lexical).

    A leg may put any record in place of one with the same score.
    """
    where = Filter(user_id=records[0].user_id)
    matrix = np.stack([record.vector for record in records])
    words = [dict(_terms(to_point(record))) for record in records]
    frequencies = Counter(term for own in words for term in own)
    rows = {record.id: row for row, record in enumerate(records)}
    shares: tuple[list[float], list[float]] = ([], [])
    for question, vector in zip(questions, await WordLlamaEmbedder().embed(questions), strict=True):
        asked = query_words(query_tokens(question))
        rarity = {
            term: weight * idf(len(records), frequencies[term])
            for term, weight in zip(asked.indices, asked.values, strict=True)
        }
        by_words = np.array([sum(rarity[t] * own.get(t, 0.0) for t in rarity) for own in words])
        dense = await store.dense(APP, vector, where, limit=TOP)
        lexical = await store.lexical(APP, query_tokens(question), where, limit=TOP)
        shares[0].append(_found(dense, matrix @ vector, rows))
        shares[1].append(_found(lexical, by_words, rows))
    return float(np.mean(shares[0])), float(np.mean(shares[1]))


def _terms(point: qe.Point) -> list[tuple[int, float]]:
    vector = point.vector
    words = vector.get(WORDS) if isinstance(vector, dict) else None
    return list(zip(words.indices, words.values, strict=True)) if isinstance(words, qe.SparseVector) else []


def _found(hits: Sequence[Hit], exact: Vectors, rows: dict[str, int]) -> float:
    best = np.sort(exact[exact > 0.0])[::-1][:TOP]
    if not len(best):
        return 1.0
    least = best[-1] * (1.0 - 1e-5)
    found = [hit for hit in hits[:TOP] if hit.id in rows and exact[rows[hit.id]] >= least]
    return len(found) / len(best)


async def bare_shard(
    folder: Path, corpus: Corpus, questions: Sequence[tuple[str, str]], advance: Callable[[int], None]
) -> tuple[list[float], list[float]]:
    """Seconds of the dense and of the lexical leg, all turns in one shard, IDF per user."""
    embedder = WordLlamaEmbedder()
    shard = qe.EdgeShard.create(
        str(folder), shard_config(Fingerprint(embedder.name, embedder.dimensions, ANALYSER))
    )
    for operation in field_indexes():
        shard.update(operation)
    async for records in corpus.batches():
        shard.update(qe.UpdateOperation.upsert_points([to_point(record) for record in records]))
        advance(BATCH)
    dense: list[float] = []
    lexical: list[float] = []
    for (user_id, text), vector in zip(
        questions, await embedder.embed([text for _, text in questions]), strict=True
    ):
        where = to_filter(Filter(user_id=user_id))
        own = qe.SearchParams(idf=qe.IdfParams(corpus=of_user(user_id)))
        nearest = qe.Query.Nearest(vector.tolist(), using=MEANING)
        dense.append(timed(partial(shard.query, qe.QueryRequest(PER_LEG, query=nearest, filter=where))))
        words = qe.Query.Nearest(query_words(query_tokens(text)), using=WORDS)
        request = qe.QueryRequest(PER_LEG, query=words, filter=where, params=own)
        lexical.append(timed(partial(shard.query, request)))
        await asyncio.sleep(0)
    shard.close()
    return dense, lexical
