"""The SDK gets out of the way: any loop, any thread, shared or alone."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from omnimemory import OmniMemorySDK, SyncOmniMemorySDK
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import ConversationSummaryRequest
from omnimemory.models.base import Completion, Prompt
from omnimemory.testing.scripted import ScriptedChatModel

from .conversations import APP, USER, documents, remembered, said

SKIS = "I keep my skis in the cellar."
TEA = "I drink green tea every morning."


# Loops


def test_several_asyncio_runs_in_a_row_use_one_sdk() -> None:
    sdk = OmniMemorySDK()
    assert asyncio.run(sdk.warm_up())
    asyncio.run(sdk.add_memory(said(SKIS)))
    asyncio.run(sdk.flush())
    found = asyncio.run(sdk.query_memory(APP, "skis", user_id=USER))
    assert any("skis" in document for document in documents(found))
    asyncio.run(sdk.close())


def test_background_work_goes_on_after_the_callers_loop_ended() -> None:
    sdk = OmniMemorySDK()
    task_id = asyncio.run(sdk.add_memory(said(SKIS)))["task_id"]
    task = asyncio.run(sdk.wait_for_task(task_id, APP, timeout=30))
    assert task.status == "done"
    asyncio.run(sdk.close())


def test_a_notebooks_loop_that_runs_again_and_again_is_fine() -> None:
    loop = asyncio.new_event_loop()
    try:
        sdk = OmniMemorySDK()
        loop.run_until_complete(sdk.add_memory(said(SKIS), infer=False))
        pending = loop.create_task(sdk.query_memory(APP, "skis"))
        loop.run_until_complete(sdk.list_memories(APP))
        assert documents(loop.run_until_complete(pending)) == [SKIS]
        loop.run_until_complete(sdk.close())
    finally:
        loop.close()


async def test_many_calls_at_once_from_one_loop(sdk: OmniMemorySDK) -> None:
    await asyncio.gather(*[sdk.add_memory(said(f"Skis number {n}."), infer=False) for n in range(50)])
    found = await asyncio.gather(*[sdk.query_memory(APP, f"number {n}", n_results=50) for n in range(50)])
    assert all(any(m.document == f"Skis number {n}." for m in found[n]) for n in range(50))


async def test_a_cancelled_call_leaves_the_sdk_usable(sdk: OmniMemorySDK) -> None:
    for _ in range(5):
        call = asyncio.create_task(sdk.query_memory(APP, "skis"))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    await sdk.add_memory(said(SKIS), infer=False)
    assert documents(await sdk.query_memory(APP, "skis")) == [SKIS]


# Blocking


def test_the_blocking_sdk_has_the_same_methods() -> None:
    public = {name for name in dir(OmniMemorySDK) if not name.startswith("_")}
    inner = {"run", "run_blocking", "close_blocking"}
    assert public - inner <= {name for name in dir(SyncOmniMemorySDK) if not name.startswith("_")}


def test_the_blocking_sdk_without_any_loop() -> None:
    with SyncOmniMemorySDK() as sdk:
        assert sdk.warm_up()
        task_id = sdk.add_memory(said(SKIS))["task_id"]
        assert sdk.wait_for_task(task_id, APP, timeout=30).status == "done"
        assert "skis" in sdk.query_memory(app_id=APP, query="where are the skis?")[0]["document"]
        assert sdk.get_connection_pool_stats()["max_connections"] > 0


async def test_the_blocking_sdk_on_a_running_loops_own_thread() -> None:
    with SyncOmniMemorySDK() as sdk:
        sdk.add_memory(said(SKIS), infer=False)
        assert documents(sdk.query_memory(APP, "skis")) == [SKIS]


async def test_the_blocking_sdk_in_a_thread_beside_a_running_loop() -> None:
    def work() -> list[str]:
        with SyncOmniMemorySDK() as sdk:
            sdk.add_memory(said(SKIS), infer=False)
            return documents(sdk.query_memory(APP, "skis"))

    assert await asyncio.to_thread(work) == [SKIS]


async def test_a_blocking_call_on_the_engines_own_loop_is_refused_not_hung(sdk: OmniMemorySDK) -> None:
    async def inside(_engine: object) -> None:
        SyncOmniMemorySDK(sdk).list_memories(APP)

    with pytest.raises(InvalidRequest, match="OmniMemorySDK"):
        await sdk.run(inside)


def test_sixteen_threads_add_and_query() -> None:
    with SyncOmniMemorySDK(synthesis=False) as sdk:

        def work(number: int) -> list[str]:
            for part in range(5):
                sdk.add_memory(said(f"Skis number {number}, part {part}.", user_id=f"user-{number}"))
            return documents(sdk.query_memory(APP, "skis", user_id=f"user-{number}", n_results=50))

        with ThreadPoolExecutor(16) as threads:
            found = list(threads.map(work, range(16)))
    for number, own in enumerate(found):
        assert sorted(own) == [f"Skis number {number}, part {part}." for part in range(5)]


# Sharing and closing


async def test_facades_with_equal_settings_share_an_engine_and_close_apart() -> None:
    first, second = OmniMemorySDK(), OmniMemorySDK()
    await first.add_memory(said(SKIS), infer=False)
    assert documents(await second.query_memory(APP, "skis")) == [SKIS]
    await first.close()
    assert documents(await second.query_memory(APP, "skis")) == [SKIS]
    await second.close()
    async with OmniMemorySDK() as third:
        assert documents(await third.query_memory(APP, "skis")) == [SKIS]


async def test_use_after_close_is_refused_and_closing_twice_does_nothing() -> None:
    sdk = OmniMemorySDK()
    await sdk.add_memory(said(SKIS), infer=False)
    await sdk.close()
    await sdk.close()
    for call in (sdk.list_memories(APP), sdk.add_memory(said(TEA)), sdk.get_connection_pool_stats()):
        with pytest.raises(InvalidRequest, match="closed"):
            await call
    assert await sdk.warm_up() is False
    blocking = SyncOmniMemorySDK()
    blocking.close()
    with pytest.raises(InvalidRequest, match="closed"):
        blocking.list_memories(APP)


def test_making_and_closing_an_sdk_without_using_it_opens_nothing(home: Path) -> None:
    sdk = SyncOmniMemorySDK()
    assert not home.exists()
    sdk.close()
    assert not home.exists()


async def test_close_lets_queued_work_finish() -> None:
    sdk = OmniMemorySDK()
    task_id = (await sdk.add_memory(said(SKIS)))["task_id"]
    await sdk.memory_batcher_add_message(APP, USER, "user", TEA)
    await sdk.close()
    async with OmniMemorySDK() as again:
        assert (await again.get_task(task_id, APP)).status == "done"
        notes = await again.list_memories(APP, kinds=["note"])
        assert {"skis", "tea"} <= {
            word for note in notes for word in note.text.lower().replace(".", "").split()
        }


async def test_a_call_under_way_when_another_thread_closes_ends_in_time() -> None:
    model = ListeningModel(delay=30)
    sdk = OmniMemorySDK(chat_model=model)
    request = ConversationSummaryRequest(app_id=APP, user_id=USER, messages=SKIS)
    call = asyncio.create_task(sdk.summarize_conversation(request))
    async with asyncio.timeout(20):
        assert await asyncio.to_thread(model.asked.wait, 20)
        await sdk.close(drain=False)
        with pytest.raises(InvalidRequest, match="closed while"):
            await call


def test_a_blocking_call_under_way_when_the_sdk_closes_ends_with_a_clear_error() -> None:
    model = ListeningModel(delay=30)
    sdk = SyncOmniMemorySDK(chat_model=model)
    request = ConversationSummaryRequest(app_id=APP, user_id=USER, messages=SKIS)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(sdk.summarize_conversation, request)
        assert model.asked.wait(20)
        sdk.close(drain=False)
        with pytest.raises(InvalidRequest, match="closed while"):
            call.result(timeout=20)


# Context


caller = contextvars.ContextVar("caller", default="nobody")


class ListeningModel(ScriptedChatModel):
    """Notes who calls, and on which loop; ``asked`` is set at the first call."""

    def __init__(self, *, delay: float = 0.0) -> None:
        super().__init__(delay=delay)
        self.asked = threading.Event()
        self.heard: list[str] = []
        self.loops: set[asyncio.AbstractEventLoop] = set()

    async def complete(
        self, prompt: Prompt, *, json_schema: dict[str, Any] | None = None, max_tokens: int | None = None
    ) -> Completion:
        self.heard.append(caller.get())
        self.loops.add(asyncio.get_running_loop())
        self.asked.set()
        return await super().complete(prompt, json_schema=json_schema, max_tokens=max_tokens)


async def test_context_variables_and_the_callers_loop_reach_a_users_model() -> None:
    model = ListeningModel()
    caller.set("ann")
    async with OmniMemorySDK(chat_model=model) as sdk:
        request = ConversationSummaryRequest(app_id=APP, user_id=USER, messages=SKIS)
        await sdk.summarize_conversation(request)
        await remembered(sdk, said(SKIS))
    assert model.heard[0] == "ann"
    assert model.loops == {asyncio.get_running_loop()}


async def test_the_blocking_sdk_calls_a_users_model_also_on_a_running_loops_thread() -> None:
    model = ListeningModel()
    with SyncOmniMemorySDK(chat_model=model) as sdk:
        sdk.summarize_conversation(ConversationSummaryRequest(app_id=APP, user_id=USER, messages=SKIS))
    assert asyncio.get_running_loop() not in model.loops


def test_context_variables_reach_a_users_model_through_the_blocking_sdk() -> None:
    model = ListeningModel()
    caller.set("bob")
    with SyncOmniMemorySDK(chat_model=model) as sdk:
        sdk.summarize_conversation(ConversationSummaryRequest(app_id=APP, user_id=USER, messages=SKIS))
    assert model.heard == ["bob"]


def test_no_thread_is_left_after_close() -> None:
    before = {thread.name for thread in threading.enumerate()}
    with SyncOmniMemorySDK() as sdk:
        sdk.add_memory(said(SKIS))
    left = {thread.name for thread in threading.enumerate()} - before
    assert not {name for name in left if name.startswith("omnimemory")}
