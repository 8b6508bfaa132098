"""What a store holds of a memory: a pure function of the memory, its neighbours and the embedder.

A turn is one record. Its dense text is the turn with its speaker and the question it answers; its
words also carry the date and, for a short turn, the turns around it. A note is a head record and
one for each statement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from omnimemory.core.discourse import substance, turn_meaning, turn_words
from omnimemory.core.facets import facets_of
from omnimemory.core.ids import record_id
from omnimemory.core.lexical import weights
from omnimemory.core.memories import Neighbours
from omnimemory.core.schemas import Memory, MemoryKind
from omnimemory.core.text import tokens
from omnimemory.models.base import Vectors
from omnimemory.stores.records import Record, RecordKind

NEIGHBOUR_GAP = timedelta(hours=4)
"""Turns further apart than this belong to different talks, even in one session."""
ALONE = Neighbours()


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
    substance: float = 1.0
    context: tuple[str, ...] = ()

    @property
    def words(self) -> dict[int, float]:
        """See ``Record.words``."""
        return weights(self.tokens, self.context)


def speaker_of(turn: Memory) -> str:
    """The name of who spoke, else the role."""
    return turn.name or turn.role or "user"


def evidence_at(memory: Memory) -> float:
    """Epoch seconds of the newest evidence: the later of said and updated, else when it was stored."""
    known = [time.timestamp() for time in (memory.occurred_at, memory.updated_at) if time is not None]
    return max(known) if known else memory.created_at.timestamp()


def parts_of(memory: Memory, *, beside: Neighbours = ALONE) -> tuple[Part, ...]:
    """The records of ``memory``, heads first; ``beside`` are a turn's neighbours."""
    said = (memory.occurred_at or memory.created_at).timestamp()
    document = memory.model_dump_json(exclude_defaults=True)
    if memory.kind is MemoryKind.TURN:
        before, after = _texts(memory, beside.before), _texts(memory, beside.after)
        speaker = speaker_of(memory)
        own, context = turn_words(speaker, memory.occurred_at, memory.text, before=before, after=after)
        return (
            Part(
                id=memory.id,
                kind=RecordKind.TURN,
                statement_id=None,
                dense=turn_meaning(speaker, memory.text, before=before[0] if before else ""),
                tokens=own,
                document=document,
                occurred_at=said,
                substance=substance(memory.text),
                context=context,
            ),
        )
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
    memories: Sequence[Memory], beside: Mapping[str, Neighbours]
) -> list[tuple[Memory, tuple[Part, ...]]]:
    """The parts of each memory. ``beside`` holds the neighbours of the turns, by id."""
    return [(memory, parts_of(memory, beside=beside.get(memory.id, ALONE))) for memory in memories]


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
            substance=part.substance,
            context=part.context,
            statement_id=part.statement_id,
            facets=facets,
        )
        for part, vector in zip(parts, vectors, strict=True)
    ]


def _texts(turn: Memory, neighbours: Sequence[Memory]) -> list[str]:
    """What the neighbours say, up to the first that belongs to another talk."""
    texts: list[str] = []
    for neighbour in neighbours:
        said = (turn.occurred_at or turn.created_at, neighbour.occurred_at or neighbour.created_at)
        if abs(said[0] - said[1]) > NEIGHBOUR_GAP:
            break
        if neighbour.is_active:
            texts.append(neighbour.text)
    return texts
