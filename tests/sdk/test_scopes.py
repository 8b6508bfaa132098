"""Two apps never see each other on any path, and ``user_id``, when given, narrows every method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest

from omnimemory import OmniMemorySDK, Scope
from omnimemory.core.errors import NotFound
from omnimemory.core.schemas import AgentMemoryRequest, ConversationSummaryRequest, Task

from .conversations import APP, said

ANN, BOB = "ann", "bob"
OTHER_APP = "other-app"
ANNS = "I like marzipan with my morning tea."
BOBS = "I like skiing in the cold months."
EVERY_STATUS = ("active", "updated", "superseded", "deleted")


@dataclass(frozen=True, slots=True)
class Owned:
    """What Ann has in ``APP``: an ended turn with its successor, a note, a done and a parked task."""

    turn: str
    note: str
    done: str
    parked: str


async def parked_summary(sdk: OmniMemorySDK, *, app_id: str, user_id: str) -> Task:
    """A task that is parked because its receiver is not public."""
    request = ConversationSummaryRequest(
        app_id=app_id, user_id=user_id, messages=ANNS, callback_url="http://localhost:9/hook"
    )
    response = await sdk.summarize_conversation(request)
    return await sdk.wait_for_task(response["task_id"], app_id, timeout=30)


@pytest.fixture
async def owned(sdk: OmniMemorySDK) -> Owned:
    """Ann's memories, beside Bob's in the same app and in another one."""
    for app_id, user_id, text in ((APP, BOB, BOBS), (OTHER_APP, BOB, BOBS), (APP, ANN, ANNS)):
        task = await sdk.add_memory(said(text, app_id=app_id, user_id=user_id))
        await sdk.wait_for_task(task["task_id"], app_id, timeout=30)
    (note,) = await sdk.list_memories(APP, ANN, kinds=["note"])
    (turn,) = await sdk.list_memories(APP, ANN, kinds=["turn"])
    await sdk.update_memory(turn.id, APP, text=ANNS + " Not on Sundays.")
    (done,) = [t for t in await sdk.list_tasks(APP, ANN) if t.status == "done"]
    parked = await parked_summary(sdk, app_id=APP, user_id=ANN)
    assert parked.status == "parked"
    await sdk.flush()
    return Owned(turn=turn.id, note=note.id, done=done.task_id, parked=parked.task_id)


STRANGERS = [(OTHER_APP, None), (OTHER_APP, ANN), (OTHER_APP, BOB), (APP, BOB)]
"""Scopes that own nothing of Ann's in ``APP``."""


@pytest.fixture(params=STRANGERS, ids=lambda scope: "-".join(str(part) for part in scope))
def stranger(request: pytest.FixtureRequest) -> tuple[str, str | None]:
    found: tuple[str, str | None] = request.param
    return found


async def test_no_search_finds_a_strangers_memories(
    sdk: OmniMemorySDK, owned: Owned, stranger: tuple[str, str | None]
) -> None:
    app_id, user_id = stranger
    for query in (ANNS, "marzipan", "morning tea"):
        found = [
            *await sdk.query_memory(app_id, query, user_id=user_id, n_results=100, similarity_threshold=-1.0),
            *await sdk.recall(app_id, query, user_id=user_id, n_results=100, statuses=EVERY_STATUS),
        ]
        assert all(memory.memory.app_id == app_id for memory in found)
        assert not any("marzipan" in memory.document for memory in found)
    block = await sdk.recall(app_id, "marzipan", user_id=user_id, token_budget=1000)
    assert "marzipan" not in block.block


async def test_no_list_shows_a_strangers_memories_tasks_or_decisions(
    sdk: OmniMemorySDK, owned: Owned, stranger: tuple[str, str | None]
) -> None:
    app_id, user_id = stranger
    page = await sdk.list_memories(app_id, user_id, statuses=EVERY_STATUS, limit=1000)
    assert not {owned.turn, owned.note} & {memory.id for memory in page}
    tasks = await sdk.list_tasks(app_id, user_id, limit=1000)
    assert not {owned.done, owned.parked} & {task.task_id for task in tasks}
    decisions = await sdk.list_decisions(app_id, user_id)
    assert not {owned.turn, owned.note} & {decision.memory_id for decision in decisions}
    assert await sdk.list_decisions(app_id, user_id, memory_ids=[owned.turn, owned.note]) == []


Probe = Callable[[OmniMemorySDK, str, str, str | None], Awaitable[object]]
"""A call with (id, app, user): what a stranger may try with an id that leaked."""

MEMORY_PROBES: dict[str, Probe] = {
    "get": lambda sdk, known, app, user: sdk.get_memory(known, app, user),
    "update": lambda sdk, known, app, user: sdk.update_memory(known, app, text="mine now", user_id=user),
    "tag": lambda sdk, known, app, user: sdk.update_memory(known, app, metadata={"a": 1}, user_id=user),
    "delete": lambda sdk, known, app, user: sdk.delete_memory(app, known, user),
    "restore": lambda sdk, known, app, user: sdk.restore_memory(known, app, user),
    "chain": lambda sdk, known, app, user: sdk.traverse_memory_evolution_chain(app, known, user),
}
TASK_PROBES: dict[str, Probe] = {
    "task": lambda sdk, known, app, user: sdk.get_task(known, app, user),
    "wait": lambda sdk, known, app, user: sdk.wait_for_task(known, app, user, timeout=10),
    "retry": lambda sdk, known, app, user: sdk.retry_task(known, app, user),
}


async def answer(probe: Probe, sdk: OmniMemorySDK, known: str, scope: tuple[str, str | None]) -> str:
    """What a stranger sees, with the id itself blanked out."""
    try:
        found = await probe(sdk, known, *scope)
    except NotFound as exc:
        return f"NotFound: {exc}".replace(known, "ID")
    return repr(found).replace(known, "ID")


@pytest.mark.parametrize("probe", MEMORY_PROBES.values(), ids=MEMORY_PROBES)
async def test_a_strangers_memory_answers_like_a_random_id(
    sdk: OmniMemorySDK, owned: Owned, probe: Probe
) -> None:
    before = await sdk.list_memories(APP, ANN, statuses=EVERY_STATUS)
    for stranger in STRANGERS:
        unknown = await answer(probe, sdk, str(uuid4()), stranger)
        for known in (owned.turn, owned.note):
            assert await answer(probe, sdk, known, stranger) == unknown
    assert await sdk.list_memories(APP, ANN, statuses=EVERY_STATUS) == before


@pytest.mark.parametrize("probe", TASK_PROBES.values(), ids=TASK_PROBES)
async def test_a_strangers_task_answers_like_a_random_id(
    sdk: OmniMemorySDK, owned: Owned, probe: Probe
) -> None:
    for stranger in STRANGERS:
        unknown = await answer(probe, sdk, str(uuid4()), stranger)
        for known in (owned.done, owned.parked):
            assert await answer(probe, sdk, known, stranger) == unknown
    assert (await sdk.get_task(owned.parked, APP)).status == "parked"


async def test_the_owner_reaches_all_of_it_with_and_without_the_user_id(
    sdk: OmniMemorySDK, owned: Owned
) -> None:
    for user_id in (ANN, None):
        for known in (owned.turn, owned.note):
            assert await sdk.get_memory(known, APP, user_id)
        assert len(await sdk.traverse_memory_evolution_chain(APP, owned.turn, user_id)) == 2
        assert (await sdk.get_task(owned.parked, APP, user_id)).status == "parked"
        assert await sdk.list_decisions(APP, user_id, memory_ids=[owned.turn])
        assert any("marzipan" in m.document for m in await sdk.query_memory(APP, "marzipan", user_id=user_id))


async def test_leaving_the_user_out_of_a_read_means_the_whole_app(sdk: OmniMemorySDK, owned: Owned) -> None:
    users = {memory.user_id for memory in await sdk.list_memories(APP)}
    assert users == {ANN, BOB}
    assert {memory.user_id for memory in await sdk.list_memories(APP, BOB)} == {BOB}


async def test_a_session_narrows_reads(sdk: OmniMemorySDK) -> None:
    for session in ("monday", "friday"):
        await sdk.add_memory(said(f"On {session} we talked about skis.", session_id=session), infer=False)
    found = await sdk.query_memory(APP, "skis", session_id="monday")
    assert [memory.document for memory in found] == ["On monday we talked about skis."]
    assert len(await sdk.list_memories(APP, session_id="friday")) == 1
    assert len(await sdk.query_memory(APP, "skis")) == 2


async def test_flush_of_one_scope_leaves_the_others_batches_waiting(sdk: OmniMemorySDK) -> None:
    for app_id, user_id in ((APP, ANN), (APP, BOB), (OTHER_APP, ANN)):
        await sdk.memory_batcher_add_message(app_id, user_id, "user", ANNS)
    assert len(await sdk.flush(Scope(app_id=APP, user_id=ANN))) == 1
    for app_id, user_id in ((APP, BOB), (OTHER_APP, ANN)):
        response = await sdk.memory_batcher_add_message(app_id, user_id, "user", BOBS)
        assert response["pending_messages"] == 2


async def test_message_ids_and_idempotency_keys_belong_to_their_scope(sdk: OmniMemorySDK) -> None:
    for app_id, user_id, session_id in (
        (APP, ANN, "s"),
        (APP, ANN, "t"),
        (APP, BOB, "s"),
        (OTHER_APP, ANN, "s"),
    ):
        text = f"{app_id} {user_id} {session_id}"
        response = await sdk.memory_batcher_add_message(
            app_id, user_id, "user", text, session_id=session_id, message_id="m1"
        )
        assert response["pending_messages"] == 1
    for app_id in (APP, OTHER_APP):
        request = said(f"keyed in {app_id}", app_id=app_id, user_id=ANN)
        response = await sdk.add_memory(request, infer=False, idempotency_key="k1")
        assert response["message"].startswith("1 of 1")


async def test_notes_of_two_users_never_resolve_each_other(sdk: OmniMemorySDK) -> None:
    for user_id, text in ((ANN, "I live in Oslo."), (BOB, "I moved from Oslo to Lisbon.")):
        task = await sdk.add_memory(said(text, user_id=user_id))
        await sdk.wait_for_task(task["task_id"], APP, timeout=30)
    (note,) = await sdk.list_memories(APP, ANN, kinds=["note"], statuses=EVERY_STATUS)
    assert note.status == "active"


async def test_an_agents_memory_stays_in_its_scope(sdk: OmniMemorySDK) -> None:
    request = AgentMemoryRequest(app_id=APP, user_id=ANN, messages=ANNS)
    task = await sdk.add_agent_memory(request)
    await sdk.wait_for_task(task["task_id"], APP, timeout=30)
    assert await sdk.query_memory(APP, "marzipan", user_id=BOB) == []
    assert await sdk.query_memory(OTHER_APP, "marzipan") == []
    assert await sdk.query_memory(APP, "marzipan", user_id=ANN)
