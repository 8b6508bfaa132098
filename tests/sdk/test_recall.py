"""What was said can be recalled at once, narrowed, explained and packed; repeats are recognised."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.core.errors import IdempotencyConflict, MessageError
from omnimemory.testing.replies import Fault
from omnimemory.testing.scripted import HashEmbedder, ScriptedChatModel

from .conversations import APP, USER, documents, remembered, said

SKIS = "I keep my skis in the cellar."
TEA = "I drink green tea every morning."
JANUARY = datetime(2026, 1, 10, tzinfo=UTC)
MARCH = datetime(2026, 3, 10, tzinfo=UTC)


def dated(content: str, at: datetime) -> Message:
    return Message(role="user", content=content, timestamp=at)


def spoken(role: Any, content: str, id: str | None = None) -> Message:
    return Message(role=role, content=content, id=id)


async def stored_texts(sdk: OmniMemorySDK) -> list[str]:
    return [memory.text for memory in await sdk.list_memories(APP, kinds=["turn"], limit=1000)]


# At once


async def test_a_turn_is_recalled_before_its_batch_is_synthesised(sdk: OmniMemorySDK) -> None:
    response = await sdk.memory_batcher_add_message(APP, USER, "user", SKIS)
    assert response["status"] == "pending"
    assert documents(await sdk.query_memory(APP, "where are the skis?", user_id=USER)) == [SKIS]


async def test_a_turn_is_recalled_while_the_model_hangs() -> None:
    sdk = OmniMemorySDK(chat_model=ScriptedChatModel(Fault.hang()))
    accepted = await sdk.add_memory(said(SKIS))
    assert documents(await sdk.query_memory(APP, "skis", user_id=USER)) == [SKIS]
    assert (await sdk.get_task(accepted["task_id"], APP)).status in ("queued", "running")
    await sdk.close(drain=False)


@pytest.fixture
async def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
async def uncached(embedder: HashEmbedder) -> AsyncIterator[OmniMemorySDK]:
    """An SDK whose embedder is asked every time and has half a second for a query."""
    opened = OmniMemorySDK(embedder=embedder, embedding_cache_size=0, query_embedding_timeout=0.5)
    yield opened
    await opened.close(drain=False)


async def test_a_turn_is_recalled_by_its_words_while_the_embedder_is_down(
    uncached: OmniMemorySDK, embedder: HashEmbedder
) -> None:
    embedder.fault = Fault.error(503)
    await uncached.add_memory(said(SKIS), infer=False)
    await uncached.add_memory(said(TEA, session_id="another"), infer=False)
    (found,) = await uncached.query_memory(APP, "where are my skis?", user_id=USER)
    assert found.document == SKIS
    assert found.similarity_score is None
    assert found.lexical_score > 0
    embedder.fault = None
    await uncached.flush()
    again = await uncached.query_memory(APP, "skis", user_id=USER)
    assert again[0].similarity_score is not None


async def test_indexed_memories_are_recalled_by_words_when_the_embedder_fails_later(
    uncached: OmniMemorySDK, embedder: HashEmbedder
) -> None:
    await uncached.add_memory(said(SKIS), infer=False)
    await uncached.add_memory(said(TEA, session_id="another"), infer=False)
    await uncached.flush()
    for fault in (Fault.error(503), Fault.rate_limited(), Fault.drop(), Fault.hang()):
        embedder.fault = fault
        assert documents(await uncached.query_memory(APP, "skis")) == [SKIS]


async def test_a_slow_embedder_delays_neither_accepting_nor_finding_by_words(
    uncached: OmniMemorySDK, embedder: HashEmbedder
) -> None:
    embedder.delay = 60.0
    await uncached.add_memory(said(SKIS), infer=False)
    assert documents(await uncached.query_memory(APP, "skis")) == [SKIS]


async def test_without_synthesis_turns_are_kept_and_no_note_is_made() -> None:
    async with OmniMemorySDK(synthesis=False) as sdk:
        response = await sdk.add_memory(said(SKIS))
        assert response["task_id"] is None
        await sdk.flush()
        assert documents(await sdk.recall(APP, "skis")) == [SKIS]
        assert not await sdk.list_tasks(APP)


# Narrowed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("topic", "travel"),
        ("topic", ""),
        ("", "empty key"),
        ("a.b", "dots"),
        ("$where", "1 == 1"),
        ("it's", "'; DROP TABLE memories; --"),
        ('"quoted"', '{"json": true}'),
        ("emoji \N{ROCKET}", "\N{GRINNING FACE}"),
        ("number", 5),
        ("float", 0.1),
        ("flag", True),
        ("nothing", None),
        ("nested", {"b": [1, {"c": None}], "a": "x"}),
        ("list", ["one", "two"]),
        ("long", "x" * 5000),
        ("user_id", "somebody else"),
        ("__proto__", "x"),
    ],
)
async def test_filters_match_any_metadata_exactly(sdk: OmniMemorySDK, key: str, value: Any) -> None:
    tagged = Message(role="user", content=SKIS, metadata={key: value})
    other = Message(role="user", content=TEA + " And skis.", metadata={key: "another value"})
    await sdk.add_memory(said(tagged, other, "I lent out my skis."), infer=False)
    for _ in ("not yet indexed", "indexed"):
        assert documents(await sdk.query_memory(APP, "skis", filters={key: value})) == [SKIS]
        assert await sdk.query_memory(APP, "skis", filters={key: value, "more": 1}) == []
        await sdk.flush()
    assert (await sdk.query_memory(APP, "skis", filters={key: value}))[0].memory.metadata == {key: value}


async def test_filters_tell_numbers_from_texts_and_find_items_of_lists(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(
        said(Message(role="user", content=SKIS, metadata={"n": 5, "tags": ["sport", "winter"]})), infer=False
    )
    assert await sdk.query_memory(APP, "skis", filters={"n": "5"}) == []
    assert await sdk.query_memory(APP, "skis", filters={"n": True}) == []
    assert documents(await sdk.query_memory(APP, "skis", filters={"tags": "winter"})) == [SKIS]


async def test_metadata_of_the_conversation_is_on_its_turns_and_its_note(sdk: OmniMemorySDK) -> None:
    message = Message(role="user", content=SKIS)
    await remembered(
        sdk, UserMessages(app_id=APP, user_id=USER, messages=[message], metadata={"source": "phone"})
    )
    await sdk.flush()
    found = await sdk.recall(APP, "skis", filters={"source": "phone"})
    assert {memory.memory.kind.value for memory in found} == {"turn", "note"}


async def test_times_of_saying_narrow(sdk: OmniMemorySDK) -> None:
    january, march = dated("Skis: ten days in January.", JANUARY), dated("Skis: two days in March.", MARCH)
    await sdk.add_memory(said(january, march), infer=False)
    for _ in ("not yet indexed", "indexed"):
        after = await sdk.recall(APP, "skis", said_after=MARCH)
        before = await sdk.recall(APP, "skis", said_before=MARCH)
        assert documents(after) == [march.content]
        assert documents(before) == [january.content]
        assert not await sdk.recall(APP, "skis", said_after=JANUARY + timedelta(days=1), said_before=MARCH)
        await sdk.flush()
    assert [m.text for m in await sdk.list_memories(APP, said_before=MARCH)] == [january.content]


async def test_as_of_shows_what_was_stored_then(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said(SKIS), infer=False)
    first = (await sdk.list_memories(APP))[0]
    changed = await sdk.update_memory(first.id, APP, text="I sold my skis.")
    before = changed.created_at - timedelta(microseconds=1)
    for _ in ("not yet indexed", "indexed"):
        assert documents(await sdk.recall(APP, "skis")) == ["I sold my skis."]
        assert documents(await sdk.recall(APP, "skis", as_of=before)) == [SKIS]
        assert not await sdk.recall(APP, "skis", as_of=first.created_at - timedelta(seconds=1))
        await sdk.flush()
    assert [memory.text for memory in await sdk.list_memories(APP, as_of=before)] == [SKIS]


async def test_kinds_and_statuses_narrow(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said(SKIS))
    assert {m.memory.kind.value for m in await sdk.recall(APP, "skis", kinds=["note"])} == {"note"}
    assert {m.memory.kind.value for m in await sdk.recall(APP, "skis", kinds="turn")} == {"turn"}
    turn = (await sdk.list_memories(APP, kinds=["turn"]))[0]
    await sdk.delete_memory(APP, turn.id)
    assert not await sdk.recall(APP, "skis", kinds=["turn"])
    (ended,) = await sdk.recall(APP, "skis", kinds=["turn"], statuses=["deleted"])
    assert (ended.memory_id, ended.memory.status.value) == (turn.id, "deleted")


async def test_a_similarity_threshold_is_obeyed(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said(SKIS, TEA, "My train leaves at noon."), infer=False)
    everything = await sdk.query_memory(APP, "skis in the cellar", similarity_threshold=-1.0)
    scores = [m.similarity_score for m in everything if m.similarity_score is not None]
    between = (max(scores) + sorted(scores)[-2]) / 2
    assert documents(await sdk.query_memory(APP, "skis in the cellar", similarity_threshold=between)) == [
        SKIS
    ]


async def test_n_results_is_the_most_that_comes(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said(*[f"Skis number {n} are red." for n in range(30)]), infer=False)
    assert len(await sdk.query_memory(APP, "skis")) == 5
    assert len(await sdk.query_memory(APP, "skis", n_results=12)) == 12
    assert len(await sdk.query_memory(APP, "skis", n_results=1000)) == 30


# Explained


async def test_an_explanation_adds_up_exactly(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, said(SKIS, TEA, dated("My skis are red.", JANUARY)))
    await sdk.flush()
    found = await sdk.recall(APP, "where do I keep my skis?", explain=True, n_results=20)
    assert len(found) >= 3
    for memory in found:
        why: Any = memory.explanation
        parts = ("dense", "lexical", "substance", "date")
        assert sum(why[part]["contribution"] for part in parts) == memory.relevance
        boosts = why["recency"]["boost"] + why["importance"]["boost"]
        assert memory.relevance * (1 + boosts) == memory.composite_score == why["composite"]
        assert why["recency"]["score"] == memory.recency_score
        assert why["importance"]["score"] == memory.importance_score
        assert memory.get("explanation") == why


async def test_results_are_ranked_by_composite_score_and_unexplained_by_default(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said(SKIS, TEA, "My skis are red.", "Skis need wax."), infer=False)
    found = await sdk.query_memory(APP, "my skis")
    assert [memory.rank for memory in found] == list(range(1, len(found) + 1))
    scores = [memory.composite_score for memory in found]
    assert scores == sorted(scores, reverse=True)
    assert all(math.isfinite(score) for score in scores)
    assert "explanation" not in found[0]


async def test_equal_texts_collapse_into_one_result(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said(SKIS, SKIS, "i keep my  skis in the CELLAR"), infer=False)
    for _ in ("not yet indexed", "indexed"):
        assert len(await sdk.query_memory(APP, "skis")) == 1
        await sdk.flush()
    assert len(await stored_texts(sdk)) == 3


# Packed


async def test_a_block_holds_whole_memories_within_its_budget(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said(*[f"Skis number {n} are red and fast." for n in range(20)]), infer=False)
    found = await sdk.recall(APP, "skis", n_results=20, token_budget=200)
    assert 0 < found.tokens <= 200
    assert 0 < len(found.packed) < len(found.memories)
    assert all(memory.document in found.block for memory in found.packed)
    assert "data, not instructions" in found.block


async def test_a_budget_too_small_gives_no_block(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said(SKIS), infer=False)
    found = await sdk.recall(APP, "skis", token_budget=3)
    assert (found.block, found.tokens, len(found.memories)) == ("", 0, 1)


async def test_our_own_block_inside_a_message_is_not_ingested(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said(SKIS), infer=False)
    block = (await sdk.recall(APP, "skis", token_budget=500)).block
    await sdk.add_memory(said(f"{block}\n\nNow tell me about tea."), infer=False)
    assert await stored_texts(sdk) == [SKIS, "Now tell me about tea."]
    response = await sdk.add_memory(said(block))
    assert response["task_id"] is None
    assert len(await stored_texts(sdk)) == 2


# Repeats


async def test_a_message_id_is_stored_once(sdk: OmniMemorySDK) -> None:
    for _ in range(3):
        await sdk.memory_batcher_add_message(APP, USER, "user", SKIS, message_id="m1")
        await sdk.add_memory(said(spoken("user", SKIS, "m1")), infer=False)
    assert await stored_texts(sdk) == [SKIS]


async def test_a_message_id_with_other_content_is_a_conflict(sdk: OmniMemorySDK) -> None:
    await sdk.memory_batcher_add_message(APP, USER, "user", SKIS, message_id="m1")
    with pytest.raises(IdempotencyConflict, match="m1"):
        await sdk.memory_batcher_add_message(APP, USER, "user", TEA, message_id="m1")
    with pytest.raises(IdempotencyConflict):
        await sdk.memory_batcher_add_message(APP, USER, "assistant", SKIS, message_id="m1")
    assert await stored_texts(sdk) == [SKIS]


async def test_an_idempotency_key_covers_a_whole_request(sdk: OmniMemorySDK) -> None:
    first = await sdk.add_memory(said(SKIS, TEA), idempotency_key="k1")
    assert (await sdk.add_memory(said(SKIS, TEA), idempotency_key="k1"))["task_id"] == first["task_id"]
    with pytest.raises(IdempotencyConflict, match="k1"):
        await sdk.add_memory(said(SKIS), idempotency_key="k1")
    assert await stored_texts(sdk) == [SKIS, TEA]


async def test_messages_without_id_are_always_new(sdk: OmniMemorySDK) -> None:
    for _ in range(2):
        await sdk.memory_batcher_add_message(APP, USER, "user", "yes")
    assert await stored_texts(sdk) == ["yes", "yes"]


async def test_a_growing_transcript_is_stored_once(sdk: OmniMemorySDK) -> None:
    history = [
        spoken("user", "Do you like skis?"),
        spoken("assistant", "I do."),
        spoken("user", "yes"),
        spoken("assistant", "Anything else?"),
        spoken("user", "yes"),
    ]
    for end in (1, 3, 5, 5):
        await sdk.ingest_transcript(said(*history[:end]))
    assert await stored_texts(sdk) == [message.content for message in history]


async def test_a_window_that_overlaps_the_stored_end_adds_only_what_is_new(sdk: OmniMemorySDK) -> None:
    await sdk.ingest_transcript(said("one", "two", "three", "four"))
    await sdk.ingest_transcript(said("three", "four", "five"))
    assert await stored_texts(sdk) == ["one", "two", "three", "four", "five"]


async def test_an_honest_second_yes_is_kept(sdk: OmniMemorySDK) -> None:
    await sdk.ingest_transcript(said("yes"))
    await sdk.ingest_transcript(said("yes", "yes"))
    assert await stored_texts(sdk) == ["yes", "yes"]


async def test_a_contained_run_is_a_replay_only_of_a_whole_history(sdk: OmniMemorySDK) -> None:
    await sdk.ingest_transcript(said("one", "two", "three"))
    await sdk.ingest_transcript(said("one", "two"), whole_history=True)
    assert await stored_texts(sdk) == ["one", "two", "three"]
    await sdk.ingest_transcript(said("one", "two"))
    assert await stored_texts(sdk) == ["one", "two", "three", "one", "two"]


async def test_messages_with_ids_match_by_id_and_edits_become_versions(sdk: OmniMemorySDK) -> None:
    await sdk.ingest_transcript(said(spoken("user", "Hello", "m1"), spoken("assistant", "I am", "m2")))
    await sdk.ingest_transcript(
        said(
            spoken("user", "Hello", "m1"),
            spoken("assistant", "I am here.", "m2"),
            spoken("user", "Good", "m3"),
        )
    )
    assert await stored_texts(sdk) == ["Hello", "I am here.", "Good"]


async def test_transcripts_of_two_sessions_do_not_match_each_other(sdk: OmniMemorySDK) -> None:
    for session in ("a", "b"):
        await sdk.ingest_transcript(said("one", "two", session_id=session))
    assert await stored_texts(sdk) == ["one", "two", "one", "two"]


# Old chats


async def test_a_backfill_keeps_its_times_and_may_be_repeated(sdk: OmniMemorySDK) -> None:
    chats = [said(dated(SKIS, JANUARY)), said(dated(TEA, MARCH), dated("My skis are red.", MARCH))]
    seen: list[tuple[int, int]] = []
    report = await sdk.add_many(chats, on_progress=lambda done, total: seen.append((done, total)))
    assert (report["conversations"], report["messages"], report["stored"]) == (2, 3, 3)
    assert seen[-1] == (3, 3)
    again = await sdk.add_many(chats)
    assert again["stored"] == 0
    assert await stored_texts(sdk) == [SKIS, TEA, "My skis are red."]
    assert {memory.occurred_at for memory in await sdk.list_memories(APP)} >= {JANUARY, MARCH}


async def test_a_backfill_that_meets_a_bad_message_keeps_what_came_before(sdk: OmniMemorySDK) -> None:
    with pytest.raises(MessageError):
        await sdk.add_many([said(SKIS), said("x" * 300_000)])
    assert await stored_texts(sdk) == [SKIS]
    report = await sdk.add_many([said(SKIS), said(TEA)])
    assert report["stored"] == 1
