"""Recall: both legs and the not yet indexed tail, fused, scored, floored, collapsed, explained."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from omnimemory.core.errors import ModelError, StoreError
from omnimemory.core.facets import facets_of
from omnimemory.core.lexical import Bm25
from omnimemory.core.schemas import Memory, MemoryKind, Scope, ScoredMemory, Status
from omnimemory.core.scoring import composite_of, recency_of
from omnimemory.core.settings import Settings
from omnimemory.core.text import ANALYSER, query_tokens, tokens
from omnimemory.ledger.ledger import Ledger
from omnimemory.models.base import Embedder, Vectors
from omnimemory.recall.explain import explanation
from omnimemory.recall.floor import Calibration, Floors, calibration_of, match_of, passes
from omnimemory.recall.fuse import Scale, collapse, ranking_key, scale_of
from omnimemory.recall.legs import Candidate, complete, merge, without_similarity
from omnimemory.recall.request import RecallRequest
from omnimemory.stores.base import VectorStore
from omnimemory.stores.projection import Part, evidence_at, parts_of_all
from omnimemory.stores.records import Filter, Fingerprint, Hit, RecordKind

logger = logging.getLogger(__name__)

DISTINCT = 60
"""Each leg fetches until it has nominated this many memories (DESIGN section 5)."""
TAIL_SECONDS = 0.25
"""What is not yet indexed is embedded on the spot if the embedder answers in this time."""
TAIL_LIMIT = 512
"""Newest not yet indexed memories looked at; older ones are being indexed at that moment."""
COVERS = 0.5
"""The ``match`` from which a note's statement counts as covering the query."""

_RECORD_KINDS = {
    MemoryKind.TURN: (RecordKind.TURN,),
    MemoryKind.NOTE: (RecordKind.NOTE, RecordKind.STATEMENT),
}


@dataclass(frozen=True, slots=True)
class _Measure:
    """How the candidates of one query are measured: against each other, and by themselves."""

    scale: Scale
    calibration: Calibration
    query_words: int

    def match(self, candidate: Candidate) -> float:
        return match_of(
            candidate.similarity, candidate.lexical, self.calibration, query_words=self.query_words
        )


@dataclass(slots=True)
class _Ranked:
    candidate: Candidate
    relevance: float
    recency: float
    composite: float


class Recall:
    """Answers recall requests. Reads only; never creates a collection."""

    def __init__(self, ledger: Ledger, store: VectorStore, embedder: Embedder, settings: Settings) -> None:
        self._ledger = ledger
        self._store = store
        self._embedder = embedder
        self._settings = settings
        self._weights = settings.scoring
        self._calibration = calibration_of(embedder.name)
        self._fingerprint = Fingerprint(embedder.name, embedder.dimensions, ANALYSER)

    async def __call__(self, request: RecallRequest) -> list[ScoredMemory]:
        """The most useful memories, best first.

        Raises:
            StoreError, LedgerError: never an empty list for a failure, nor for a store that lost its
                data. Only a failing embedder is bridged: the words alone decide then.
            DimensionMismatch: the app was indexed with another embedder or analyser.
        """
        scope = request.scope
        await self._require_index(scope.app_id)
        # First the undelivered, then the store: a memory delivered in between is seen in both.
        pending = await self._ledger.outbox_pending(scope.app_id, user_id=scope.user_id, limit=TAIL_LIMIT)
        words = query_tokens(request.query)
        vector = await self._embedded(request.query)
        candidates = await self._candidates(request, pending, words, vector)
        scale = scale_of(candidates, dense_weight=self._weights.dense_weight)
        measure = _Measure(scale, self._calibration, len(set(tokens(request.query))))
        ranked = self._ranked(candidates, measure, request)
        return await self._results(ranked, measure, request, {memory.id: memory for memory in pending})

    async def _require_index(self, app_id: str) -> None:
        if await self._store.verify(app_id, self._fingerprint) or await self._ledger.all_wait(app_id):
            return
        if not await self._store.verify(app_id, self._fingerprint):  # not created a moment ago either
            raise StoreError(f"the store has lost the collection of app {app_id!r}; run `omnimemory rebuild`")

    async def _embedded(self, query: str) -> Vectors | None:
        try:
            async with asyncio.timeout(self._settings.query_embedding_timeout):
                vector: Vectors = (await self._embedder.embed([query]))[0]
                return vector if vector.any() else None  # no direction: nothing in it that was learnt
        except (ModelError, TimeoutError) as exc:
            logger.warning(
                "recalling by words alone, the embedder failed: %s", str(exc) or "no answer in time"
            )
            return None

    async def _candidates(
        self, request: RecallRequest, pending: Sequence[Memory], words: Sequence[str], vector: Vectors | None
    ) -> Collection[Candidate]:
        app_id, where = request.scope.app_id, _where(request)
        dense: list[Hit] = []
        lexical: list[Hit] = []
        if vector is not None:
            dense = await _distinct(lambda limit: self._store.dense(app_id, vector, where, limit=limit))
        if words:
            lexical = await _distinct(lambda limit: self._store.lexical(app_id, words, where, limit=limit))
        if not pending:
            found = merge(dense, lexical)
        else:
            undelivered = {memory.id for memory in pending}
            fitting = [memory for memory in pending if _fits(memory, request)]
            tail_dense, tail_lexical = await self._tail(fitting, words, vector)
            found = merge(
                [hit for hit in dense if hit.memory_id not in undelivered],
                [hit for hit in lexical if hit.memory_id not in undelivered],
                tail_dense=tail_dense,
                tail_lexical=tail_lexical,
            )
        if vector is not None and (missing := without_similarity(found.values())):
            complete(found.values(), await self._store.similarities(app_id, vector, missing))
        return found.values()

    async def _tail(
        self, memories: Sequence[Memory], words: Sequence[str], vector: Vectors | None
    ) -> tuple[list[Hit], list[Hit]]:
        """Both legs over what the store does not hold yet; by words alone when embedding takes long."""
        turns = [memory.id for memory in memories if memory.kind is MemoryKind.TURN]
        beside = await self._ledger.neighbours(turns) if turns else {}
        parts = [(m, part) for m, own in parts_of_all(memories, beside) for part in own]
        if not parts:
            return [], []
        lexical = Bm25(part.tokens for _, part in parts).scores(words)
        dense: Sequence[float] = ()
        if vector is not None:
            try:
                async with asyncio.timeout(TAIL_SECONDS):
                    vectors = await self._embedder.embed([part.dense for _, part in parts])
                dense = (vectors @ vector).tolist()
            except (ModelError, TimeoutError):
                logger.info("%d memories are not indexed yet and are found by words alone", len(memories))
        return (
            [_hit(m, part, score) for (m, part), score in zip(parts, dense, strict=False)],
            [_hit(m, part, score) for (m, part), score in zip(parts, lexical, strict=True) if score > 0.0],
        )

    def _ranked(
        self, candidates: Collection[Candidate], measure: _Measure, request: RecallRequest
    ) -> list[_Ranked]:
        weights, hours = self._weights, self._weights.recency_hours
        now = time.time() if request.as_of is None else request.as_of.timestamp()
        floors = Floors(recall=request.recall_threshold, composite=request.composite_threshold)
        ranked = []
        for candidate in candidates:
            recency = recency_of(candidate.evidence_at, now, hours=hours)
            if passes(candidate, measure.match, recency=recency, floors=floors, weights=weights):
                relevance = measure.scale.relevance(candidate)
                composite = composite_of(relevance, recency, candidate.importance, weights)
                ranked.append(_Ranked(candidate, relevance, recency, composite))
        ranked.sort(key=lambda r: ranking_key(r.composite, r.candidate.evidence_at, r.candidate.memory_id))
        return ranked

    async def _results(
        self,
        ranked: Sequence[_Ranked],
        measure: _Measure,
        request: RecallRequest,
        pending: Mapping[str, Memory],
    ) -> list[ScoredMemory]:
        """The best ``n_results`` whose texts differ, read from the store (or the ledger's newer state)."""
        wanted = request.n_results
        chosen: list[tuple[_Ranked, Memory]] = []
        for start in range(0, len(ranked), wanted):
            batch = ranked[start : start + wanted]
            memories = await self._read(request.scope, batch, pending)
            read = ((r, memories.get(r.candidate.memory_id)) for r in batch)
            chosen += [(r, m) for r, m in read if m is not None and not _is_shown(m, request.shown)]
            chosen = collapse(chosen, text=lambda pair: pair[1].text)
            if len(chosen) >= wanted:
                break
        best = await self._with_a_note(chosen[:wanted], ranked, measure, request, pending)
        return [
            self._scored(rank, one, memory, measure, request) for rank, (one, memory) in enumerate(best, 1)
        ]

    async def _with_a_note(
        self,
        best: list[tuple[_Ranked, Memory]],
        ranked: Sequence[_Ranked],
        measure: _Measure,
        request: RecallRequest,
        pending: Mapping[str, Memory],
    ) -> list[tuple[_Ranked, Memory]]:
        """The best note in the last place when it covers the query and no note is among the best."""
        if request.kinds != frozenset(MemoryKind) or any(m.kind is MemoryKind.NOTE for _, m in best):
            return best
        notes = (r for r in ranked if r.candidate.statement_id is not None)
        covering = next((r for r in notes if measure.match(r.candidate) >= COVERS), None)
        if covering is None:
            return best
        for memory in (await self._read(request.scope, [covering], pending)).values():
            best = [*best[: request.n_results - 1], (covering, memory)]
        return best

    async def _read(
        self, scope: Scope, ranked: Sequence[_Ranked], pending: Mapping[str, Memory]
    ) -> dict[str, Memory]:
        ids = [r.candidate.memory_id for r in ranked]
        stored = await self._store.get(
            scope.app_id, [i for i in ids if i not in pending], user_id=scope.user_id
        )
        found = {i: Memory.model_validate_json(record.document) for i, record in stored.items()}
        return found | {i: pending[i] for i in ids if i in pending}

    def _scored(
        self, rank: int, ranked: _Ranked, memory: Memory, measure: _Measure, request: RecallRequest
    ) -> ScoredMemory:
        candidate = ranked.candidate
        match = measure.match(candidate)
        statement = next((s for s in memory.statements if s.id == candidate.statement_id), None)
        return ScoredMemory(
            memory=memory,
            rank=rank,
            relevance=ranked.relevance,
            match=match,
            similarity_score=candidate.similarity,
            lexical_score=candidate.lexical,
            recency_score=ranked.recency,
            importance_score=candidate.importance,
            composite_score=ranked.composite,
            matched_statement=statement,
            explanation=explanation(
                candidate,
                measure.scale,
                recency=ranked.recency,
                match=match,
                weights=self._weights,
                statement=statement,
            )
            if request.explain
            else None,
        )


async def _distinct(search: Callable[[int], Awaitable[list[Hit]]]) -> list[Hit]:
    """Hits of ``DISTINCT`` memories: as many records as it takes, at most eight times as many."""
    limit = DISTINCT
    while True:
        hits = await search(limit)
        distinct = len({hit.memory_id for hit in hits})
        if distinct >= DISTINCT or len(hits) < limit or limit >= 8 * DISTINCT:
            return hits
        limit *= 2


def _is_shown(memory: Memory, shown: frozenset[str]) -> bool:
    return memory.kind is MemoryKind.TURN and (memory.text in shown or memory.message_id in shown)


def _where(request: RecallRequest) -> Filter:
    return Filter(
        user_id=request.scope.user_id,
        session_id=request.scope.session_id,
        kinds=frozenset(kind for wanted in request.kinds for kind in _RECORD_KINDS[wanted]),
        statuses=frozenset(Status) if request.as_of else request.statuses,
        facets=request.facets,
        said_after=request.said_after.timestamp() if request.said_after else None,
        said_before=request.said_before.timestamp() if request.said_before else None,
        as_of=request.as_of.timestamp() if request.as_of else None,
    )


def _fits(memory: Memory, request: RecallRequest) -> bool:
    """What ``_where`` asks of the store, asked of a memory that is not in it yet."""
    said = memory.occurred_at or memory.created_at
    as_of = request.as_of
    if as_of is not None:
        alive = memory.created_at <= as_of and (memory.ended_at is None or memory.ended_at > as_of)
    else:
        alive = memory.status in request.statuses
    return (
        alive
        and memory.kind in request.kinds
        and not _is_shown(memory, request.shown)
        and (request.scope.session_id is None or memory.session_id == request.scope.session_id)
        and (request.said_after is None or said >= request.said_after)
        and (request.said_before is None or said < request.said_before)
        and set(request.facets) <= set(facets_of(memory.metadata))
    )


def _hit(memory: Memory, part: Part, score: float) -> Hit:
    return Hit(
        id=part.id,
        memory_id=memory.id,
        kind=part.kind,
        statement_id=part.statement_id,
        version=memory.version,
        score=score,
        evidence_at=evidence_at(memory),
        importance=memory.importance,
    )
