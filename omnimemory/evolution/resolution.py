"""What the resolver's verdicts do to notes and turns. The model proposes; this disposes.

A verdict can only end statements of a linked note of the same user, and only such as were not said
later than the new evidence. Whatever is not named as contradicted lives on, in the old note, in an
amended one, or in the consolidated one; where a merge would lose a statement, nothing is merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from omnimemory.core.proposals import MAX_CONSOLIDATED_STATEMENTS, Merge, Resolution, Verdict
from omnimemory.core.schemas import Decision, Link, Memory, Operation, Statement, Status, StatusReason
from omnimemory.evolution.compose import amended, consolidated
from omnimemory.evolution.plan import Plan, decided, ended, latest, store_new

Citations = Mapping[str, frozenset[tuple[str, str]]]
"""For each turn id, the (memory id, statement id) of the active notes' statements that cite it."""

_VERDICTS = frozenset({Operation.UPDATE, Operation.DELETE, Operation.SKIP})

_LOSSY = "Kept beside the linked notes: the consolidation would have lost a statement."


@dataclass(frozen=True)
class _Ruling:
    """A verdict held against its note: which statements it may end, and which live on."""

    verdict: Verdict
    old: Memory
    gone: tuple[Statement, ...]
    kept: tuple[Statement, ...]

    @property
    def ended(self) -> frozenset[tuple[str, str]]:
        return frozenset((self.old.id, statement.id) for statement in self.gone)


@dataclass(frozen=True)
class _Outcome:
    """What one ruling changes."""

    changed: Memory
    decision: Decision
    created: Memory | None = None
    ended: frozenset[tuple[str, str]] = frozenset()


def resolve(
    note: Memory,
    links: Sequence[Link],
    resolution: Resolution,
    *,
    turns: Mapping[str, Memory],
    citations: Citations,
    task_id: str | None,
    now: datetime,
) -> Plan:
    """Apply a resolution to a new note and the notes it is linked to.

    ``turns`` are the turns that the linked notes' statements cite. A note marked ``unresolved`` is
    one that an earlier pass stored: it is changed where a fresh one is created. Where the merge is
    missing or incomplete both sides stay, the new note marked ``unresolved``.
    """
    rulings = _rulings(note, links, resolution.verdicts)
    if not rulings:
        return store_new(note, task_id=task_id, now=now)
    if all(ruling.verdict.operation is Operation.SKIP for ruling in rulings):
        return _skipped(note, links, rulings, task_id=task_id, now=now)
    targets = [ruling for ruling in rulings if ruling.verdict.operation is Operation.UPDATE]
    whole: Memory | None = None
    if targets and not _too_large(note, targets, resolution.merge):
        whole = _merged(note, targets, resolution.merge, now=now)
        if whole is None:
            return store_new(note, task_id=task_id, now=now, unresolved=True, reasoning=_LOSSY)
    survivor = whole or note
    outcomes = [
        outcome
        for ruling in rulings
        if (outcome := _outcome(ruling, note, survivor, merged=whole is not None, task_id=task_id, now=now))
    ]
    base = (
        store_new(note, task_id=task_id, now=now) if whole is None else _absorbed(note, whole, task_id, now)
    )
    created = (*base.created, *(outcome.created for outcome in outcomes if outcome.created))
    gone = frozenset[tuple[str, str]]().union(*(outcome.ended for outcome in outcomes))
    superseded = _superseded(turns, citations, gone, note=note, created=created, now=now)
    return Plan(
        created=created,
        changed=(*base.changed, *(outcome.changed for outcome in outcomes), *superseded),
        decisions=(*base.decisions, *(outcome.decision for outcome in outcomes)),
    )


def _rulings(note: Memory, links: Sequence[Link], verdicts: Sequence[Verdict]) -> list[_Ruling]:
    """One ruling per linked note, the first verdict counting; verdicts about anything else are nothing."""
    linked = {
        link.memory.id: link.memory
        for link in links
        if link.memory.is_active
        and link.memory.id != note.id
        and (link.memory.app_id, link.memory.user_id) == (note.app_id, note.user_id)
    }
    rulings = []
    for verdict in verdicts:
        if verdict.operation not in _VERDICTS or verdict.memory_id not in linked:
            continue
        old = linked.pop(verdict.memory_id)
        named = frozenset() if verdict.operation is Operation.SKIP else frozenset(verdict.contradicted)
        gone = tuple(s for s in old.statements if s.id in named and not _said_later(s, old, note))
        kept = tuple(s for s in old.statements if s not in gone)
        rulings.append(_Ruling(verdict, old, gone, kept))
    return rulings


def _said_later(statement: Statement, old: Memory, note: Memory) -> bool:
    """No decision ends something said later than itself; an unknown time of saying is that of storage."""
    said = statement.occurred_at or old.occurred_at or old.created_at
    return said > (note.occurred_at or note.created_at)


def _too_large(note: Memory, targets: Sequence[_Ruling], merge: Merge | None) -> bool:
    if merge is not None:
        return len(merge.statements) > MAX_CONSOLIDATED_STATEMENTS
    together = len(note.statements) + sum(len(ruling.kept) for ruling in targets)
    return together > MAX_CONSOLIDATED_STATEMENTS


def _merged(note: Memory, targets: Sequence[_Ruling], merge: Merge | None, *, now: datetime) -> Memory | None:
    if merge is None:
        return None
    gone = frozenset[tuple[str, str]]().union(*(ruling.ended for ruling in targets))
    return consolidated(merge, note=note, targets=[ruling.old for ruling in targets], ended=gone, now=now)


def _absorbed(note: Memory, whole: Memory, task_id: str | None, now: datetime) -> Plan:
    """The new note's statements live in the consolidated one; only a stored note leaves a trace."""
    if not note.unresolved:
        return Plan(created=(whole,))
    return Plan(
        created=(whole,),
        changed=(_resolved_into(note, whole.id, now),),
        decisions=(decided(note, Operation.UPDATE, task_id=task_id, now=now, replacement=whole.id),),
    )


def _resolved_into(note: Memory, next_id: str, now: datetime) -> Memory:
    end = ended(note, Status.UPDATED, StatusReason.CONSOLIDATED, now=now, next_id=next_id)
    return end.model_copy(update={"unresolved": False})


def _outcome(
    ruling: _Ruling, note: Memory, survivor: Memory, *, merged: bool, task_id: str | None, now: datetime
) -> _Outcome | None:
    """What a ruling does, or None where it may do nothing."""
    verdict, old = ruling.verdict, ruling.old
    operation, reasoning = verdict.operation, verdict.reasoning
    new_id: str | None = survivor.id
    created: Memory | None = None
    if operation is Operation.SKIP:
        new_id, changed = None, _confirmed(old, note)
    elif operation is Operation.UPDATE and merged:
        changed = _end(old, Status.UPDATED, StatusReason.CONSOLIDATED, survivor, note, now)
    elif ruling.gone and ruling.kept:
        created = amended(old, ended=frozenset(s.id for s in ruling.gone), now=now)
        new_id, changed = created.id, _end(old, Status.UPDATED, StatusReason.CONTRADICTED, created, note, now)
        operation, reasoning = Operation.UPDATE, _explained(verdict, ruling)
    elif ruling.gone or (operation is Operation.DELETE and _ends_whole(old, note)):
        operation, changed = (
            Operation.DELETE,
            _end(old, Status.DELETED, StatusReason.CONTRADICTED, survivor, note, now),
        )
    else:
        return None
    decision = decided(
        old,
        operation,
        task_id=task_id,
        now=now,
        replacement=new_id,
        confidence=verdict.confidence,
        reasoning=reasoning,
        contradicted=ruling.gone,
    )
    return _Outcome(changed, decision, created, ruling.ended)


def _end(
    old: Memory, status: Status, reason: StatusReason, successor: Memory, note: Memory, now: datetime
) -> Memory:
    return ended(old, status, reason, now=now, next_id=successor.id, evidence_at=note.occurred_at)


def _ends_whole(old: Memory, note: Memory) -> bool:
    """A note without statements has nothing to name, so a DELETE means all of it."""
    return not old.statements and (old.occurred_at or old.created_at) <= (note.occurred_at or note.created_at)


def _explained(verdict: Verdict, ruling: _Ruling) -> str:
    count = len(ruling.kept)
    rest = "one other statement lives" if count == 1 else f"{count} other statements live"
    asked = "Decided as DELETE" if verdict.operation is Operation.DELETE else "Too large to merge"
    return f"{verdict.reasoning} [{asked}; {rest} on in an amended note.]".strip()


def _confirmed(old: Memory, note: Memory) -> Memory:
    """The old note after the same was said again: nothing new, but as fresh as the new evidence."""
    refreshed = latest(old.updated_at, old.occurred_at, note.occurred_at)
    return old.model_copy(update={"version": old.version + 1, "updated_at": refreshed})


def _skipped(
    note: Memory, links: Sequence[Link], rulings: Sequence[_Ruling], *, task_id: str | None, now: datetime
) -> Plan:
    """Everything was known: the old notes take over the new one's turns as further evidence."""
    repeated = _repetitions(note, links, frozenset(ruling.old.id for ruling in rulings))
    changed = []
    for position, ruling in enumerate(rulings):
        old = ruling.old
        statements = tuple(_backed(s, repeated.get((old.id, s.id), ())) for s in old.statements)
        own = [source for s in statements for source in s.sources]
        inherited = note.sources if position == 0 else ()
        sources = tuple(dict.fromkeys((*old.sources, *own, *inherited)))
        changed.append(
            _confirmed(old, note).model_copy(update={"statements": statements, "sources": sources})
        )
    if note.unresolved:
        changed.append(_resolved_into(note, rulings[0].old.id, now))
    decisions = [
        decided(
            ruling.old,
            Operation.SKIP,
            task_id=task_id,
            now=now,
            confidence=ruling.verdict.confidence,
            reasoning=ruling.verdict.reasoning,
        )
        for ruling in rulings
    ]
    if note.unresolved:
        decisions.append(
            decided(note, Operation.UPDATE, task_id=task_id, now=now, replacement=rulings[0].old.id)
        )
    return Plan(changed=tuple(changed), decisions=tuple(decisions))


def _repetitions(
    note: Memory, links: Sequence[Link], skipped: frozenset[str]
) -> dict[tuple[str, str], tuple[Statement, ...]]:
    """For each old statement, the new ones whose nearest pair among the skipped notes it is."""
    nearest: dict[str, tuple[float, tuple[str, str]]] = {}
    for link in links:
        if link.memory.id not in skipped:
            continue
        for pair in link.pairs:
            found = (pair.similarity, (link.memory.id, pair.old_id))
            nearest[pair.new_id] = max(nearest.get(pair.new_id, found), found)
    repeated: dict[tuple[str, str], tuple[Statement, ...]] = {}
    for statement in note.statements:
        if statement.id in nearest:
            _, where = nearest[statement.id]
            repeated[where] = (*repeated.get(where, ()), statement)
    return repeated


def _backed(old: Statement, repetitions: Sequence[Statement]) -> Statement:
    """``old`` with the turns that repeat it; what is said again is as late as its last saying."""
    if not repetitions:
        return old
    sources = dict.fromkeys((*old.sources, *(source for s in repetitions for source in s.sources)))
    said = latest(old.occurred_at, *(s.occurred_at for s in repetitions))
    return old.model_copy(update={"sources": tuple(sources), "occurred_at": said})


def _superseded(
    turns: Mapping[str, Memory],
    citations: Citations,
    gone: frozenset[tuple[str, str]],
    *,
    note: Memory,
    created: Sequence[Memory],
    now: datetime,
) -> list[Memory]:
    """The turns all of whose statements end here, but for the new note's own and those said later."""
    spared = set(note.sources)
    spared.update(source for memory in created for s in memory.statements for source in s.sources)
    evidence_at = note.occurred_at or note.created_at
    return [
        ended(turn, Status.SUPERSEDED, StatusReason.CONTRADICTED, now=now, evidence_at=note.occurred_at)
        for turn in turns.values()
        if turn.is_active
        and turn.id not in spared
        and (turn.occurred_at or turn.created_at) <= evidence_at
        and (cited := citations.get(turn.id, frozenset()))
        and cited <= gone
    ]
