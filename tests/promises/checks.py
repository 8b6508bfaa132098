"""The promises as checks: each passes on the product and must fail where its promise is broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omnimemory import OmniMemorySDK
from omnimemory.core.schemas import Decision, Memory, MemoryKind, Operation, Status

from .talk import APP, USER, settled, texts

EVERY_STATUS = tuple(Status)
_BY_HAND = frozenset({Operation.MANUAL_UPDATE, Operation.MANUAL_DELETE, Operation.RESTORE})


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a caller was told is safe."""

    text: str
    task_id: str | None = None


async def nothing_is_lost(
    sdk: OmniMemorySDK, acknowledged: Sequence[Acknowledged], *, app: str = APP, user: str = USER
) -> None:
    """Every acknowledged turn is stored once and recalled verbatim, its task finishes, chains are whole."""
    page = await sdk.list_memories(app, user, kinds=["turn"], statuses=EVERY_STATUS, limit=1000)
    stored = texts(page)
    for one in acknowledged:
        assert one.text in stored, f"an acknowledged turn is lost: {one.text!r}"
        assert stored.count(one.text) == 1, f"stored {stored.count(one.text)} times: {one.text!r}"
        found = await sdk.recall(app, one.text, user, kinds=["turn"], n_results=1)
        assert texts(found) == [one.text], f"not recalled: {one.text!r}"
        if one.task_id is not None:
            task = await settled(sdk, one.task_id, app)
            assert task.status == "done", f"task {task.status}: {task.error}"
    await history_is_whole(sdk, app=app, user=user)


async def recalled_at_once(sdk: OmniMemorySDK, text: str, query: str) -> None:
    """What was just said comes back verbatim, whatever the models and the index do meanwhile."""
    found = await sdk.recall(APP, query, USER)
    assert text in texts(found), f"not recalled at once: {text!r}"


async def history_is_whole(sdk: OmniMemorySDK, *, app: str = APP, user: str = USER) -> None:
    """Every state and every change of a user's memories can be read back and explained."""
    page = await sdk.list_memories(app, user, statuses=EVERY_STATUS, limit=1000)
    known = {memory.id: memory for memory in page}
    decisions: dict[str, list[Decision]] = {}
    for decision in await sdk.list_decisions(app, user):
        assert (decision.app_id, decision.user_id) == (app, user), "a decision crosses scopes"
        decisions.setdefault(decision.memory_id, []).append(decision)
    for memory in known.values():
        _state_is_sound(memory, known)
        if memory.kind is MemoryKind.NOTE and not memory.is_active:
            _end_is_explained(memory, known, decisions.get(memory.id, []))
        if memory.kind is MemoryKind.NOTE:
            chain = await sdk.traverse_memory_evolution_chain(app, memory.id, user)
            assert memory.id in {member.id for member in chain}, f"the chain of {memory.id} is without it"
            for member in chain:
                assert member.id in known, "a chain leads outside of its user"


def _state_is_sound(memory: Memory, known: Mapping[str, Memory]) -> None:
    assert memory.is_active == (memory.ended_at is None), f"{memory.id} is {memory.status} but for its end"
    assert not (memory.is_active and memory.next_id), f"{memory.id} is active and has a successor"
    assert memory.next_id is None or memory.next_id in known, f"{memory.id} leads to an unknown memory"
    for source in memory.sources:
        assert source in known, f"{memory.id} cites an unknown turn"
        assert known[source].kind is MemoryKind.TURN, f"{memory.id} cites what is no turn"


def _end_is_explained(memory: Memory, known: Mapping[str, Memory], decisions: Sequence[Decision]) -> None:
    ending = [d for d in decisions if d.operation not in (Operation.CREATE, Operation.SKIP)]
    assert ending, f"{memory.id} ended without a decision"
    if any(d.operation in _BY_HAND for d in ending):
        return
    contradicted = {text for d in ending for text in d.contradicted}
    successor = known.get(memory.next_id or "")
    lives_on = successor.statements if successor else ()
    carried = {source for statement in lives_on for source in statement.sources}
    for statement in memory.statements:
        assert (
            statement.text in contradicted
            or statement.text in {other.text for other in lives_on}
            or (statement.sources and carried.issuperset(statement.sources))
        ), f"an uncontradicted statement is gone: {statement.text!r}"
