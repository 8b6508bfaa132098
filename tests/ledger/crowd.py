"""A process among several on one ledger: ``python crowd.py ROLE URL NAME``. It answers in lines of output."""

from __future__ import annotations

import asyncio
import random
import sys

from omnimemory.core.schemas import MemoryKind, Scope, Task
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import NewTurn
from omnimemory.testing.ledger_records import Clock, Step, note

LEASE_SECONDS = 1.0
USERS = 6
BATCH = 5


def scope_of(user: int) -> Scope:
    return Scope(app_id="app", user_id=f"u{user}", session_id="s")


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def talk(ledger: Ledger, name: str) -> None:
    """Add turns to users that other processes add to as well, until killed."""
    rng = random.Random(name)
    for n in range(1_000_000):
        user = rng.randrange(USERS)
        new = [
            NewTurn("user", f"{name} {n}", message_id=f"{name} {n}"),
            NewTurn("user", "all", message_id="all"),
        ]
        appended = await ledger.append(scope_of(user), new, mode="buffer", batch_size=BATCH)
        say("stored", user, appended.turns[0].id)


async def work(ledger: Ledger, name: str) -> None:
    """Write a note for each task, until nothing is left to do."""
    running: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:
        renewing = group.create_task(renew(ledger, running))
        while await ledger.unfinished():
            for task in await ledger.claim(3, lease_seconds=LEASE_SECONDS):
                say("leased", task.task_id)
                running[task.task_id] = group.create_task(do(ledger, task, running))
            await asyncio.sleep(0.02)
        renewing.cancel()


async def do(ledger: Ledger, task: Task, running: dict[str, asyncio.Task[None]]) -> None:
    turns = await ledger.turns_of_task(task.task_id)
    await asyncio.sleep(random.uniform(0, 0.1))  # a model thinks
    scope = scope_of(int((task.user_id or "u0")[1:]))
    made = note(Clock(), scope, text=task.task_id, sources=[turn.id for turn in turns])
    await ledger.apply(Step(created=[made]), task=task, finish=True)
    say("done", task.task_id)
    del running[task.task_id]


async def renew(ledger: Ledger, running: dict[str, asyncio.Task[None]]) -> None:
    while True:
        await asyncio.sleep(LEASE_SECONDS / 3)
        await ledger.heartbeat(list(running), LEASE_SECONDS)


async def hold(ledger: Ledger, name: str) -> None:
    """Keep a place until killed."""
    async with ledger.exclusive("place"):
        say("held")
        await asyncio.Event().wait()


async def count(ledger: Ledger, name: str) -> None:
    say(await ledger.count(Scope(app_id="app"), kinds=[MemoryKind.TURN]))


ROLES = {"talk": talk, "work": work, "hold": hold, "count": count}


async def main(role: str, url: str, name: str) -> None:
    # a host that the others cannot look into: they have only its silence to go by
    async with Ledger(url, owner=f"{name}:1:x") as ledger:
        await ROLES[role](ledger, name)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
