"""What a store holds of a memory: a pure function of the memory, its neighbours and the embedder.

A turn is one record. Its dense text is the turn with its speaker; its words also carry the date
and the neighbouring turns, which is what finds short answers. A note is a head
record and one for each statement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from omnimemory.core.facets import facets_of
from omnimemory.core.ids import record_id
from omnimemory.core.lexical import turn_text
from omnimemory.core.schemas import Memory, MemoryKind
from omnimemory.core.text import tokens
from omnimemory.models.base import Vectors
from omnimemory.stores.records import Record, RecordKind

NEIGHBOUR_GAP = timedelta(hours=4)
"""Turns further apart than this belong to different talks, even in one session."""


@dataclass(frozen=True, slots=True)
class Part:
    """One record of a memory before it has a vector: ``dense`` is the text to embed."""

    id: str
    kind: RecordKind
    statement_id: str | None
    dense: str
    tokens: tuple[str, ...]
    document: str
    occurred_at: float


def speaker_of(turn: Memory) -> str:
    """The name of who spoke, else the role."""
    return turn.name or turn.role or "user"


def evidence_at(memory: Memory) -> float:
    """Epoch seconds of the newest evidence: the later of said and updated, else when it was stored."""
    known = [time.timestamp() for time in (memory.occurred_at, memory.updated_at) if time is not None]
    return max(known) if known else memory.created_at.timestamp()


def parts_of(
    memory: Memory, *, before: Memory | None = None, after: Memory | None = None
) -> tuple[Part, ...]:
    """The records of ``memory``, heads first. ``before`` and ``after`` are a turn's neighbours."""
    said = (memory.occurred_at or memory.created_at).timestamp()
    document = memory.model_dump_json(exclude_defaults=True)
    if memory.kind is MemoryKind.TURN:
        words = turn_text(
            speaker_of(memory),
            memory.occurred_at,
            memory.text,
            before=_beside(memory, before),
            after=_beside(memory, after),
        )
        dense = f"{speaker_of(memory)}: {memory.text}"
        return (Part(memory.id, RecordKind.TURN, None, dense, tokens(words), document, said),)
    summary = memory.sections.summary if memory.sections else ""
    dense = summary or " ".join(s.text for s in memory.statements) or memory.text
    head = Part(memory.id, RecordKind.NOTE, None, dense, tokens(memory.text), document, said)
    return (
        head,
        *(
            Part(
                id=record_id(memory.id, s.id),
                kind=RecordKind.STATEMENT,
                statement_id=s.id,
                dense=s.text,
                tokens=tokens(s.text),
                document=s.text,
                occurred_at=said if s.occurred_at is None else s.occurred_at.timestamp(),
            )
            for s in memory.statements
        ),
    )


def parts_of_all(
    memories: Sequence[Memory], beside: Mapping[str, tuple[Memory | None, Memory | None]]
) -> list[tuple[Memory, tuple[Part, ...]]]:
    """The parts of each memory. ``beside`` holds the neighbours (previous, next) of the turns, by id."""
    parts = []
    for memory in memories:
        before, after = beside.get(memory.id, (None, None))
        parts.append((memory, parts_of(memory, before=before, after=after)))
    return parts


def records_of(memory: Memory, parts: Sequence[Part], vectors: Vectors) -> list[Record]:
    """The parts with their vectors, shape (len(parts), dimensions), as the store takes them."""
    facets = facets_of(memory.metadata)
    created = memory.created_at.timestamp()
    ended = math.inf if memory.ended_at is None else memory.ended_at.timestamp()
    evidence = evidence_at(memory)
    return [
        Record(
            id=part.id,
            memory_id=memory.id,
            kind=part.kind,
            user_id=memory.user_id,
            session_id=memory.session_id,
            version=memory.version,
            status=memory.status,
            vector=vector,
            tokens=part.tokens,
            document=part.document,
            occurred_at=part.occurred_at,
            created_at=created,
            evidence_at=evidence,
            ended_at=ended,
            importance=memory.importance,
            statement_id=part.statement_id,
            facets=facets,
        )
        for part, vector in zip(parts, vectors, strict=True)
    ]


def _beside(turn: Memory, neighbour: Memory | None) -> str | None:
    if neighbour is None or not neighbour.is_active:
        return None
    said = (turn.occurred_at or turn.created_at, neighbour.occurred_at or neighbour.created_at)
    if abs(said[0] - said[1]) > NEIGHBOUR_GAP:
        return None
    return f"{speaker_of(neighbour)}: {neighbour.text}"
