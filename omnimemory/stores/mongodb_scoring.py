"""What MongoDB cannot score itself: cosines and BM25 of one batch of documents, and the best so far. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from omnimemory.core.lexical import K1
from omnimemory.models.base import Vectors
from omnimemory.stores.mongodb_documents import VECTOR_HEADER, WORD

Scores = NDArray[np.float64]

MOST_WEIGHT = K1 + 1.0
"""No word of a document weighs more (``core.lexical.weights``)."""


def cosines(vectors: Sequence[bytes], query: Vectors) -> Scores:
    """The cosine of each stored vector with ``query``, shape (dimensions,), both of unit length."""
    size = len(VECTOR_HEADER)
    rows = np.frombuffer(b"".join(vectors), dtype=np.uint8).reshape(len(vectors), -1)
    numbers = np.ascontiguousarray(rows[:, size:]).view("<f4")
    # Not a matrix product: that adds up the last rows of a block in another order, and equal vectors
    # would score differently in their last bits.
    found: Scores = np.einsum("ij,j->i", numbers, query.astype(np.float32, copy=False)).astype(np.float64)
    return np.clip(found, -1.0, 1.0)


def bm25(words: Sequence[bytes], rarity: Mapping[int, float]) -> Scores:
    """The BM25 score of each document's packed words; ``rarity`` is the idf of the query's terms."""
    terms = np.array(sorted(rarity), dtype=np.uint32)
    rarities = np.array([rarity[int(term)] for term in terms])
    entries = np.frombuffer(b"".join(words), dtype=WORD)
    holders = np.repeat(np.arange(len(words)), [len(packed) // WORD.itemsize for packed in words])
    places = np.minimum(np.searchsorted(terms, entries["term"]), len(terms) - 1)
    shared = terms[places] == entries["term"]
    parts = entries["weight"][shared] * rarities[places[shared]]
    found: Scores = np.bincount(holders[shared], weights=parts, minlength=len(words)).astype(np.float64)
    return found


class Best:
    """The ``limit`` best ids of all that were offered, equal scores by id."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[tuple[float, str]] = []  # (-score, id): the best sorts first

    @property
    def least(self) -> float | None:
        """The score an id must at least have to be among the best; None while all are."""
        return -self._kept[-1][0] if len(self._kept) == self._limit else None

    def offer(self, ids: Sequence[str], scores: Scores) -> None:
        """Each id is offered once."""
        least = self.least
        chosen: Iterable[int] = range(len(ids)) if least is None else np.flatnonzero(scores >= least).tolist()
        self._kept.extend((-float(scores[place]), ids[place]) for place in chosen)
        self._kept.sort()
        del self._kept[self._limit :]

    def scores(self) -> dict[str, float]:
        return {record_id: -negated for negated, record_id in self._kept}


def essential(
    holders: Mapping[int, int], rarity: Mapping[int, float], enough: int
) -> tuple[list[int], list[int]]:
    """The query's terms in two parts: rare ones, whose holders are read first, and common ones.

    The rare ones have about ``enough`` holders together. Whoever holds common ones alone scores at
    most ``bound``, so they need not be read once that many better ones are known.
    """
    rare: list[int] = []
    common: list[int] = []
    read = 0
    for term in sorted(rarity, key=lambda term: (-rarity[term], term)):
        (rare if not rare or read + holders[term] <= enough else common).append(term)
        read += holders[term]
    return rare, common


def bound(terms: Iterable[int], rarity: Mapping[int, float]) -> float:
    """What a document that holds none but these terms can score at most."""
    return MOST_WEIGHT * sum(rarity[term] for term in terms)
