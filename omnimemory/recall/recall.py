"""Recall: both legs and the not yet indexed tail, fused, scored, floored, collapsed, explained."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from omnimemory.core.dates import named_days
from omnimemory.core.errors import ModelError, StoreError
from omnimemory.core.lexical import Frequencies
from omnimemory.core.schemas import Memory, MemoryKind, Recalled, ScoredMemory, Status
from omnimemory.core.scoring import composite_of, recency_of
from omnimemory.core.settings import Settings
from omnimemory.core.speakers import name_words, without_names
from omnimemory.core.text import ANALYSER, normalised, query_tokens, tokens
from omnimemory.ledger.ledger import Ledger
from omnimemory.metrics import SILENT, Observer
from omnimemory.models.base import Embedder, Vectors
from omnimemory.recall.calibration import Calibrations
from omnimemory.recall.explain import explanation
from omnimemory.recall.floor import ANSWERED, Floors, Measure, dropped_because, information_of
from omnimemory.recall.fuse import Scale, ranking_key, scale_of
from omnimemory.recall.legs import Candidate, complete, merge, without_similarity
from omnimemory.recall.misses import (
    ENDED,
    NOTHING_ANSWERS,
    REPEATS,
    SAME_TEXT,
    SHOWN,
    Ranked,
    near_misses,
)
from omnimemory.recall.request import RecallRequest
from omnimemory.recall.rerank import PASSED_OVER, Reranking, candidates_for
from omnimemory.recall.tail import TAIL_LIMIT, Tail, fits
from omnimemory.stores.base import VectorStore
from omnimemory.stores.records import Filter, Fingerprint, Hit, RecordKind

logger = logging.getLogger(__name__)

DISTINCT = 60
"""Each leg fetches until it has nominated this many memories (DESIGN section 5)."""
COVERS = 0.5
"""The ``match`` from which a note's statement counts as covering the query."""

_RECORD_KINDS = {
    MemoryKind.TURN: (RecordKind.TURN,),
    MemoryKind.NOTE: (RecordKind.NOTE, RecordKind.STATEMENT),
}


@dataclass(slots=True)
class _Query:
    """One recall under way: the request, how it is measured, and what did not make it."""

    request: RecallRequest
    pending: Mapping[str, Memory]
    scale: Scale
    measure: Measure
    missed: list[tuple[Ranked, str]] = field(default_factory=list)

    def miss(self, ranked: Ranked, reason: str) -> None:
        if self.request.explain:
            self.missed.append((ranked, reason))


class Recall:
    """Answers recall requests. Reads only; never creates a collection."""

    def __init__(
        self,
        ledger: Ledger,
        store: VectorStore,
        embedder: Embedder,
        settings: Settings,
        calibrations: Calibrations,
        *,
        reranker: Reranking | None = None,
        observer: Observer = SILENT,
    ) -> None:
        self._observer = observer
        self._ledger = ledger
        self._store = store
        self._embedder = embedder
        self._settings = settings
        self._weights = settings.scoring
        self._calibrations = calibrations
        self._reranker = reranker
        self._tail = Tail(ledger, embedder)
        self._fingerprint = Fingerprint(embedder.name, embedder.dimensions, ANALYSER)

    async def __call__(self, request: RecallRequest) -> Recalled:
        """The most useful memories, best first; with ``explain`` also what missed by little, and why.

        Raises:
            StoreError, LedgerError: never an empty answer for a failure, nor for a store that lost its
                data. Only a failing embedder is bridged: the words alone decide then; and a failing
                reranker: the order stays as it was.
            DimensionMismatch: the app was indexed with another embedder or analyser.
        """
        scope = request.scope
        await self._require_index(scope.app_id)
        # First the undelivered, then the store: a memory delivered in between is seen in both.
        pending = await self._ledger.outbox_pending(scope.app_id, user_id=scope.user_id, limit=TAIL_LIMIT)
        asked, words = frozenset(tokens(request.query)), query_tokens(request.query)
        frequencies = await self._store.frequencies(
            scope.app_id, [*asked.difference(words), *words], user_id=scope.user_id
        )
        vector = await self._embedded(await self._question(request))
        candidates = await self._candidates(request, pending, words, frequencies, vector)
        query = _Query(
            request=request,
            pending={memory.id: memory for memory in pending},
            scale=scale_of(candidates, self._weights, days=named_days(request.query, _now(request).date())),
            measure=Measure(
                calibration=await self._calibrations.of(scope.app_id),
                information=information_of([frequencies.rarity(word) for word in asked]),
                documents=frequencies.documents,
            ),
        )
        ranked = self._ranked(candidates, query)
        results = await self._results(ranked, query)
        self._observer.recalled(candidates=len(candidates), results=len(results))
        returned = {result.memory_id for result in results}
        missed = [miss for miss in query.missed if miss[0].candidate.memory_id not in returned]
        return Recalled(memories=tuple(results), near_misses=near_misses(missed, query.measure.match))

    async def _require_index(self, app_id: str) -> None:
        if await self._store.verify(app_id, self._fingerprint) or await self._ledger.all_wait(app_id):
            return
        if not await self._store.verify(app_id, self._fingerprint):  # not created a moment ago either
            raise StoreError(f"the store has lost the collection of app {app_id!r}; run `omnimemory rebuild`")

    async def _question(self, request: RecallRequest) -> str:
        """What the dense leg looks for: the query without the names of those who speak in the scope."""
        scope, words = request.scope, name_words(request.query)
        if not words:
            return request.query
        names = await self._ledger.speakers(scope.app_id, words, user_id=scope.user_id)
        return without_names(request.query, names)

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
        self,
        request: RecallRequest,
        pending: Sequence[Memory],
        words: Sequence[str],
        frequencies: Frequencies,
        vector: Vectors | None,
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
            fitting = [memory for memory in pending if fits(memory, request)]
            tail_dense, tail_lexical = await self._tail.search(fitting, words, frequencies, vector)
            found = merge(
                [hit for hit in dense if hit.memory_id not in undelivered],
                [hit for hit in lexical if hit.memory_id not in undelivered],
                tail_dense=tail_dense,
                tail_lexical=tail_lexical,
            )
        if vector is not None and (missing := without_similarity(found.values())):
            complete(found.values(), await self._store.similarities(app_id, vector, missing))
        return found.values()

    def _ranked(self, candidates: Collection[Candidate], query: _Query) -> list[Ranked]:
        """The candidates that may be returned, best first."""
        request, measure = query.request, query.measure
        weights, hours = self._weights, self._weights.recency_hours
        now = _now(request).timestamp()
        floors = Floors(recall=request.recall_threshold, composite=request.composite_threshold)
        unanswered = floors.judge(measure) and not any(measure.match(c) >= ANSWERED for c in candidates)
        ranked = []
        for candidate in candidates:
            recency = recency_of(candidate.evidence_at, now, hours=hours)
            relevance = query.scale.relevance(candidate)
            composite = composite_of(relevance, recency, candidate.importance, weights)
            one = Ranked(candidate, relevance, recency, composite)
            reason = (
                NOTHING_ANSWERS
                if unanswered
                else dropped_because(
                    candidate, measure.match, recency=recency, floors=floors, weights=weights
                )
            )
            if reason is None:
                ranked.append(one)
            else:
                query.miss(one, reason)
        ranked.sort(key=_place)
        return ranked

    async def _results(self, ranked: Sequence[Ranked], query: _Query) -> list[ScoredMemory]:
        """The best ``n_results`` that differ, read from the store (or the ledger's newer state)."""
        wanted = query.request.n_results
        places = wanted if self._reranker is None else candidates_for(wanted)
        leading = {one.candidate.memory_id for one in ranked[:wanted]}
        chosen: list[tuple[Ranked, Memory]] = []
        seen: set[str] = set()
        read = 0
        while read < len(ranked) and len(chosen) < places:
            batch = ranked[read : read + places]
            read += len(batch)
            memories = await self._read(batch, query)
            for one in batch:
                memory = memories.get(one.candidate.memory_id)
                if memory is None:
                    query.miss(one, ENDED)
                elif query.request.shows(memory):
                    query.miss(one, SHOWN)
                elif (text := normalised(memory.text)) in seen:
                    query.miss(one, SAME_TEXT)
                elif _repeats(memory, one.candidate.statement_id, leading):
                    query.miss(one, REPEATS)
                else:
                    seen.add(text)
                    chosen.append((one, memory))
        for one in (*(one for one, _ in chosen[places:]), *ranked[read:]):
            query.miss(one, _full(wanted))
        best = await self._with_a_note(chosen[:wanted], ranked, query)
        if self._reranker is not None and best:
            return await self._reranked(self._reranker, best, chosen[:places], query)
        return [self._scored(rank, one, memory, query) for rank, (one, memory) in enumerate(best, 1)]

    async def _reranked(
        self,
        reranker: Reranking,
        best: list[tuple[Ranked, Memory]],
        others: list[tuple[Ranked, Memory]],
        query: _Query,
    ) -> list[ScoredMemory]:
        """The reranker's best of these; ours when it fails."""
        wanted = query.request.n_results
        taken = {memory.id for _, memory in best}
        pool = [*best, *((one, memory) for one, memory in others if memory.id not in taken)]
        memories = [self._scored(rank, one, memory, query) for rank, (one, memory) in enumerate(pool, 1)]
        reason = PASSED_OVER
        try:
            memories = await reranker(query.request.query, memories)
        except ModelError as exc:
            traced = logger.isEnabledFor(logging.DEBUG)  # the cause may repeat what memories say
            logger.warning("keeping the order of the scores, the reranker failed: %s", exc, exc_info=traced)
            reason = _full(wanted)
        kept = {memory.memory_id for memory in memories[:wanted]}
        for one, memory in pool:
            if memory.id not in kept:
                query.miss(one, reason)
        return memories[:wanted]

    async def _with_a_note(
        self, best: list[tuple[Ranked, Memory]], ranked: Sequence[Ranked], query: _Query
    ) -> list[tuple[Ranked, Memory]]:
        """With the best note instead of the last when it covers the query and no note is among the best."""
        wanted = query.request.n_results
        unrestricted = query.request.kinds == frozenset(MemoryKind) and wanted > 1
        if not unrestricted or any(m.kind is MemoryKind.NOTE for _, m in best):
            return best
        notes = (r for r in ranked if r.candidate.statement_id is not None)
        covering = next((r for r in notes if query.measure.match(r.candidate) >= COVERS), None)
        if covering is None:
            return best
        for memory in (await self._read([covering], query)).values():
            best = sorted([*best[: wanted - 1], (covering, memory)], key=lambda pair: _place(pair[0]))
        return best

    async def _read(self, ranked: Sequence[Ranked], query: _Query) -> dict[str, Memory]:
        scope, pending = query.request.scope, query.pending
        ids = [r.candidate.memory_id for r in ranked]
        stored = await self._store.get(
            scope.app_id, [i for i in ids if i not in pending], user_id=scope.user_id
        )
        found = {i: Memory.model_validate_json(record.document) for i, record in stored.items()}
        return found | {i: pending[i] for i in ids if i in pending}

    def _scored(self, rank: int, ranked: Ranked, memory: Memory, query: _Query) -> ScoredMemory:
        candidate = ranked.candidate
        statement = next((s for s in memory.statements if s.id == candidate.statement_id), None)
        return ScoredMemory(
            memory=memory,
            rank=rank,
            relevance=ranked.relevance,
            match=query.measure.match(candidate),
            similarity_score=candidate.similarity,
            lexical_score=candidate.lexical,
            recency_score=ranked.recency,
            importance_score=candidate.importance,
            composite_score=ranked.composite,
            matched_statement=statement,
            explanation=explanation(
                candidate,
                query.scale,
                query.measure,
                recency=ranked.recency,
                weights=self._weights,
                statement=statement,
            )
            if query.request.explain
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


def _full(wanted: int) -> str:
    return f"better ones fill the {wanted} places"


def _place(ranked: Ranked) -> tuple[float, float, str]:
    return ranking_key(ranked.composite, ranked.candidate.evidence_at, ranked.candidate.memory_id)


def _repeats(memory: Memory, statement_id: str | None, turn_ids: Collection[str]) -> bool:
    """Whether the note's matching statement says only what these turns say in full."""
    statement = next((s for s in memory.statements if s.id == statement_id), None)
    return statement is not None and bool(statement.sources) and set(statement.sources) <= set(turn_ids)


def _now(request: RecallRequest) -> datetime:
    return request.as_of or datetime.now(UTC)


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
