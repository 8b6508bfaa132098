"""Vectors that are paid for once."""

from __future__ import annotations

import numpy as np
import pytest

from omnimemory.core.errors import ModelUnavailable
from omnimemory.models.base import Embedder
from omnimemory.models.cache import CachedEmbedder
from omnimemory.testing.replies import Fault
from omnimemory.testing.scripted import HashEmbedder


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_what_was_embedded_is_not_embedded_again() -> None:
    inner = HashEmbedder()
    cached = CachedEmbedder(inner)
    first = await cached.embed(["a cat", "a dog", "a cat"])
    assert (inner.calls, inner.texts) == (1, 2)
    second = await cached.embed(["a bird", "a dog", "a cat"])
    assert (inner.calls, inner.texts) == (2, 3)
    assert second[1:] == pytest.approx(first[[1, 0]])
    assert (cached.stats.hits, cached.stats.misses, cached.stats.entries) == (2, 4, 3)
    assert np.array_equal(await cached.embed(["a cat"]), first[:1])
    assert isinstance(cached, Embedder)
    assert (cached.name, cached.dimensions) == (inner.name, inner.dimensions)


async def test_nothing_in_gives_nothing_out() -> None:
    assert (await CachedEmbedder(HashEmbedder()).embed([])).shape == (0, 64)


async def test_the_least_recently_used_goes_first() -> None:
    inner = HashEmbedder()
    cached = CachedEmbedder(inner, size=2)
    for text in ("one", "two", "one", "three"):
        await cached.embed([text])
    await cached.embed(["one"])
    assert inner.texts == 3
    await cached.embed(["two"])
    assert inner.texts == 4
    assert cached.stats.entries == 2


async def test_an_entry_ends_with_its_time() -> None:
    inner, clock = HashEmbedder(), Clock()
    cached = CachedEmbedder(inner, ttl=10, clock=clock)
    await cached.embed(["tea"])
    clock.now = 9.9
    await cached.embed(["tea"])
    assert inner.texts == 1
    clock.now = 10.0
    await cached.embed(["tea"])
    assert inner.texts == 2


async def test_a_size_of_zero_keeps_nothing_and_a_batch_may_exceed_the_size() -> None:
    for size in (0, 2):
        inner = HashEmbedder()
        cached = CachedEmbedder(inner, size=size)
        texts = ["a", "b", "c", "b"]
        assert await cached.embed(texts) == pytest.approx(await inner.embed(texts))
        assert cached.stats.entries == size


async def test_a_failure_is_not_remembered_and_a_hit_needs_no_embedder() -> None:
    inner = HashEmbedder()
    cached = CachedEmbedder(inner)
    known = await cached.embed(["known"])
    inner.fault = Fault.error(503)
    with pytest.raises(ModelUnavailable):
        await cached.embed(["known", "new"])
    assert np.array_equal(await cached.embed(["known"]), known)
    inner.fault = None
    assert (await cached.embed(["new"])).any()


async def test_a_caller_cannot_spoil_what_is_kept() -> None:
    cached = CachedEmbedder(HashEmbedder())
    fresh = await cached.embed(["tea"])
    before = fresh.copy()
    fresh[:] = 0
    kept = await cached.embed(["tea"])
    assert np.array_equal(kept, before)
    with pytest.raises(ValueError, match="read-only"):
        kept[:] = 0


async def test_closing_closes_the_inner_one() -> None:
    inner = HashEmbedder()
    await CachedEmbedder(inner).aclose()
    assert inner.closed
