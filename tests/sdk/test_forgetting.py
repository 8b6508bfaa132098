"""What was deleted does not come back: neither word for word nor in a note's words."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from omnimemory import OmniMemorySDK
from omnimemory.core.schemas import AgentMemoryRequest, Memory, Message, Status
from omnimemory.models.base import Completion, Prompt
from omnimemory.testing.scripted import ScriptedChatModel

from .conversations import APP, USER, documents, remembered, said


async def turn_that_says(sdk: OmniMemorySDK, words: str) -> Memory:
    turns = await sdk.list_memories(APP, USER, kinds=("turn",))
    return next(turn for turn in turns if words in turn.text)


async def notes(sdk: OmniMemorySDK, *statuses: Status) -> list[Memory]:
    return list(await sdk.list_memories(APP, USER, kinds=("note",), statuses=statuses or (Status.ACTIVE,)))


async def test_a_deleted_turn_takes_what_a_note_knows_from_it_alone(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said("I am allergic to peanuts.", "I work as a carpenter in Graz."))
    turn = await turn_that_says(sdk, "peanuts")

    assert await sdk.delete_memory(APP, turn.id)

    [left] = await notes(sdk)
    assert [statement.text for statement in left.statements] == ["User works as a carpenter in Graz."]
    assert "peanuts" not in left.text
    found = await sdk.query_memory(APP, "peanuts allergy", user_id=USER, n_results=20)
    assert not any("peanut" in document for document in documents(found))


async def test_a_note_ends_with_the_only_turn_that_said_it(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said("I am allergic to peanuts."))
    turn = await turn_that_says(sdk, "peanuts")

    assert await sdk.delete_memory(APP, turn.id)

    assert await notes(sdk) == []
    [ended] = await notes(sdk, Status.DELETED)
    decisions = await sdk.list_decisions(APP, USER, memory_ids=[ended.id])
    assert decisions[-1].reasoning == "The turn that said it was deleted by hand."


async def test_without_cascade_the_note_stays(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said("I am allergic to peanuts."))
    turn = await turn_that_says(sdk, "peanuts")

    assert await sdk.delete_memory(APP, turn.id, cascade=False)

    assert len(await notes(sdk)) == 1


async def test_a_turn_deleted_before_its_batch_is_full_never_becomes_a_note(sdk: OmniMemorySDK) -> None:
    await sdk.ingest(said("I am allergic to peanuts."))
    await sdk.ingest(said("I work as a carpenter in Graz."))
    turn = await turn_that_says(sdk, "peanuts")

    assert await sdk.delete_memory(APP, turn.id)
    await sdk.flush()

    assert not any("peanut" in note.text for note in await notes(sdk))
    assert any("carpenter" in note.text for note in await notes(sdk))


async def test_a_turn_deleted_while_its_note_is_written_is_not_in_it(home: Path) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedChatModel):
        async def complete(
            self, prompt: Prompt, *, json_schema: dict[str, Any] | None = None, max_tokens: int | None = None
        ) -> Completion:
            asked.set()
            await go_on.wait()
            return await super().complete(prompt, json_schema=json_schema, max_tokens=max_tokens)

    model = Slow({"Narrative": narrative})
    async with OmniMemorySDK(chat_model=model) as sdk:
        accepted = await sdk.add_agent_memory(
            AgentMemoryRequest(
                app_id=APP,
                user_id=USER,
                messages=[
                    Message(role="user", content="I am allergic to peanuts."),
                    Message(role="user", content="I work in Graz."),
                ],
            )
        )
        await asyncio.wait_for(asked.wait(), 30)
        assert await sdk.delete_memory(APP, (await turn_that_says(sdk, "peanuts")).id)
        go_on.set()
        await sdk.wait_for_task(accepted["task_id"], APP, timeout=30)
        [note] = await notes(sdk)

    assert [statement.text for statement in note.statements] == ["User works in Graz."]
    assert "peanut" not in note.text


async def test_what_the_prompt_shows_anyway_leaves_its_place_to_others(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(
        said(
            Message(role="user", content="My train leaves at nine.", id="m1"),
            "The train to Graz is late.",
            "Trains are my favourite way to travel.",
        ),
        infer=False,
    )

    found = await sdk.recall(
        APP, "train", user_id=USER, n_results=1, shown=["m1", "The train to Graz is late."], token_budget=200
    )

    assert documents(found) == ["Trains are my favourite way to travel."]
    assert "Graz" not in found.block


async def test_an_edited_history_stores_only_what_was_edited(sdk: OmniMemorySDK) -> None:
    first, answer = Message(role="user", content="hello"), Message(role="assistant", content="hi")
    await sdk.ingest_transcript(
        said(first, answer, "where is it?", session_id="s"), whole_history=True, infer=False
    )

    await sdk.ingest_transcript(
        said(first, answer, "where is the station?", session_id="s"), whole_history=True, infer=False
    )

    turns = await sdk.list_memories(APP, USER, kinds=("turn",))
    assert [turn.text for turn in turns] == ["hello", "hi", "where is it?", "where is the station?"]


def narrative(_request: object) -> str:
    return """{"narrative": "The user told two things: peanuts and Graz.", "statements": [
        {"text": "User is allergic to peanuts.", "turns": ["T1"]},
        {"text": "User works in Graz.", "turns": ["T2"]}],
        "tags": ["peanuts"], "keywords": [], "queries": [], "follow_ups": [], "depth": "low"}"""
