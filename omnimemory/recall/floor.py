"""What is good enough to be returned, judged memory by memory, whatever else was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from omnimemory.core.scoring import ScoringWeights, composite_of
from omnimemory.recall.legs import Candidate

USUAL_IDF = 3.0
"""BM25 points that one query word usually brings to a record that holds it (LoCoMo: 2.5 a word,
names of speakers included)."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a cosine of one embedder means: ``low`` and below is chance, ``high`` and above sure."""

    low: float
    high: float

    def __call__(self, similarity: float | None) -> float:
        """0..1, linear in between; 0 for an unknown cosine."""
        if similarity is None:
            return 0.0
        return min(1.0, max(0.0, (similarity - self.low) / (self.high - self.low)))


_CALIBRATIONS = {
    "wordllama-256": Calibration(0.30, 0.80),
    "minilm-384": Calibration(0.25, 0.75),
}
_UNKNOWN = Calibration(0.20, 0.80)


def calibration_of(embedder: str) -> Calibration:
    """The calibration for an embedder's ``name``; a wide one for those never measured."""
    return _CALIBRATIONS.get(embedder, _UNKNOWN)


def match_of(
    similarity: float | None, lexical: float, calibration: Calibration, *, query_words: int
) -> float:
    """How well a memory answers the query, 0..1, comparable between queries of one embedder.

    Either evidence suffices, so the two combine by noisy-or: 1 - (1 - meaning) (1 - words).
    ``words`` is the BM25 score as a share of what a record with each of the ``query_words``
    (the number of distinct words of ``core.text.tokens(query)``) usually gets.
    """
    words = min(1.0, lexical / (USUAL_IDF * query_words)) if query_words else 0.0
    return 1.0 - (1.0 - calibration(similarity)) * (1.0 - words)


@dataclass(frozen=True, slots=True)
class Floors:
    """The least a memory must reach; None is ``auto``.

    ``recall`` is held against the cosine, ``composite`` against match x (1 + boosts).
    """

    recall: float | None = None
    composite: float | None = None


def passes(
    candidate: Candidate,
    match: Callable[[Candidate], float],
    *,
    recency: float,
    floors: Floors,
    weights: ScoringWeights,
) -> bool:
    """Whether a candidate may be returned.

    ``auto`` drops only what has no positive score in either leg; a number is obeyed. An unknown
    cosine (the embedder is down) is not held against a memory. ``match`` is asked only where needed.
    """
    cosine = candidate.similarity
    if candidate.lexical <= 0.0 and (cosine is None or cosine <= 0.0):
        return False
    if floors.recall is not None and cosine is not None and cosine < floors.recall:
        return False
    if floors.composite is None:
        return True
    return composite_of(match(candidate), recency, candidate.importance, weights) >= floors.composite
