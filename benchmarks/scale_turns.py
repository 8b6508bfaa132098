"""Synthetic turns by the million: made-up words as often as words are (Zipf), real vectors."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np

from benchmarks.material import START
from omnimemory.core.schemas import Memory, MemoryKind, Status
from omnimemory.core.text import tokens
from omnimemory.models.base import Vectors
from omnimemory.models.local import WordLlamaEmbedder
from omnimemory.models.vectors import directed
from omnimemory.stores.records import Record, RecordKind

APP = "scale"
BATCH = 64
_VOCABULARY = 30_000
_WORDS = (4, 25)
_AROUND = (8, 49)
"""Least and most (exclusive) words of a turn, and of the two neighbours, which it is found by too."""
_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "el", "or", "un")]


@dataclass(frozen=True, slots=True)
class Corpus:
    """``size`` turns, the users taking turns; the same on every run."""

    size: int
    users: int

    @property
    def name(self) -> str:
        users = "one user" if self.users == 1 else f"{self.users:,} users"
        return f"{self.size:,} turns, {users}"

    async def batches(self) -> AsyncIterator[list[Record]]:
        """The turns as a store takes them, 64 at a time."""
        rng = np.random.default_rng(self.size)
        embedder = WordLlamaEmbedder()
        for start in range(0, self.size, BATCH):
            count = min(BATCH, self.size - start)
            said = [list(map(word, zipf(rng, int(n)).tolist())) for n in rng.integers(*_WORDS, count)]
            around = [list(map(word, zipf(rng, int(n)).tolist())) for n in rng.integers(*_AROUND, count)]
            vectors = directed(await embedder.embed([" ".join(own) for own in said]))
            ids = [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(count)]
            yield [self._record(start + n, ids[n], said[n], around[n], vectors[n]) for n in range(count)]

    def questions(self, count: int, *, seed: int) -> list[tuple[str, str]]:
        """A user and six words, unlike those of any other question."""
        rng = np.random.default_rng(seed)
        asked = [zipf(rng, 6).tolist() for _ in range(count)]
        return [(f"user-{rng.integers(self.users)}", " ".join(map(word, row))) for row in asked]

    def _record(
        self, number: int, record_id: str, own: list[str], around: list[str], vector: Vectors
    ) -> Record:
        said = START + timedelta(seconds=number)
        user_id, session_id = f"user-{number % self.users}", f"session-{number // self.users // 20}"
        turn = Memory(
            id=record_id,
            app_id=APP,
            user_id=user_id,
            session_id=session_id,
            kind=MemoryKind.TURN,
            text=" ".join(own),
            occurred_at=said,
            created_at=said,
            role="user",
        )
        return Record(
            id=record_id,
            memory_id=record_id,
            kind=RecordKind.TURN,
            user_id=user_id,
            session_id=session_id,
            version=1,
            status=Status.ACTIVE,
            vector=vector,
            tokens=tuple(token for one in (*own, *around) for token in _tokens(one)),
            document=turn.model_dump_json(exclude_defaults=True),
            occurred_at=said.timestamp(),
            created_at=said.timestamp(),
            evidence_at=said.timestamp(),
        )


def zipf(rng: np.random.Generator, count: int) -> np.ndarray:
    """Ranks of words: the one of rank r comes 1/r as often as the first."""
    uniform: np.ndarray = np.searchsorted(_cumulated(), rng.random(count))
    return uniform


@lru_cache(maxsize=1)
def _cumulated() -> np.ndarray:
    shares = 1.0 / np.arange(1, _VOCABULARY + 1)
    cumulated: np.ndarray = np.cumsum(shares / shares.sum())
    return cumulated


@lru_cache(maxsize=_VOCABULARY)
def word(rank: int) -> str:
    """The made-up word of this rank: three syllables, the rank in their base."""
    count = len(_SYLLABLES)
    first, second, third = rank % count, rank // count % count, rank * 7 // 3 % count
    return _SYLLABLES[first] + _SYLLABLES[second] + _SYLLABLES[third]


@lru_cache(maxsize=_VOCABULARY)
def _tokens(text: str) -> tuple[str, ...]:
    return tokens(text)
