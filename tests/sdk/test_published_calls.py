"""Every call that the published README shows works with no environment at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omnimemory import AgentMemorySDK, OmniMemorySDK
from omnimemory.core.schemas import AgentMemoryRequest, ConversationSummaryRequest, Message, UserMessages
from omnimemory.sdk import OmniMemorySDK as FromSDKModule

from .conversations import APP, USER, remembered, said

LIVES_IN_OSLO = "I live in Oslo."
MOVED_TO_LISBON = "I moved from Oslo to Lisbon last week."


def test_both_published_imports_name_the_same_class() -> None:
    assert FromSDKModule is OmniMemorySDK


async def test_the_quick_start() -> None:
    sdk = OmniMemorySDK()
    assert await sdk.warm_up()
    response = await sdk.add_memory(
        UserMessages(
            app_id="my-app",
            user_id="user-123",
            session_id="session-123",
            messages=[
                Message(role="user", content="I'm building a Python web scraper."),
                Message(role="assistant", content="I can help with libraries like BeautifulSoup."),
            ]
            * 5,
        )
    )
    task = await sdk.wait_for_task(response["task_id"], "my-app", timeout=30)
    assert task["status"] == "done"
    results = await sdk.query_memory(
        app_id="my-app",
        user_id="user-123",
        session_id="session-123",
        n_results=1,
        query="What is the user working on?",
    )
    assert "web scraper" in results[0]["memory_note"]
    await sdk.close()


async def test_the_quick_start_with_its_literal_threshold_is_a_list(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said("I'm building a Python web scraper.", session_id="session-123"))
    results = await sdk.query_memory(
        app_id="my-app",
        user_id="user-123",
        session_id="session-123",
        n_results=1,
        similarity_threshold=0.7,
        query="What is the user working on?",
    )
    assert all(result["similarity_score"] >= 0.7 for result in results)


async def test_without_a_home_the_platforms_data_folder_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("OMNIMEMORY_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    async with OmniMemorySDK() as sdk:
        await sdk.add_memory(said("I prefer dark mode"))
        assert Path((await sdk.describe()).home).is_relative_to(tmp_path / "data")


async def test_add_memory_answers_with_a_task_at_once(sdk: OmniMemorySDK) -> None:
    response = await sdk.add_memory(
        UserMessages(
            app_id="my-app-id-1234",
            user_id="user-123456",
            session_id="session-789",
            messages=[
                Message(role="user", content="I prefer dark mode"),
                Message(role="assistant", content="Noted, I'll remember that"),
            ],
        )
    )
    assert response["status"] == "accepted"
    assert (response["app_id"], response["user_id"]) == ("my-app-id-1234", "user-123456")
    assert (await sdk.get_task(response["task_id"], "my-app-id-1234"))["task_id"] == response["task_id"]


async def test_the_same_message_object_may_be_handed_in_many_times(sdk: OmniMemorySDK) -> None:
    message = Message(role="user", content="yes")
    await sdk.add_memory(said(*[message] * 5), infer=False)
    assert len(await sdk.list_memories(APP)) == 5


async def test_long_conversations_become_one_note_for_each_window(sdk: OmniMemorySDK) -> None:
    facts = [f"My plant number {n} is a {name}." for n, name in enumerate(["fern", "cactus", "ficus"] * 8)]
    task = await remembered(sdk, said(*facts))
    assert (task.status, task.progress) == ("done", 3)


async def test_agent_memory_takes_free_text(sdk: OmniMemorySDK) -> None:
    response = await sdk.add_agent_memory(
        AgentMemoryRequest(
            app_id="my-app-id-1234",
            user_id="user-123456",
            messages="User completed premium signup and selected annual plan",
        )
    )
    assert response["status"] == "accepted"
    await sdk.wait_for_task(response["task_id"], "my-app-id-1234", timeout=30)
    found = await sdk.recall("my-app-id-1234", "which plan was selected?", kinds=["note"])
    assert "annual plan" in found[0].document


async def test_agent_memory_takes_messages_as_dicts(sdk: OmniMemorySDK) -> None:
    request = AgentMemoryRequest(
        app_id="my-app-id-1234",
        user_id="user-123456",
        messages=[
            {"role": "user", "content": "What's my email?"},
            {"role": "assistant", "content": "It's user@example.com"},
        ],
    )
    response = await sdk.add_agent_memory(request)
    await sdk.wait_for_task(response["task_id"], "my-app-id-1234", timeout=30)
    results = await sdk.query_memory("my-app-id-1234", "email address", user_id="user-123456")
    assert any("user@example.com" in result["document"] for result in results)


async def test_query_memory_with_every_published_parameter(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said("I like green tea.", "I like long walks.", session_id="session-789"))
    results = await sdk.query_memory(
        app_id=APP,
        query="What does the user like?",
        user_id=USER,
        session_id="session-789",
        n_results=10,
        similarity_threshold=0.01,
    )
    assert results
    for memory in results:
        assert memory["document"] == memory["memory_note"]
        assert memory["composite_score"] >= 0
    assert json.loads(json.dumps(dict(results[0])))["memory_id"] == results[0].memory_id


async def test_get_memory_gives_a_memory_or_none(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said("I like green tea."), infer=False)
    known = (await sdk.list_memories(APP))[0].id
    memory = await sdk.get_memory(memory_id=known, app_id=APP)
    assert memory
    assert memory["document"] == "I like green tea."
    assert await sdk.get_memory(memory_id="uuid-1234-5678", app_id="my-app-id-1234") is None


async def test_delete_memory_tells_whether_it_did(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said("I like green tea."), infer=False)
    known = (await sdk.list_memories(APP))[0].id
    assert await sdk.delete_memory(app_id=APP, doc_id=known) is True
    assert await sdk.delete_memory(app_id=APP, doc_id=known) is False
    assert await sdk.delete_memory(app_id="my-app-id-1234", doc_id="uuid-1234-5678") is False
    assert await sdk.query_memory(APP, "tea") == []
    tombstone = await sdk.get_memory(known, APP)
    assert tombstone is not None
    assert tombstone["metadata"]["status"] == "deleted"


@pytest.mark.parametrize(
    "messages",
    [
        "The user asked about the trip to Oslo. The assistant booked a train for Friday.",
        [
            {"role": "user", "content": "Book me a train to Oslo on Friday, please."},
            {"role": "assistant", "content": "Your train to Oslo on Friday is booked."},
        ],
    ],
)
async def test_a_summary_comes_at_once_without_a_callback(sdk: OmniMemorySDK, messages: object) -> None:
    request = ConversationSummaryRequest(app_id=APP, user_id=USER, messages=messages)
    summary = await sdk.summarize_conversation(request)
    assert "Oslo" in summary["content"]
    assert summary["delivery"] == "sync"
    assert not await sdk.list_memories(APP)


async def test_the_batcher_flushes_at_ten_messages(sdk: OmniMemorySDK) -> None:
    responses = [
        await sdk.memory_batcher_add_message(
            app_id="my-app-id-1234", user_id="user-123456", role="user", content=f"I like dish number {n}."
        )
        for n in range(10)
    ]
    assert [r["status"] for r in responses] == ["pending"] * 9 + ["flushed"]
    assert responses[3]["pending_messages"] == 4
    task = await sdk.wait_for_task(responses[9]["task_id"], "my-app-id-1234", timeout=30)
    assert task["status"] == "done"


async def test_the_batcher_counts_each_session_by_itself(sdk: OmniMemorySDK) -> None:
    for session in ("a", "b", None):
        for _ in range(9):
            response = await sdk.memory_batcher_add_message(APP, USER, "user", "hello", session_id=session)
        assert (response["status"], response["pending_messages"]) == ("pending", 9)


async def test_flush_synthesises_what_waits(sdk: OmniMemorySDK) -> None:
    await sdk.memory_batcher_add_message(APP, USER, "user", LIVES_IN_OSLO)
    (task_id,) = await sdk.flush()
    assert (await sdk.get_task(task_id, APP))["status"] == "done"
    assert (await sdk.recall(APP, "Oslo", kinds=["note"]))[0].document


async def test_a_chain_reads_as_published(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said(LIVES_IN_OSLO))
    original = (await sdk.list_memories(APP, kinds=["note"]))[0].id
    await remembered(sdk, said(MOVED_TO_LISBON))
    chain = await sdk.traverse_memory_evolution_chain(app_id=APP, memory_id=original)
    lines = [f"{memory['metadata']['status']} - {memory['document'][:50]}" for memory in chain]
    assert len(lines) >= 2
    assert chain[0].id == original
    assert chain[0]["metadata"]["status"] != "active"
    assert chain[-1]["metadata"]["status"] == "active"
    assert "Lisbon" in chain[-1]["document"]


async def test_a_chain_of_an_unknown_memory_is_empty(sdk: OmniMemorySDK) -> None:
    assert await sdk.traverse_memory_evolution_chain(app_id=APP, memory_id="original-uuid-1234") == []


@pytest.mark.parametrize(
    ("format", "opening"), [("mermaid", "flowchart"), ("dot", "digraph"), ("html", "<!")]
)
async def test_graphs_in_every_published_format(
    sdk: OmniMemorySDK, tmp_path: Path, format: str, opening: str
) -> None:
    await sdk.add_memory(said("I like green tea."), infer=False)
    first = (await sdk.list_memories(APP))[0].id
    await sdk.update_memory(first, APP, text="I like black tea.")
    chain = await sdk.traverse_memory_evolution_chain(APP, first)
    graph = sdk.generate_evolution_graph(chain, format=format)
    assert graph.lower().lstrip().startswith(opening)
    assert "black tea" in graph
    as_dicts = [dict(memory) for memory in chain]
    assert sdk.generate_evolution_graph(json.loads(json.dumps(as_dicts)), format=format) == graph


@pytest.mark.parametrize("format", ["markdown", "text", "json"])
async def test_reports_in_every_published_format(sdk: OmniMemorySDK, format: str) -> None:
    await sdk.add_memory(said("I like green tea."), infer=False)
    first = (await sdk.list_memories(APP))[0].id
    await sdk.update_memory(first, APP, text="I like black tea.")
    chain = await sdk.traverse_memory_evolution_chain(APP, first)
    report = sdk.generate_evolution_report(chain, format=format)
    assert "black tea" in report
    if format == "json":
        assert json.loads(report)


async def test_pool_stats_have_the_published_keys(sdk: OmniMemorySDK) -> None:
    stats = await sdk.get_connection_pool_stats()
    assert stats["active_handlers"] + stats["available_handlers"] == stats["max_connections"]


async def test_the_agent_sdk_answers_from_memories(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said("I prefer window seats on trains."))
    async with AgentMemorySDK() as agent_sdk:
        response = await agent_sdk.answer_query(
            app_id=APP,
            query="Which seats does the user prefer?",
            user_id=USER,
            n_results=5,
        )
    assert "window seats" in response["answer"]
    assert len(response["memories"]) >= 1


async def test_the_agent_sdk_says_so_when_it_does_not_know() -> None:
    async with AgentMemorySDK() as agent_sdk:
        response = await agent_sdk.answer_query(app_id="my-app-id-1234", query="What does the user prefer?")
    assert response["answer"].strip()
    assert response["memories"] == []


async def test_warm_up_is_false_when_a_part_does_not_work(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is no database at all, but long enough to look like one" * 20)
    sdk = OmniMemorySDK(home=tmp_path)
    assert await sdk.warm_up() is False
    await sdk.close()
