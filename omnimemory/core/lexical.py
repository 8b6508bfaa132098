"""BM25, in the parts that stores and the engine share. Pure.

Score of a document for a query = sum over the distinct query words of idf x weight, with
Robertson's saturated term frequency and the idf of Lucene and Qdrant. k1 = 1.5, b = 0.75.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache

K1 = 1.5
B = 0.75
AVERAGE_LENGTH = 40.0
"""Index words of a usual record: a turn with speaker, date and two neighbours (41 on average in
LoCoMo's chats). A constant, so that a record's weights do not change when others come or go."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_PRIOR_DOCUMENTS = 100


@lru_cache(maxsize=1 << 16)
def term_id(token: str) -> int:
    """A word's number in sparse vectors: its CRC-32, the same in every process (0 .. 2**32 - 1)."""
    return zlib.crc32(token.encode("utf-8", "surrogatepass"))


def weights(tokens: Sequence[str], *, average_length: float = AVERAGE_LENGTH) -> dict[int, float]:
    """A document's sparse vector: tf (k1 + 1) / (tf + k1 (1 - b + b length / average)) by term id."""
    damping = K1 * (1.0 - B + B * len(tokens) / average_length)
    found: dict[int, float] = {}
    for token, count in Counter(tokens).items():
        key = term_id(token)
        found[key] = max(found.get(key, 0.0), count * (K1 + 1.0) / (count + damping))
    return found


def idf(documents: int, frequency: int) -> float:
    """ln(1 + (N - n + 0.5) / (n + 0.5)) for a word that ``frequency`` of ``documents`` hold; > 0."""
    return math.log1p((documents - frequency + 0.5) / (frequency + 0.5))


class Bm25:
    """Scores a handful of documents that no store has indexed yet.

    So few documents say little about how rare a word is, so each word is also taken to stand in
    one of a hundred others: the scores are on the scale of a store that holds a user's memories.
    """

    def __init__(self, documents: Iterable[Sequence[str]], *, average_length: float = AVERAGE_LENGTH) -> None:
        self._weights = [weights(tokens, average_length=average_length) for tokens in documents]
        self._frequencies = Counter(term for document in self._weights for term in document)

    def scores(self, query_tokens: Iterable[str]) -> list[float]:
        """One score for each document, in their order; 0 where no word is shared."""
        size = len(self._weights) + _PRIOR_DOCUMENTS
        query = {term: idf(size, self._frequencies[term] + 1) for term in map(term_id, set(query_tokens))}
        return [
            sum(rarity * document.get(term, 0.0) for term, rarity in query.items())
            for document in self._weights
        ]


def date_words(said: datetime) -> str:
    """The date as people write it, in English whatever the locale: ``8 May 2023``."""
    return f"{said.day} {_MONTHS[said.month - 1]} {said.year}"


def turn_text(
    speaker: str, said: datetime | None, text: str, *, before: str | None = None, after: str | None = None
) -> str:
    """What a turn is found by in the lexical leg: speaker, date, text and the neighbours' texts.

    The neighbours make a short answer findable by the question it answers (measured: recall of
    turns in the top 10 from .50 to .71).
    """
    parts = (speaker, date_words(said) if said else None, text, before, after)
    return "\n".join(part for part in parts if part)
