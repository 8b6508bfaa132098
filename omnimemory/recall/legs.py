"""From what the legs nominated, records, to what is ranked: memories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from omnimemory.stores.records import Hit


class Leg(StrEnum):
    """Who nominated a memory: its meaning, its words, or its being too new to be indexed."""

    DENSE = "dense"
    LEXICAL = "lexical"
    TAIL = "tail"


@dataclass(slots=True)
class Candidate:
    """A memory that at least one leg nominated.

    ``similarity`` is the exact cosine of ``dense_record`` (None while unknown), ``lexical`` the
    BM25 score of ``lexical_record`` (0 without one). ``statement_id`` names the note's best
    matching statement, None when only the note as a whole, or a turn, matched. ``substance`` (0..1)
    says how much the memory says.
    """

    memory_id: str
    version: int
    evidence_at: float
    importance: float
    substance: float = 1.0
    similarity: float | None = None
    lexical: float = 0.0
    dense_record: str | None = None
    lexical_record: str | None = None
    statement_id: str | None = None
    legs: frozenset[Leg] = frozenset()


def merge(
    dense: Sequence[Hit],
    lexical: Sequence[Hit],
    *,
    tail_dense: Sequence[Hit] = (),
    tail_lexical: Sequence[Hit] = (),
) -> dict[str, Candidate]:
    """The union of the legs by memory id; a memory counts by its best record in each leg.

    Records of an older version of a memory than another of its hits are left out. The best
    statement is the one with the highest sum of its two scores, each as a share of its leg's best.
    """
    newest = _newest_versions(dense, lexical, tail_dense, tail_lexical)
    found: dict[str, Candidate] = {}
    for hits, legs in (
        (dense, frozenset({Leg.DENSE})),
        (lexical, frozenset({Leg.LEXICAL})),
        (tail_dense, frozenset({Leg.DENSE, Leg.TAIL})),
        (tail_lexical, frozenset({Leg.LEXICAL, Leg.TAIL})),
    ):
        for hit in hits:
            if hit.version == newest[hit.memory_id]:
                _count(found, hit, legs)
    for memory_id, statement_id in _best_statements((*dense, *tail_dense), (*lexical, *tail_lexical)).items():
        found[memory_id].statement_id = statement_id
    return found


def without_similarity(candidates: Iterable[Candidate]) -> list[str]:
    """Ids of the records whose exact cosine is still to be asked from the store."""
    return [c.lexical_record for c in candidates if c.similarity is None and c.lexical_record is not None]


def complete(candidates: Iterable[Candidate], similarities: Mapping[str, float]) -> None:
    """Fill in, in place, the exact cosines (by record id) of what only the words found."""
    for candidate in candidates:
        record = candidate.lexical_record
        if candidate.similarity is None and record is not None and record in similarities:
            candidate.similarity, candidate.dense_record = similarities[record], record


def _newest_versions(*legs: Sequence[Hit]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for hits in legs:
        for hit in hits:
            if hit.version > newest.get(hit.memory_id, -1):
                newest[hit.memory_id] = hit.version
    return newest


def _count(found: dict[str, Candidate], hit: Hit, legs: frozenset[Leg]) -> None:
    candidate = found.get(hit.memory_id)
    if candidate is None:
        candidate = Candidate(hit.memory_id, hit.version, hit.evidence_at, hit.importance, hit.substance)
        found[hit.memory_id] = candidate
    if not legs <= candidate.legs:
        candidate.legs |= legs
    if Leg.LEXICAL in legs:
        if hit.score > candidate.lexical:
            candidate.lexical, candidate.lexical_record = hit.score, hit.id
    elif candidate.similarity is None or hit.score > candidate.similarity:
        candidate.similarity, candidate.dense_record = hit.score, hit.id


def _best_statements(*legs: Sequence[Hit]) -> dict[str, str]:
    shares: dict[tuple[str, int, str], float] = {}
    for hits in legs:
        top = max((hit.score for hit in hits), default=0.0)
        for hit in hits:
            if hit.statement_id is not None:
                key = (hit.memory_id, hit.version, hit.statement_id)
                shares[key] = shares.get(key, 0.0) + (hit.score / top if top > 0.0 else 0.0)
    best: dict[str, tuple[int, float, str]] = {}
    for (memory_id, version, statement_id), share in shares.items():
        if memory_id not in best or (version, share) > best[memory_id][:2]:
            best[memory_id] = (version, share, statement_id)
    return {memory_id: statement_id for memory_id, (_, _, statement_id) in best.items()}
