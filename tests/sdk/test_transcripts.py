"""A session's chat as the framework holds it: exact, in order, and no memory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from omnimemory import Message, OmniMemorySDK, SyncOmniMemorySDK
from omnimemory.core.errors import InvalidRequest, ScopeError

from .conversations import APP, USER, documents, said

CHAT: list[dict[str, Any]] = [
    {
        "type": "human",
        "id": None,
        "content": [{"type": "image_url", "url": "data:..."}, {"text": "Where is it?"}],
    },
    {
        "type": "ai",
        "id": "run-1",
        "content": "",
        "tool_calls": [{"id": "c1", "args": {"n": 1.5, "deep": [None]}}],
    },
    {"type": "tool", "tool_call_id": "c1", "content": "Lisbon 🇵🇹"},
]


async def test_a_transcript_survives_a_restart_exactly(home: Path) -> None:
    async with OmniMemorySDK() as sdk:
        await sdk.append_transcript(APP, USER, "s1", CHAT)
    async with OmniMemorySDK() as sdk:
        assert await sdk.get_transcript(APP, USER, "s1") == CHAT
        assert await sdk.get_transcript(APP, USER, "s1", last=1) == CHAT[-1:]


async def test_a_transcript_is_no_memory(sdk: OmniMemorySDK) -> None:
    await sdk.append_transcript(APP, USER, "s1", CHAT)
    assert len(await sdk.list_memories(APP)) == 0
    assert documents(await sdk.query_memory(APP, "Lisbon")) == []


async def test_another_user_session_or_app_has_a_transcript_of_its_own(sdk: OmniMemorySDK) -> None:
    places: list[tuple[str, str, str | None]] = [
        (APP, USER, "s1"),
        (APP, USER, "s2"),
        (APP, USER, None),
        (APP, "other", "s1"),
        ("other", USER, "s1"),
    ]
    for n, place in enumerate(places):
        await sdk.append_transcript(*place, [{"n": n}])
    for n, place in enumerate(places):
        assert await sdk.get_transcript(*place) == [{"n": n}]


async def test_clearing_a_transcript_forgets_no_memory(sdk: OmniMemorySDK) -> None:
    await sdk.ingest(said("I live in Oslo.", session_id="s1"), transcript=CHAT)
    assert await sdk.clear_transcript(APP, USER, "s1") == 3
    assert await sdk.get_transcript(APP, USER, "s1") == []
    assert documents(await sdk.query_memory(APP, "Oslo", user_id=USER)) == ["I live in Oslo."]


async def test_turns_and_transcript_are_one_commit(home: Path) -> None:
    async with OmniMemorySDK() as sdk:
        await sdk.ingest(said("I live in Oslo.", session_id="s1"), transcript=CHAT)
        await sdk.ingest(said(Message(role="user", content="I have a dog.", id="m1"), session_id="s1"))
        edited = said(Message(role="user", content="I have a cat.", id="m1"), session_id="s1")
        with pytest.raises(InvalidRequest):
            await sdk.ingest(said("Never stored.", session_id="s1"), transcript=[{"n": float("nan")}])
        await sdk.ingest_transcript(edited, transcript=[{"whole": "history"}])
        assert await sdk.get_transcript(APP, USER, "s1") == [{"whole": "history"}]
        stored = [memory.text for memory in await sdk.list_memories(APP, kinds=["turn"])]
        assert stored == ["I live in Oslo.", "I have a cat."]


async def test_concurrent_appends_keep_each_calls_entries_together(sdk: OmniMemorySDK) -> None:
    calls = [[{"call": call, "n": n} for n in range(4)] for call in range(25)]
    await asyncio.gather(*(sdk.append_transcript(APP, USER, None, call) for call in calls))
    entries = await sdk.get_transcript(APP, USER, None)
    runs = [entries[at : at + 4] for at in range(0, 100, 4)]
    assert sorted(runs, key=str) == sorted(calls, key=str)


async def test_the_blocking_twin_does_the_same() -> None:
    def work() -> list[dict[str, Any]]:
        with SyncOmniMemorySDK() as sdk:
            sdk.append_transcript(APP, USER, "s1", [{"n": 0}])
            sdk.replace_transcript(APP, USER, "s1", CHAT)
            return sdk.get_transcript(APP, USER, "s1", last=2)

    assert await asyncio.to_thread(work) == CHAT[1:]


@pytest.mark.parametrize(
    "entries", ["text", {"n": 1}, [1], ["text"], [{1: "a"}], [{"a": b"bytes"}], [{"a": {"b", "c"}}], 7]
)
async def test_what_is_no_list_of_json_objects_is_refused(sdk: OmniMemorySDK, entries: Any) -> None:
    for call in (sdk.append_transcript, sdk.replace_transcript):
        with pytest.raises(InvalidRequest, match="entries"):
            await call(APP, USER, "s1", entries)
    with pytest.raises(InvalidRequest, match="transcript"):
        await sdk.ingest(said("hello"), transcript=entries)
    assert await sdk.get_transcript(APP, USER, "s1") == []


async def test_a_transcript_needs_a_user(sdk: OmniMemorySDK) -> None:
    for user_id in (None, "", " "):
        with pytest.raises(ScopeError, match="user_id"):
            await sdk.append_transcript(APP, user_id, "s1", CHAT)  # type: ignore[arg-type]
    for last in (0, -1, True, "2"):
        with pytest.raises(InvalidRequest, match="last"):
            await sdk.get_transcript(APP, USER, "s1", last=last)  # type: ignore[arg-type]
