"""Vectors kept for a while, so that what was embedded once is not paid for twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from cachetools import TTLCache

from omnimemory.models.base import Embedder, Vectors


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Texts answered from the cache and not, since the start; entries held now."""

    hits: int
    misses: int
    entries: int


class CachedEmbedder:
    """An embedder that remembers up to ``size`` vectors for ``ttl`` seconds, least recently used out first.

    Different texts that are missing go to the inner embedder in one call, which cuts it to its own
    batch size. Rows of a hit are read-only. Failures are not remembered. For one event loop.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        size: int = 20_000,
        ttl: float = 86_400.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._embedder = embedder
        self._entries: TTLCache[str, Vectors] = TTLCache(maxsize=max(0, size), ttl=ttl, timer=clock)
        self._hits = 0
        self._misses = 0

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    @property
    def stats(self) -> CacheStats:
        return CacheStats(self._hits, self._misses, len(self._entries))

    async def embed(self, texts: Sequence[str]) -> Vectors:
        found = [self._entries.get(text) for text in texts]
        missing = list(dict.fromkeys(text for text, row in zip(texts, found, strict=True) if row is None))
        self._hits += sum(row is not None for row in found)
        self._misses += sum(row is None for row in found)
        if missing:
            fresh = dict(zip(missing, await self._embedder.embed(missing), strict=True))
            for text, row in fresh.items():
                self._keep(text, row)
            found = [
                fresh[text][np.newaxis] if row is None else row
                for text, row in zip(texts, found, strict=True)
            ]
        rows = [row for row in found if row is not None]
        if len(rows) == 1:
            return rows[0]
        return np.concatenate(rows) if rows else np.zeros((0, self.dimensions), dtype=np.float32)

    async def aclose(self) -> None:
        self._entries.clear()
        await self._embedder.aclose()

    def _keep(self, text: str, row: Vectors) -> None:
        kept = row.reshape(1, -1).copy()  # a view would keep its whole batch alive
        kept.flags.writeable = False
        if self._entries.maxsize > 0:
            self._entries[text] = kept
