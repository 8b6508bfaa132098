"""What cannot be used is refused by a typed error that says what to change; nothing is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from omnimemory import Message, OmniMemorySDK, Scope, UserMessages
from omnimemory.core.errors import InvalidRequest, MessageError, NotFound, OmniMemoryError, ScopeError
from omnimemory.core.schemas import AgentMemoryRequest, ConversationSummaryRequest

from .conversations import APP, USER, documents, said

Call = Callable[[Any], Awaitable[object]]
"""A call with arguments of types that the signatures do not allow, hence the ``Any``."""

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  # that is the point
TEXT = "I like green tea."

UNUSABLE_IDS = {
    "empty": "",
    "blank": " \t ",
    "10,000 characters": "x" * 10_000,
    "NUL": "a\x00b",
    "newline": "a\nb",
    "lone surrogate": "a\ud800b",
    "number": 7,
    "bytes": b"app",
}
HOSTILE_IDS = [
    "it's",
    'say "hi"',
    "'; DROP TABLE memories; --",
    "../../etc/passwd",
    "C:\\Users\\ann",
    "a/b",
    "%s %d {0} ${x}",
    "\N{GRINNING FACE}\N{ZERO WIDTH JOINER}\N{ROCKET}",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}ser",
    " padded ",
    "NULL",
    ".",
    "..",
    "-1",
    "x" * 256,
]


async def nothing_is_stored(sdk: OmniMemorySDK) -> bool:
    return not await sdk.list_memories(APP) and not await sdk.list_tasks(APP)


# Messages


@pytest.mark.parametrize(
    "messages", [[], "", None, "just text", [None], [{"role": "user"}], 5, {"role": "user"}]
)
def test_a_conversation_without_usable_messages_is_refused(messages: Any) -> None:
    with pytest.raises(MessageError, match="messages"):
        UserMessages(app_id=APP, user_id=USER, messages=messages)


@pytest.mark.parametrize("content", ["", "   ", "\n\t", "\N{NO-BREAK SPACE}", None, 5, "\ud800"])
def test_blank_or_broken_content_is_refused(content: Any) -> None:
    with pytest.raises(MessageError, match="content"):
        Message(role="user", content=content)


@pytest.mark.parametrize("role", ["human", "USER", "", None, 1])
def test_an_unknown_role_is_refused_and_the_known_ones_named(role: Any) -> None:
    with pytest.raises(MessageError, match=r"role: .*'user', 'assistant', 'system' or 'tool'"):
        Message(role=role, content=TEXT)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(MessageError, match="contents"):
        Message(role="user", content=TEXT, contents=TEXT)  # type: ignore[call-arg]


def test_a_naive_timestamp_is_refused() -> None:
    with pytest.raises(MessageError, match="timestamp"):
        Message(role="user", content=TEXT, timestamp=NAIVE)


@pytest.mark.parametrize("metadata", ["text", [1], {1: 2}, {"a": object()}, {"a": {1, 2}}])
def test_metadata_that_is_no_json_is_refused(metadata: Any) -> None:
    with pytest.raises(MessageError, match="metadata"):
        Message(role="user", content=TEXT, metadata=metadata)


async def test_a_message_over_the_limit_is_refused_and_the_limit_named(sdk: OmniMemorySDK) -> None:
    with pytest.raises(MessageError, match=r"1000000 characters.*OMNIMEMORY_MAX_MESSAGE_CHARS"):
        await sdk.add_memory(said("fine", "x" * 1_000_000))
    assert await nothing_is_stored(sdk)


async def test_the_limit_on_a_message_is_a_setting() -> None:
    async with OmniMemorySDK(max_message_chars=2_000_000, synthesis=False) as sdk:
        await sdk.add_memory(said("word " * 200_000))
        assert len((await sdk.list_memories(APP))[0].text) > 900_000


async def test_too_many_messages_are_refused_and_the_limit_named() -> None:
    async with OmniMemorySDK(max_messages_per_call=3) as sdk:
        with pytest.raises(MessageError, match="OMNIMEMORY_MAX_MESSAGES_PER_CALL"):
            await sdk.add_memory(said(*["hello"] * 4))
        assert await nothing_is_stored(sdk)


async def test_a_nul_in_content_is_replaced_not_lost(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said("green\x00tea"), infer=False)
    assert (await sdk.list_memories(APP))[0].text == "green\N{REPLACEMENT CHARACTER}tea"


async def test_one_bad_message_refuses_the_whole_call(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said(Message(role="user", content=TEXT, id="m1")), infer=False)
    with pytest.raises(OmniMemoryError, match="m1"):
        await sdk.add_memory(
            said("new and fine", Message(role="user", content="something else", id="m1")), infer=False
        )
    assert [memory.text for memory in await sdk.list_memories(APP)] == [TEXT]


# Ids


@pytest.mark.parametrize("value", UNUSABLE_IDS.values(), ids=UNUSABLE_IDS)
@pytest.mark.parametrize("field", ["app_id", "user_id", "session_id"])
def test_unusable_ids_are_refused_by_name(field: str, value: Any) -> None:
    ids = {"app_id": APP, "user_id": USER, "session_id": None} | {field: value}
    with pytest.raises(ScopeError, match=field):
        UserMessages(**ids, messages=[Message(role="user", content=TEXT)])
    with pytest.raises(ScopeError, match=field):
        AgentMemoryRequest(**ids, messages=TEXT)
    with pytest.raises(ScopeError, match=field):
        ConversationSummaryRequest(**ids, messages=TEXT)
    with pytest.raises(ScopeError, match=field):
        Scope(**ids)


APP_CALLS: dict[str, Callable[[Any, Any], Awaitable[object]]] = {
    "batcher": lambda sdk, app: sdk.memory_batcher_add_message(app, USER, "user", TEXT),
    "query": lambda sdk, app: sdk.query_memory(app, "tea"),
    "recall": lambda sdk, app: sdk.recall(app, "tea"),
    "get": lambda sdk, app: sdk.get_memory("some-id", app),
    "list": lambda sdk, app: sdk.list_memories(app),
    "update": lambda sdk, app: sdk.update_memory("some-id", app, text=TEXT),
    "delete": lambda sdk, app: sdk.delete_memory(app, "some-id"),
    "restore": lambda sdk, app: sdk.restore_memory("some-id", app),
    "chain": lambda sdk, app: sdk.traverse_memory_evolution_chain(app, "some-id"),
    "decisions": lambda sdk, app: sdk.list_decisions(app),
    "task": lambda sdk, app: sdk.get_task("some-id", app),
    "wait": lambda sdk, app: sdk.wait_for_task("some-id", app, timeout=1),
    "tasks": lambda sdk, app: sdk.list_tasks(app),
    "retry": lambda sdk, app: sdk.retry_task("some-id", app),
}


@pytest.mark.parametrize("call", APP_CALLS.values(), ids=APP_CALLS)
async def test_every_call_refuses_an_unusable_app_id(
    sdk: OmniMemorySDK, call: Callable[[Any, Any], Awaitable[object]]
) -> None:
    for value in [*UNUSABLE_IDS.values(), None]:
        with pytest.raises(ScopeError, match="app_id"):
            await call(sdk, value)


USER_CALLS: dict[str, Callable[[Any, Any], Awaitable[object]]] = {
    "batcher": lambda sdk, user: sdk.memory_batcher_add_message(APP, user, "user", TEXT),
    "query": lambda sdk, user: sdk.query_memory(APP, "tea", user_id=user),
    "get": lambda sdk, user: sdk.get_memory("some-id", APP, user),
    "list": lambda sdk, user: sdk.list_memories(APP, user),
    "update": lambda sdk, user: sdk.update_memory("some-id", APP, text=TEXT, user_id=user),
    "delete": lambda sdk, user: sdk.delete_memory(APP, "some-id", user),
    "restore": lambda sdk, user: sdk.restore_memory("some-id", APP, user),
    "chain": lambda sdk, user: sdk.traverse_memory_evolution_chain(APP, "some-id", user),
    "decisions": lambda sdk, user: sdk.list_decisions(APP, user),
    "task": lambda sdk, user: sdk.get_task("some-id", APP, user),
    "wait": lambda sdk, user: sdk.wait_for_task("some-id", APP, user, timeout=1),
    "tasks": lambda sdk, user: sdk.list_tasks(APP, user),
    "retry": lambda sdk, user: sdk.retry_task("some-id", APP, user),
}


@pytest.mark.parametrize("call", USER_CALLS.values(), ids=USER_CALLS)
async def test_every_call_refuses_an_unusable_user_id(
    sdk: OmniMemorySDK, call: Callable[[Any, Any], Awaitable[object]]
) -> None:
    for value in UNUSABLE_IDS.values():
        with pytest.raises(ScopeError, match="user_id"):
            await call(sdk, value)


@pytest.mark.parametrize("name", HOSTILE_IDS)
async def test_any_printable_id_is_legal_found_and_isolated(sdk: OmniMemorySDK, name: str) -> None:
    await sdk.add_memory(said(TEXT, app_id=name, user_id=name, session_id=name), infer=False)
    await sdk.flush()
    found = await sdk.query_memory(name, "tea", user_id=name, session_id=name)
    assert documents(found) == [TEXT]
    for other in {"x" + name[1:], name[:-1] + "y", name.swapcase(), name.strip()} - {name}:
        assert await sdk.query_memory(other, "tea") == []
        assert await sdk.query_memory(name, "tea", user_id=other) == []
        assert await sdk.query_memory(name, "tea", session_id=other) == []


async def test_memory_and_task_ids_of_any_shape_are_just_unknown(sdk: OmniMemorySDK) -> None:
    for name in ["uuid-1234-5678", "", "'; --", "a\x00b", "x" * 10_000]:
        assert await sdk.get_memory(name, APP) is None
        assert await sdk.delete_memory(APP, name) is False
        with pytest.raises(NotFound):
            await sdk.get_task(name, APP)


# Queries

BAD_QUERIES: dict[str, tuple[Call, str]] = {
    "blank query": (lambda sdk: sdk.query_memory(APP, "  "), "query"),
    "no query": (lambda sdk: sdk.query_memory(APP, None), "query"),
    "query is a number": (lambda sdk: sdk.query_memory(APP, 5), "query"),
    "query is bytes": (lambda sdk: sdk.query_memory(APP, b"tea"), "query"),
    "query with a lone surrogate": (lambda sdk: sdk.query_memory(APP, "tea \ud800"), "query"),
    "query over the limit": (lambda sdk: sdk.query_memory(APP, "x" * 200_001), "query"),
    "n_results 0": (lambda sdk: sdk.query_memory(APP, "tea", n_results=0), "n_results"),
    "n_results -1": (lambda sdk: sdk.query_memory(APP, "tea", n_results=-1), "n_results"),
    "n_results 10,000": (lambda sdk: sdk.query_memory(APP, "tea", n_results=10_000), "n_results"),
    "n_results True": (lambda sdk: sdk.query_memory(APP, "tea", n_results=True), "n_results"),
    "n_results text": (lambda sdk: sdk.query_memory(APP, "tea", n_results="5"), "n_results"),
    "n_results float": (lambda sdk: sdk.query_memory(APP, "tea", n_results=5.0), "n_results"),
    "threshold 2": (lambda sdk: sdk.query_memory(APP, "tea", similarity_threshold=2), "similarity_threshold"),
    "threshold text": (
        lambda sdk: sdk.query_memory(APP, "tea", similarity_threshold="0.5"),
        "similarity_threshold",
    ),
    "threshold NaN": (
        lambda sdk: sdk.query_memory(APP, "tea", similarity_threshold=float("nan")),
        "similarity_threshold",
    ),
    "composite 3": (lambda sdk: sdk.recall(APP, "tea", composite_threshold=3), "composite_threshold"),
    "filters text": (lambda sdk: sdk.query_memory(APP, "tea", filters="topic"), "filters"),
    "filters list": (lambda sdk: sdk.query_memory(APP, "tea", filters=["topic"]), "filters"),
    "filters with a number as key": (lambda sdk: sdk.query_memory(APP, "tea", filters={1: 2}), "filters"),
    "filters with an object": (lambda sdk: sdk.query_memory(APP, "tea", filters={"a": {1}}), "filters"),
    "unknown kind": (lambda sdk: sdk.recall(APP, "tea", kinds=["fact"]), "turn, note"),
    "kind is a number": (lambda sdk: sdk.recall(APP, "tea", kinds=[5]), "turn, note"),
    "kinds is a number": (lambda sdk: sdk.recall(APP, "tea", kinds=5), "turn, note"),
    "kinds is None": (lambda sdk: sdk.recall(APP, "tea", kinds=None), "turn, note"),
    "no kinds": (lambda sdk: sdk.recall(APP, "tea", kinds=[]), "turn, note"),
    "unknown status": (lambda sdk: sdk.recall(APP, "tea", statuses=["gone"]), "active"),
    "naive said_after": (lambda sdk: sdk.recall(APP, "tea", said_after=NAIVE), "said_after"),
    "naive said_before": (lambda sdk: sdk.recall(APP, "tea", said_before=NAIVE), "said_before"),
    "naive as_of": (lambda sdk: sdk.recall(APP, "tea", as_of=NAIVE), "as_of"),
    "as_of is text": (lambda sdk: sdk.recall(APP, "tea", as_of="2026-01-01"), "as_of"),
    "token_budget 0": (lambda sdk: sdk.recall(APP, "tea", token_budget=0), "token_budget"),
    "token_budget True": (lambda sdk: sdk.recall(APP, "tea", token_budget=True), "token_budget"),
    "token_budget text": (lambda sdk: sdk.recall(APP, "tea", token_budget="100"), "token_budget"),
}


@pytest.mark.parametrize(("call", "names"), BAD_QUERIES.values(), ids=BAD_QUERIES)
async def test_a_query_that_cannot_be_used_says_what_to_change(
    sdk: OmniMemorySDK, call: Call, names: str
) -> None:
    with pytest.raises(InvalidRequest, match=names):
        await call(sdk)


async def test_a_query_of_100_kb_is_answered(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said(TEXT), infer=False)
    assert documents(await sdk.query_memory(APP, "green tea and " * 7_000)) == [TEXT]


@pytest.mark.parametrize("query", ["?!", "the of and", "\N{GRINNING FACE}", "a\x00b", "'; --", "*" * 1000])
async def test_odd_queries_are_answered(sdk: OmniMemorySDK, query: str) -> None:
    await sdk.add_memory(said(TEXT), infer=False)
    assert len(await sdk.query_memory(APP, query)) <= 1


# The rest of the calls

BAD_CALLS: dict[str, tuple[Call, str]] = {
    "add a dict": (lambda sdk: sdk.add_memory({"app_id": APP}), "UserMessages"),
    "add nothing": (lambda sdk: sdk.add_memory(None), "UserMessages"),
    "add the wrong request": (
        lambda sdk: sdk.add_memory(AgentMemoryRequest(app_id=APP, user_id=USER, messages=TEXT)),
        "UserMessages",
    ),
    "ingest a dict": (lambda sdk: sdk.ingest({}), "UserMessages"),
    "ingest a transcript of None": (lambda sdk: sdk.ingest_transcript(None), "UserMessages"),
    "agent memory of a text": (lambda sdk: sdk.add_agent_memory(TEXT), "AgentMemoryRequest"),
    "summary of a text": (lambda sdk: sdk.summarize_conversation(TEXT), "ConversationSummaryRequest"),
    "backfill of a conversation": (lambda sdk: sdk.add_many(said(TEXT)), "UserMessages"),
    "backfill of texts": (lambda sdk: sdk.add_many([TEXT]), "UserMessages"),
    "backfill of None": (lambda sdk: sdk.add_many(None), "UserMessages"),
    "batch an unknown role": (lambda sdk: sdk.memory_batcher_add_message(APP, USER, "human", TEXT), "role"),
    "batch blank content": (lambda sdk: sdk.memory_batcher_add_message(APP, USER, "user", " "), "content"),
    "batch a naive time": (
        lambda sdk: sdk.memory_batcher_add_message(APP, USER, "user", TEXT, timestamp=NAIVE),
        "timestamp",
    ),
    "batch a blank message id": (
        lambda sdk: sdk.memory_batcher_add_message(APP, USER, "user", TEXT, message_id=" "),
        "id",
    ),
    "blank idempotency key": (lambda sdk: sdk.add_memory(said(TEXT), idempotency_key=" "), "idempotency_key"),
    "idempotency key of a number": (
        lambda sdk: sdk.add_memory(said(TEXT), idempotency_key=5),
        "idempotency_key",
    ),
    "infer text": (lambda sdk: sdk.add_memory(said(TEXT), infer="no"), "infer"),
    "instructions of a number": (lambda sdk: sdk.add_memory(said(TEXT), instructions=5), "instructions"),
    "flush a text": (lambda sdk: sdk.flush("my-app"), "Scope"),
    "list with limit 0": (lambda sdk: sdk.list_memories(APP, limit=0), "limit"),
    "list with limit 10,000": (lambda sdk: sdk.list_memories(APP, limit=10_000), "limit"),
    "list with limit True": (lambda sdk: sdk.list_memories(APP, limit=True), "limit"),
    "list with a foreign cursor": (lambda sdk: sdk.list_memories(APP, cursor="abc"), "cursor"),
    "list with a number as cursor": (lambda sdk: sdk.list_memories(APP, cursor=5), "cursor"),
    "list with an unknown kind": (lambda sdk: sdk.list_memories(APP, kinds=["fact"]), "turn, note"),
    "list with an unknown status": (lambda sdk: sdk.list_memories(APP, statuses=["x"]), "active"),
    "list with a naive time": (lambda sdk: sdk.list_memories(APP, said_after=NAIVE), "said_after"),
    "list with a text as time": (lambda sdk: sdk.list_memories(APP, as_of="yesterday"), "as_of"),
    "tasks with limit 0": (lambda sdk: sdk.list_tasks(APP, limit=0), "limit"),
    "tasks with limit -1": (lambda sdk: sdk.list_tasks(APP, limit=-1), "limit"),
    "tasks of an unknown status": (lambda sdk: sdk.list_tasks(APP, statuses=["broken"]), "parked"),
    "decisions with limit -1": (lambda sdk: sdk.list_decisions(APP, limit=-1), "limit"),
    "decisions of one text": (lambda sdk: sdk.list_decisions(APP, memory_ids="abc"), "memory_ids"),
    "wait for a text": (lambda sdk: sdk.wait_for_task("some-id", APP, timeout="5"), "timeout"),
    "get with a lone surrogate": (lambda sdk: sdk.get_memory("a\ud800", APP), "memory_id"),
    "get with a number": (lambda sdk: sdk.get_memory(5, APP), "memory_id"),
    "delete with None": (lambda sdk: sdk.delete_memory(APP, None), "doc_id"),
    "restore with a list": (lambda sdk: sdk.restore_memory(["a"], APP), "memory_id"),
    "chain of None": (lambda sdk: sdk.traverse_memory_evolution_chain(APP, None), "memory_id"),
    "task with None": (lambda sdk: sdk.get_task(None, APP), "task_id"),
    "wait with None": (lambda sdk: sdk.wait_for_task(None, APP), "task_id"),
    "retry with a number": (lambda sdk: sdk.retry_task(5, APP), "task_id"),
    "answer without memories": (lambda sdk: sdk.answer("tea?", None), "memories"),
    "answer from texts": (lambda sdk: sdk.answer("tea?", ["tea"]), "memories"),
    "answer a number": (lambda sdk: sdk.answer(5, []), "query"),
}


@pytest.mark.parametrize(("call", "names"), BAD_CALLS.values(), ids=BAD_CALLS)
async def test_a_call_that_cannot_be_used_says_what_to_change(
    sdk: OmniMemorySDK, call: Call, names: str
) -> None:
    with pytest.raises(InvalidRequest, match=names):
        await call(sdk)
    assert await nothing_is_stored(sdk)


@pytest.mark.parametrize(
    "changes",
    [{"text": " "}, {"text": 5}, {"metadata": "x"}, {"metadata": {"a": object()}}, {"metadata": {1: 2}}, {}],
)
async def test_an_update_that_changes_nothing_usable_is_refused(
    sdk: OmniMemorySDK, changes: dict[str, Any]
) -> None:
    await sdk.add_memory(said(TEXT), infer=False)
    before = (await sdk.list_memories(APP))[0]
    with pytest.raises(InvalidRequest):
        await sdk.update_memory(before.id, APP, **changes)
    assert await sdk.get_memory(before.id, APP) == before


@pytest.mark.parametrize("format", ["svg", "", None, "HTML "])
def test_an_unknown_graph_format_is_refused_and_the_known_ones_named(format: Any) -> None:
    with pytest.raises(InvalidRequest, match="mermaid, dot, html"):
        OmniMemorySDK.generate_evolution_graph([], format=format)


@pytest.mark.parametrize("format", ["pdf", "", None, "yaml"])
def test_an_unknown_report_format_is_refused_and_the_known_ones_named(format: Any) -> None:
    with pytest.raises(InvalidRequest, match="markdown, text, json"):
        OmniMemorySDK.generate_evolution_report([], format=format)


@pytest.mark.parametrize(
    "chain", ["text", None, 5, [5], [{}], [{"memory_id": "x", "document": "y"}], {"a": 1}]
)
def test_a_chain_that_is_none_is_refused(chain: Any) -> None:
    with pytest.raises(InvalidRequest):
        OmniMemorySDK.generate_evolution_graph(chain, format="html")
    with pytest.raises(InvalidRequest):
        OmniMemorySDK.generate_evolution_report(chain, format="json")


async def test_nothing_is_lost_when_a_call_is_refused(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said(TEXT), infer=False)
    with pytest.raises(InvalidRequest):
        await sdk.recall(APP, "tea", said_after=NAIVE)
    found = await sdk.recall(APP, "tea", said_after=datetime(2026, 1, 1, tzinfo=UTC))
    assert documents(found) == [TEXT]
