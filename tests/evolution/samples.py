"""Notes, turns, links and resolutions to evolve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from omnimemory.core.proposals import Draft, DraftStatement, Merge, MergedStatement, Resolution, Verdict
from omnimemory.core.schemas import (
    Depth,
    Link,
    Memory,
    MemoryKind,
    NoteSections,
    Operation,
    Scope,
    StatementPair,
)
from omnimemory.evolution.compose import compose_note

START = datetime(2025, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = Scope(app_id="app", user_id="alice", session_id="spring")


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def turn(id: str, text: str, *, on: int, user_id: str = "alice") -> Memory:
    return Memory(
        id=id,
        app_id="app",
        user_id=user_id,
        session_id="spring",
        kind=MemoryKind.TURN,
        text=text,
        role="user",
        occurred_at=day(on),
        created_at=day(on),
    )


def note(
    id: str,
    statements: Sequence[str],
    *,
    on: int,
    sections: NoteSections | None = None,
    tags: tuple[str, ...] = (),
    user_id: str = "alice",
) -> Memory:
    """A note whose statement s<i> comes from the turn ``<id>.t<i>``, said on that day."""
    turns = [turn(f"{id}.t{i}", text, on=on, user_id=user_id) for i, text in enumerate(statements, 1)]
    draft = Draft(
        sections=sections or NoteSections(summary=f"About {id}."),
        statements=tuple(
            DraftStatement(text=text, sources=(f"{id}.t{i}",)) for i, text in enumerate(statements, 1)
        ),
        tags=tags,
        depth=Depth.MEDIUM,
    )
    scope = SCOPE.model_copy(update={"user_id": user_id})
    return compose_note(draft, id=id, scope=scope, turns=turns, metadata={}, now=day(on))


def turns_of(notes: Iterable[Memory]) -> dict[str, Memory]:
    return {
        source: turn(source, s.text, on=(s.occurred_at - START).days, user_id=memory.user_id)
        for memory in notes
        for s in memory.statements
        for source in s.sources
        if s.occurred_at
    }


def citations_of(notes: Iterable[Memory]) -> dict[str, frozenset[tuple[str, str]]]:
    found: dict[str, frozenset[tuple[str, str]]] = {}
    for memory in notes:
        for s in memory.statements:
            for source in s.sources:
                found[source] = found.get(source, frozenset()) | {(memory.id, s.id)}
    return found


def link(memory: Memory, *pairs: tuple[str, str]) -> Link:
    tied = tuple(StatementPair(new_id=new, old_id=old, similarity=0.9) for new, old in pairs)
    return Link(memory=memory, pairs=tied, similarity=0.9)


def verdict(
    memory: Memory | str, operation: Operation, *contradicted: str, reasoning: str = "because"
) -> Verdict:
    return Verdict(
        memory_id=memory if isinstance(memory, str) else memory.id,
        operation=operation,
        confidence=0.9,
        reasoning=reasoning,
        contradicted=contradicted,
    )


def merge(*statements: tuple[str, Sequence[tuple[str, str]]]) -> Merge:
    return Merge(
        sections=NoteSections(summary="Merged."),
        statements=tuple(MergedStatement(text=text, origins=tuple(origins)) for text, origins in statements),
    )


def merge_of(*notes: Memory, without: Iterable[tuple[str, str]] = ()) -> Merge:
    left_out = frozenset(without)
    return merge(
        *(
            (s.text, [(memory.id, s.id)])
            for memory in notes
            for s in memory.statements
            if (memory.id, s.id) not in left_out
        )
    )


def resolution(*verdicts: Verdict, merged: Merge | None = None) -> Resolution:
    return Resolution(verdicts=verdicts, merge=merged)
