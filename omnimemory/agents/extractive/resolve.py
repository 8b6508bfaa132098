"""What a new note means for the notes it is linked to: verdicts and, for an UPDATE, the merged note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from omnimemory.agents.extractive.compare import Relation, RelationKind, relation
from omnimemory.agents.extractive.describe import describe
from omnimemory.core.proposals import (
    MAX_CONSOLIDATED_STATEMENTS,
    Merge,
    MergedStatement,
    Resolution,
    Verdict,
)
from omnimemory.core.schemas import Link, Memory, Operation, Statement

_STRICT = 0.8
"""Confidence from which an elaboration says the old statement again, with more detail."""


@dataclass(slots=True)
class _Tie:
    """How one linked note stands to the new one: statement pairs (new, old) by what they are."""

    memory: Memory
    ended: list[tuple[Statement, Statement, Relation]] = field(default_factory=list)
    repeated: list[tuple[Statement, Statement, Relation]] = field(default_factory=list)
    elaborated: list[tuple[Statement, Statement, Relation]] = field(default_factory=list)

    @property
    def contradicted(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(old.id for _, old, _ in self.ended))

    @property
    def on_topic(self) -> list[tuple[Statement, Statement, Relation]]:
        """Ties to statements that stay."""
        gone = set(self.contradicted)
        return [tie for tie in (*self.elaborated, *self.repeated) if tie[1].id not in gone]

    @property
    def merges(self) -> bool:
        """Whether the two notes are one matter: detail added to what is repeated or corrected."""
        strong = len(self.on_topic) >= 2 and any(tie in self.on_topic for tie in self.elaborated)
        return strong or bool(self.ended and self.on_topic)


def resolve_links(note: Memory, links: Sequence[Link]) -> Resolution:
    """Verdicts for the links that the new note repeats, ends or extends; the others are left out.

    Every statement of the new note is compared with every statement of a linked note. Nothing
    said after the new statement is ended.
    """
    ties = [_tie(note, link.memory) for link in links]
    repeated = {new.id for tie in ties for new, _, _ in tie.repeated}
    ends = any(tie.ended for tie in ties)
    if note.statements and not ends and repeated == {statement.id for statement in note.statements}:
        return Resolution(verdicts=tuple(_skip(tie) for tie in ties if tie.repeated))
    targets = _targets(note, ties)
    verdicts = []
    for tie in ties:
        if tie in targets:
            verdicts.append(_verdict(tie, Operation.UPDATE, (tie.ended or tie.elaborated or tie.repeated)[0]))
        elif tie.ended:
            verdicts.append(_verdict(tie, Operation.DELETE, tie.ended[0]))
    return Resolution(verdicts=tuple(verdicts), merge=_merge(note, targets) if targets else None)


def _tie(note: Memory, memory: Memory) -> _Tie:
    tie = _Tie(memory)
    for new in note.statements:
        for old in memory.statements:
            found = relation(new.text, old.text)
            if found.kind is RelationKind.SUPERSEDES and not _later(old, memory, new, note):
                tie.ended.append((new, old, found))
            elif found.kind is RelationKind.REPEATS:
                tie.repeated.append((new, old, found))
            elif found.kind is RelationKind.ELABORATES and found.confidence >= _STRICT:
                tie.elaborated.append((new, old, found))
    for pairs in (tie.ended, tie.repeated, tie.elaborated):
        pairs.sort(key=lambda pair: -pair[2].confidence)
    return tie


def _later(old: Statement, memory: Memory, new: Statement, note: Memory) -> bool:
    """Whether the old statement was said after the new one."""
    before, after = old.occurred_at or memory.occurred_at, new.occurred_at or note.occurred_at
    return before is not None and after is not None and before > after


def _targets(note: Memory, ties: Sequence[_Tie]) -> list[_Tie]:
    """The notes to merge, as many as one consolidated note can hold."""
    chosen: list[_Tie] = []
    for tie in ties:
        if tie.merges and len(_merged(note, [*chosen, tie])) <= MAX_CONSOLIDATED_STATEMENTS:
            chosen.append(tie)
    return chosen


def _skip(tie: _Tie) -> Verdict:
    new, old, found = tie.repeated[0]
    return Verdict(
        memory_id=tie.memory.id,
        operation=Operation.SKIP,
        confidence=found.confidence,
        reasoning=f'"{new.text}" is already known: "{old.text}".',
    )


def _verdict(tie: _Tie, operation: Operation, pair: tuple[Statement, Statement, Relation]) -> Verdict:
    new, old, found = pair
    effect = "takes the place of" if found.kind is RelationKind.SUPERSEDES else "adds to"
    return Verdict(
        memory_id=tie.memory.id,
        operation=operation,
        confidence=found.confidence,
        reasoning=f'"{new.text}" {effect} "{old.text}": {found.reason}.',
        contradicted=tie.contradicted,
    )


def _merge(note: Memory, targets: Sequence[_Tie]) -> Merge:
    statements = _merged(note, targets)
    about = describe([statement.text for statement in statements])
    return Merge(
        sections=about.sections,
        statements=tuple(statements),
        tags=about.tags,
        keywords=about.keywords,
        queries=about.queries,
        follow_ups=about.follow_ups or note.follow_ups,
        depth=about.depth,
    )


def _merged(note: Memory, targets: Sequence[_Tie]) -> list[MergedStatement]:
    """Old statements that stay, then the new ones; one that says another's whole content carries it on."""
    carried: dict[tuple[str, str], tuple[str, str]] = {}
    texts: dict[tuple[str, str], str] = {}
    for tie in targets:
        gone = set(tie.contradicted)
        texts |= {(tie.memory.id, s.id): s.text for s in tie.memory.statements if s.id not in gone}
    for tie in targets:
        for new, old, _ in (*tie.elaborated, *tie.repeated):
            if (tie.memory.id, old.id) in texts:
                carried.setdefault((note.id, new.id), (tie.memory.id, old.id))
    fuller = {
        carried[(note.id, new.id)]: new.text
        for tie in targets
        for new, old, _ in tie.elaborated
        if carried.get((note.id, new.id)) == (tie.memory.id, old.id)
    }
    origins: dict[tuple[str, str], list[tuple[str, str]]] = {key: [key] for key in texts}
    for statement in note.statements:
        key = (note.id, statement.id)
        if key in carried:
            origins[carried[key]].append(key)
        else:
            texts[key], origins[key] = statement.text, [key]
    return [
        MergedStatement(text=fuller.get(key, text), origins=tuple(origins[key]))
        for key, text in texts.items()
    ]
