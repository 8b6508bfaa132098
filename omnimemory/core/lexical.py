"""BM25, in the parts that stores and the engine share. Pure.

Score of a document for a query = sum over the distinct query words of idf x weight, with
Robertson's saturated term frequency and the idf of Lucene and Qdrant. k1 = 1.5, b = 0.75.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

K1 = 1.5
B = 0.75
AVERAGE_LENGTH = 56.0
"""Length of a usual record: a turn with speaker, date and context (49 on average in LoCoMo's chats).
A constant, so that a record's weights do not change when others come or go."""
CONTEXT_WEIGHT = 0.9
"""What a mention nearby counts: recall of the whole window at 1, yet the turn that said it comes first
(docs/RECALL.md)."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_PRIOR_DOCUMENTS = 100


@lru_cache(maxsize=1 << 14)
def term_id(token: str) -> int:
    """A word's number in sparse vectors: its CRC-32, the same in every process (0 .. 2**32 - 1)."""
    return zlib.crc32(token.encode("utf-8", "surrogatepass"))


def weights(
    tokens: Sequence[str], context: Sequence[str] = (), *, average_length: float = AVERAGE_LENGTH
) -> dict[int, float]:
    """A document's sparse vector: tf (k1 + 1) / (tf + k1 (1 - b + b length / average)) by term id.

    A word of the ``context`` counts ``CONTEXT_WEIGHT``, in tf and length, where an own word counts 1.
    """
    counts: dict[str, float] = dict(Counter(tokens))
    for token in context:
        counts[token] = counts.get(token, 0.0) + CONTEXT_WEIGHT
    length = len(tokens) + CONTEXT_WEIGHT * len(context)
    damping = K1 * (1.0 - B + B * length / average_length)
    found: dict[int, float] = {}
    for token, count in counts.items():
        key = term_id(token)
        found[key] = max(found.get(key, 0.0), count * (K1 + 1.0) / (count + damping))
    return found


def idf(documents: int, frequency: int) -> float:
    """ln(1 + (N - n + 0.5) / (n + 0.5)) for a word that ``frequency`` of ``documents`` hold; > 0."""
    return math.log1p((documents - frequency + 0.5) / (frequency + 0.5))


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How many of a scope's ``documents`` hold each word; a word that is not in ``counts`` is in none."""

    documents: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    def rarity(self, word: str) -> float:
        """The word's IDF; where nothing is counted yet, that of a word in one of a hundred documents."""
        return idf(self.documents or _PRIOR_DOCUMENTS, self.counts.get(word, 0 if self.documents else 1))


def scores(
    documents: Sequence[Mapping[int, float]],
    query_tokens: Iterable[str],
    frequencies: Frequencies = Frequencies(),  # frozen
) -> list[float]:
    """BM25 of documents (``weights``) that no store has indexed yet, in their order; 0 for no shared word.

    Words are as rare as in what the store holds (``frequencies``), so that the scores are on its
    scale. While it holds nothing they are counted in the documents themselves and, as so few say
    little, taken to stand in one of a hundred others too.
    """
    words = set(query_tokens)
    if not frequencies.documents:
        counts = {word: 1 + sum(term_id(word) in document for document in documents) for word in words}
        frequencies = Frequencies(len(documents) + _PRIOR_DOCUMENTS, counts)
    query = [(term_id(word), frequencies.rarity(word)) for word in words]
    return [sum(rarity * document.get(term, 0.0) for term, rarity in query) for document in documents]


def date_words(said: datetime) -> str:
    """The date as people write it, in English whatever the locale: ``8 May 2023``."""
    return f"{said.day} {_MONTHS[said.month - 1]} {said.year}"
