"""What a recall nearly returned: for readers who ask why something is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from omnimemory.core.results import NearMiss
from omnimemory.recall.legs import Candidate

NOTHING_ANSWERS = "no memory matches the query well enough (auto floor)"
ENDED = "it ended a moment ago"
SHOWN = "the reader sees it anyway"
SAME_TEXT = "a better result reads the same"
REPEATS = "its statement repeats turns among the results"
_MOST = 5


@dataclass(slots=True)
class Ranked:
    """A candidate with what orders it."""

    candidate: Candidate
    relevance: float
    recency: float
    composite: float


def near_misses(
    missed: Iterable[tuple[Ranked, str]], match: Callable[[Candidate], float]
) -> tuple[NearMiss, ...]:
    """The best five of them, best first."""
    best = sorted(missed, key=lambda miss: (-miss[0].composite, miss[0].candidate.memory_id))[:_MOST]
    return tuple(
        NearMiss(
            memory_id=ranked.candidate.memory_id,
            composite_score=ranked.composite,
            match=match(ranked.candidate),
            similarity_score=ranked.candidate.similarity,
            lexical_score=ranked.candidate.lexical,
            reason=reason,
        )
        for ranked, reason in best
    )
