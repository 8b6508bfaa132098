"""Memories evolve in order, lose nothing that was not contradicted, and can be read back and undone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from omnimemory import OmniMemorySDK
from omnimemory.core.errors import Conflict, NotFound
from omnimemory.core.schemas import Memory, MemoryKind, Operation
from omnimemory.testing.model_server import ScriptedModelServer
from omnimemory.testing.scripted import HashEmbedder

from .checks import history_is_whole
from .minds import Answer, Shown, agents_of, consolidated, deciding, decision, known_already, merge
from .talk import APP, USER, notes, on, remembered, said, settled, statements, texts, turns

ROOM, NEW_ROOM = "My desk is in room 12.", "My desk is in room 40."
CELLO = "I play the cello."


@pytest.fixture
async def sdk(model: ScriptedModelServer) -> AsyncIterator[OmniMemorySDK]:
    """A memory over the scripted model."""
    agents = agents_of(model)
    async with OmniMemorySDK(agents=agents, embedder=HashEmbedder(256)) as opened:
        yield opened
        await opened.run(lambda _engine: agents.aclose())


async def state(sdk: OmniMemorySDK, memory: Memory) -> Memory:
    found = await sdk.get_memory(memory.id, APP, USER)
    assert found is not None
    return found


# Concurrent adds


async def only_the_last_is_left(sdk: OmniMemorySDK, values: list[str]) -> None:
    answers = await asyncio.gather(*(sdk.add_memory(said(value)) for value in values))
    for answer in answers:
        assert (await settled(sdk, answer["task_id"])).status == "done"
    in_order = texts(await turns(sdk, statuses=["active", "superseded"]))
    assert sorted(in_order) == sorted(values)
    (left,) = await notes(sdk)
    (statement,) = left.statements
    (source,) = [turn for turn in await turns(sdk) if turn.id in statement.sources]
    assert source.text == in_order[-1]
    chain = await sdk.traverse_memory_evolution_chain(APP, left.id, USER)
    assert [memory.status for memory in chain] == ["deleted"] * (len(values) - 1) + ["active"]
    said_by = {turn.id: turn.text for turn in await turns(sdk, statuses=["active", "superseded"])}
    assert [said_by[memory.sources[0]] for memory in chain] == in_order
    await history_is_whole(sdk)


async def test_twenty_adds_at_once_keep_their_order_with_a_model(sdk: OmniMemorySDK) -> None:
    await only_the_last_is_left(sdk, [f"My desk is in room {number}." for number in range(20)])


async def test_twenty_adds_at_once_keep_their_order_without_a_model() -> None:
    cities = "Oslo Bergen Rome Turin Paris Lyon Lisbon Porto Madrid Berlin Vienna Graz Prague Brno Dublin"
    async with OmniMemorySDK() as sdk:
        values = [
            f"I live in {city}." for city in (*cities.split(), "Cork", "Athens", "Cairo", "Lima", "Quito")
        ]
        await only_the_last_is_left(sdk, values)


# What a decision may do


async def test_an_update_keeps_the_statements_of_what_it_merged(
    sdk: OmniMemorySDK, model: ScriptedModelServer
) -> None:
    model.script["Resolving"] = deciding(merge)
    await remembered(sdk, said(ROOM, CELLO))
    (old,) = await notes(sdk)
    await remembered(sdk, said("My desk is in room 12 by the window."))
    (note,) = await notes(sdk)
    assert sorted(statements([note])) == sorted([ROOM, CELLO, "My desk is in room 12 by the window."])
    assert set(note.sources) == {turn.id for turn in await turns(sdk)}
    ended = await state(sdk, old)
    assert (ended.status, ended.next_id) == ("updated", note.id)
    await history_is_whole(sdk)


async def test_a_delete_never_takes_an_uncontradicted_statement_with_it(
    sdk: OmniMemorySDK, model: ScriptedModelServer
) -> None:
    def only_the_room(shown: Shown) -> Answer:
        rooms = [label for label in shown.old["M1"] if "room" in shown.texts[label]]
        return {"decisions": [decision("M1", "DELETE", contradicted=rooms)]}

    model.script["Resolving"] = deciding(only_the_room)
    await remembered(sdk, said(ROOM, CELLO))
    await remembered(sdk, said(NEW_ROOM))
    assert sorted(statements(await notes(sdk))) == sorted([CELLO, NEW_ROOM])
    gone, stays, new = await turns(sdk, statuses=["active", "superseded"])
    assert [turn.status for turn in (gone, stays, new)] == ["superseded", "active", "active"]
    await history_is_whole(sdk)


async def test_a_turn_is_superseded_only_when_all_that_it_said_is_over(
    sdk: OmniMemorySDK, model: ScriptedModelServer
) -> None:
    def telling(*facts: str) -> str:
        return json.dumps({"statements": [{"text": fact, "turns": ["T1"]} for fact in facts]})

    both = f"{ROOM} {CELLO}"
    over = json.dumps({"decisions": [decision("M1", "DELETE", contradicted=["M1.s1"])]})
    model.script["Narrative"] = [telling(ROOM, CELLO), telling(NEW_ROOM)]
    model.script["Resolving"] = over
    await remembered(sdk, said(both))
    await remembered(sdk, said(NEW_ROOM))
    assert sorted(statements(await notes(sdk))) == sorted([CELLO, NEW_ROOM])
    assert texts(await turns(sdk)) == [both, NEW_ROOM]


async def test_mixed_decisions_are_all_applied(sdk: OmniMemorySDK, model: ScriptedModelServer) -> None:
    wanted = {"room": "DELETE", "cello": "UPDATE", "bread": "SKIP"}
    for number, text in enumerate((ROOM, CELLO, "I bake bread on Sundays."), start=1):
        await remembered(sdk, said(on(number, text)))
    before = {text: note for note in await notes(sdk) for text in statements([note])}

    def mixed(shown: Shown) -> Answer:
        operations = {
            note: next(op for word, op in wanted.items() if word in shown.texts[labels[0]])
            for note, labels in shown.old.items()
        }
        merged = [
            *shown.new,
            *(label for n, op in operations.items() if op == "UPDATE" for label in shown.old[n]),
        ]
        return {
            "decisions": [
                decision(note, operation, contradicted=shown.old[note] if operation == "DELETE" else ())
                for note, operation in operations.items()
            ],
            "consolidated": consolidated(shown, merged),
        }

    model.script["Resolving"] = deciding(mixed)
    news = [NEW_ROOM, "I play the cello in a trio.", "I bake bread on Sundays at home."]
    task = await remembered(sdk, said(*(on(9, text) for text in news)))
    assert task.result is not None
    assert task.result["operations"] == {"DELETE": 1, "SKIP": 1, "UPDATE": 1}
    room, cello, bread = [await state(sdk, before[text]) for text in before]
    assert (room.status, cello.status, bread.status) == ("deleted", "updated", "active")
    assert bread.updated_at == on(9, CELLO).timestamp
    (whole,) = [note for note in await notes(sdk) if note.id != bread.id]
    assert sorted(statements([whole])) == sorted([*news, CELLO])
    assert room.next_id == cello.next_id == whole.id
    await history_is_whole(sdk)


async def test_a_skip_refreshes_updated_at(sdk: OmniMemorySDK, model: ScriptedModelServer) -> None:
    await remembered(sdk, said(on(1, CELLO)))
    (before,) = await notes(sdk)
    model.script["Resolving"] = deciding(known_already)
    await remembered(sdk, said(on(9, CELLO)))
    (after,) = await notes(sdk)
    assert before.updated_at is None
    assert (after.id, after.version, after.updated_at) == (before.id, 2, on(9, CELLO).timestamp)


async def test_what_was_said_later_is_never_ended_by_what_is_added_later(
    sdk: OmniMemorySDK, model: ScriptedModelServer
) -> None:
    await remembered(sdk, said(on(20, NEW_ROOM)))
    (late,) = await notes(sdk)
    await remembered(sdk, said(on(1, ROOM)))
    assert await state(sdk, late) == late
    model.script["Resolving"] = deciding(merge)
    await remembered(sdk, said(on(2, "My desk is in room 13.")))
    assert NEW_ROOM in statements(await notes(sdk))
    await history_is_whole(sdk)


# By hand


async def test_an_edit_appends_and_a_second_edit_of_the_old_one_is_a_conflict(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said(ROOM))
    (old,) = await notes(sdk)
    new = await sdk.update_memory(old.id, APP, text="The desk stands in room 99.", user_id=USER)
    assert (await state(sdk, old)).next_id == new.id
    assert statements([new]) == ["The desk stands in room 99."]
    with pytest.raises(Conflict, match=new.id):
        await sdk.update_memory(old.id, APP, text="Something else.", user_id=USER)
    with pytest.raises(NotFound):
        await sdk.update_memory(new.id, APP, text="Mine now.", user_id="eve")
    await history_is_whole(sdk)


async def test_deleting_a_note_ends_the_turns_that_no_other_note_cites(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said(ROOM))
    await remembered(sdk, said(CELLO))
    room, cello = await notes(sdk)
    assert await sdk.delete_memory(APP, room.id, USER)
    assert texts(await turns(sdk)) == [CELLO]
    assert not await sdk.delete_memory(APP, room.id, USER)
    assert await sdk.delete_memory(APP, cello.id, USER, cascade=False)
    assert texts(await turns(sdk)) == [CELLO]
    await history_is_whole(sdk)


async def test_what_was_deleted_can_be_restored_with_its_turns(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said(ROOM))
    (old,) = await notes(sdk)
    await sdk.delete_memory(APP, old.id, USER)
    assert list(await sdk.recall(APP, "which room is the desk in?", USER)) == []
    back = await sdk.restore_memory(old.id, APP, USER)
    assert back.id != old.id
    assert (await state(sdk, old)).next_id == back.id
    assert texts(await turns(sdk)) == [ROOM]
    with pytest.raises(Conflict):
        await sdk.restore_memory(back.id, APP, USER)
    await history_is_whole(sdk)


async def test_undoing_a_step_that_others_were_built_on_is_a_conflict_that_names_them(
    sdk: OmniMemorySDK, model: ScriptedModelServer
) -> None:
    model.script["Resolving"] = deciding(merge)
    for text in (ROOM, "My desk is in room 12 by the window.", "My desk is in room 12 by the door."):
        await remembered(sdk, said(text))
    first, second, last, *_ = await sdk.traverse_memory_evolution_chain(APP, (await notes(sdk))[0].id, USER)
    with pytest.raises(Conflict, match=f"(?s){second.id}.*{last.id}"):
        await sdk.restore_memory(first.id, APP, USER)


# Reading back


async def test_superseded_turns_are_hidden_unless_asked_for(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said(ROOM))
    between = datetime.now(UTC)
    await remembered(sdk, said(NEW_ROOM))
    await sdk.flush()

    async def recalled(**how: object) -> set[str]:
        return set(texts(await sdk.recall(APP, "which room is my desk in?", USER, kinds=["turn"], **how)))  # type: ignore[arg-type]

    assert await recalled() == {NEW_ROOM}
    assert await recalled(statuses=["superseded"]) == {ROOM}
    assert await recalled(as_of=between) == {ROOM}
    listed = await sdk.list_memories(APP, USER, kinds=["turn"], as_of=between)
    assert texts(listed) == [ROOM]


async def test_every_change_is_explained_and_the_chain_starts_anywhere(
    sdk: OmniMemorySDK, model: ScriptedModelServer
) -> None:
    await remembered(sdk, said(ROOM))
    await remembered(sdk, said(NEW_ROOM))
    model.script["Resolving"] = deciding(merge)
    await remembered(sdk, said("My desk is in room 40 by the window."))
    (note,) = await notes(sdk)
    await sdk.update_memory(note.id, APP, text="No desk any more.", user_id=USER)
    (last,) = await notes(sdk)
    chain = await sdk.traverse_memory_evolution_chain(APP, last.id, USER)
    assert len(chain) == 4
    for member in chain:
        again = await sdk.traverse_memory_evolution_chain(APP, member.id, USER)
        assert [memory.id for memory in again] == [memory.id for memory in chain]
    found = await sdk.list_decisions(APP, USER, memory_ids=[memory.id for memory in chain])
    ended_by = {d.memory_id: d for d in found if d.operation is not Operation.CREATE}
    assert [ended_by[memory.id].operation for memory in chain[:-1]] == ["DELETE", "UPDATE", "MANUAL_UPDATE"]
    assert all(one.reasoning for one in ended_by.values())
    assert ended_by[chain[0].id].contradicted == (ROOM,)
    report = sdk.generate_evolution_report(chain, decisions=found)
    assert "Scripted: DELETE." in report
    await history_is_whole(sdk)


async def test_a_query_that_a_note_covers_returns_a_note(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said("The red kettle on the shelf is broken since Monday."))
    await sdk.add_memory(said(*(f"red kettle shelf broken {number}" for number in range(12))), infer=False)
    await sdk.flush()
    found = await sdk.recall(APP, "red kettle shelf broken", USER, n_results=3)
    assert [one.memory.kind for one in found] == [MemoryKind.TURN, MemoryKind.TURN, MemoryKind.NOTE]
