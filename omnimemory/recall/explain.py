"""Every number that made a score, so that a reader can add it up again."""

from __future__ import annotations

from pydantic import JsonValue

from omnimemory.core.schemas import Statement
from omnimemory.core.scoring import ScoringWeights, composite_of
from omnimemory.recall.floor import Measure
from omnimemory.recall.fuse import Range, Scale
from omnimemory.recall.legs import Candidate


def explanation(
    candidate: Candidate,
    scale: Scale,
    measure: Measure,
    *,
    recency: float,
    weights: ScoringWeights,
    statement: Statement | None = None,
) -> dict[str, JsonValue]:
    """The composite score, taken apart.

    Exactly: the sum of the contributions of dense, lexical, substance and date is ``relevance``, and
    ``relevance * (1 + (recency.boost + importance.boost)) == composite``.
    """
    dense, lexical, said, dated = scale.parts(candidate)
    relevance = scale.relevance(candidate)
    return {
        "legs": [leg.value for leg in sorted(candidate.legs)],
        "matched_statement": None if statement is None else {"id": statement.id, "text": statement.text},
        "dense": _leg(scale.dense, candidate.similarity, dense),
        "lexical": _leg(scale.lexical, candidate.lexical, lexical),
        "substance": {"value": candidate.substance, "weight": scale.substance, "contribution": said},
        "date": {"value": scale.nearness(candidate), "weight": scale.date, "contribution": dated},
        "relevance": relevance,
        "match": measure.match(candidate),
        "coverage": measure.coverage(candidate.lexical),
        "recency": _boost(recency, weights.recency_weight),
        "importance": _boost(candidate.importance, weights.importance_weight),
        "composite": composite_of(relevance, recency, candidate.importance, weights),
    }


def _leg(leg: Range | None, value: float | None, contribution: float) -> dict[str, JsonValue]:
    return {
        "value": value,
        "low": leg.low if leg else None,
        "high": leg.high if leg else None,
        "normalised": leg.normalised(value) if leg else 0.0,
        "weight": leg.weight if leg else 0.0,
        "contribution": contribution,
    }


def _boost(score: float, weight: float) -> dict[str, JsonValue]:
    return {"score": score, "weight": weight, "boost": weight * score}
