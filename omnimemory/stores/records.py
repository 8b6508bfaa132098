"""What goes into a store and what comes out: plain values, the same for every backend.

Times are seconds since the epoch (float), as every backend filters numbers well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from omnimemory.core.lexical import weights
from omnimemory.core.schemas import Status
from omnimemory.models.base import Vectors


class RecordKind(StrEnum):
    """A turn and a note have one head record each; a note's statements have one each besides."""

    TURN = "turn"
    NOTE = "note"
    STATEMENT = "statement"


@dataclass(frozen=True, slots=True)
class Record:
    """One point of the store, complete in itself.

    ``id`` is a UUID text: the memory's own id for a head, derived for a statement. ``vector``
    has shape (dimensions,) and unit length. ``tokens`` are the analysed words in order, with
    repetitions, ``context`` those of the turns around. ``substance`` (0..1) says how much a turn
    says. ``facets`` are opaque texts, one per user metadata item (``facet``).
    ``document`` is the memory's JSON for a head and the sentence for a statement.
    """

    id: str
    memory_id: str
    kind: RecordKind
    user_id: str
    session_id: str | None
    version: int
    status: Status
    vector: Vectors
    tokens: tuple[str, ...]
    document: str
    occurred_at: float
    created_at: float
    evidence_at: float
    ended_at: float = math.inf
    importance: float = 0.0
    substance: float = 1.0
    statement_id: str | None = None
    facets: tuple[str, ...] = ()
    context: tuple[str, ...] = ()

    @property
    def words(self) -> dict[int, float]:
        """The sparse vector: BM25 weights by term id; what a store keeps of ``tokens`` and ``context``."""
        return weights(self.tokens, self.context)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records of an app are meant; every condition given must hold.

    ``user_id`` None means the whole app. ``facets`` must all be present. ``said_after`` is
    inclusive and ``said_before`` exclusive, both against ``occurred_at``. ``as_of`` keeps what
    was stored and not yet ended then; use it with every status.
    """

    user_id: str | None = None
    session_id: str | None = None
    kinds: frozenset[RecordKind] = frozenset(RecordKind)
    statuses: frozenset[Status] = frozenset({Status.ACTIVE})
    facets: tuple[str, ...] = ()
    said_after: float | None = None
    said_before: float | None = None
    as_of: float | None = None


class Hit(NamedTuple):
    """A record that a leg nominated. ``score``: cosine (-1..1) or BM25 (> 0).

    A named tuple: a recall makes over a hundred, and they cost a third of a dataclass.
    """

    id: str
    memory_id: str
    kind: RecordKind
    statement_id: str | None
    version: int
    score: float
    evidence_at: float
    importance: float
    substance: float


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as a scan or a get returns it: without its vector and words."""

    id: str
    memory_id: str
    kind: RecordKind
    user_id: str
    version: int
    status: Status
    document: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a scan; ``cursor`` is None after the last."""

    records: tuple[Stored, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a collection was built with; one built otherwise must be reindexed."""

    embedder: str
    dimensions: int
    analyser: str


@dataclass(frozen=True, slots=True)
class PoolStats:
    """Connections (or open shards) in use, allowed, and left."""

    active: int
    limit: int

    @property
    def available(self) -> int:
        return max(0, self.limit - self.active)
