"""The part of the ledger's contract that frameworks depend on: transcripts and key-value items."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from pydantic import JsonValue

from omnimemory.core.errors import IdempotencyConflict, InvalidRequest, ScopeError
from omnimemory.core.item_memory import text_key
from omnimemory.core.items import (
    APP_USER,
    FoundItem,
    GetItem,
    Item,
    ItemOp,
    ListNamespaces,
    NamespaceMatch,
    PutItem,
    SearchItems,
)
from omnimemory.core.schemas import Memory, Scope, Status
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import Entries
from omnimemory.testing.ledger_records import ANN, BOB, OTHER_APP, Clock, said

APP = Scope(app_id="app")
ANNS = Scope(app_id="app", user_id="ann")
TEA: dict[str, JsonValue] = {"text": "Ann drinks green tea"}
HOSTILE_LABELS = (
    "a",
    "ab",
    'a",',
    "a/b",
    "a%2Fb",
    "a.b",
    "*",
    '"',
    "\\",
    "a\\",
    "\x00",
    "\n",
    "é",
    "🦀",
    "\ud800",
)


def put(*path: str, value: dict[str, JsonValue] | None = None, ttl: float | None = None) -> PutItem:
    return PutItem(namespace=path[:-1], key=path[-1], value=value or {"at": list(path)}, ttl=ttl)


def gone(*path: str) -> PutItem:
    return PutItem(namespace=path[:-1], key=path[-1], value=None)


async def got(ledger: Ledger, *path: str, scope: Scope = ANNS, refresh_ttl: bool = True) -> Item | None:
    op = GetItem(namespace=path[:-1], key=path[-1], refresh_ttl=refresh_ttl)
    [found] = await ledger.items_batch(scope, [op])
    assert found is None or isinstance(found, Item)
    return found


async def found(ledger: Ledger, op: SearchItems, scope: Scope = ANNS) -> list[FoundItem]:
    [page] = await ledger.items_batch(scope, [op])
    assert isinstance(page, list)
    return [item for item in page if isinstance(item, FoundItem)]


async def keys(ledger: Ledger, *prefix: str, scope: Scope = ANNS) -> list[str]:
    return [item.key for item in await found(ledger, SearchItems(prefix=prefix, limit=100), scope)]


async def memories(ledger: Ledger, scope: Scope = ANNS) -> Sequence[Memory]:
    return (await ledger.list(scope, statuses=None)).memories


class LedgerItemSuite:
    """Tests of transcripts and items; part of ``LedgerSuite``."""

    async def test_a_transcript_comes_back_as_it_went_in(self, ledger: Ledger) -> None:
        entries: list[dict[str, JsonValue]] = [
            {"type": "human", "content": [{"image": "\x00\ud800🦀"}], "id": None},
            {"type": "ai", "tool_calls": [{"args": {"n": 1.5, "big": 10**30}}]},
        ]
        await ledger.append_transcript(ANN, entries)
        await ledger.append_transcript(ANN, [])
        await ledger.append_transcript(ANN, [{"n": 3}])
        assert await ledger.transcript(ANN) == [*entries, {"n": 3}]
        assert await ledger.transcript(ANN, last=2) == [entries[1], {"n": 3}]
        assert await ledger.transcript(ANN, last=9) == [*entries, {"n": 3}]
        assert await ledger.count(ANN) == 0

    async def test_a_transcript_belongs_to_its_session(self, ledger: Ledger) -> None:
        sessionless = Scope(app_id="app", user_id="ann")
        for scope in (ANN, BOB, OTHER_APP, sessionless):
            await ledger.append_transcript(scope, [scope.model_dump()])
        for scope in (ANN, BOB, OTHER_APP, sessionless):
            assert await ledger.transcript(scope) == [scope.model_dump()]
        assert await ledger.clear_transcript(sessionless) == 1
        assert (await ledger.transcript(sessionless), len(await ledger.transcript(ANN))) == ([], 1)
        with pytest.raises(ScopeError):
            await ledger.append_transcript(APP, [{}])

    async def test_a_transcript_can_be_replaced_and_cleared_without_forgetting(self, ledger: Ledger) -> None:
        await ledger.append(ANN, [said("hello")], mode="none", transcript=Entries([{"n": 1}, {"n": 2}]))
        await ledger.replace_transcript(ANN, [{"n": 3}])
        assert await ledger.transcript(ANN) == [{"n": 3}]
        await ledger.append(ANN, [], mode="none", transcript=Entries([{"n": 4}], replaces=True))
        assert await ledger.clear_transcript(ANN) == 1
        assert await ledger.clear_transcript(ANN) == 0
        assert await ledger.count(ANN, statuses=[Status.ACTIVE]) == 1

    async def test_turns_and_transcript_are_written_together_or_not_at_all(self, ledger: Ledger) -> None:
        await ledger.append(ANN, [said("hello", "m1")], mode="none", transcript=Entries([{"n": 1}]))
        with pytest.raises(IdempotencyConflict):
            await ledger.append(ANN, [said("other", "m1")], mode="none", transcript=Entries([{"n": 2}]))
        with pytest.raises(InvalidRequest, match="JSON"):
            await ledger.append(ANN, [said("more")], mode="none", transcript=Entries([{"n": float("nan")}]))
        assert await ledger.transcript(ANN) == [{"n": 1}]
        assert await ledger.count(ANN) == 1

    async def test_the_entries_of_one_call_stay_together(self, ledger: Ledger) -> None:
        calls = [[{"call": call, "n": n} for n in range(5)] for call in range(20)]
        await asyncio.gather(*(ledger.append_transcript(ANN, call) for call in calls))
        entries = await ledger.transcript(ANN)
        assert [entries[at : at + 5] for at in range(0, 100, 5)] == calls

    async def test_an_item_keeps_its_first_time_and_its_last_value(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        await ledger.items_batch(ANNS, [put("a", "k")])
        first = await got(ledger, "a", "k")
        clock.pass_time(minutes=1)
        await ledger.items_batch(ANNS, [put("a", "k", value={"new": [None, True, 1.5]})])
        second = await got(ledger, "a", "k")
        assert first is not None
        assert second is not None
        assert (first.value, second.value) == ({"at": ["a", "k"]}, {"new": [None, True, 1.5]})
        assert second.created_at == first.created_at == first.updated_at < second.updated_at
        await ledger.items_batch(ANNS, [gone("a", "k"), gone("never", "there")])
        assert await got(ledger, "a", "k") is None

    async def test_items_belong_to_a_user_or_to_the_app(self, ledger: Ledger) -> None:
        scopes = [APP, ANNS, Scope(app_id="app", user_id="bob"), Scope(app_id="other")]
        for n, scope in enumerate(scopes):
            await ledger.items_batch(scope, [put("a", "k", value={"n": n})])
        for n, scope in enumerate(scopes):
            item = await got(ledger, "a", "k", scope=scope)
            assert item is not None
            assert (item.value, len(await keys(ledger, scope=scope))) == ({"n": n}, 1)
        assert await keys(ledger, scope=Scope(app_id="app", user_id=APP_USER)) == ["k"]

    async def test_any_text_is_a_label_and_a_key(self, ledger: Ledger) -> None:
        paths: list[tuple[str, ...]] = [
            (first, second, key) for first in HOSTILE_LABELS for second in ("x", first) for key in "kl"
        ]
        paths += [(label, label) for label in HOSTILE_LABELS]
        await ledger.items_batch(ANNS, [put(*path) for path in paths])
        for path in paths:
            item = await got(ledger, *path)
            assert item is not None
            assert (*item.namespace, item.key) == path
        for label in HOSTILE_LABELS:
            below = await found(ledger, SearchItems(prefix=(label,), limit=1000))
            expected = {path for path in paths if path[0] == label}
            assert {(*item.namespace, item.key) for item in below} == expected
        [listed] = await ledger.items_batch(ANNS, [ListNamespaces(limit=1000)])
        assert listed == sorted({path[:-1] for path in paths})

    async def test_reads_of_a_batch_see_what_was_there_before_it(self, ledger: Ledger) -> None:
        await ledger.items_batch(ANNS, [put("a", "k", value={"n": 0})])
        ops: list[ItemOp] = [
            put("a", "k", value={"n": 1}),
            GetItem(namespace=("a",), key="k"),
            gone("a", "k"),
            put("a", "new"),
            put("a", "k", value={"n": 2}),
            SearchItems(prefix=("a",)),
        ]
        results = await ledger.items_batch(ANNS, ops)
        assert [type(result).__name__ for result in results] == [
            "NoneType",
            "Item",
            *["NoneType"] * 3,
            "list",
        ]
        assert isinstance(results[1], Item)
        assert results[1].value == {"n": 0}
        assert [item.value for item in await found(ledger, SearchItems())] == [{"n": 2}, {"at": ["a", "new"]}]

    async def test_a_batch_that_cannot_be_carried_out_stores_nothing(self, ledger: Ledger) -> None:
        await ledger.items_batch(ANNS, [put("a", "k")])
        for bad in (put("a", "nan", value={"n": float("inf")}), SearchItems(filter={"at": {"$near": 1}})):
            with pytest.raises(InvalidRequest):
                await ledger.items_batch(ANNS, [put("a", "new"), bad])
        assert await keys(ledger) == ["k"]

    async def test_an_expired_item_is_never_returned(self, ledger: Ledger, clock: Clock) -> None:
        await ledger.items_batch(ANNS, [put("a", "k", ttl=1), put("b", "stays")])
        clock.pass_time(seconds=61)
        assert await got(ledger, "a", "k") is None
        assert await keys(ledger) == ["stays"]
        [listed] = await ledger.items_batch(ANNS, [ListNamespaces()])
        assert listed == [("b",)]
        await ledger.items_batch(ANNS, [put("a", "k")])
        item = await got(ledger, "a", "k")
        assert item is not None
        assert item.created_at > clock.now.replace(microsecond=0)
        assert await ledger.sweep_items() == 0

    async def test_reading_gives_an_item_its_time_again(self, ledger: Ledger, clock: Clock) -> None:
        names = ("get", "search", "with a put", "left", "not refreshed")
        await ledger.items_batch(ANNS, [put(name, "k", ttl=1) for name in names])
        clock.pass_time(seconds=40)
        await got(ledger, "get", "k")
        await found(ledger, SearchItems(prefix=("search",)))
        await ledger.items_batch(ANNS, [GetItem(namespace=("with a put",), key="k"), put("other", "k")])
        await got(ledger, "not refreshed", "k", refresh_ttl=False)
        clock.pass_time(seconds=40)
        alive = [item.namespace[0] for item in await found(ledger, SearchItems(refresh_ttl=False))]
        assert alive == ["get", "search", "with a put", "other"]
        await ledger.items_batch(ANNS, [put("get", "k")])
        clock.pass_time(days=1000)
        assert [item.namespace[0] for item in await found(ledger, SearchItems())] == ["get", "other"]

    async def test_expired_items_are_swept_with_their_memories(self, ledger: Ledger, clock: Clock) -> None:
        await ledger.items_batch(ANNS, [put("a", f"k{n}", value=TEA | {"n": n}, ttl=n + 1) for n in range(4)])
        due = await ledger.items_next_expiry()
        assert due is not None
        assert abs((due - clock.now).total_seconds() - 60) < 1
        clock.pass_time(minutes=3)
        assert (await ledger.sweep_items(limit=2), await ledger.sweep_items(limit=2)) == (2, 1)
        assert await ledger.sweep_items() == 0
        assert await keys(ledger) == ["k3"]
        states = [memory.status for memory in await memories(ledger)]
        assert states == [Status.DELETED] * 3 + [Status.ACTIVE]

    async def test_an_item_is_one_memory_that_changes_and_ends_with_it(self, ledger: Ledger) -> None:
        await ledger.items_batch(ANNS, [put("a", "k", value=TEA), put("a", "k2", value={"n": None})])
        [memory] = await memories(ledger)
        assert (memory.text, memory.user_id, memory.statements) == ("text: Ann drinks green tea", "ann", ())
        await ledger.items_batch(ANNS, [put("a", "k", value=TEA)])
        assert await memories(ledger) == (memory,)
        await ledger.items_batch(ANNS, [put("a", "k", value={"text": "Ann drinks coffee"})])
        [changed] = await memories(ledger)
        assert (changed.id, changed.version, changed.text) == (memory.id, 2, "text: Ann drinks coffee")
        await ledger.outbox_done([row.seq for row in await ledger.outbox(10)])
        await ledger.items_batch(ANNS, [gone("a", "k")])
        [ended] = await memories(ledger)
        assert (ended.status, ended.version) == (Status.DELETED, 3)
        assert [row.memory_id for row in await ledger.outbox(10)] == [memory.id]
        await ledger.items_batch(ANNS, [put("a", "k", value=TEA)])
        assert [known.is_active for known in await memories(ledger)] == [False, True]

    async def test_what_is_not_indexed_has_no_memory(self, ledger: Ledger) -> None:
        hidden = PutItem(namespace=("a",), key="k", value=TEA, index=False)
        elsewhere = PutItem(namespace=("a",), key="l", value=TEA, index=("nowhere",))
        await ledger.items_batch(ANNS, [hidden, elsewhere])
        assert await memories(ledger) == ()
        await ledger.items_batch(ANNS, [put("a", "k", value=TEA)])
        await ledger.items_batch(ANNS, [hidden])
        assert [memory.status for memory in await memories(ledger)] == [Status.DELETED]

    async def test_ranked_items_come_first_and_paging_goes_on_behind_them(self, ledger: Ledger) -> None:
        said = ["green tea", "coffee", "Green  tea", "water", "milk"]
        await ledger.items_batch(ANNS, [put("a", f"k{n}", value={"text": t}) for n, t in enumerate(said)])
        scores = {text_key("text: milk"): 1.2, text_key("text: green tea"): 0.7}
        whole = [("k4", 1.2), ("k0", 0.7), ("k2", 0.7), ("k1", None), ("k3", None)]
        for offset in range(6):
            for limit in range(6):
                op = SearchItems(prefix=("a",), query="?", limit=limit, offset=offset)
                [page] = await ledger.items_batch(ANNS, [op], scores={0: scores})
                assert isinstance(page, list)
                seen = [(item.key, item.score) for item in page if isinstance(item, FoundItem)]
                assert seen == whole[offset : offset + limit]

    async def test_namespaces_are_matched_cut_and_paged(self, ledger: Ledger) -> None:
        names = [
            ("docs", "ann", "v1"),
            ("docs", "bob", "v2"),
            ("docs",),
            ("notes", "ann", "v1"),
            ("docsy", "v1"),
        ]
        await ledger.items_batch(ANNS, [put(*name, "k") for name in names])

        async def listed(op: ListNamespaces) -> object:
            return (await ledger.items_batch(ANNS, [op]))[0]

        prefix = NamespaceMatch(kind="prefix", path=("docs", "*"))
        suffix = NamespaceMatch(kind="suffix", path=("v1",))
        assert await listed(ListNamespaces(matches=(prefix,))) == [names[0], names[1]]
        assert await listed(ListNamespaces(matches=(suffix,))) == [names[0], names[4], names[3]]
        assert await listed(ListNamespaces(matches=(prefix, suffix))) == [names[0]]
        assert await listed(ListNamespaces(max_depth=1)) == [("docs",), ("docsy",), ("notes",)]
        assert await listed(ListNamespaces(max_depth=1, offset=1, limit=1)) == [("docsy",)]
