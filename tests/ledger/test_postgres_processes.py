"""Several processes on one Postgres ledger, some of them killed in the middle of their work."""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from omnimemory.core.schemas import Memory, MemoryKind, Scope, Task, TaskStatus
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import NewTurn
from tests.ledger import crowd

CROWD = Path(crowd.__file__)
APP = Scope(app_id="app")
names = itertools.count()


class Member:
    """A process of the crowd, and what it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        assert process.stdout is not None
        self._said = process.stdout

    async def says(self) -> list[str]:
        """Its next line; empty at its end."""
        return (await self._said.readline()).decode().split()

    async def says_until(self, word: str) -> list[list[str]]:
        lines = [await self.says()]
        while lines[-1] and lines[-1][0] != word:
            lines.append(await self.says())
        return lines

    async def rest(self) -> list[list[str]]:
        rest = (await self._said.read()).decode().splitlines()
        return [line.split() for line in rest]

    async def kill(self) -> list[list[str]]:
        """Kill -9; what it had said and nobody had read."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        return await self.rest()

    async def ended(self) -> int:
        return await self._process.wait()


@asynccontextmanager
async def member(role: str, url: str) -> AsyncIterator[Member]:
    command = [sys.executable, str(CROWD), role, url, f"{role}{next(names)}"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    joined = Member(process)
    try:
        yield joined
    finally:
        await joined.kill()


async def turns_by_user(ledger: Ledger) -> dict[str, list[Memory]]:
    found: defaultdict[str, list[Memory]] = defaultdict(list)
    cursor = None
    while True:
        page = await ledger.list(APP, kinds=[MemoryKind.TURN], limit=1000, cursor=cursor)
        for turn in page.memories:
            found[turn.user_id].append(turn)
        cursor = page.cursor
        if cursor is None:
            return found


async def all_tasks(ledger: Ledger) -> list[Task]:
    return sorted(await ledger.tasks(APP, limit=100_000), key=lambda task: task.created_at)


async def test_what_is_acknowledged_is_stored_once_and_in_order(postgres_url: str) -> None:
    async with Ledger(postgres_url) as ledger:
        acknowledged: list[str] = []
        rng = random.Random(7)
        for _ in range(3):  # generations, each killed at a point of its own
            async with member("talk", postgres_url) as one, member("talk", postgres_url) as other:
                for each in (one, other):
                    said = [await each.says() for _ in range(rng.randrange(20, 60))]
                    said += await each.kill()
                    acknowledged += [line[2] for line in said if len(line) == 3]  # the last may be cut off
        turns = await turns_by_user(ledger)
        stored = Counter(turn.id for of_user in turns.values() for turn in of_user)
        assert set(acknowledged) <= set(stored)
        for of_user in turns.values():
            assert [turn.text for turn in of_user].count("all") == 1
            by_speaker: defaultdict[str, list[int]] = defaultdict(list)
            for turn in of_user:
                if turn.text != "all":
                    by_speaker[turn.text.split()[0]].append(int(turn.text.split()[1]))
            assert all(numbers == sorted(set(numbers)) for numbers in by_speaker.values())
        await ledger.flush_buffer()
        read = [
            turn.id for task in await all_tasks(ledger) for turn in await ledger.turns_of_task(task.task_id)
        ]
        assert Counter(read) == stored
        assert await ledger.pending() == 0


async def test_a_killed_workers_tasks_are_done_once_and_in_order(postgres_url: str) -> None:
    async with Ledger(postgres_url) as ledger:
        for n, user in itertools.product(range(10), range(crowd.USERS)):
            await ledger.append(crowd.scope_of(user), [NewTurn("user", str(n))], mode="task")
        rng = random.Random(11)
        for _ in range(5):
            async with member("work", postgres_url) as one, member("work", postgres_url) as other:
                for _ in range(rng.randrange(1, 4)):
                    await one.says_until(rng.choice(["leased", "done"]))
                    await other.says_until("leased")
        async with member("work", postgres_url) as one, member("work", postgres_url) as other:
            async with asyncio.timeout(60):
                assert [await one.ended(), await other.ended()] == [0, 0]
        tasks = await all_tasks(ledger)
        assert {task.status for task in tasks} == {TaskStatus.DONE}
        assert any(task.attempts > 1 for task in tasks)
        for user in range(crowd.USERS):
            scope = crowd.scope_of(user)
            notes = (await ledger.list(scope, kinds=[MemoryKind.NOTE], limit=1000)).memories
            assert [note.text for note in notes] == [t.task_id for t in tasks if t.user_id == scope.user_id]


async def test_what_a_killed_process_held_is_free_at_once(postgres_url: str) -> None:
    async with Ledger(postgres_url) as ledger, member("hold", postgres_url) as holder:
        assert await holder.says() == ["held"]
        waiting = asyncio.ensure_future(hold_once(ledger))
        await ledger.apps()
        assert not waiting.done()
        await holder.kill()
        async with asyncio.timeout(5):
            await waiting


async def hold_once(ledger: Ledger) -> None:
    async with ledger.exclusive("place"):
        pass


async def test_processes_may_make_the_tables_at_once(postgres_url: str) -> None:
    async with (
        member("count", postgres_url) as one,
        member("count", postgres_url) as two,
        member("count", postgres_url) as three,
    ):
        for each in (one, two, three):
            assert await each.says() == ["0"]
            assert await each.ended() == 0
