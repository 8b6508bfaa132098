"""The store and the embedder may fail, hang, or lose everything: the ledger remembers, and they catch up."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from omnimemory import OmniMemorySDK
from omnimemory.core.errors import DimensionMismatch, StoreError, StoreUnavailable
from omnimemory.ops.rebuild import rebuild
from omnimemory.stores.qdrant_local import QdrantLocalStore
from omnimemory.stores.records import Fingerprint
from omnimemory.testing.replies import Fault
from omnimemory.testing.scripted import HashEmbedder

from .checks import Acknowledged, history_is_whole, nothing_is_lost, recalled_at_once
from .talk import APP, QUICK, USER, eventually, notes, remembered, said, texts, turns

OSLO = "I live in Oslo and work as a carpenter."
DOWN = Fault.error(500)


class UnreliableStore(QdrantLocalStore):
    """While ``down``, every call fails as that of a server which does not answer."""

    down = False

    async def _known(self, app_id: str) -> Fingerprint | None:
        if self.down:
            raise StoreUnavailable("the store does not answer")
        return await super()._known(app_id)


@pytest.fixture
def store(home: Path) -> UnreliableStore:
    return UnreliableStore(home / "qdrant")


async def backlog(sdk: OmniMemorySDK) -> int:
    stats = await sdk.get_connection_pool_stats()
    return int(stats["not_yet_indexed"])


async def indexed(sdk: OmniMemorySDK) -> None:
    async def nothing_waits() -> bool:
        return await backlog(sdk) == 0

    await eventually(nothing_waits)


# The embedder


async def test_what_came_while_the_embedder_was_down_is_found_by_words_and_indexed_later() -> None:
    embedder = HashEmbedder(fault=DOWN)
    async with OmniMemorySDK(embedder=embedder, synthesis=False) as sdk:
        await sdk.add_memory(said(OSLO))
        (found,) = await sdk.recall(APP, "who is a carpenter?", USER)
        assert (found.document, found.similarity_score) == (OSLO, None)
        assert await backlog(sdk) == 1
        embedder.fault = None
        await indexed(sdk)
        (found,) = await sdk.recall(APP, "who is a carpenter?", USER)
        assert found.similarity_score is not None


async def test_an_embedder_that_hangs_holds_up_neither_recall_nor_later_indexing() -> None:
    embedder = HashEmbedder(fault=Fault.hang())
    async with OmniMemorySDK(
        embedder=embedder, synthesis=False, embedding_timeout=0.3, query_embedding_timeout=0.1
    ) as sdk:
        await sdk.add_memory(said(OSLO))
        async with asyncio.timeout(2):
            await recalled_at_once(sdk, OSLO, "who is a carpenter?")

        async def asked_by_the_index_lane_too() -> bool:
            return embedder.calls >= 2

        await eventually(asked_by_the_index_lane_too)
        embedder.fault = None
        await indexed(sdk)


async def test_a_synthesis_waits_for_the_embedder_and_then_finishes_by_itself() -> None:
    embedder = HashEmbedder(fault=DOWN)
    async with OmniMemorySDK(
        embedder=embedder, task_attempts=1000, retry_base_seconds=0.01, retry_cap_seconds=0.05
    ) as sdk:
        answer = await sdk.add_memory(said(OSLO))

        async def failed_once() -> bool:
            task = await sdk.get_task(answer["task_id"], APP)
            return task.error is not None and task.error.startswith("ModelUnavailable")

        await eventually(failed_once)
        assert await notes(sdk) == []
        embedder.fault = None
        await nothing_is_lost(sdk, [Acknowledged(OSLO, answer["task_id"])])


# The store


async def test_acknowledged_turns_and_their_tasks_wait_while_the_store_is_down(
    store: UnreliableStore,
) -> None:
    store.down = True
    async with OmniMemorySDK(store=store, **QUICK) as sdk:
        answer = await sdk.add_memory(said(OSLO))
        with pytest.raises(StoreUnavailable):
            await sdk.query_memory(APP, "who is a carpenter?", USER)

        async def tried_more_often_than_other_failures() -> bool:
            task = await sdk.get_task(answer["task_id"], APP)
            assert task.status in ("queued", "running")
            return bool(task.attempts > QUICK["task_attempts"])

        await eventually(tried_more_often_than_other_failures)
        task = await sdk.get_task(answer["task_id"], APP)
        assert str(task.error).startswith("StoreUnavailable")
        assert await backlog(sdk) == 1
        assert texts(await turns(sdk)) == [OSLO]
        store.down = False
        await nothing_is_lost(sdk, [Acknowledged(OSLO, answer["task_id"])])
        await indexed(sdk)
        assert len(await notes(sdk)) == 1


async def test_a_store_that_fails_between_two_queries_is_an_error_and_not_an_empty_list(
    store: UnreliableStore,
) -> None:
    async with OmniMemorySDK(store=store) as sdk:
        await remembered(sdk, said(OSLO))
        await sdk.flush()
        await recalled_at_once(sdk, OSLO, "who is a carpenter?")
        store.down = True
        with pytest.raises(StoreUnavailable):
            await sdk.recall(APP, "who is a carpenter?", USER)
        store.down = False
        await recalled_at_once(sdk, OSLO, "who is a carpenter?")


# A store that lost everything


@pytest.mark.parametrize("emptied", [False, True], ids=["the folder is gone", "the folder is empty"])
async def test_a_lost_store_is_an_error_until_it_is_rebuilt_from_the_ledger(
    home: Path, emptied: bool
) -> None:
    async with OmniMemorySDK() as sdk:
        await remembered(sdk, said(OSLO))
        await remembered(sdk, said("I moved from Oslo to Lisbon.", "I like tea."))
        await remembered(sdk, said(OSLO, app="other"))
        await sdk.flush()
        before = {one.memory_id: one.memory for one in await sdk.recall(APP, "Oslo or Lisbon?", USER)}
    shutil.rmtree(home / "qdrant")
    if emptied:
        (home / "qdrant").mkdir()
    async with OmniMemorySDK() as sdk:
        with pytest.raises(StoreError, match="omnimemory rebuild"):
            await sdk.recall(APP, "Oslo or Lisbon?", USER)
        assert await sdk.run(lambda engine: rebuild(engine)) > 0
        after = {one.memory_id: one.memory for one in await sdk.recall(APP, "Oslo or Lisbon?", USER)}
        assert after == before
        assert len(await sdk.recall("other", "who is a carpenter?", USER)) > 0
        await history_is_whole(sdk)


async def test_a_rebuild_that_was_interrupted_is_finished_at_the_next_start(
    home: Path, store: UnreliableStore
) -> None:
    async with OmniMemorySDK(store=store, synthesis=False) as sdk:
        await sdk.add_memory(said(*(f"Page {number} of the diary." for number in range(600))))
        await sdk.flush()

        def fail(delivered: int, total: int) -> None:
            store.down = True

        with pytest.raises(StoreUnavailable):
            await sdk.run(lambda engine: rebuild(engine, on_progress=fail))
        await sdk.close(drain=False)
    async with OmniMemorySDK(synthesis=False) as sdk:
        await indexed(sdk)
        for number in (0, 300, 599):
            await recalled_at_once(sdk, f"Page {number} of the diary.", f"page {number}")


class SlowToDrop(QdrantLocalStore):
    """Gives the index lane its chance between the queueing of a rebuild and the drop."""

    sdk: OmniMemorySDK

    async def _drop(self, app_id: str) -> None:
        delivery = asyncio.ensure_future(self.sdk.run(lambda engine: engine.projector.deliver_due()))
        await asyncio.wait({delivery}, timeout=0.3)
        await super()._drop(app_id)


async def test_a_rebuild_loses_nothing_to_the_index_lane_that_works_beside_it(home: Path) -> None:
    store = SlowToDrop(home / "qdrant")
    async with OmniMemorySDK(store=store, synthesis=False) as sdk:
        store.sdk = sdk
        await sdk.add_memory(said(OSLO, "I like tea."))
        await sdk.flush()
        await sdk.run(lambda engine: rebuild(engine))
        await sdk.flush()
        assert len(await sdk.recall(APP, "carpenter tea", USER)) == 2


# Another embedder


@pytest.mark.parametrize("other", [HashEmbedder(32), HashEmbedder(64, name="renamed")])
async def test_another_embedder_is_refused_by_name_until_a_rebuild(other: HashEmbedder) -> None:
    async with OmniMemorySDK(embedder=HashEmbedder(64), synthesis=False) as sdk:
        await sdk.add_memory(said(OSLO))
        await sdk.flush()
    async with OmniMemorySDK(embedder=other, synthesis=False) as sdk:
        with pytest.raises(DimensionMismatch, match=rf"hash-64.*{other.name}"):
            await sdk.recall(APP, "who is a carpenter?", USER)
        await sdk.add_memory(said("I like tea."))
        assert texts(await turns(sdk)) == [OSLO, "I like tea."]
        await sdk.run(lambda engine: rebuild(engine))
        assert len(await sdk.recall(APP, "carpenter tea", USER)) == 2
