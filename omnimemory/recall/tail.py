"""The tail: what was accepted but is not indexed yet, searched on the spot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from omnimemory.core.errors import ModelError
from omnimemory.core.facets import facets_of
from omnimemory.core.lexical import Frequencies, scores
from omnimemory.core.schemas import Memory, MemoryKind
from omnimemory.ledger.ledger import Ledger
from omnimemory.models.base import Embedder, Vectors
from omnimemory.recall.request import RecallRequest
from omnimemory.stores.projection import Part, evidence_at, parts_of_all
from omnimemory.stores.records import Hit

logger = logging.getLogger(__name__)

TAIL_SECONDS = 0.25
"""What is not yet indexed is embedded on the spot if the embedder answers in this time."""
TAIL_LIMIT = 512
"""Newest not yet indexed memories looked at; older ones are being indexed at that moment."""


class Tail:
    """Both legs over memories that the store does not hold yet."""

    def __init__(self, ledger: Ledger, embedder: Embedder) -> None:
        self._ledger = ledger
        self._embedder = embedder

    async def search(
        self,
        memories: Sequence[Memory],
        words: Sequence[str],
        frequencies: Frequencies,
        vector: Vectors | None,
    ) -> tuple[list[Hit], list[Hit]]:
        """Hits by meaning and by words; by words alone when embedding takes long."""
        turns = [memory.id for memory in memories if memory.kind is MemoryKind.TURN]
        beside = await self._ledger.neighbours(turns) if turns else {}
        parts = [(m, part) for m, own in parts_of_all(memories, beside) for part in own]
        if not parts:
            return [], []
        lexical = scores([part.words for _, part in parts], words, frequencies)
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


def fits(memory: Memory, request: RecallRequest) -> bool:
    """What the request asks of the store, asked of a memory that is not in it yet."""
    said = memory.occurred_at or memory.created_at
    as_of = request.as_of
    if as_of is not None:
        alive = memory.created_at <= as_of and (memory.ended_at is None or memory.ended_at > as_of)
    else:
        alive = memory.status in request.statuses
    return (
        alive
        and memory.kind in request.kinds
        and not request.shows(memory)
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
        substance=part.substance,
    )
