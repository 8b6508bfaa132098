"""A worker process that stops at a point it was told, says so, and is then killed.

Run by path with its orders as JSON; ``fleet.Worker`` is the other side. It adds what its standard
input names, one JSON object a line, and does its share of the work of a ledger it shares.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from omnimemory.agents.extractive import ExtractiveAgents
from omnimemory.core.proposals import Draft
from omnimemory.core.schemas import Memory, Message, Scope, Task
from omnimemory.core.settings import Settings
from omnimemory.engine import Engine
from omnimemory.ledger.ledger import Ledger
from omnimemory.stores.postgres import PostgresStore
from omnimemory.stores.records import Record
from omnimemory.testing.scripted import HashEmbedder

POINTS = (
    "accepting",
    "accepted",
    "claimed",
    "thinking",
    "applying",
    "applied",
    "telling the store",
    "told the store",
    "told the ledger so",
)


@dataclass(frozen=True)
class Orders:
    """Which server and app to work for, and at which pass of which point to stop, if at all."""

    url: str
    app: str
    point: str | None = None
    passes: int = 1


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Fate:
    """Stops the process, its event loop with it, when a point is passed the given time."""

    def __init__(self, point: str | None, passes: int) -> None:
        self._point = point
        self._left = passes

    def at(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                say(reached=point)
                threading.Event().wait()


class FatefulLedger(Ledger):
    fate: Fate

    async def append(self, *args: Any, **kwargs: Any) -> Any:
        self.fate.at("accepting")
        appended = await super().append(*args, **kwargs)
        self.fate.at("accepted")
        return appended

    async def claim(self, *args: Any, **kwargs: Any) -> list[Task]:
        claimed = await super().claim(*args, **kwargs)
        if claimed:
            self.fate.at("claimed")
        return claimed

    async def apply(self, *args: Any, **kwargs: Any) -> None:
        self.fate.at("applying")
        await super().apply(*args, **kwargs)
        self.fate.at("applied")

    async def outbox_done(self, seqs: Sequence[int]) -> None:
        await super().outbox_done(seqs)
        self.fate.at("told the ledger so")


class FatefulStore(PostgresStore):
    fate: Fate

    async def upsert(self, app_id: str, records: Sequence[Record]) -> None:
        self.fate.at("telling the store")
        await super().upsert(app_id, records)
        self.fate.at("told the store")


class FatefulAgents(ExtractiveAgents):
    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self._fate = fate

    async def synthesize(self, turns: Sequence[Memory], **how: Any) -> Draft:
        self._fate.at("thinking")
        return await super().synthesize(turns, **how)


def engine_for(orders: Orders) -> Engine:
    fate = Fate(orders.point, orders.passes)
    settings = Settings.load({"provider": "postgresql", "postgres_uri": orders.url, "worker_concurrency": 3})
    ledger = FatefulLedger(orders.url)
    store = FatefulStore.from_settings(settings)
    ledger.fate = store.fate = fate
    return Engine(
        settings=settings, ledger=ledger, store=store, embedder=HashEmbedder(), agents=FatefulAgents(fate)
    )


async def serve(engine: Engine, app: str, lines: Iterable[str]) -> None:
    waiting = iter(lines)
    while line := await asyncio.to_thread(next, waiting, ""):
        asked = json.loads(line)
        scope = Scope(app_id=app, user_id=asked["user"])
        message = Message(id=asked["id"], role="user", content=asked["text"])
        appended = await engine.ingest.add(scope, [message])
        say(added=asked["id"], task_id=appended.task_id)


async def live(orders: Orders) -> None:
    async with engine_for(orders) as engine:
        say(ready=True)
        await serve(engine, orders.app, sys.stdin)


if __name__ == "__main__":
    asyncio.run(live(Orders(**json.loads(sys.argv[1]))))
