"""A reranker decides which of the best memories come back, in which order; without one nothing changes."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from omnimemory import AgentMemorySDK, Message, OmniMemorySDK, SyncOmniMemorySDK
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.items import FoundItem, PutItem, SearchItems
from omnimemory.core.schemas import Recalled, ScoredMemory
from omnimemory.recall.rerank import PASSED_OVER

from .conversations import APP, USER, documents, said

TRIPS = [f"Trip {number} to the lake." for number in range(1, 31)]
TOLD = said(*(Message(role="user", content=text, id=text) for text in TRIPS))
"""The trips, with ids: told again, they are the same ones."""
QUESTION = "trips to the lake"
FULL = "better ones fill the 3 places"
TENANT: ContextVar[str] = ContextVar("tenant", default="nobody")

Memories = Sequence[ScoredMemory]


def as_given(query: str, memories: Memories) -> Memories:
    return memories


def backwards(query: str, memories: Memories) -> Memories:
    return list(reversed(memories))


def only(*texts: str) -> Callable[[str, Memories], Memories]:
    """A reranker that keeps what says one of ``texts``."""
    return lambda _, memories: [memory for memory in memories if memory.document in texts]


class Trips:
    """An SDK that knows the trips. Which reranker it has is told with each question."""

    def __init__(self, sdk: OmniMemorySDK) -> None:
        self.sdk = sdk
        self.reranker: Any = as_given
        self.queries: list[str] = []
        self.given: Memories = ()
        self.thread = threading.main_thread()

    def rerank(self, query: str, memories: Memories) -> Any:
        self.queries.append(query)
        self.given, self.thread = memories, threading.current_thread()
        return self.reranker(query, memories)

    async def recall(
        self, reranker: Any = as_given, *, n_results: int = 3, explain: bool = False
    ) -> Recalled:
        self.reranker, self.given = reranker, ()
        self.queries.clear()
        return await self.sdk.recall(APP, QUESTION, USER, n_results=n_results, explain=explain)


@pytest.fixture(scope="module")
def trips(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trips]:
    sdk = OmniMemorySDK(
        home=tmp_path_factory.mktemp("trips"),
        synthesis=False,
        reranker=lambda query, memories: known.rerank(query, memories),
    )
    known = Trips(sdk)
    sdk.run_blocking(lambda: sdk.ingest(TOLD))
    sdk.run_blocking(sdk.flush)
    yield known
    sdk.close_blocking(drain=False)


async def once(*, explain: bool = False, **settings: Any) -> Recalled:
    """What an SDK of its own recalls of the trips; the same ones each time within a test."""
    sdk = OmniMemorySDK(synthesis=False, **settings)
    await sdk.ingest(TOLD)
    found = await sdk.recall(APP, QUESTION, USER, n_results=3, explain=explain)
    await sdk.close(drain=False)
    return found


def earlier_ranks(found: Recalled) -> list[Any]:
    return [memory.explanation.get("reranked_from") for memory in found if memory.explanation]


# Its order


async def test_the_order_is_the_rerankers_and_the_scores_are_ours(trips: Trips) -> None:
    found = await trips.recall(backwards)
    assert trips.queries == [QUESTION]
    assert [memory.memory_id for memory in found] == [m.memory_id for m in reversed(trips.given[-3:])]
    assert [memory.rank for memory in found] == [1, 2, 3]
    scores = {memory.memory_id: memory.composite_score for memory in trips.given}
    assert [memory.composite_score for memory in found] == [scores[memory.memory_id] for memory in found]
    assert [memory.composite_score for memory in trips.given] == sorted(scores.values(), reverse=True)


@pytest.mark.parametrize(("n_results", "given"), [(1, 20), (3, 20), (12, 24), (30, 30)])
async def test_it_chooses_from_twice_as_many_and_from_twenty_at_least(
    trips: Trips, n_results: int, given: int
) -> None:
    found = await trips.recall(n_results=n_results)
    assert [memory.rank for memory in trips.given] == list(range(1, given + 1))
    assert documents(found) == documents(trips.given[:n_results])


async def test_it_lifts_what_the_scores_alone_leave_out(trips: Trips) -> None:
    best = documents(await trips.recall(n_results=20))

    def lifting(query: str, memories: Memories) -> Memories:
        return sorted(memories, key=lambda memory: memory.document != best[-1])

    assert documents(await trips.recall(lifting)) == [best[-1], *best[:2]]


async def test_it_may_leave_memories_out(trips: Trips) -> None:
    assert documents(await trips.recall(only(TRIPS[4]), n_results=30)) == [TRIPS[4]]
    assert documents(await trips.recall(only())) == []


async def test_its_own_copies_do_not_change_what_comes_back(trips: Trips) -> None:
    def boosting(query: str, memories: Memories) -> Memories:
        return [memory.model_copy(update={"composite_score": 99.0}) for memory in reversed(memories)]

    found = await trips.recall(boosting)
    assert documents(found) == documents(await trips.recall(backwards))
    assert all(memory.composite_score < 2 for memory in found)


async def test_one_that_changes_nothing_gives_what_comes_without_one() -> None:
    """The note that covers a question has its place, the last one, before the reranker sees it."""
    story = [
        "I moved from Lisbon to Porto in May.",
        "I drink green tea every morning.",
        "My daughter Ana is allergic to peanuts.",
        "We bought a house in Porto near the river.",
        "My sister lives in Lisbon and drinks coffee.",
        "I work as a nurse in the hospital of Porto.",
    ]
    async with OmniMemorySDK() as sdk:
        accepted = await sdk.add_memory(said(*story))
        await sdk.wait_for_task(accepted["task_id"], APP, timeout=30)
        await sdk.flush()
    answers: list[list[list[str]]] = []
    for reranker in (None, as_given):
        async with OmniMemorySDK(reranker=reranker) as sdk:
            found = [await sdk.recall(APP, text, USER, n_results=3) for text in (*story, "Where do I live?")]
        assert any(memory.memory.kind == "note" for memories in found for memory in memories)
        answers.append([[memory.memory_id for memory in memories] for memories in found])
    assert answers[0] == answers[1]


async def test_nothing_found_is_not_reranked() -> None:
    calls: list[str] = []

    def counting(query: str, memories: Memories) -> Memories:
        calls.append(query)
        return memories

    async with OmniMemorySDK(reranker=counting) as sdk:
        assert documents(await sdk.recall(APP, QUESTION, USER)) == []
    assert not calls


async def test_a_block_for_a_prompt_follows_its_order(trips: Trips) -> None:
    expected = documents(await trips.recall(backwards))
    recalled = await trips.sdk.recall(APP, QUESTION, USER, n_results=3, token_budget=500)
    places = [recalled.block.index(text) for text in expected]
    assert places == sorted(places)


async def test_answers_are_given_from_what_it_keeps(trips: Trips) -> None:
    trips.reranker = only(TRIPS[7])
    answered = await AgentMemorySDK(trips.sdk).answer_query(APP, QUESTION, USER, n_results=30)
    assert documents(answered["memories"]) == [TRIPS[7]]


async def test_key_value_items_are_ranked_by_their_scores_alone() -> None:
    async with OmniMemorySDK(reranker=only()) as sdk:
        await sdk.items_batch(APP, [PutItem(namespace=("trips",), key="1", value={"text": TRIPS[0]})])
        (found,) = await sdk.items_batch(APP, [SearchItems(prefix=("trips",), query="lake")])
    assert isinstance(found, list)
    assert [item.score is not None for item in found if isinstance(item, FoundItem)] == [True]


# Explained


async def test_an_explained_result_tells_its_earlier_rank(trips: Trips) -> None:
    assert earlier_ranks(await trips.recall(backwards, explain=True)) == [20, 19, 18]
    assert earlier_ranks(await once(explain=True)) == [None, None, None], "there is no reranker"
    assert all(memory.explanation is None for memory in await trips.recall(backwards))


async def test_what_it_passed_over_is_a_near_miss(trips: Trips) -> None:
    found = await trips.recall(backwards, explain=True)
    best = [memory.memory_id for memory in trips.given]
    assert [(miss.memory_id, miss.reason) for miss in found.near_misses] == [
        (memory_id, PASSED_OVER) for memory_id in best[:5]
    ]


async def test_without_one_the_nearest_miss_is_what_would_have_come_next() -> None:
    async with OmniMemorySDK(synthesis=False) as sdk:
        await sdk.ingest(TOLD)
        found = await sdk.recall(APP, QUESTION, USER, n_results=3, explain=True)
        more = await sdk.recall(APP, QUESTION, USER, n_results=8)
    assert [miss.memory_id for miss in found.near_misses] == [memory.memory_id for memory in more][3:]


# Where it runs


async def test_a_blocking_one_runs_in_a_thread_that_exit_does_not_wait_for(trips: Trips) -> None:
    tenants: list[str] = []

    def telling(query: str, memories: Memories) -> Memories:
        tenants.append(TENANT.get())
        return memories

    TENANT.set("acme")
    await trips.recall(telling)
    assert tenants == ["acme"], "the caller's context"
    assert trips.thread is not threading.main_thread()
    assert trips.thread.daemon


async def test_the_engine_goes_on_while_a_blocking_one_thinks(trips: Trips) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def thinking(query: str, memories: Memories) -> Memories:
        begun.set()
        assert go_on.wait(10)
        return memories

    recall = asyncio.create_task(trips.recall(thinking))
    assert await asyncio.to_thread(begun.wait, 10)
    assert len(await trips.sdk.list_memories(APP, USER)) == len(TRIPS)
    go_on.set()
    assert len(await recall) == 3


class Bound:
    """An asynchronous reranker that works on the loop it was made on, as a client with connections does."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()

    async def __call__(self, query: str, memories: Memories) -> Memories:
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is self.loop
        return backwards(query, memories)


AWAITED: dict[str, Callable[[Bound], Callable[[str, Memories], Memories | Awaitable[Memories]]]] = {
    "object": lambda bound: bound,
    "method": lambda bound: bound.__call__,
    "partial": lambda bound: functools.partial(bound.__call__),
    "function that returns a coroutine": lambda bound: lambda query, memories: bound(query, memories),
}


@pytest.mark.parametrize("form", AWAITED)
async def test_an_asynchronous_one_runs_on_the_loop_it_was_handed_over_on(form: str) -> None:
    found = await once(reranker=AWAITED[form](Bound()), explain=True)
    assert earlier_ranks(found) == [20, 19, 18]


async def backwards_later(query: str, memories: Memories) -> Memories:
    await asyncio.sleep(0)
    return backwards(query, memories)


def test_it_serves_several_loops_in_a_row() -> None:
    async def made() -> OmniMemorySDK:
        return OmniMemorySDK(synthesis=False, reranker=backwards_later)

    sdk = asyncio.run(made())
    asyncio.run(sdk.ingest(TOLD))
    for _ in range(2):
        found = asyncio.run(sdk.recall(APP, QUESTION, USER, n_results=3, explain=True))
        assert earlier_ranks(found) == [20, 19, 18]
    sdk.close_blocking(drain=False)


async def test_the_blocking_sdk_takes_one_too_also_inside_a_running_loop() -> None:
    with SyncOmniMemorySDK(synthesis=False, reranker=backwards_later) as sdk:
        sdk.ingest(TOLD)
        found = sdk.recall(APP, QUESTION, USER, n_results=3, explain=True)
    assert earlier_ranks(found) == [20, 19, 18]


# When it fails


def raising(error: BaseException) -> Callable[[str, Memories], Memories]:
    def failing(query: str, memories: Memories) -> Memories:
        raise error

    return failing


async def raising_later(query: str, memories: Memories) -> Memories:
    raise ValueError(TRIPS[0])


def inventing(query: str, memories: Memories) -> Memories:
    stranger = memories[0].memory.model_copy(update={"id": "mine"})
    return [memories[0].model_copy(update={"memory": stranger})]


FAILING: dict[str, Any] = {
    "an error": raising(ValueError(TRIPS[0])),
    "an error, awaited": raising_later,
    "an error of ours": raising(InvalidRequest("no")),
    "the end of an iterator": raising(StopIteration()),
    "an exit": raising(SystemExit(3)),
    "a cancellation": raising(asyncio.CancelledError()),
    "nothing": lambda _query, _memories: None,
    "no list": lambda _query, memories: (memory for memory in memories),
    "texts": lambda _query, memories: [memory.document for memory in memories],
    "one text": lambda query, _memories: query,
    "a memory twice": lambda _query, memories: [*memories, memories[0]],
    "an invented memory": inventing,
    "other arguments": lambda _query: [],
}


@pytest.mark.parametrize("failing", FAILING)
async def test_a_failing_one_leaves_the_order_of_the_scores_and_a_warning(
    trips: Trips, failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = documents(await trips.recall(as_given))
    with caplog.at_level(logging.INFO, "omnimemory"):
        found = await trips.recall(FAILING[failing], explain=True)
    assert documents(found) == expected
    assert earlier_ranks(found) == [None, None, None]
    assert {miss.reason for miss in found.near_misses} == {FULL}
    (warning,) = [record for record in caplog.records if "reranker" in record.getMessage()]
    assert warning.levelno == logging.WARNING
    assert TRIPS[0] not in caplog.text, "no memory text in the log"


async def test_its_traceback_is_logged_where_memory_text_may_be(
    trips: Trips, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "omnimemory"):
        await trips.recall(raising(ValueError("the cause")))
    assert "the cause" in caplog.text


async def test_a_slow_one_is_waited_for_as_long_as_an_embedding(caplog: pytest.LogCaptureFixture) -> None:
    go_on = threading.Event()

    def waiting(query: str, memories: Memories) -> Memories:
        go_on.wait(60)
        return memories

    async def never(query: str, memories: Memories) -> Memories:
        await asyncio.Event().wait()
        return memories

    expected = documents(await once())
    for slow in (never, waiting):
        caplog.clear()
        assert documents(await once(reranker=slow, query_embedding_timeout=0.2)) == expected
        assert "did not answer in time" in caplog.text
    go_on.set()


async def test_one_that_is_stuck_for_good_is_asked_again_only_when_it_gets_free() -> None:
    calls: list[str] = []
    go_on = threading.Event()

    def stuck(query: str, memories: Memories) -> Memories:
        calls.append(query)
        go_on.wait(60)
        return memories

    async with OmniMemorySDK(synthesis=False, reranker=stuck, query_embedding_timeout=0.5) as sdk:
        await sdk.ingest(TOLD)
        for _ in range(3):
            recalls = [sdk.recall(APP, QUESTION, USER, n_results=3) for _ in range(16)]
            assert [len(found) for found in await asyncio.gather(*recalls)] == [3] * 16
        assert len(calls) == 16
        go_on.set()
        while len(calls) == 16:
            await sdk.recall(APP, QUESTION, USER)


@pytest.mark.parametrize("reranker", ["cohere", 0, object()], ids=["text", "zero", "object"])
def test_what_cannot_be_called_is_refused(reranker: Any) -> None:
    with pytest.raises(InvalidRequest, match="reranker must be callable"):
        OmniMemorySDK(reranker=reranker)
