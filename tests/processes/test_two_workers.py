"""Two worker processes on one Postgres ledger and store, killed again and again with ``kill -9``."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Sequence

import pytest

from omnimemory import OmniMemorySDK
from omnimemory.ledger.ledger import Ledger
from omnimemory.testing.scripted import HashEmbedder
from tests.processes.fleet import Death, Killed, Worker
from tests.processes.worker import POINTS
from tests.promises.checks import EVERY_STATUS, history_is_whole
from tests.promises.talk import eventually, statements, texts

APP = "app"
_NAMES = (
    "Oslo Rome Paris Lima Cairo Delhi Tokyo Seoul Quito Sofia Riga Bern Prague Vienna Dublin "
    "Lisbon Madrid Athens Ankara Tunis Accra Dakar Lagos Nairobi Hanoi Manila Havana Bogota Caracas Santiago"
)
CITIES = tuple(_NAMES.split())


def living_in(number: int) -> str:
    return f"I live in {CITIES[number]} now."


class Talk:
    """What the users say to whichever worker, each one thing after the other; the tasks acknowledged."""

    def __init__(self, workers: Sequence[Worker], users: int, rng: random.Random) -> None:
        self._workers = workers
        self._rng = rng
        self.acknowledged: dict[str, list[str]] = {f"user-{n}": [] for n in range(users)}

    async def go_round(self, number: int) -> None:
        """Everybody says the next thing, and repeats it until it is acknowledged."""
        await asyncio.gather(*(self._say(user, number) for user in self.acknowledged))

    async def _say(self, user: str, number: int) -> None:
        while True:
            try:
                worker = self._rng.choice(self._workers)
                task_id = await worker.add(user, f"{user} says {number}", living_in(number))
            except Killed:
                continue
            self.acknowledged[user].append(task_id)
            return


def drawn(rng: random.Random, count: int) -> list[Death]:
    """Deaths at all kinds of points, as far as there are enough."""
    points = [*rng.sample(POINTS, len(POINTS)), *rng.choices(POINTS, k=count)][:count]
    return [(point, rng.randint(1, 3)) for point in points]


async def all_is_done(ledger: Ledger) -> bool:
    return not (await ledger.unfinished() or await ledger.outbox_size())


@pytest.mark.parametrize(
    ("users", "deaths"),
    [
        pytest.param(8, 3, id="three deaths each"),
        pytest.param(20, 10, id="ten deaths each", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
)
async def test_killed_at_any_point_they_lose_repeat_and_reorder_nothing(
    database: str, users: int, deaths: int
) -> None:
    rng = random.Random(5)
    async with (
        Ledger(database) as ledger,
        Worker(database, APP, drawn(rng, deaths)) as one,
        Worker(database, APP, drawn(rng, deaths)) as two,
    ):
        talk = Talk([one, two], users, rng)
        rounds = 0

        async def died_or_done() -> bool:
            return min(len(one.died_at), len(two.died_at)) >= rounds or await all_is_done(ledger)

        while rounds < deaths or min(len(one.died_at), len(two.died_at)) < deaths:
            await talk.go_round(rounds)
            rounds += 1
            await eventually(died_or_done)
        assert sum(map(len, talk.acknowledged.values())) == users * rounds >= users * deaths
        assert len(one.died_at) == len(two.died_at) == deaths
        await eventually(lambda: all_is_done(ledger))
    async with OmniMemorySDK(provider="postgresql", postgres_uri=database, embedder=HashEmbedder()) as sdk:
        for user, task_ids in talk.acknowledged.items():
            tasks = [await sdk.get_task(task_id, APP) for task_id in task_ids]
            assert [task.status for task in tasks] == ["done"] * rounds
            await order_is_kept(sdk, user, rounds)
            await history_is_whole(sdk, app=APP, user=user)
            await the_store_follows(sdk, user)


async def order_is_kept(sdk: OmniMemorySDK, user: str, rounds: int) -> None:
    """The turns in the order they were said; and each note ended the one before it, up to the last."""
    turns = await sdk.list_memories(APP, user, kinds=["turn"], statuses=EVERY_STATUS, limit=1000)
    assert texts(turns) == [living_in(number) for number in range(rounds)]
    notes = await sdk.list_memories(APP, user, kinds=["note"], statuses=EVERY_STATUS, limit=1000)
    assert [place_of(said) for said in statements(notes)] == list(range(rounds))
    assert [note.is_active for note in notes] == [False] * (rounds - 1) + [True]


async def the_store_follows(sdk: OmniMemorySDK, user: str) -> None:
    """The store holds what the ledger does, in its latest state, and the last turn is recalled."""
    memories = await sdk.list_memories(APP, user, statuses=EVERY_STATUS, limit=1000)
    ids = [memory.id for memory in memories]
    stored = await sdk.run(lambda engine: engine.store.get(APP, ids))
    assert {memory.id: (memory.version, memory.status) for memory in memories} == {
        memory_id: (record.version, record.status) for memory_id, record in stored.items()
    }
    last = [memory.text for memory in memories if memory.kind == "turn"][-1]
    found = await sdk.recall(APP, last, user, kinds=["turn"], n_results=1)
    assert texts(found) == [last]


def place_of(statement: str) -> int:
    found = re.search(r"lives in (\w+) now", statement)
    assert found is not None
    return CITIES.index(found[1])
