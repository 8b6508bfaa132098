"""Material for store tests: vectors with a known cosine, small records, hostile texts."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass, replace

import numpy as np

from omnimemory.core.ids import record_id
from omnimemory.core.schemas import Status
from omnimemory.models.base import Vectors
from omnimemory.stores.base import VectorStore
from omnimemory.stores.records import Filter, Fingerprint, Record, RecordKind, Stored

APP = "my-app"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
DIMENSIONS = 8
FINGERPRINT = Fingerprint(embedder="axes", dimensions=DIMENSIONS, analyser="words-1")
EVERYTHING = Filter(statuses=frozenset(Status))

HOSTILE = (
    "plain",
    'it\'s "quoted"',
    "'; DROP TABLE memories; --",
    "$where: {$ne: null}",
    "a.b.c[0].d[*]",
    "../../etc/passwd",
    "50% _like_ \\backslash\\",
    '{"$gt": ""}',
    "\N{PILE OF POO} \N{ZERO WIDTH JOINER} \N{HEBREW LETTER ALEF}",
    "null",
    "*",
    " padded ",
)
"""Texts that a scope id may be."""
HOSTILE_TEXTS = (
    *HOSTILE,
    "nul\x00inside",
    "new\nline\ttab",
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{ARABIC LETTER SEEN}\N{ARABIC LETTER LAM}",
    "\\u0000 \\x00 \\",
)
"""And some that only facets, words and documents may be."""


def toward(axis: int, cosine: float = 1.0, *, beside: int = DIMENSIONS - 1) -> Vectors:
    """A unit vector whose cosine to ``axis`` is ``cosine``; the rest of it lies along ``beside``."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[beside] = math.sqrt(1.0 - cosine * cosine)
    vector[axis] = cosine
    return vector


@dataclass(frozen=True)
class Sample:
    """Makes records that differ from this template only where told."""

    user_id: str = "ada"
    session_id: str | None = "s1"
    tokens: tuple[str, ...] = ("tea",)
    document: str = "{}"
    facets: tuple[str, ...] = ()
    said: float = 1_000.0

    def turn(self, *, memory_id: str | None = None, vector: Vectors | None = None) -> Record:
        """A head record with an id of its own."""
        head = memory_id or str(uuid.uuid4())
        return Record(
            id=head,
            memory_id=head,
            kind=RecordKind.TURN,
            user_id=self.user_id,
            session_id=self.session_id,
            version=1,
            status=Status.ACTIVE,
            vector=toward(0) if vector is None else vector,
            tokens=self.tokens,
            document=self.document,
            occurred_at=self.said,
            created_at=self.said,
            evidence_at=self.said,
            facets=self.facets,
        )

    def note(self, statements: int, *, version: int = 1, memory_id: str | None = None) -> list[Record]:
        """A note's head and its statements ``s1``, ``s2``, ..."""
        head = replace(self.turn(memory_id=memory_id), kind=RecordKind.NOTE, version=version)
        parts = [f"s{number}" for number in range(1, statements + 1)]
        return [
            head,
            *(
                replace(
                    head,
                    id=record_id(head.id, f"{version}/{part}"),
                    kind=RecordKind.STATEMENT,
                    statement_id=part,
                    document=f"sentence {part}",
                )
                for part in parts
            ),
        ]


async def filled(store: VectorStore, *records: Record, app_id: str = APP) -> None:
    """Prepare the app and store the records."""
    await store.prepare(app_id, FINGERPRINT)
    await store.upsert(app_id, records)


async def listed(store: VectorStore, where: Filter = EVERYTHING, *, app_id: str = APP) -> list[Stored]:
    """All matching records by paging, two at a time."""
    found: list[Stored] = []
    cursor = None
    while True:
        page = await store.scan(app_id, where, limit=2, cursor=cursor)
        found += page.records
        cursor = page.cursor
        if cursor is None:
            return found
