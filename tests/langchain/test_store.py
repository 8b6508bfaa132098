"""The store against ``InMemoryStore``, LangGraph's own: whatever is done, the answers are equal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_omnimemory import OmniMemoryStore
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from omnimemory import OmniMemorySDK
from omnimemory.core.errors import InvalidRequest

from .chat import APP, USER

Script = Callable[[BaseStore], list[Any]]

LABELS = ("a", "ab", "b", "users", "日本", "a%b", "a_b", "a/b", "ana@example,com", " ", "*")


def plain(result: Any) -> Any:
    """A result without its times, which no two stores share."""
    if isinstance(result, Item):
        return (result.namespace, result.key, result.value, getattr(result, "score", "none"))
    return [plain(entry) for entry in result] if isinstance(result, list) else result


def filled(store: BaseStore) -> BaseStore:
    store.batch(
        [
            PutOp((label, *rest), f"k{number}", {"n": number, "label": label, "tags": ["x", number % 2]})
            for number, label in enumerate(LABELS)
            for rest in ((), ("deep",), ("deep", "deeper"))
        ]
    )
    return store


def put_get_delete(store: BaseStore) -> list[Any]:
    seen: list[Any] = [store.get(("a",), "k")]
    store.put(("a",), "k", {"v": 1})
    seen.append(store.get(("a",), "k"))
    store.put(("a",), "k", {"v": {"nested": [1, 2.5, None, True, "é🙂\u0000"]}})
    seen += [store.get(("a",), "k"), store.get(("a", "b"), "k"), store.get(("a",), "K")]
    store.delete(("a",), "k")
    store.delete(("a",), "never there")
    seen.append(store.get(("a",), "k"))
    store.put(("a",), "k", {})
    return [*seen, store.get(("a",), "k")]


def batches_read_before_they_write(store: BaseStore) -> list[Any]:
    store.put(("a",), "k", {"v": 0})
    first = store.batch(
        [
            GetOp(("a",), "k"),
            PutOp(("a",), "k", {"v": 1}),
            GetOp(("a",), "k"),
            PutOp(("a",), "k", {"v": 2}),
            SearchOp(("a",)),
            ListNamespacesOp(),
            PutOp(("b",), "k", {"v": 3}),
        ]
    )
    return [first, store.get(("a",), "k"), store.get(("b",), "k"), store.batch([])]


def prefixes_end_at_labels(store: BaseStore) -> list[Any]:
    filled(store)
    prefixes: list[tuple[str, ...]] = [(), *((label,) for label in LABELS), ("a", "deep"), ("a", "de")]
    return [store.search(prefix, limit=100) for prefix in prefixes]


def filters(store: BaseStore) -> list[Any]:
    filled(store)
    wanted: list[dict[str, Any]] = [
        {"n": 3},
        {"n": {"$eq": 3}},
        {"n": {"$ne": 3}},
        {"n": {"$gt": 3}},
        {"n": {"$gte": 3, "$lt": 6}},
        {"n": {"$lte": 2}, "label": "a"},
        {"tags": ["x", 1]},
        {"missing": None},
        {"label": "日本"},
    ]
    return [store.search((), filter=one, limit=100) for one in wanted]


def pages(store: BaseStore) -> list[Any]:
    filled(store)
    return [
        store.search((), limit=limit, offset=offset) for limit in (1, 7, 100) for offset in (0, 5, 32, 99)
    ]


def listings(store: BaseStore) -> list[Any]:
    filled(store)
    found = [
        store.list_namespaces(limit=100),
        store.list_namespaces(prefix=("a",)),
        store.list_namespaces(suffix=("deep",), limit=100),
        store.list_namespaces(prefix=("*", "deep"), limit=100),
        store.list_namespaces(suffix=("*", "deeper"), max_depth=2, limit=100),
        store.list_namespaces(prefix=("a",), suffix=("deeper",)),
        store.list_namespaces(prefix=("nothing",)),
    ]
    found += [store.list_namespaces(max_depth=depth, limit=4, offset=2) for depth in (1, 2, 3)]
    both = (MatchCondition("prefix", ("*",)), MatchCondition("suffix", ("deep",)))
    return [*found, store.batch([ListNamespacesOp(match_conditions=both, max_depth=1, limit=50)])]


@pytest.mark.parametrize(
    "script",
    [put_get_delete, batches_read_before_they_write, prefixes_end_at_labels, filters, pages, listings],
)
def test_it_answers_as_the_framework_s_own_store_does(script: Script, sdk: OmniMemorySDK) -> None:
    ours, theirs = OmniMemoryStore(app_id=APP, memory=sdk), InMemoryStore()
    assert plain(script(ours)) == plain(script(theirs))


@pytest.mark.parametrize("namespace", [(), ("",), ("a.b",), ("a", 1), ("langgraph",)])
def test_it_refuses_the_namespaces_that_the_framework_refuses(namespace: Any, sdk: OmniMemorySDK) -> None:
    for store in (OmniMemoryStore(app_id=APP, memory=sdk), InMemoryStore()):
        with pytest.raises(InvalidNamespaceError):
            store.put(namespace, "k", {"v": 1})


def test_values_that_are_no_json_are_refused_before_anything_is_stored(sdk: OmniMemorySDK) -> None:
    store = OmniMemoryStore(app_id=APP, memory=sdk)
    with pytest.raises(InvalidRequest):
        store.batch([PutOp(("a",), "good", {"v": 1}), PutOp(("a",), "bad", {"v": object()})])
    assert store.get(("a",), "good") is None


async def test_async_calls_and_blocking_ones_inside_a_running_loop(sdk: OmniMemorySDK) -> None:
    store = OmniMemoryStore(app_id=APP, memory=sdk)
    await asyncio.gather(*(store.aput(("a",), f"k{n}", {"n": n}) for n in range(20)))
    assert len(await store.asearch(("a",), limit=50)) == 20
    store.put(("a",), "blocking", {"n": 20})
    assert store.get(("a",), "blocking") is not None
    await store.adelete(("a",), "blocking")
    assert await store.aget(("a",), "blocking") is None
    assert await store.alist_namespaces() == [("a",)]


def test_times_are_those_of_the_first_and_the_last_put(sdk: OmniMemorySDK) -> None:
    store = OmniMemoryStore(app_id=APP, memory=sdk)
    store.put(("a",), "k", {"v": 1})
    first = store.get(("a",), "k")
    store.put(("a",), "k", {"v": 2})
    second = store.get(("a",), "k")
    assert first is not None
    assert second is not None
    assert first.created_at == first.updated_at == second.created_at < second.updated_at
    assert first.created_at.tzinfo is not None


def test_a_namespace_whose_last_item_is_deleted_is_listed_no_more(sdk: OmniMemorySDK) -> None:
    store = OmniMemoryStore(app_id=APP, memory=sdk)
    store.put(("a",), "k", {"v": 1})
    store.delete(("a",), "k")
    assert store.list_namespaces() == []


def test_time_to_live_is_taken(sdk: OmniMemorySDK) -> None:
    store = OmniMemoryStore(app_id=APP, memory=sdk, ttl={"default_ttl": 60, "refresh_on_read": False})
    store.put(("a",), "hour", {"v": 1})
    store.put(("a",), "short", {"v": 1}, ttl=0.0000001)
    store.put(("a",), "for good", {"v": 1}, ttl=None)
    assert store.get(("a",), "short", refresh_ttl=False) is None
    assert {item.key for item in store.search(("a",))} == {"hour", "for good"}


def test_search_by_meaning_ranks_by_composite_score(sdk: OmniMemorySDK) -> None:
    store = OmniMemoryStore(app_id=APP, user_id=USER, memory=sdk)
    store.put(("facts",), "food", {"text": "Ana is allergic to peanuts."})
    store.put(("facts",), "home", {"text": "Ana lives in a flat in Porto."})
    store.put(("facts",), "hidden", {"text": "Ana is allergic to cats."}, index=False)
    store.put(("other",), "food", {"text": "Ben is allergic to peanuts."})
    found = store.search(("facts",), query="What is she allergic to?")
    assert found[0].key == "food"
    assert found[0].score is not None
    assert found[0].score > 0
    assert "hidden" in [item.key for item in found if item.score is None]
    assert all(item.namespace == ("facts",) for item in found)
    assert store.search(("facts",), query="allergic", filter={"text": "nothing"}) == []


def test_unranked_items_follow_the_ranked_ones_as_in_the_framework_s_own_store(sdk: OmniMemorySDK) -> None:
    ours = OmniMemoryStore(app_id=APP, memory=sdk)
    theirs = InMemoryStore(index={"dims": 8, "embed": DeterministicFakeEmbedding(size=8)})
    for store in (ours, theirs):
        store.put(("a",), "ranked", {"text": "peanuts"})
        for number in range(3):
            store.put(("a",), f"plain{number}", {"text": "peanuts"}, index=False)
    for limit, offset in ((10, 0), (2, 0), (1, 0), (2, 1)):
        answers = [
            [item.key for item in store.search(("a",), query="peanuts", limit=limit, offset=offset)]
            for store in (ours, theirs)
        ]
        assert answers[0] == answers[1]


def test_users_and_apps_have_items_of_their_own(sdk: OmniMemorySDK) -> None:
    stores = [
        OmniMemoryStore(app_id=app, user_id=user, memory=sdk)
        for app in ("one", "two")
        for user in ("ana", "ben", None)
    ]
    for number, store in enumerate(stores):
        store.put(("a",), "k", {"n": number})
    found = [store.get(("a",), "k") for store in stores]
    assert [item.value["n"] for item in found if item] == list(range(6))
