"""Changes by hand: edit, delete, restore. History is appended to, never rewritten."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from omnimemory.core.errors import Conflict, InvalidRequest, NotFound
from omnimemory.core.ids import new_id
from omnimemory.core.proposals import MAX_CONSOLIDATED_STATEMENTS
from omnimemory.core.schemas import Memory, MemoryKind, Operation, Statement, Status, StatusReason
from omnimemory.core.scoring import importance_of
from omnimemory.core.text import normalised
from omnimemory.evolution.compose import amended, still_told, words_of
from omnimemory.evolution.markdown import read_note
from omnimemory.evolution.plan import Plan, decided, ended
from omnimemory.evolution.resolution import Citations

_REVIVABLE = frozenset({StatusReason.CONTRADICTED, StatusReason.ORPHANED})


def update_manually(
    memory: Memory,
    *,
    text: str | None = None,
    metadata: Mapping[str, JsonValue] | None = None,
    now: datetime,
) -> Plan:
    """Put another text, other user metadata, or both in place of what a memory has.

    A new text makes a new memory and ends the old one; ``metadata`` alone changes the memory in
    place and replaces all of its user metadata. A note's text may be free text or its Markdown.
    The plan is empty where nothing differs.

    Raises:
        InvalidRequest: nothing to change, or a blank text.
        Conflict: the memory has ended; the message names what took its place.
    """
    if text is None and metadata is None:
        raise InvalidRequest("nothing to update; give text, metadata or both")
    if text is not None and not text.strip():
        raise InvalidRequest("the text is blank; delete the memory or give it text")
    if not memory.is_active:
        raise Conflict(f"memory {memory.id} has ended ({memory.status}){_instead(memory)}")
    kept = memory.metadata if metadata is None else dict(metadata)
    if text is None or text == memory.text:
        return _relabelled(memory, kept, now=now)
    changes: dict[str, object] = {"text": text, "metadata": kept}
    if memory.kind is MemoryKind.NOTE:
        changes.update(_rewritten(memory, text, now))
    edited = _successor(memory, StatusReason.MANUAL_UPDATE, now=now, **changes, updated_at=now)
    end = ended(
        memory, Status.UPDATED, StatusReason.MANUAL_UPDATE, now=now, next_id=edited.id, evidence_at=now
    )
    carried = {s.text for s in edited.statements}
    decision = decided(
        memory,
        Operation.MANUAL_UPDATE,
        now=now,
        replacement=edited.id,
        reasoning="Edited by hand.",
        contradicted=[s for s in memory.statements if s.text not in carried],
    )
    return Plan(created=(edited,), changed=(end,), decisions=(decision,))


def delete_manually(
    memory: Memory,
    *,
    turns: Mapping[str, Memory],
    citations: Citations,
    cascade: bool = True,
    now: datetime,
) -> Plan:
    """End a memory, and with ``cascade`` those of its turns that no other active note cites.

    ``turns`` are the memory's source turns and ``citations`` says who cites them.

    Raises:
        NotFound: the memory has ended already.
    """
    if not memory.is_active:
        raise NotFound(f"memory {memory.id} has ended ({memory.status}){_instead(memory)}")
    orphans = [
        ended(turns[source], Status.DELETED, StatusReason.ORPHANED, now=now)
        for source in (memory.sources if cascade else ())
        if source in turns
        and turns[source].is_active
        and all(citing == memory.id for citing, _ in citations.get(source, ()))
    ]
    reasoning = "Deleted by hand."
    if orphans:
        count = "one turn" if len(orphans) == 1 else f"{len(orphans)} turns"
        reasoning = f"Deleted by hand, with {count} that no other note cites."
    return Plan(
        changed=(ended(memory, Status.DELETED, StatusReason.MANUAL_DELETE, now=now), *orphans),
        decisions=(decided(memory, Operation.MANUAL_DELETE, now=now, reasoning=reasoning),),
    )


def delete_turn(turn: Memory, *, notes: Sequence[Memory], now: datetime) -> Plan:
    """End a turn and what ``notes``, the active ones that cite it, know from it alone.

    A note that loses all of its statements ends; one that keeps some lives on in an amended note.

    Raises:
        NotFound: the turn has ended already.
    """
    plan = delete_manually(turn, turns={}, citations={}, now=now)
    created, changed, decisions = [], list(plan.changed), list(plan.decisions)
    for note in notes:
        gone = [s for s in note.statements if set(s.sources) == {turn.id}]
        if not gone:
            continue
        rest = amended(note, ended=frozenset(s.id for s in gone), now=now)
        kept = rest if rest.statements else None
        status = Status.DELETED if kept is None else Status.UPDATED
        changed.append(
            ended(note, status, StatusReason.ORPHANED, now=now, next_id=None if kept is None else kept.id)
        )
        if kept is not None:
            created.append(kept)
        decisions.append(
            decided(
                note,
                Operation.MANUAL_DELETE,
                now=now,
                replacement=None if kept is None else kept.id,
                reasoning="The turn that said it was deleted by hand.",
                contradicted=gone,
            )
        )
    return Plan(created=tuple(created), changed=tuple(changed), decisions=tuple(decisions))


def restore(memory: Memory, *, successor: Memory | None, turns: Sequence[Memory], now: datetime) -> Plan:
    """Bring back what an ended memory said, as a new memory.

    ``successor`` is the memory that ``memory.next_id`` names, ``turns`` its source turns. An active
    successor that was made from the memory ends; statements that it had from elsewhere live on in
    an amended note. One that merely contradicted the memory stays beside it. Turns that ended by
    contradiction or with their note become active again.

    Raises:
        Conflict: the memory is active, is restored already, or its successor was built on.
    """
    if memory.is_active:
        raise Conflict(f"memory {memory.id} is active; there is nothing to restore")
    if successor is not None and not successor.is_active and successor.next_id is not None:
        raise Conflict(
            f"memory {memory.id} became {successor.id}, and {successor.next_id} was built on that; "
            f"restore {successor.id} first, or edit {successor.next_id}"
        )
    if successor is not None and successor.is_active and successor.text == memory.text:
        raise Conflict(f"memory {memory.id} is restored already, as {successor.id}")
    restored = _successor(memory, StatusReason.RESTORED, now=now, unresolved=False)
    if successor is None or memory.status is not Status.UPDATED:
        plan = Plan(changed=(_pointed(memory, restored),))
    elif successor.is_active:
        plan = _undone(memory, successor, restored, now=now)
    else:
        plan = Plan(changed=(_pointed(successor, restored),))
    return Plan(
        created=(restored, *plan.created),
        changed=(*plan.changed, *_revived(memory, turns)),
        decisions=(
            decided(
                memory, Operation.RESTORE, now=now, replacement=restored.id, reasoning="Restored by hand."
            ),
            *plan.decisions,
        ),
    )


def _pointed(memory: Memory, restored: Memory) -> Memory:
    return memory.model_copy(update={"next_id": restored.id, "version": memory.version + 1})


def _undone(memory: Memory, successor: Memory, restored: Memory, *, now: datetime) -> Plan:
    """End the successor; keep what it had from elsewhere, which a merge of several notes has."""
    end = ended(successor, Status.UPDATED, StatusReason.RESTORED, now=now, next_id=restored.id)
    texts = {statement.text for statement in memory.statements}
    covered = set(memory.sources).union(*(s.sources for s in memory.statements))
    own = [s for s in successor.statements if s.text in texts or covered.issuperset(s.sources)]
    if len(own) == len(successor.statements):
        decision = decided(
            successor,
            Operation.RESTORE,
            now=now,
            replacement=restored.id,
            reasoning=f"Undone by restoring {memory.id}.",
        )
        return Plan(changed=(end,), decisions=(decision,))
    rest = amended(successor, ended=frozenset(s.id for s in own), now=now)
    decision = decided(
        successor,
        Operation.RESTORE,
        now=now,
        replacement=rest.id,
        reasoning=f"Undone by restoring {memory.id}; what came from other notes lives on in {rest.id}.",
    )
    return Plan(created=(rest,), changed=(end,), decisions=(decision,))


def _revived(memory: Memory, turns: Sequence[Memory]) -> list[Memory]:
    """The memory's turns as active again; what a person deleted or edited stays as it is."""
    return [
        turn.model_copy(
            update={
                "status": Status.ACTIVE,
                "status_reason": StatusReason.RESTORED,
                "version": turn.version + 1,
                "next_id": None,
                "ended_at": None,
            }
        )
        for turn in turns
        if turn.id in memory.sources and not turn.is_active and turn.status_reason in _REVIVABLE
    ]


def _relabelled(memory: Memory, metadata: dict[str, JsonValue], *, now: datetime) -> Plan:
    if metadata == memory.metadata:
        return Plan()
    state = {"metadata": metadata, "version": memory.version + 1, "status_reason": StatusReason.EDITED}
    return Plan(
        changed=(memory.model_copy(update=state),),
        decisions=(decided(memory, Operation.MANUAL_UPDATE, now=now, reasoning="Metadata edited by hand."),),
    )


def _successor(memory: Memory, reason: StatusReason, *, now: datetime, **changes: object) -> Memory:
    """A new memory that takes over the content of ``memory`` but for ``changes``.

    The caller's message id stays with the turn that was received.
    """
    fresh = {
        "id": new_id(),
        "status": Status.ACTIVE,
        "status_reason": reason,
        "next_id": None,
        "version": 1,
        "created_at": now,
        "ended_at": None,
        "message_id": None,
        "seq": None,
    }
    return Memory.model_validate({**dict(memory.__dict__), **fresh, **changes})


def _rewritten(memory: Memory, text: str, now: datetime) -> dict[str, object]:
    """A note's fields for a text written by hand; statements that stay keep their id, turns and date."""
    reading = read_note(text)
    known = {normalised(statement.text): statement for statement in memory.statements}
    numbers = [int(s.id[1:]) for s in memory.statements if s.id[1:].isdecimal()]
    following = max(numbers, default=0) + 1
    statements: list[Statement] = []
    for sentence in _grouped(reading.statements):
        statement = known.pop(normalised(sentence), None)
        if statement is None:
            statement = Statement(id=f"s{following}", text=sentence, occurred_at=now)
            following += 1
        statements.append(statement)
    stale = words_of(memory.statements) - words_of(statements)
    tags = still_told(memory.tags, stale) if reading.tags is None else reading.tags
    keywords = still_told(memory.keywords, stale) if reading.keywords is None else reading.keywords
    follow_ups = still_told(memory.follow_ups, stale)
    return {
        "sections": reading.sections,
        "statements": tuple(statements),
        "tags": tags,
        "keywords": keywords,
        "queries": still_told(memory.queries, stale),
        "follow_ups": follow_ups,
        "importance": importance_of(memory.depth, follow_ups=follow_ups, tags=tags, keywords=keywords),
    }


def _grouped(found: Sequence[str]) -> list[str]:
    """At most 24 statements, none lost: a longer text has several sentences in each."""
    size = math.ceil(len(found) / MAX_CONSOLIDATED_STATEMENTS) or 1
    return [" ".join(found[start : start + size]) for start in range(0, len(found), size)]


def _instead(memory: Memory) -> str:
    return f"; {memory.next_id} took its place" if memory.next_id else ""
