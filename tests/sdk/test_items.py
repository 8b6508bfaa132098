"""Key-value items as a LangGraph store needs them, found by key and by meaning."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import IndexConfig
from langgraph.store.memory import InMemoryStore

from omnimemory import OmniMemorySDK, SyncOmniMemorySDK
from omnimemory.core.errors import InvalidRequest, ScopeError
from omnimemory.core.items import APP_USER, FoundItem, GetItem, Item, ListNamespaces, PutItem, SearchItems
from omnimemory.core.schemas import MemoryKind

from .conversations import APP, USER, documents, remembered, said

ANN = ("users", "ann")
TASTES = {
    "drink": "Ann drinks green tea in the morning",
    "sport": "Ann plays tennis on Sundays",
    "town": "Ann lives in Lisbon by the river",
    "work": "Ann works as a nurse in a hospital",
}


def put(key: str, text: str, *, namespace: tuple[str, ...] = ANN, **options: Any) -> PutItem:
    return PutItem(namespace=namespace, key=key, value={"text": text}, **options)


async def search(sdk: OmniMemorySDK, op: SearchItems, *, user_id: str | None = None) -> list[FoundItem]:
    [page] = await sdk.items_batch(APP, [op], user_id=user_id)
    assert isinstance(page, list)
    return [item for item in page if isinstance(item, FoundItem)]


async def test_an_item_is_found_by_meaning_as_soon_as_it_is_put(sdk: OmniMemorySDK) -> None:
    await sdk.items_batch(APP, [put(key, text) for key, text in TASTES.items()])
    for settled in (False, True):
        if settled:
            await sdk.flush()
        best = (await search(sdk, SearchItems(prefix=("users",), query="which hot beverage, tea?")))[0]
        assert (best.key, best.value) == ("drink", {"text": TASTES["drink"]})
        assert best.score is not None
        assert 0 < best.score <= 1.2


async def test_a_search_by_meaning_holds_the_items_that_the_in_memory_store_returns(
    sdk: OmniMemorySDK,
) -> None:
    def vectors(texts: Sequence[str]) -> list[list[float]]:
        return [[float(text.count(letter)) for letter in "aeinorst"] for text in texts]

    index: IndexConfig = {"dims": 8, "embed": vectors, "fields": ["text"]}
    theirs = InMemoryStore(index=index)
    for key, text in TASTES.items():
        theirs.put(ANN, key, {"text": text})
    theirs.put(ANN, "hidden", {"text": "Ann plays tennis on Sundays"}, index=False)
    theirs.put(("users", "bob"), "swims", {"text": "Bob swims"})
    await sdk.items_batch(
        APP,
        [
            *(put(key, text) for key, text in TASTES.items()),
            put("hidden", "Ann plays tennis on Sundays", index=False),
            put("swims", "Bob swims", namespace=("users", "bob")),
        ],
    )
    for prefix in (ANN, ("users",), ()):
        for limit in (1, 3, 10):
            expected = theirs.search(prefix, query="tennis on Sundays", limit=limit)
            page = await search(sdk, SearchItems(prefix=prefix, query="tennis on Sundays", limit=limit))
            assert len(page) == len(expected)
            assert page[0].key == "sport"
            ranked = [item.score for item in page if item.score is not None]
            assert [item.score for item in page[: len(ranked)]] == sorted(ranked, reverse=True)
            assert [item.score for item in page if item.key == "hidden"] in ([], [None])
        assert {item.key for item in page} == {item.key for item in expected}


async def test_items_that_say_the_same_are_all_ranked(sdk: OmniMemorySDK) -> None:
    puts = [put("k", "Ann plays tennis", namespace=("users", name)) for name in "abc"]
    await sdk.items_batch(APP, [*puts, put("town", TASTES["town"])])
    page = await search(sdk, SearchItems(prefix=("users",), query="tennis", limit=3))
    assert [item.namespace[1] for item in page] == ["a", "b", "c"]
    assert None not in {item.score for item in page}


async def test_a_filter_narrows_what_is_ranked(sdk: OmniMemorySDK) -> None:
    puts = [
        PutItem(namespace=ANN, key=f"k{n}", value={"text": f"Ann likes tennis player {n}", "kind": "noise"})
        for n in range(80)
    ]
    wanted = PutItem(namespace=ANN, key="wanted", value={"text": "Ann owns a racket", "kind": "fact", "n": 2})
    await sdk.items_batch(APP, [*puts, wanted])
    for narrow in ({"kind": "fact"}, {"kind": "fact", "n": {"$gt": 1}}):
        [item] = await search(sdk, SearchItems(prefix=ANN, query="racket for tennis", filter=narrow))
        assert item.key == "wanted"
        assert item.score is not None


async def test_an_item_is_a_memory_once_and_only_while_it_is_there(sdk: OmniMemorySDK) -> None:
    async def recalled() -> list[str]:
        return documents(await sdk.query_memory(APP, "green tea", user_id=USER))

    await sdk.items_batch(APP, [put("drink", TASTES["drink"])], user_id=USER)
    await sdk.items_batch(APP, [put("drink", TASTES["drink"])], user_id=USER)
    assert await recalled() == [f"text: {TASTES['drink']}"]
    await sdk.flush()
    assert await recalled() == [f"text: {TASTES['drink']}"]
    await sdk.items_batch(APP, [put("drink", "Ann gave up tea")], user_id=USER)
    assert await recalled() == ["text: Ann gave up tea"]
    await sdk.items_batch(APP, [PutItem(namespace=ANN, key="drink", value=None)], user_id=USER)
    assert await recalled() == []
    assert await search(sdk, SearchItems(query="green tea"), user_id=USER) == []


async def test_an_expired_item_is_found_by_nobody(sdk: OmniMemorySDK) -> None:
    await sdk.items_batch(APP, [put("drink", TASTES["drink"], ttl=0.5 / 60), put("town", TASTES["town"])])
    assert len(await search(sdk, SearchItems(query="green tea", refresh_ttl=False))) == 2

    async with asyncio.timeout(20):
        while f"text: {TASTES['drink']}" in documents(await sdk.query_memory(APP, "green tea")):
            continue
    assert [item.key for item in await search(sdk, SearchItems(query="green tea"))] == ["town"]


async def test_a_users_items_are_not_another_users_or_the_apps(sdk: OmniMemorySDK) -> None:
    for user_id in (USER, "other", None):
        text = f"{user_id} drinks green tea"
        await sdk.items_batch(APP, [put("drink", text)], user_id=user_id)
    for user_id in (USER, "other", None):
        for query in (None, "green tea"):
            [item] = await search(sdk, SearchItems(query=query), user_id=user_id)
            assert item.value == {"text": f"{user_id} drinks green tea"}
    [item] = await search(sdk, SearchItems(), user_id=APP_USER)
    assert item.value == {"text": "None drinks green tea"}
    assert await sdk.items_batch("other-app", [GetItem(namespace=ANN, key="drink"), SearchItems()]) == [
        None,
        [],
    ]


async def test_conversations_neither_change_nor_end_an_item(sdk: OmniMemorySDK) -> None:
    await sdk.items_batch(APP, [put("town", "I live in Oslo.")], user_id=USER)
    await remembered(sdk, said("I live in Oslo."))
    await remembered(sdk, said("I moved from Oslo to Lisbon last week."))
    [item] = await search(sdk, SearchItems(query="Oslo"), user_id=USER)
    assert item.score is not None
    notes = await sdk.list_memories(APP, USER, kinds=["note"])
    assert [note.version for note in notes if note.metadata.get("item_key") == "town"] == [1]


async def test_items_survive_a_restart(home: Path) -> None:
    async with OmniMemorySDK() as sdk:
        await sdk.items_batch(APP, [put(key, text) for key, text in TASTES.items()])
    async with OmniMemorySDK() as sdk:
        page = await search(sdk, SearchItems(prefix=ANN, query="tennis"))
        assert (page[0].key, len(page)) == ("sport", 4)
        [item] = await sdk.items_batch(APP, [GetItem(namespace=ANN, key="town")])
        assert isinstance(item, Item)
        assert item.value == {"text": TASTES["town"]}


async def test_an_item_whose_memory_was_ended_by_hand_keeps_its_value(sdk: OmniMemorySDK) -> None:
    await sdk.items_batch(APP, [put("drink", TASTES["drink"])], user_id=USER)
    [memory] = await sdk.list_memories(APP, USER)
    assert memory.kind is MemoryKind.NOTE
    assert await sdk.delete_memory(APP, memory.id)
    [item] = await search(sdk, SearchItems(query="green tea"), user_id=USER)
    assert (item.key, item.score) == ("drink", None)
    await sdk.items_batch(APP, [put("drink", TASTES["drink"])], user_id=USER)
    [item] = await search(sdk, SearchItems(query="green tea"), user_id=USER)
    assert item.score is not None


async def test_a_blank_query_is_none(sdk: OmniMemorySDK) -> None:
    await sdk.items_batch(APP, [put("drink", TASTES["drink"])])
    for query in ("", "  "):
        assert [item.score for item in await search(sdk, SearchItems(query=query))] == [None]


async def test_the_blocking_twin_does_the_same() -> None:
    def work() -> list[Any]:
        with SyncOmniMemorySDK() as sdk:
            sdk.items_batch(APP, [put("drink", TASTES["drink"])])
            return list(sdk.items_batch(APP, [ListNamespaces(), GetItem(namespace=ANN, key="none")]))

    assert await asyncio.to_thread(work) == [[ANN], None]


async def test_bad_operations_are_refused_by_name(sdk: OmniMemorySDK) -> None:
    with pytest.raises(InvalidRequest, match="namespace"):
        GetItem(namespace=("",), key="k")
    with pytest.raises(InvalidRequest, match="namespace"):
        GetItem(namespace="users", key="k")
    with pytest.raises(InvalidRequest, match="value"):
        PutItem(namespace=ANN, key="k", value={"a": object()})
    with pytest.raises(InvalidRequest, match="ttl"):
        put("k", "text", ttl=0)
    with pytest.raises(InvalidRequest, match="operation on items"):
        await sdk.items_batch(APP, [("get", "k")])  # type: ignore[list-item]
    with pytest.raises(InvalidRequest, match="JSON"):
        await sdk.items_batch(
            APP, [put("fine", "text"), PutItem(namespace=ANN, key="k", value={"a": float("nan")})]
        )
    with pytest.raises(ScopeError):
        await sdk.items_batch("", [SearchItems()])
    assert await search(sdk, SearchItems()) == []
