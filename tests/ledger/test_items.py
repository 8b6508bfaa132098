"""Items against LangGraph's own ``InMemoryStore``: the same operations, the same answers."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, Op, PutOp, SearchOp
from langgraph.store.base import Item as TheirItem
from langgraph.store.base.embed import get_text_at_path
from langgraph.store.memory import InMemoryStore
from pydantic import JsonValue

from omnimemory.core.errors import InvalidRequest
from omnimemory.core.facets import facets_of
from omnimemory.core.item_filter import matches
from omnimemory.core.item_memory import item_facets, item_metadata, item_text
from omnimemory.core.items import (
    GetItem,
    Item,
    ItemOp,
    ListNamespaces,
    NamespaceMatch,
    PutItem,
    SearchItems,
)
from omnimemory.core.schemas import Scope
from omnimemory.ledger.ledger import Ledger

APP = Scope(app_id="app")
NAMESPACES = [("a",), ("ab",), ("a", "b"), ("a", "b", "a"), ("ü", "a b"), ("%", "a"), ('"', "b"), ("b", "a")]
PATHS = [(), ("a",), ("ab",), ("a", "b"), ("*", "a"), ("a", "*"), ("ü",), ("*", "*", "a"), ("nowhere",)]
COLOURS = ["red", "grün", None, 1, 1.0, True, [1, "red"], {"shade": "red", "level": 2}]
FILTERS: list[dict[str, Any]] = [
    *[{"colour": colour} for colour in COLOURS],
    {"n": {"$gt": 4}},
    {"n": {"$gte": 2, "$lt": 7}},
    {"n": {"$lte": "3"}},
    {"n": {"$ne": 5}, "colour": {"$eq": "red"}},
    {"colour": {"$ne": "red"}},
    {"colour": {"shade": "red"}},
    {"colour": {"level": {"$gt": 1}}, "missing": None},
]


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with Ledger(f"sqlite:///{tmp_path}/ledger.db", synchronous="NORMAL") as opened:
        yield opened


def ours(op: Op) -> ItemOp:
    match op:
        case GetOp():
            return GetItem(namespace=op.namespace, key=op.key)
        case SearchOp():
            return SearchItems(
                prefix=op.namespace_prefix, filter=op.filter, limit=op.limit, offset=op.offset, query=op.query
            )
        case PutOp():
            value = None if op.value is None else dict(op.value)
            return PutItem(namespace=op.namespace, key=op.key, value=value)
        case ListNamespacesOp():
            given = op.match_conditions or ()
            return ListNamespaces(
                matches=tuple(NamespaceMatch(kind=c.match_type, path=c.path) for c in given),
                max_depth=op.max_depth,
                limit=op.limit,
                offset=op.offset,
            )


def readable(result: object) -> object:
    if isinstance(result, Item | TheirItem):
        return (result.namespace, result.key, result.value)
    return [readable(one) for one in result] if isinstance(result, list) else result


def random_op(rng: random.Random) -> Op:
    namespace, key = rng.choice(NAMESPACES), rng.choice("xyz")
    page: dict[str, Any] = {"limit": rng.choice([0, 1, 3, 10, 100]), "offset": rng.choice([0, 0, 1, 4])}
    match rng.randrange(10):
        case 0 | 1 | 2 | 3:
            value = {"n": rng.randrange(9), "colour": rng.choice(COLOURS)}
            return PutOp(namespace, key, value)
        case 4:
            return PutOp(namespace, key, None)
        case 5 | 6:
            return GetOp(namespace, key)
        case 7 | 8:
            prefix = namespace[: rng.randrange(len(namespace) + 1)]
            return SearchOp(prefix, filter=rng.choice([None, *FILTERS]), **page)
        case _:
            conditions = [
                MatchCondition(rng.choice(["prefix", "suffix"]), rng.choice(PATHS))
                for _ in range(rng.randrange(3))
            ]
            depth = rng.choice([None, None, 1, 2])
            return ListNamespacesOp(match_conditions=tuple(conditions), max_depth=depth, **page)


@pytest.mark.parametrize("seed", range(12))
async def test_any_batches_answer_as_the_in_memory_store_does(ledger: Ledger, seed: int) -> None:
    rng = random.Random(seed)
    theirs = InMemoryStore()
    # never emptied: the in-memory store goes on listing a namespace whose last item is deleted
    batches: list[list[Op]] = [[PutOp(namespace, "anchor", {"n": 0}) for namespace in NAMESPACES]]
    batches += [[random_op(rng) for _ in range(rng.randrange(1, 9))] for _ in range(60)]
    for batch in batches:
        expected = [readable(result) for result in theirs.batch(batch)]
        answered = await ledger.items_batch(APP, [ours(op) for op in batch])
        assert [readable(result) for result in answered] == expected, batch


async def test_an_emptied_namespace_is_no_longer_listed(ledger: Ledger) -> None:
    await ledger.items_batch(APP, [PutItem(namespace=("a",), key="k", value={})])
    await ledger.items_batch(APP, [PutItem(namespace=("a",), key="k", value=None)])
    assert await ledger.items_batch(APP, [ListNamespaces(), SearchItems()]) == [[], []]


@pytest.mark.parametrize("value", [{}, {"n": None}, {"n": "many"}, {"n": [1]}])
def test_what_is_no_number_is_neither_greater_nor_less(value: dict[str, Any]) -> None:
    assert not matches(value, {"n": {"$gt": 0}})
    assert not matches(value, {"n": {"$lte": 0}})


@pytest.mark.parametrize("wanted", [{"n": {"$near": 1}}, {"n": {"$gt": "many"}}, {"n": {"$gte": 1, "lt": 2}}])
def test_a_filter_that_means_nothing_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        matches({"n": 1}, wanted)


VALUE: dict[str, JsonValue] = {
    "title": "Tea",
    "year": 2026,
    "empty": None,
    "body": {"text": "green", "more": {"deep": "down"}},
    "tags": ["a", "b"],
    "parts": [{"text": "one"}, {"text": "two", "also": 3}],
}


@pytest.mark.parametrize(
    "path",
    [
        "title",
        "year",
        "empty",
        "missing",
        "body.text",
        "body.more.deep",
        "body.title",
        "title[0]",
        "tags[*]",
        "tags[0]",
        "tags[-1]",
        "tags[5]",
        "tags[x]",
        "parts[*].text",
        "parts[-1].also",
        "parts.*.text",
        "{title,year}",
        "{title,body.more.deep,missing}",
    ],
)
def test_a_path_leads_to_the_texts_that_langgraph_finds(path: str) -> None:
    assert item_text(VALUE, [path]).splitlines() == get_text_at_path(VALUE, path)


def test_a_whole_value_reads_as_lines_with_the_names_of_its_fields() -> None:
    assert item_text(VALUE, None).splitlines() == [
        "title: Tea",
        "year: 2026",
        "text: green",
        "deep: down",
        "tags: a",
        "tags: b",
        "text: one",
        "text: two",
        "also: 3",
    ]
    assert item_text(VALUE, ["$"]) == item_text(VALUE, None)
    assert item_text(VALUE, ["body", "title"]).splitlines() == ["text: green", "deep: down", "Tea"]
    assert item_text(VALUE, False) == ""


def test_every_item_below_a_prefix_that_fits_a_filter_has_its_facets() -> None:
    value: dict[str, JsonValue] = {"kind": "Profile", "long": "x" * 1000, "n": 1, "odd": "\ud800"}
    has = set(facets_of(item_metadata(("users", "ann"), "k", value)))
    for prefix in ((), ("users",), ("users", "ann")):
        assert set(item_facets(prefix, {"kind": "Profile", "odd": "\ud800", "n": 1.0})) <= has
    for facets in (item_facets(("user",), None), item_facets(("users",), {"kind": "Other"})):
        assert not set(facets) <= has
