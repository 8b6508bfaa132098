"""How well the right turns were found: four measures, each with its interval. Pure and repeatable.

A result list is a sequence of places, each the set of turns it stands for: one turn, or those that a
note cites. Averages are over questions; intervals are percentile bootstraps over questions (95 %,
2,000 resamples, fixed seed).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmarks.recall_set import ADVERSARIAL, Asked
from omnimemory.core.base import Frozen

DEPTH = 10
"""Places a result list has."""
RESAMPLES = 2000
SEED = 20230508
DIGITS = 4
MEASURES = ("R@5", "R@10", "all@10", "NDCG@10")

Places = Sequence[frozenset[str]]
Interval = tuple[float, float]
T = TypeVar("T")


class Measures(Frozen, Generic[T]):
    """One value for each of ``MEASURES``."""

    r5: T = Field(alias="R@5")
    r10: T = Field(alias="R@10")
    all10: T = Field(alias="all@10")
    ndcg10: T = Field(alias="NDCG@10")


class Quality(Measures[float]):
    """The averages over ``questions`` questions, each 0 to 1."""

    intervals: Measures[Interval]
    questions: int


class Qualities(Frozen):
    """``overall`` is all questions but the adversarial ones; None where there are no questions."""

    overall: Quality | None
    categories: dict[str, Quality]
    adversarial: Quality | None


def scores(places: Places, gold: frozenset[str]) -> tuple[float, ...]:
    """The ``MEASURES`` of one question.

    R@k: share of ``gold`` in the first k places. all@10: 1 when all of it is. NDCG@10: a place gains 1
    when it brings a gold turn that no earlier one brought (``gold`` fills as many places at best).
    """
    found: set[str] = set()
    gained, at_five = 0.0, 0
    for rank, place in enumerate(places[:DEPTH], 1):
        new = (place & gold) - found
        found |= new
        gained += bool(new) / math.log2(rank + 1)
        if rank <= 5:
            at_five = len(found)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(gold), DEPTH) + 1))
    return at_five / len(gold), len(found) / len(gold), float(len(found) == len(gold)), gained / best


def qualities(asked: Sequence[Asked], results: Sequence[Places]) -> Qualities:
    """``results`` are the answers to ``asked``, in its order."""
    rows = np.array([scores(places, one.gold) for one, places in zip(asked, results, strict=True)])

    def of(wanted: Callable[[str], bool]) -> Quality | None:
        chosen = [number for number, one in enumerate(asked) if wanted(one.category)]
        return _quality(rows[chosen]) if chosen else None

    ordinary = sorted({one.category for one in asked} - {ADVERSARIAL})
    by_category = {name: of(name.__eq__) for name in ordinary}
    return Qualities(
        overall=of(ADVERSARIAL.__ne__),
        categories={name: quality for name, quality in by_category.items() if quality is not None},
        adversarial=of(ADVERSARIAL.__eq__),
    )


def _quality(rows: NDArray[np.float64]) -> Quality:
    """``rows``: one for each question, its columns ``MEASURES``."""
    count = len(rows)
    drawn = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    low, high = np.percentile(drawn @ rows / count, [2.5, 97.5], axis=0).round(DIGITS).tolist()
    means = rows.mean(axis=0).round(DIGITS).tolist()
    return Quality.model_validate(
        {
            **dict(zip(MEASURES, means, strict=True)),
            "intervals": dict(zip(MEASURES, zip(low, high, strict=True), strict=True)),
            "questions": count,
        }
    )
