"""An acknowledged turn survives ``kill -9`` at any moment and ends up stored exactly once."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.core.errors import IdempotencyConflict
from omnimemory.testing.model_server import ScriptedModelServer
from omnimemory.testing.replies import Fault, Reply, Request

from .checks import EVERY_STATUS, Acknowledged, nothing_is_lost
from .minds import narrative
from .process import Victim
from .talk import APP, USER, eventually, notes, remembered, said, settled, texts, turns

OSLO = ("m1", "I live in Oslo and work as a carpenter.")


def llm(model: ScriptedModelServer) -> dict[str, Any]:
    return {"llm_base_url": model.base_url, "llm_model": "scripted"}


async def test_killed_right_after_the_acknowledgement(home: Path) -> None:
    with Victim(home, [OSLO]) as victim:
        promised = victim.acknowledged(1)
        victim.kill()
        async with OmniMemorySDK() as sdk:
            await nothing_is_lost(sdk, promised)
            assert len(await notes(sdk)) == 1


async def test_killed_while_the_model_is_asked(home: Path, model: ScriptedModelServer) -> None:
    asked = threading.Event()

    def think_for_ever(request: Request) -> Reply:
        asked.set()
        return Fault.hang()

    model.script["Narrative"] = think_for_ever
    with Victim(home, [OSLO], settings=llm(model)) as victim:
        promised = victim.acknowledged(1)
        assert await asyncio.to_thread(asked.wait, 20)
        victim.kill()
    model.script["Narrative"] = narrative
    async with OmniMemorySDK(**llm(model)) as sdk:
        await nothing_is_lost(sdk, promised)
        assert len(await notes(sdk)) == 1


async def test_killed_after_the_notes_were_applied_and_before_the_store_was_told(home: Path) -> None:
    with Victim(home, [OSLO], stall_at_the_store=True) as victim:
        promised = victim.acknowledged(1)
        assert victim.hear() == {"applied": True}
        victim.kill()
    async with OmniMemorySDK() as sdk:
        await nothing_is_lost(sdk, promised)
        await sdk.flush()
        found = await sdk.recall(APP, "where does the carpenter live?", USER, kinds=["note"])
        assert [memory.memory_id for memory in found] == [note.id for note in await notes(sdk)]
        assert len(found) == 1


@pytest.mark.parametrize("call", ["add", "batch"])
async def test_killed_in_the_middle_of_many_callers(home: Path, call: str) -> None:
    messages = [(f"m{number}", f"Remark number {number} is about topic {number}.") for number in range(80)]
    with Victim(home, messages, call=call, callers=8) as victim:
        promised = victim.acknowledged(20)
        victim.kill()
    async with OmniMemorySDK() as sdk:
        await nothing_is_lost(sdk, promised)
        repeat = sdk.ingest if call == "batch" else sdk.add_memory
        for message_id, text in messages:  # the caller does not know where it stopped, and repeats all
            await repeat(said(Message(id=message_id, role="user", content=text)))
        await sdk.flush()
        assert sorted(texts(await turns(sdk))) == sorted(text for _, text in messages)


async def test_a_build_that_acknowledges_before_it_commits_is_caught(home: Path) -> None:
    with Victim(home, [OSLO], acknowledge_before_commit=True) as victim:
        promised = victim.acknowledged(1)
        victim.kill()
    async with OmniMemorySDK() as sdk:
        with pytest.raises(AssertionError, match="an acknowledged turn is lost"):
            await nothing_is_lost(sdk, promised)


async def test_a_keyed_message_is_stored_once_across_restarts() -> None:
    message = Message(id="m1", role="user", content="I live in Oslo.")
    task_ids = []
    for _ in range(3):
        async with OmniMemorySDK() as sdk:
            task = await remembered(sdk, said(message))
            task_ids.append(task.task_id)
            await nothing_is_lost(sdk, [Acknowledged("I live in Oslo.", task.task_id)])
    assert len(set(task_ids)) == 1


async def test_a_keyed_message_from_many_callers_at_once_is_stored_once() -> None:
    async with OmniMemorySDK() as sdk:
        conversation = said(Message(id="m1", role="user", content="I live in Oslo."))
        answers = await asyncio.gather(*(sdk.add_memory(conversation) for _ in range(40)))
        assert len({answer["task_id"] for answer in answers}) == 1
        await nothing_is_lost(sdk, [Acknowledged("I live in Oslo.", answers[0]["task_id"])])


async def test_a_keyed_request_is_carried_out_once_and_another_body_is_refused() -> None:
    async with OmniMemorySDK() as sdk:
        answers = await asyncio.gather(
            *(sdk.add_memory(said("I live in Oslo."), idempotency_key="k1") for _ in range(10))
        )
        assert len({answer["task_id"] for answer in answers}) == 1
        with pytest.raises(IdempotencyConflict):
            await sdk.add_memory(said("I live in Rome."), idempotency_key="k1")
    async with OmniMemorySDK() as sdk:
        again = await sdk.add_memory(said("I live in Oslo."), idempotency_key="k1")
        assert again["task_id"] == answers[0]["task_id"]
        assert texts(await turns(sdk, statuses=EVERY_STATUS)) == ["I live in Oslo."]


async def test_messages_without_an_id_are_always_new() -> None:
    async with OmniMemorySDK() as sdk:
        yes = Message(role="user", content="yes")
        await remembered(sdk, said(yes, yes))
        await remembered(sdk, said(yes))
        assert texts(await turns(sdk)) == ["yes"] * 3


FOUR = [(f"m{number}", f"I like sort {number} of tea.") for number in range(4)]


async def test_a_batch_of_four_of_ten_survives_and_completes_at_ten(home: Path) -> None:
    with Victim(home, FOUR, call="batch") as victim:
        promised = victim.acknowledged(4)
        victim.kill()
    assert [one.task_id for one in promised] == [None] * 4
    async with OmniMemorySDK() as sdk:
        await nothing_is_lost(sdk, promised)
        for number in range(4, 10):
            answer = await sdk.memory_batcher_add_message(APP, USER, "user", f"I like sort {number} of tea.")
            assert answer["status"] == ("flushed" if number == 9 else "pending")
            assert answer["pending_messages"] == (number + 1) % 10
        assert (await settled(sdk, answer["task_id"])).status == "done"
        (note,) = await notes(sdk)
        assert len(note.sources) == 10


async def test_a_batch_left_by_a_killed_process_is_flushed_when_idle(home: Path) -> None:
    with Victim(home, FOUR, call="batch") as victim:
        promised = victim.acknowledged(4)
        victim.kill()
    async with OmniMemorySDK(batch_idle_seconds=0.1) as sdk:

        async def noted() -> bool:
            return bool(await notes(sdk))

        await eventually(noted)
        await nothing_is_lost(sdk, promised)
        (task,) = await sdk.list_tasks(APP, USER)
        assert task.status == "done"


async def test_a_backfill_that_was_killed_stores_nothing_twice_when_run_again(home: Path) -> None:
    contents = [f"Entry {number} of the old diary." for number in range(450)]
    with Victim(
        home, [("", text) for text in contents], call="many", settings={"synthesis": False}
    ) as victim:
        assert victim.hear() == {"done": 200, "total": 450}
        victim.kill()
    chat = UserMessages(
        app_id=APP, user_id=USER, messages=[Message(role="user", content=text) for text in contents]
    )
    async with OmniMemorySDK(synthesis=False) as sdk:
        kept = len(await turns(sdk))
        assert kept >= 200
        report = await sdk.add_many([chat])
        assert report["stored"] == 450 - kept
        assert texts(await turns(sdk)) == contents
        assert (await sdk.add_many([chat]))["stored"] == 0
