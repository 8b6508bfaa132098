"""What one ledger transaction writes, and the rules that every such plan keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from omnimemory.core.base import Frozen
from omnimemory.core.ids import new_id
from omnimemory.core.schemas import Decision, Memory, MemoryKind, Operation, Statement, Status, StatusReason


class Plan(Frozen):
    """New memories, existing ones in their next state, and why.

    Every memory of ``created`` has version 1; every one of ``changed`` has the stored version
    plus one. A plan is written as a whole or not at all.
    """

    created: tuple[Memory, ...] = ()
    changed: tuple[Memory, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def operations(self) -> Counter[str]:
        """How often each operation is applied."""
        return Counter(decision.operation.value for decision in self.decisions)


def store_new(
    note: Memory, *, task_id: str | None, now: datetime, unresolved: bool = False, reasoning: str = ""
) -> Plan:
    """Store a new note beside whatever exists. ``unresolved`` marks it for a later pass of the resolver.

    A note that already has the mark is one an earlier pass stored: it loses the mark, or stays as
    it is where it is still ``unresolved``.
    """
    if note.unresolved:
        settled = note.model_copy(update={"unresolved": False, "version": note.version + 1})
        return Plan() if unresolved else Plan(changed=(settled,))
    stored = note.model_copy(update={"unresolved": unresolved})
    decision = decided(note, Operation.CREATE, task_id=task_id, now=now, reasoning=reasoning)
    return Plan(created=(stored,), decisions=(decision,))


def ended(
    memory: Memory,
    status: Status,
    reason: StatusReason,
    *,
    now: datetime,
    next_id: str | None = None,
    evidence_at: datetime | None = None,
) -> Memory:
    """The next state of a memory that ends. A ``next_id`` it already has is kept where none is given."""
    return memory.model_copy(
        update={
            "status": status,
            "status_reason": reason,
            "version": memory.version + 1,
            "next_id": next_id or memory.next_id,
            "ended_at": now,
            "updated_at": latest(memory.updated_at, memory.occurred_at, evidence_at),
        }
    )


def decided(
    memory: Memory,
    operation: Operation,
    *,
    task_id: str | None = None,
    now: datetime,
    replacement: str | None = None,
    confidence: float | None = None,
    reasoning: str = "",
    contradicted: Iterable[Statement] = (),
) -> Decision:
    """The record of what was done to ``memory``."""
    return Decision(
        id=new_id(),
        app_id=memory.app_id,
        user_id=memory.user_id,
        memory_id=memory.id,
        operation=operation,
        new_id=replacement,
        confidence=confidence,
        reasoning=reasoning,
        contradicted=tuple(statement.text for statement in contradicted),
        task_id=task_id,
        created_at=now,
    )


def latest(*times: datetime | None) -> datetime | None:
    """The latest of the times that are known."""
    return max((time for time in times if time is not None), default=None)


def check(plan: Plan, before: Mapping[str, Memory]) -> None:
    """Verify what must hold of any plan, ``before`` being the stored memories it may touch, by id.

    Versions step by one; a created memory is new; scope, kind, text and birth of a stored memory
    never change; an active memory has no successor and no end, any other has an end; ``next_id``
    points to a memory that exists; nothing crosses users; and no statement of a note disappears
    unless it was contradicted, is carried on, or a person ended it.

    Raises:
        ValueError: naming the rule and the memory that breaks it.
    """
    after = {**before, **{memory.id: memory for memory in (*plan.created, *plan.changed)}}
    written = [*plan.created, *plan.changed]
    _require(len({memory.id for memory in written}) == len(written), "a memory is written twice")
    _require(len({(memory.app_id, memory.user_id) for memory in written}) <= 1, "a plan crosses users")
    for memory in plan.created:
        _require(memory.id not in before, "a created memory exists already", memory)
        _require(memory.version == 1, "a created memory starts at version 1", memory)
        _require(memory.is_active, "a created memory is active", memory)
    for memory in plan.changed:
        _require(memory.id in before, "a changed memory is not stored", memory)
        _check_change(before[memory.id], memory)
    for memory in written:
        _check_state(memory, after)
    for memory in plan.changed:
        if memory.kind is MemoryKind.NOTE and before[memory.id].is_active and not memory.is_active:
            _check_statements(memory, plan)


def _check_change(old: Memory, new: Memory) -> None:
    _require(new.version == old.version + 1, "a version steps by one", new)
    _require(new.scope == old.scope and new.kind is old.kind, "scope and kind never change", new)
    _require(new.text == old.text and new.created_at == old.created_at, "text and birth never change", new)


def _check_state(memory: Memory, after: Mapping[str, Memory]) -> None:
    _require(not memory.is_active or memory.next_id is None, "an active memory has no successor", memory)
    _require(memory.is_active == (memory.ended_at is None), "a memory has an end unless it is active", memory)
    if memory.next_id is not None:
        successor = after.get(memory.next_id)
        _require(successor is not None and successor.id != memory.id, "next_id points nowhere", memory)
        same = successor is not None and (successor.app_id, successor.user_id) == (
            memory.app_id,
            memory.user_id,
        )
        _require(same, "next_id crosses users", memory)


_BY_HAND = frozenset({Operation.MANUAL_UPDATE, Operation.MANUAL_DELETE, Operation.RESTORE})


def _check_statements(memory: Memory, plan: Plan) -> None:
    decisions = [decision for decision in plan.decisions if decision.memory_id == memory.id]
    if any(decision.operation in _BY_HAND for decision in decisions):
        return
    contradicted = {text for decision in decisions for text in decision.contradicted}
    alive = [s for m in (*plan.created, *plan.changed) if m.is_active for s in m.statements]
    texts = {statement.text for statement in alive}
    sources = {source for statement in alive for source in statement.sources}
    for statement in memory.statements:
        reworded = bool(statement.sources) and sources.issuperset(statement.sources)
        _require(
            statement.text in contradicted or statement.text in texts or reworded,
            f"statement {statement.id} disappears without a decision",
            memory,
        )


def _require(holds: bool, rule: str, memory: Memory | None = None) -> None:
    if not holds:
        raise ValueError(f"{rule}: memory {memory.id}" if memory is not None else rule)
