"""What is good enough to be returned, on a scale that does not depend on what else was found.

Measured in docs/RECALL.md: the share of the question's information that a memory's words carry
tells questions that can be answered from questions about things never said; cosines add what words
cannot see. Both are free of the embedder's and the collection's scale, so the numbers below transfer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omnimemory.core.scoring import ScoringWeights, composite_of
from omnimemory.recall.legs import Candidate

ANSWERED = 0.34
"""The least ``match`` of the best memory, with ``auto`` floors: below it nothing was said about it."""
ENOUGH_TO_JUDGE = 100
"""Records from which ``auto`` judges; in fewer, rarity and chance say too little."""
_MEANING = 0.7
"""The most that meaning alone may count: half of the right answers have a cosine that chance gives too."""
_LONGEST = 8
"""Words of a question that a memory can be expected to answer to."""
_SURE = 3.0
"""Standard deviations above chance from which a cosine counts in full."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The cosines of unrelated texts under one embedder: their mean and standard deviation."""

    mean: float
    deviation: float

    def __call__(self, similarity: float | None) -> float:
        """How far beyond chance a cosine is, 0..1; 0 for an unknown one."""
        if similarity is None:
            return 0.0
        return min(1.0, max(0.0, (similarity - self.mean) / (_SURE * self.deviation)))


_SHIPPED = {
    "wordllama-256": Calibration(0.28, 0.13),
    "minilm-384": Calibration(0.33, 0.14),
}
_UNKNOWN = Calibration(0.30, 0.15)


def shipped_calibration(embedder: str) -> Calibration:
    """The calibration for an embedder's ``name``; a wide one for those never measured."""
    return _SHIPPED.get(embedder, _UNKNOWN)


def information_of(rarities: Sequence[float]) -> float:
    """What a memory that answers is expected to carry of a question's words, in BM25 points.

    All of them, each mentioned once; of a long text put as a question, as much as of
    ``_LONGEST`` usual words of it.
    """
    total = math.fsum(rarities)
    return total if len(rarities) <= _LONGEST else total * _LONGEST / len(rarities)


@dataclass(frozen=True, slots=True)
class Measure:
    """How one query's candidates are held against the question itself.

    ``information`` is the sum of the rarities (IDF) of the question's words; ``documents`` how
    many records they were counted in.
    """

    calibration: Calibration
    information: float
    documents: int

    def coverage(self, lexical: float) -> float:
        """The share of the question's information that a BM25 score stands for, 0..1."""
        return min(1.0, lexical / self.information) if self.information > 0.0 else 0.0

    def match(self, candidate: Candidate) -> float:
        """How well a memory answers the question, 0..1: either evidence suffices (noisy-or).

        1 - (1 - 0.7 meaning) (1 - coverage)
        """
        meaning = _MEANING * self.calibration(candidate.similarity)
        return 1.0 - (1.0 - meaning) * (1.0 - self.coverage(candidate.lexical))


@dataclass(frozen=True, slots=True)
class Floors:
    """The least a memory must reach; None is ``auto``.

    ``recall`` is held against the cosine, ``composite`` against match x (1 + boosts).
    """

    recall: float | None = None
    composite: float | None = None

    def judge(self, measure: Measure) -> bool:
        """Whether the best match decides if anything is returned at all."""
        return self.composite is None and measure.documents >= ENOUGH_TO_JUDGE


def dropped_because(
    candidate: Candidate,
    match: Callable[[Candidate], float],
    *,
    recency: float,
    floors: Floors,
    weights: ScoringWeights,
) -> str | None:
    """Why a candidate may not be returned; None when it may.

    ``auto`` drops only what has no positive score in either leg; a number is obeyed. An unknown
    cosine (the embedder is down) is not held against a memory. ``match`` is asked only where needed.
    """
    cosine = candidate.similarity
    if candidate.lexical <= 0.0 and (cosine is None or cosine <= 0.0):
        return "neither its words nor its meaning are near the query"
    if floors.recall is not None and cosine is not None and cosine < floors.recall:
        return f"its cosine is below the recall threshold of {floors.recall:g}"
    if floors.composite is None:
        return None
    if composite_of(match(candidate), recency, candidate.importance, weights) < floors.composite:
        return f"match x boosts is below the composite threshold of {floors.composite:g}"
    return None
