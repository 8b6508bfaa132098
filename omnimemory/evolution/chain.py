"""How a memory came to be what it is: its chain in order, and what each step changed."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from omnimemory.core.base import Frozen
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Decision, Memory, Operation, Statement, Status, StatusReason
from omnimemory.core.text import normalised

Chain = Sequence[Memory | Mapping[str, Any]]
"""Memories, or their dict forms as ``get_memory`` returns them."""


class Step(Frozen):
    """One change: the memories ``from_ids`` became ``to_id``.

    ``to_id`` is None where nothing took their place, and the memory's own id where it was confirmed
    in place (SKIP). ``added``, ``kept`` and ``ended`` are texts of statements; one that lives on
    in other words is among ``kept`` in its new words.
    """

    from_ids: tuple[str, ...]
    to_id: str | None
    at: datetime
    operation: Operation
    reasoning: str = ""
    confidence: float | None = None
    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


def members_of(chain: Chain) -> list[Memory]:
    """The memories of a chain given as memories or as dicts, in order.

    Raises:
        InvalidRequest: something in it is not a memory.
    """
    if isinstance(chain, str | bytes | Mapping) or not isinstance(chain, Iterable):
        raise InvalidRequest(
            "the chain must be a list of memories, as traverse_memory_evolution_chain returns"
        )
    members = []
    for item in chain:
        if not isinstance(item, Mapping):
            raise InvalidRequest(f"the chain holds a {type(item).__name__} where a memory is expected")
        members.append(item if isinstance(item, Memory) else Memory.from_dict(dict(item)))
    return order(members)


def order(members: Iterable[Memory]) -> list[Memory]:
    """Originals first, each memory after all that became it; among equals the older first.

    Of several states of one memory the newest counts. Links that lead outside, or in a circle,
    are passed over.
    """
    states: dict[str, Memory] = {}
    for memory in members:
        if memory.id not in states or states[memory.id].version < memory.version:
            states[memory.id] = memory
    waiting = dict.fromkeys(states, 0)
    for memory in states.values():
        if memory.next_id in waiting:
            waiting[memory.next_id] += 1
    ready = [_age(states[name]) for name, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    ordered: dict[str, Memory] = {}
    while ready:
        memory = states[heapq.heappop(ready)[-1]]
        ordered[memory.id] = memory
        if memory.next_id in waiting:
            waiting[memory.next_id] -= 1
            if waiting[memory.next_id] == 0:
                heapq.heappush(ready, _age(states[memory.next_id]))
    circular = sorted((memory for memory in states.values() if memory.id not in ordered), key=_age)
    return [*ordered.values(), *circular]


def steps(members: Iterable[Memory], decisions: Iterable[Decision] = ()) -> tuple[Step, ...]:
    """What changed along the chain, in order of time; reasons come from ``decisions`` where given."""
    ordered = order(members)
    states = {memory.id: memory for memory in ordered}
    decided: dict[str, list[Decision]] = {}
    for decision in sorted(decisions, key=lambda d: d.created_at):
        decided.setdefault(decision.memory_id, []).append(decision)
    groups: dict[str | None, list[Memory]] = {}
    found: list[Step] = []
    for memory in ordered:
        found.extend(_confirmation(d) for d in decided.get(memory.id, ()) if d.operation is Operation.SKIP)
        if memory.next_id in states:
            groups.setdefault(memory.next_id, []).append(memory)
        elif not memory.is_active:
            found.append(_step([memory], None, decided))
    found.extend(_step(group, states[to], decided) for to, group in groups.items() if to is not None)
    return tuple(sorted(found, key=lambda step: step.at))


def names_of(ordered: Iterable[Memory]) -> dict[str, str]:
    """What pictures and reports call each memory of an ordered chain, by its id: M1, M2, ..."""
    return {memory.id: f"M{number}" for number, memory in enumerate(ordered, start=1)}


def headline(memory: Memory) -> str:
    """The memory in one line: its first statement, or the first line of its text that is no heading."""
    if memory.statements:
        return " ".join(memory.statements[0].text.split())
    lines = (line.strip() for line in memory.text.splitlines())
    return " ".join(next((line for line in lines if line and not line.startswith("#")), memory.text).split())


def marked(memory: Memory, changes: Iterable[Step]) -> list[tuple[str, str]]:
    """(mark, text) of what the memory says, what came ("added") and what goes ("gone") before the "same"."""
    changes = tuple(changes)
    added = {text for step in changes if step.to_id == memory.id for text in step.added}
    gone = {text for step in changes if memory.id in step.from_ids for text in step.ended}
    texts = [statement.text for statement in memory.statements] or [headline(memory)]
    marks = [("gone" if text in gone else "added" if text in added else "same", text) for text in texts]
    return sorted(marks, key=lambda line: line[0] == "same")


def shown(statement_or_text: str, limit: int) -> str:
    """The text on one line of at most ``limit`` characters."""
    line = " ".join(statement_or_text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _age(memory: Memory) -> tuple[datetime, datetime, str]:
    return (memory.created_at, memory.occurred_at or memory.created_at, memory.id)


def _confirmation(decision: Decision) -> Step:
    return Step(
        from_ids=(decision.memory_id,),
        to_id=decision.memory_id,
        at=decision.created_at,
        operation=Operation.SKIP,
        reasoning=decision.reasoning,
        confidence=decision.confidence,
    )


def _step(
    sources: Sequence[Memory], target: Memory | None, decided: Mapping[str, Sequence[Decision]]
) -> Step:
    reasons = [why for memory in sources if (why := _why(memory, decided.get(memory.id, ())))]
    contradicted = [text for decision in reasons for text in decision.contradicted]
    added, kept, ended = _difference(sources, target, frozenset(map(normalised, contradicted)))
    last = max(sources, key=lambda memory: memory.ended_at or memory.created_at)
    return Step(
        from_ids=tuple(memory.id for memory in sources),
        to_id=target.id if target else None,
        at=last.ended_at or (target or last).created_at,
        operation=reasons[-1].operation if reasons else _inferred(last, target),
        reasoning=" ".join(dict.fromkeys(decision.reasoning for decision in reasons if decision.reasoning)),
        confidence=min((d.confidence for d in reasons if d.confidence is not None), default=None),
        added=added,
        kept=kept,
        ended=ended,
    )


def _why(memory: Memory, decisions: Sequence[Decision]) -> Decision | None:
    """The decision that ended the memory: the last that neither made nor confirmed it."""
    ending = [d for d in decisions if d.operation not in (Operation.CREATE, Operation.SKIP)]
    named = [d for d in ending if d.new_id is not None and d.new_id == memory.next_id]
    return next(reversed(named or ending), None)


def _inferred(memory: Memory, target: Memory | None) -> Operation:
    if memory.status_reason is StatusReason.RESTORED or (
        target is not None and target.status_reason is StatusReason.RESTORED
    ):
        return Operation.RESTORE
    if memory.status_reason is StatusReason.MANUAL_UPDATE:
        return Operation.MANUAL_UPDATE
    if memory.status_reason is StatusReason.MANUAL_DELETE:
        return Operation.MANUAL_DELETE
    return Operation.UPDATE if memory.status is Status.UPDATED else Operation.DELETE


def _difference(
    sources: Sequence[Memory], target: Memory | None, contradicted: frozenset[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(added, kept, ended). A statement lives on by its words, or by all of its turns."""
    before = {normalised(s.text): s for memory in sources for s in _said(memory)}
    after = {normalised(s.text): s for s in _said(target)} if target else {}
    told = {source for s in before.values() for source in s.sources}
    telling = {source for s in after.values() for source in s.sources}
    ended = [
        s.text
        for key, s in before.items()
        if key not in after and (key in contradicted or not s.sources or not telling.issuperset(s.sources))
    ]
    added = [
        s.text
        for key, s in after.items()
        if key not in before and (not s.sources or not told.issuperset(s.sources))
    ]
    kept = [s.text for s in after.values() if s.text not in added]
    return tuple(added), tuple(kept), tuple(ended)


def _said(memory: Memory) -> tuple[Statement, ...]:
    return memory.statements or (Statement(id="text", text=memory.text, sources=memory.sources),)
