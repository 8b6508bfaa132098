"""What processes that share a ledger see of each other, and what they keep from each other."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omnimemory import OmniMemorySDK
from omnimemory.core.settings import Settings
from omnimemory.stores.postgres import PostgresStore
from omnimemory.stores.records import Record
from omnimemory.testing.scripted import HashEmbedder
from tests.processes.fleet import Worker
from tests.promises.talk import APP, USER, eventually, said, settled, texts

if TYPE_CHECKING:
    from tests.contract.servers_postgres import PostgresServer

TAKE_THE_PLACES = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"


def sdk_on(database: str, **how: Any) -> OmniMemorySDK:
    """One with an engine of its own."""
    return OmniMemorySDK(provider="postgresql", postgres_uri=database, embedder=HashEmbedder(), **how)


async def nothing_waits(sdk: OmniMemorySDK) -> bool:
    stats = await sdk.get_connection_pool_stats()
    return not (stats["not_yet_indexed"] or stats["unfinished_tasks"])


async def test_what_another_process_was_just_told_is_recalled_at_once(database: str) -> None:
    async with Worker(database, APP, []) as other, sdk_on(database) as sdk:
        await sdk.warm_up()
        for number in range(10):
            text = f"Remark number {number} is about topic {number}."
            await other.add(USER, str(number), text)
            found = await sdk.recall(APP, text, USER, kinds=["turn"], n_results=1)
            assert texts(found) == [text]


async def test_what_another_process_was_told_and_did_not_live_to_deliver_is_recalled(database: str) -> None:
    async with Worker(database, APP, [("telling the store", 1)]) as other, sdk_on(database) as sdk:
        task_id = await other.add(USER, "1", "I live in Oslo.")
        found = await sdk.recall(APP, "where do I live?", USER, kinds=["turn"])
        assert texts(found) == ["I live in Oslo."]
        assert (await settled(sdk, task_id)).status == "done"
        await eventually(lambda: nothing_waits(sdk))


async def test_who_waits_for_a_task_hears_that_another_process_has_done_it(database: str) -> None:
    async with sdk_on(database, worker_concurrency=1) as one, sdk_on(database, worker_concurrency=2) as two:
        await two.warm_up()
        for number, sdk in zip(range(10), itertools.cycle([one, two])):
            answer = await sdk.add_memory(said(f"I have visited {number} towns.", user=f"user-{number}"))
            waiting = (settled(each, answer["task_id"]) for each in (one, two))
            assert [task.status for task in await asyncio.gather(*waiting)] == ["done", "done"]


class HeldUp(PostgresStore):
    """Its first delivery arrives when it is let through."""

    under_way: asyncio.Event
    let_through: asyncio.Event
    arrived: asyncio.Event

    async def upsert(self, app_id: str, records: Sequence[Record]) -> None:
        if not self.under_way.is_set():
            self.under_way.set()
            await self.let_through.wait()
            await super().upsert(app_id, records)
            self.arrived.set()
        else:
            await super().upsert(app_id, records)


async def test_a_delivery_that_was_overtaken_does_not_have_the_last_word(
    database: str, postgres: PostgresServer
) -> None:
    settings = Settings.load({"provider": "postgresql", "postgres_uri": database})
    store = HeldUp.from_settings(settings)
    store.under_way, store.let_through, store.arrived = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with (
        sdk_on(database, store=store, synthesis=False) as slow,
        sdk_on(database, synthesis=False) as quick,
    ):
        await slow.add_memory(said("I drink tea."))
        (turn,) = await slow.list_memories(APP, USER)
        await slow.run(lambda engine: store.under_way.wait())
        await asyncio.to_thread(postgres.run, TAKE_THE_PLACES)
        newer = await quick.update_memory(turn.id, APP, metadata={"cups": 3})
        await eventually(lambda: nothing_waits(quick))

        async def let_through(engine: object) -> None:
            store.let_through.set()
            await store.arrived.wait()

        await slow.run(let_through)

        async def last_word() -> bool:
            stored = await quick.run(lambda engine: engine.store.get(APP, [turn.id]))
            return stored[turn.id].version == newer.version and await nothing_waits(quick)

        await eventually(last_word)
        found = await quick.recall(APP, "tea", USER, filters={"cups": 3})
        assert texts(found) == ["I drink tea."]
