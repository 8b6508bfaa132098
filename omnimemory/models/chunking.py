"""Tokens counted, texts cut to fit a model's window, and their vectors pooled."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from omnimemory.models.base import Embedder, Vectors
from omnimemory.models.vectors import unit_rows, weighted_mean

if TYPE_CHECKING:
    import tiktoken

_log = logging.getLogger(__name__)

_WIDE = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef]|[\U00020000-\U0003ffff]"
)
"""Hangul, kana, ideographs and their punctuation: about one token a character."""
_PIECE = re.compile(r"\s*\S+|\s+$")
_EXACT_LIMIT = 100_000
"""Characters up to which tiktoken counts: its time grows with the square of a run without spaces."""
_THREAD_FROM = 20_000
"""Characters from which cutting leaves the event loop."""


class TokenCounter:
    """Counts tokens: by estimate until ``warm`` has loaded tiktoken's tables, exactly from then on.

    tiktoken downloads its tables at first use; so it is tried once, in a thread of its own, and
    never from ``count``.
    """

    def __init__(self, *, encoding: str = "o200k_base") -> None:
        self._name = encoding
        self._encoding: tiktoken.Encoding | None = None
        self._tried = False

    @property
    def exact(self) -> bool:
        return self._encoding is not None

    async def warm(self, *, timeout: float = 5.0) -> bool:  # bounds the wait, not the load
        """Load tiktoken's tables, waiting up to ``timeout`` seconds, once. True when counts are exact."""
        if self._tried:
            return self.exact
        self._tried = True
        loop = asyncio.get_running_loop()
        loaded = asyncio.Event()

        def load() -> None:
            try:
                import tiktoken

                self._encoding = tiktoken.get_encoding(self._name)
            except (ImportError, OSError, ValueError) as exc:  # requests' errors are OSErrors
                _log.info("tiktoken is not available, tokens are estimated: %s", type(exc).__name__)
            if not loop.is_closed():
                loop.call_soon_threadsafe(loaded.set)

        # A daemon: an interpreter that exits must not wait for the download.
        threading.Thread(target=load, name="omnimemory-tiktoken", daemon=True).start()
        try:
            await asyncio.wait_for(loaded.wait(), timeout)
        except TimeoutError:
            _log.info("tiktoken is not loaded after %s s, tokens are estimated", timeout)
        return self.exact

    def count(self, text: str) -> int:
        """Tokens of ``text``: exact, or estimated as a quarter of the UTF-8 bytes and 1 per CJK character."""
        return math.ceil(self._weigh(text))

    def chunks(self, text: str, limit: int) -> list[str]:
        """``text`` in pieces of at most ``limit`` tokens, cut between words where there are any.

        Estimated counts keep to half of the limit, as code and numbers cost more tokens than prose.
        Joined, the pieces are the text.
        """
        budget = float(limit if self.exact else max(1, limit // 2))
        if self._weigh(text) <= budget:
            return [text]
        found: list[str] = []
        held: list[str] = []
        weight = 0.0
        for piece in _PIECE.findall(text):
            for part in self._parts(piece, budget):
                more = self._weigh(part)
                if held and weight + more > budget:
                    found.append("".join(held))
                    held, weight = [], 0.0
                held.append(part)
                weight += more
        if held:
            found.append("".join(held))
        return found

    def _parts(self, piece: str, budget: float) -> Iterator[str]:
        if len(piece) == 1 or self._weigh(piece) <= budget:
            yield piece
            return
        half = len(piece) // 2
        yield from self._parts(piece[:half], budget)
        yield from self._parts(piece[half:], budget)

    def _weigh(self, text: str) -> float:
        if self._encoding is not None and len(text) <= _EXACT_LIMIT:
            return len(self._encoding.encode(text, disallowed_special=()))
        if text.isascii():
            return len(text) / 4
        wide = len(_WIDE.findall(text))
        return wide + (len(text.encode("utf-8", "surrogatepass")) - 3 * wide) / 4


class ChunkingEmbedder:
    """An embedder without a longest text: longer ones are cut and their vectors averaged.

    ``window`` is the inner embedder's limit in tokens. Pieces weigh by their tokens; the mean is
    brought back to length 1.
    """

    def __init__(self, embedder: Embedder, *, window: int, counter: TokenCounter) -> None:
        self._embedder = embedder
        self._window = window
        self._counter = counter

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if sum(map(len, texts)) < _THREAD_FROM:
            pieces = self._cut(texts)
        else:
            pieces = await asyncio.to_thread(self._cut, texts)
        flat = [piece for parts in pieces for piece in parts]
        vectors = await self._embedder.embed(flat)
        if len(flat) == len(texts):
            return vectors
        rows: list[Vectors] = []
        start = 0
        for parts in pieces:
            weights = [max(1, self._counter.count(part)) for part in parts]
            rows.append(weighted_mean(vectors[start : start + len(parts)], weights))
            start += len(parts)
        return unit_rows(np.stack(rows), count=len(texts), dimensions=self.dimensions, source=self.name)

    async def aclose(self) -> None:
        await self._embedder.aclose()

    def _cut(self, texts: Sequence[str]) -> list[list[str]]:
        return [self._counter.chunks(text, self._window) for text in texts]
