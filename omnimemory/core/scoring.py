"""The composite score (DESIGN section 6): pure functions and their constants."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

from omnimemory.core.base import Frozen
from omnimemory.core.schemas import Depth

_QUALITY = {Depth.HIGH: 1.0, Depth.MEDIUM: 0.6, Depth.LOW: 0.2, Depth.UNKNOWN: 0.5}


class ScoringWeights(Frozen):
    """The constants of the composite score; each is a setting.

    ``recency_hours`` is the time after which the recency score has fallen to 1/e. Relevance is
    ``substance_weight`` x substance, ``date_weight`` x nearness to the days that the question names
    (if it names any) and, for the rest, ``dense_weight`` x meaning against words.
    """

    recency_weight: float = Field(default=0.1, ge=0)
    importance_weight: float = Field(default=0.1, ge=0)
    recency_hours: float = Field(default=10950.0, gt=0)
    dense_weight: float = Field(default=0.45, ge=0, le=1)
    substance_weight: float = Field(default=0.15, ge=0, le=0.5)
    date_weight: float = Field(default=0.1, ge=0, le=0.5)


def importance_of(
    depth: Depth, *, follow_ups: Sequence[str], tags: Sequence[str], keywords: Sequence[str]
) -> float:
    """How much a note is worth remembering, 0.2 .. 1: 0.5 quality + 0.3 follow-ups + 0.2 richness."""
    follow_up = {0: 0.3, 1: 0.6, 2: 0.8}.get(len(follow_ups), 1.0)
    terms = len(tags) + len(keywords)
    richness = 1.0 if terms >= 10 else 0.8 if terms >= 5 else 0.6 if terms >= 2 else 0.3
    return 0.5 * _QUALITY[depth] + 0.3 * follow_up + 0.2 * richness


TURN_IMPORTANCE = importance_of(Depth.UNKNOWN, follow_ups=(), tags=(), keywords=())
"""A turn has no retrieval fields: quality unknown, no follow-ups, no terms (0.4)."""


def recency_of(evidence_at: float, now: float, *, hours: float = 10950.0) -> float:
    """exp(-age / ``hours``), clamped to 0.01 .. 1; both times in seconds, the future counts as now."""
    age_hours = max(0.0, now - evidence_at) / 3600.0
    return min(1.0, max(0.01, math.exp(-age_hours / hours)))


def composite_of(relevance: float, recency: float, importance: float, weights: ScoringWeights) -> float:
    """relevance x (1 + recency boost + importance boost)."""
    boost = weights.recency_weight * recency + weights.importance_weight * importance
    return relevance * (1.0 + boost)
