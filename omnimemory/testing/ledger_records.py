"""What the ledger's suite writes: scopes, turns, notes, steps, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from omnimemory.core.ids import new_id
from omnimemory.core.schemas import (
    Decision,
    Depth,
    Memory,
    MemoryKind,
    NoteSections,
    Operation,
    Scope,
    Statement,
)
from omnimemory.ledger.values import NewTurn

ANN = Scope(app_id="app", user_id="ann", session_id="s1")
BOB = Scope(app_id="app", user_id="bob", session_id="s1")
OTHER_APP = Scope(app_id="other", user_id="ann", session_id="s1")


class Clock:
    """A clock that moves only when told to, and a microsecond each time it is read."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def pass_time(self, **delta: float) -> datetime:
        self.now += timedelta(**delta)
        return self.now


@dataclass(frozen=True)
class Step:
    """A step of evolution, as ``Ledger.apply`` takes it."""

    created: Sequence[Memory] = ()
    changed: Sequence[Memory] = ()
    decisions: Sequence[Decision] = field(default=())


def said(text: str, message_id: str | None = None) -> NewTurn:
    return NewTurn("user", text, message_id=message_id)


def note(clock: Clock, scope: Scope = ANN, *, sources: Sequence[str] = (), text: str = "A note.") -> Memory:
    assert scope.user_id is not None
    return Memory(
        id=new_id(),
        app_id=scope.app_id,
        user_id=scope.user_id,
        session_id=scope.session_id,
        kind=MemoryKind.NOTE,
        text=text,
        created_at=clock(),
        occurred_at=clock(),
        statements=(Statement(id="s1", text=text, sources=tuple(sources), occurred_at=clock()),),
        sources=tuple(sources),
        tags=("tea",),
        depth=Depth.HIGH,
        importance=0.75,
        sections=NoteSections(summary=text),
        metadata={"nested": {"list": [1, 2.5, None, "é\x00"]}},
    )


def changed(memory: Memory, **fields: object) -> Memory:
    return memory.model_copy(update={"version": memory.version + 1, **fields})


def decision(
    old: Memory, new: Memory | None, clock: Clock, operation: Operation = Operation.UPDATE
) -> Decision:
    return Decision(
        id=new_id(),
        app_id=old.app_id,
        user_id=old.user_id,
        memory_id=old.id,
        operation=operation,
        new_id=None if new is None else new.id,
        reasoning="because",
        created_at=clock(),
    )
