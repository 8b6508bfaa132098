"""What a store should hold and what it does hold, as numbers that can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from omnimemory.core.ids import record_id
from omnimemory.core.schemas import Memory, MemoryKind, Status
from omnimemory.stores.records import Stored

_MODULUS = 1 << 64


@dataclass(frozen=True, slots=True)
class Tally:
    """How many records, and the sum of their marks modulo 2^64: the same in whatever order they come."""

    records: int = 0
    total: int = 0

    @property
    def checksum(self) -> str:
        """The sum as 16 hex digits."""
        return f"{self.total:016x}"

    def plus(self, marks: Iterable[int]) -> Tally:
        added = list(marks)
        return Tally(self.records + len(added), (self.total + sum(added)) % _MODULUS)


def marks_of(memory: Memory) -> list[int]:
    """The marks of the records that ``projection.records_of`` makes of a memory, its head first."""
    statements = memory.statements if memory.kind is MemoryKind.NOTE else ()
    ids = [memory.id, *(record_id(memory.id, statement.id) for statement in statements)]
    return [_mark(one, memory.version, memory.status) for one in ids]


def mark_of(stored: Stored) -> int:
    """The mark of a record as a scan gives it."""
    return _mark(stored.id, stored.version, stored.status)


def _mark(record: str, version: int, status: Status) -> int:
    text = f"{record} {version} {status.value}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
