"""Relevance: both legs and substance on one scale. It orders the candidates of one query."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from omnimemory.core.dates import Days
from omnimemory.core.scoring import ScoringWeights
from omnimemory.recall.legs import Candidate


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the greatest value of a leg over the candidates, and the leg's share of relevance."""

    low: float
    high: float
    weight: float

    def normalised(self, value: float | None) -> float:
        """Min-max, 0..1. Where all values are one, each is 1; no value is 0."""
        if value is None:
            return 0.0
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 1.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How the candidates of one query are measured; a leg that is None has no values.

    The weights of the legs, of ``substance`` and of ``date`` (0 unless the question names days) add
    up to 1: when a leg has no values (the embedder is down, no word is shared) the other one has both
    shares.
    """

    dense: Range | None
    lexical: Range | None
    substance: float
    date: float = 0.0
    days: Days | None = None

    def parts(self, candidate: Candidate) -> tuple[float, float, float, float]:
        """What adds up to the candidate's relevance: (dense, lexical, substance, date)."""
        meaning, words, dense, lexical = self.dense, self.lexical, 0.0, 0.0
        if meaning is not None:
            dense = meaning.weight * meaning.normalised(candidate.similarity)
        if words is not None and (candidate.lexical > 0.0 or words.low < words.high):
            lexical = words.weight * words.normalised(candidate.lexical)
        return dense, lexical, self.substance * candidate.substance, self.date * self.nearness(candidate)

    def nearness(self, candidate: Candidate) -> float:
        """How near the memory's evidence is to the days that the question names, 0..1."""
        if self.days is None:
            return 0.0
        return self.days.nearness(datetime.fromtimestamp(candidate.evidence_at, UTC).date())

    def relevance(self, candidate: Candidate) -> float:
        """0..1."""
        return sum(self.parts(candidate))


def scale_of(
    candidates: Collection[Candidate], weights: ScoringWeights, *, days: Days | None = None
) -> Scale:
    """The scale of one query's candidates; ``days`` are those that the question names.

    The dense range is over the known cosines, lexical-only candidates' included. The lexical
    range is over all candidates: one that shares no word with the query has the value 0.
    """
    cosines = [c.similarity for c in candidates if c.similarity is not None]
    scores = [c.lexical for c in candidates]
    has_words = any(score > 0.0 for score in scores)
    share = weights.dense_weight if cosines and has_words else 1.0 if cosines else 0.0
    dated = 0.0 if days is None else weights.date_weight
    legs = 1.0 - weights.substance_weight - dated
    return Scale(
        dense=Range(min(cosines), max(cosines), legs * share) if cosines else None,
        lexical=Range(min(scores), max(scores), legs * (1.0 - share)) if has_words else None,
        substance=weights.substance_weight,
        date=dated,
        days=days,
    )


def relevance(candidates: Collection[Candidate], weights: ScoringWeights) -> dict[str, float]:
    """Relevance (0..1) by memory id: weighted sum of min-max(cosine), min-max(BM25) and substance."""
    scale = scale_of(candidates, weights)
    return {candidate.memory_id: scale.relevance(candidate) for candidate in candidates}


def ranking_key(composite: float, evidence_at: float, memory_id: str) -> tuple[float, float, str]:
    """Sort key, best first: composite, then the newest evidence, then the id, so that order is total."""
    return (-composite, -evidence_at, memory_id)
