"""Meaning and words both nominate, and every number of a result can be recomputed from the others."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from omnimemory import OmniMemorySDK
from omnimemory.core.scoring import ScoringWeights
from omnimemory.models.base import Vectors
from omnimemory.stores.qdrant_local import QdrantLocalStore

from .talk import APP, USER, said, texts

BY_WORDS = ("Quittance ZX81 lies in the attic.", "ZX81")
BY_MEANING = ("The cat sleeps on the stove.", "feline")
NOISE = [f"Remark {number} about nothing in particular." for number in range(90)]


class TopicEmbedder:
    """Knows that a cat is a feline, and finds every remark nearer to the rest than the thing in the attic."""

    name = "topics"
    dimensions = 3

    async def embed(self, given: Sequence[str]) -> Vectors:
        rows = [self._row(text.casefold()) for text in given]
        return np.array(rows, dtype=np.float32)

    def _row(self, text: str) -> list[float]:
        if "attic" in text:
            return [0.0, 0.0, 1.0]
        if "cat " in text or "feline" in text:
            return [0.0, 1.0, 0.0]
        number = re.search(r"remark (\d+)", text)
        angle = int(number[1]) / 100 if number else 0.0
        return [math.cos(angle), math.sin(angle), 0.0]

    async def aclose(self) -> None:
        """Nothing to close."""


@pytest.fixture
async def sdk() -> AsyncIterator[OmniMemorySDK]:
    async with OmniMemorySDK(embedder=TopicEmbedder(), synthesis=False) as opened:
        await opened.add_memory(said(*NOISE[:45], BY_WORDS[0], BY_MEANING[0], *NOISE[45:]))
        await opened.flush()
        yield opened


async def both_legs_find(sdk: OmniMemorySDK) -> None:
    """The promise: what only the words or only the meaning can find is among the first five."""
    for text, query in (BY_WORDS, BY_MEANING):
        found = await sdk.recall(APP, query, USER)
        assert text in texts(found), f"not found: {query!r}"


async def numbers_add_up(sdk: OmniMemorySDK) -> None:
    """The promise: relevance and boosts make the composite, and the composite the order."""
    weights = ScoringWeights()
    found = await sdk.recall(APP, "remark about the cat in the attic", USER, n_results=20, explain=True)
    scores = [one.composite_score for one in found]
    assert scores == sorted(scores, reverse=True), "not in the order of the composite score"
    for one in found:
        boosts = weights.recency_weight * one.recency_score + weights.importance_weight * one.importance_score
        assert one.composite_score == pytest.approx(one.relevance * (1 + boosts)), "the boosts do not add up"
        assert one.explanation is not None


async def test_words_and_meaning_both_nominate(sdk: OmniMemorySDK) -> None:
    await both_legs_find(sdk)


async def test_every_score_can_be_recomputed(sdk: OmniMemorySDK) -> None:
    await numbers_add_up(sdk)


@pytest.mark.parametrize("leg", ["lexical", "dense"])
async def test_a_build_with_one_leg_is_caught(
    sdk: OmniMemorySDK, monkeypatch: pytest.MonkeyPatch, leg: str
) -> None:
    """Broken on purpose: one of the store's two legs finds nothing."""

    async def nothing(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(QdrantLocalStore, leg, nothing)
    with pytest.raises(AssertionError, match="not found"):
        await both_legs_find(sdk)


async def test_a_build_whose_explanations_are_made_up_is_caught(
    sdk: OmniMemorySDK, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken on purpose: the composite score forgets its boosts."""
    monkeypatch.setattr("omnimemory.recall.recall.composite_of", lambda relevance, *_: relevance)
    with pytest.raises(AssertionError, match="the boosts do not add up"):
        await numbers_add_up(sdk)
