"""Links: the old notes a new note must be held against, found statement by statement.

Statements are the unit because whole notes and raw turns are not: the nearest five hold .97 to
1.00 of the conflicts, a cosine of 0.7 misses up to four fifths (docs/decisions/0004).
"""

from __future__ import annotations

from collections.abc import Mapping

from omnimemory.core.schemas import Link, Memory, Statement, StatementPair
from omnimemory.core.settings import Settings
from omnimemory.core.text import query_tokens, tokens
from omnimemory.models.base import Embedder, Vectors
from omnimemory.stores.base import VectorStore
from omnimemory.stores.records import Filter, Hit, RecordKind

NEAREST = 5
"""Active statements looked at per new statement and leg."""
MAX_NOTES = 5
MAX_PAIRS = 12

_AUTO = {"wordllama-256": 0.45, "minilm-384": 0.55}
_AUTO_DEFAULT = 0.6
SHARED_SUBJECT = 0.5
"""Share of the shorter statement's words that two statements about one subject have in common."""


class LinkFinder:
    """Finds the notes of the same app and user that a new note may repeat, extend or contradict."""

    def __init__(self, store: VectorStore, embedder: Embedder, settings: Settings) -> None:
        self._store = store
        self._embedder = embedder
        threshold = settings.link_threshold
        self._by_cosine_alone = threshold is not None
        self._least_cosine = _AUTO.get(embedder.name, _AUTO_DEFAULT) if threshold is None else threshold

    async def find(self, note: Memory) -> list[Link]:
        """At most 5 notes and 12 statement pairs, nearest first.

        A pair ties two notes when its cosine reaches the link threshold; with ``auto`` also when
        the statements share half of their words.

        Raises:
            StoreError, ModelError: never an empty list for a failure.
        """
        vectors = await self._embedder.embed([statement.text for statement in note.statements])
        where = Filter(user_id=note.user_id, kinds=frozenset({RecordKind.STATEMENT}))
        pairs: dict[str, list[StatementPair]] = {}
        for statement, vector in zip(note.statements, vectors, strict=True):
            for hit, cosine in await self._nearest(note.app_id, statement, vector, where):
                if hit.memory_id == note.id or hit.statement_id is None:
                    continue
                pair = StatementPair(new_id=statement.id, old_id=hit.statement_id, similarity=cosine)
                pairs.setdefault(hit.memory_id, []).append(pair)
        notes = await self._notes(note, list(pairs))
        tied = {
            memory_id: [pair for pair in pairs[memory_id] if self._ties(note, old, pair)]
            for memory_id, old in notes.items()
        }
        return _best(notes, tied)

    async def _nearest(
        self, app_id: str, statement: Statement, vector: Vectors, where: Filter
    ) -> list[tuple[Hit, float]]:
        by_meaning = await self._store.dense(app_id, vector, where, limit=NEAREST)
        by_words = await self._store.lexical(app_id, query_tokens(statement.text), where, limit=NEAREST)
        cosines = {hit.id: hit.score for hit in by_meaning}
        missing = [hit.id for hit in by_words if hit.id not in cosines]
        cosines |= await self._store.similarities(app_id, vector, missing) if missing else {}
        hits = {hit.id: hit for hit in (*by_meaning, *by_words)}
        return [(hit, cosines[record]) for record, hit in hits.items() if record in cosines]

    async def _notes(self, note: Memory, memory_ids: list[str]) -> dict[str, Memory]:
        stored = await self._store.get(note.app_id, memory_ids, user_id=note.user_id)
        found = {i: Memory.model_validate_json(record.document) for i, record in stored.items()}
        return {i: memory for i, memory in found.items() if memory.is_active}

    def _ties(self, note: Memory, old: Memory, pair: StatementPair) -> bool:
        if pair.similarity >= self._least_cosine:
            return True
        if self._by_cosine_alone:
            return False
        new_words = _words_of(note, pair.new_id)
        old_words = _words_of(old, pair.old_id)
        shorter = min(len(new_words), len(old_words))
        shared = new_words & old_words
        return len(shared) >= 2 and len(shared) / shorter >= SHARED_SUBJECT


def _words_of(memory: Memory, statement_id: str) -> frozenset[str]:
    return frozenset(
        word
        for statement in memory.statements
        if statement.id == statement_id
        for word in tokens(statement.text)
    )


def _best(notes: Mapping[str, Memory], tied: Mapping[str, list[StatementPair]]) -> list[Link]:
    ranked = sorted(
        ((max(pair.similarity for pair in pairs), memory_id) for memory_id, pairs in tied.items() if pairs),
        key=lambda item: (-item[0], item[1]),
    )[:MAX_NOTES]
    kept = {memory_id for _, memory_id in ranked}
    best_pairs = sorted(
        ((memory_id, pair) for memory_id in kept for pair in tied[memory_id]),
        key=lambda item: (-item[1].similarity, item[0], item[1].new_id, item[1].old_id),
    )[:MAX_PAIRS]
    links = []
    for similarity, memory_id in ranked:
        own = tuple(pair for of, pair in best_pairs if of == memory_id)
        if own:
            links.append(Link(memory=notes[memory_id], pairs=own, similarity=similarity))
    return links
