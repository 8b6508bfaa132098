"""A database server is stopped under load: callers are told in time, and nothing has to be started again."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from omnimemory import Message, OmniMemorySDK
from omnimemory.agents.extractive import ExtractiveAgents
from omnimemory.core.errors import LedgerUnavailable, StoreUnavailable
from omnimemory.core.schemas import Scope, Task
from omnimemory.core.settings import Settings
from omnimemory.engine import Engine
from omnimemory.ledger.ledger import Ledger, file_url
from omnimemory.stores.qdrant_local import QdrantLocalStore
from omnimemory.testing.scripted import HashEmbedder
from tests.contract.servers_chroma import ChromaServer
from tests.contract.servers_mongodb import MongoServer
from tests.contract.servers_postgres import PostgresServer
from tests.contract.servers_qdrant import SimulatedQdrant
from tests.promises.checks import Acknowledged, nothing_is_lost
from tests.promises.talk import APP, eventually, said

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
"""A server that goes away while a driver connects leaves the socket to the garbage collector."""

TIMEOUT = 1.0
"""Seconds the store's calls may take; a caller may be told ``SLACK`` later on a busy machine."""
SLACK = 2.0
PACE = 0.3
"""Seconds between two remarks of a user, and between two looks at what an outage does to callers."""
LENGTHS = [
    pytest.param(3, id="for three seconds"),
    pytest.param(10, id="for ten seconds", marks=pytest.mark.slow),
]


@dataclass(frozen=True)
class Server:
    """A running server, and the settings of an SDK whose memories are on it."""

    settings: dict[str, Any]
    stop: Callable[[], None]
    start: Callable[[], None]


@contextmanager
def chroma(folder: Path) -> Iterator[Server]:
    server = ChromaServer(folder)
    server.start()
    settings = {"provider": "chromadb-remote", "chroma_host": "127.0.0.1", "chroma_port": server.port}
    yield Server(settings, server.stop, server.start)
    server.stop()


@contextmanager
def mongodb(folder: Path) -> Iterator[Server]:
    server = MongoServer(folder)
    server.start()
    yield Server({"provider": "mongodb", "mongo_uri": server.uri("memories")}, server.kill, server.start)
    server.kill()


@contextmanager
def qdrant(folder: Path) -> Iterator[Server]:
    with SimulatedQdrant() as server:
        settings = {"provider": "qdrant-remote", "qdrant_url": server.url}
        yield Server(settings, server.stop, server.start)


def on_postgres(postgres: PostgresServer, home: Path) -> Server:
    """The ledger stays in the home folder."""
    uri = postgres.uri(database=postgres.database())
    settings = {"provider": "postgresql", "postgres_uri": uri, "ledger_url": f"sqlite:///{home}.db"}
    return Server(settings, postgres.stop, postgres.start)


SERVERS = {"chroma": chroma, "mongodb": mongodb, "qdrant": qdrant}


SLOWER = [pytest.param(name, marks=pytest.mark.slow) for name in ("chroma", "mongodb")]
"""Stopped in the long form of the tests only: it takes them ten seconds to come and go."""


@pytest.fixture(params=["qdrant", "postgresql", *SLOWER])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    if request.param == "postgresql":
        yield on_postgres(request.getfixturevalue("postgres"), tmp_path / "ledger")
    else:
        with SERVERS[request.param](tmp_path / "server") as running:
            yield running


@dataclass
class Load:
    """Two users who go on talking; what is refused is said again, with its id."""

    sdk: OmniMemorySDK
    acknowledged: dict[str, list[Acknowledged]] = field(default_factory=lambda: {"ann": [], "bob": []})
    refused: list[Exception] = field(default_factory=list)
    ends: asyncio.Event = field(default_factory=asyncio.Event)

    async def go_on(self) -> None:
        async with asyncio.TaskGroup() as users:
            for user in self.acknowledged:
                users.create_task(self._talk(user))

    async def _talk(self, user: str) -> None:
        told = self.acknowledged[user]
        while not self.ends.is_set():
            text = f"Remark number {len(told)} is about topic {len(told)}."
            message = Message(id=str(len(told)), role="user", content=text)
            try:
                answer = await self.sdk.add_memory(said(message, user=user))
            except LedgerUnavailable as exc:
                self.refused.append(exc)
            else:
                told.append(Acknowledged(text, answer["task_id"]))
            await asyncio.sleep(PACE)

    async def goes_on(self) -> None:
        """Wait until each user was acknowledged some more."""
        enough = {user: len(told) + 3 for user, told in self.acknowledged.items()}

        async def told() -> bool:
            return all(len(self.acknowledged[user]) >= least for user, least in enough.items())

        await eventually(told)

    async def check(self) -> None:
        for user, told in self.acknowledged.items():
            await nothing_is_lost(self.sdk, told, user=user)


async def during(seconds: float) -> AsyncIterator[None]:
    """Some moments of an outage of that length."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        await asyncio.sleep(PACE)


async def backlog(sdk: OmniMemorySDK) -> int:
    return int((await sdk.get_connection_pool_stats())["not_yet_indexed"])


async def nothing_waits(sdk: OmniMemorySDK) -> bool:
    return not (await backlog(sdk) or (await sdk.get_connection_pool_stats())["unfinished_tasks"])


def outages(caplog: pytest.LogCaptureFixture, who: str) -> int:
    return [record.getMessage().startswith(f"{who}: waiting") for record in caplog.records].count(True)


@pytest.fixture(autouse=True, scope="module")
def collected() -> Iterator[None]:
    """Those sockets are collected here, not in the tests of another file."""
    yield
    gc.collect()


@pytest.mark.parametrize("seconds", LENGTHS)
async def test_a_store_that_was_stopped_is_caught_up_with(
    server: Server, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    async with OmniMemorySDK(embedder=HashEmbedder(), vector_db_timeout=TIMEOUT, **server.settings) as sdk:
        load = Load(sdk)
        talking = asyncio.create_task(load.go_on())
        await load.goes_on()
        await asyncio.to_thread(server.stop)
        try:
            async for _ in during(seconds):
                asked = time.monotonic()
                with pytest.raises(StoreUnavailable):
                    await sdk.recall(APP, "remark about topic 1", "ann")
                assert time.monotonic() - asked <= TIMEOUT + SLACK
            assert await backlog(sdk) > 0
            assert outages(caplog, "the index lane") == 1
        finally:
            await asyncio.to_thread(server.start)
        await load.goes_on()
        load.ends.set()
        await talking
        await eventually(lambda: nothing_waits(sdk))
        assert load.refused == []
        await load.check()


@pytest.mark.parametrize("seconds", LENGTHS)
async def test_a_ledger_that_was_stopped_loses_nothing_acknowledged(
    postgres: PostgresServer, database: str, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    async with OmniMemorySDK(embedder=HashEmbedder(), ledger_url=database) as sdk:
        load = Load(sdk)
        talking = asyncio.create_task(load.go_on())
        await load.goes_on()
        await asyncio.to_thread(postgres.stop)
        try:
            async for _ in during(seconds):
                with pytest.raises(LedgerUnavailable):
                    await sdk.recall(APP, "remark about topic 1", "ann")
        finally:
            await asyncio.to_thread(postgres.start)
        told = [outages(caplog, lane) for lane in ("the synthesis lane", "the index lane")]
        assert max(told) == 1, "each lane tells once, if it had anything to do meanwhile"
        await load.goes_on()
        load.ends.set()
        await talking
        await eventually(lambda: nothing_waits(sdk))
        assert load.refused
        await load.check()


class LosesAnAnswer(Ledger):
    """Its first claim is carried out, and nobody hears of it."""

    lost = False

    async def claim(self, *args: Any, **kwargs: Any) -> list[Task]:
        claimed = await super().claim(*args, **kwargs)
        if claimed and not self.lost:
            self.lost = True
            raise LedgerUnavailable("the connection was lost during a commit")
        return claimed


async def test_what_was_leased_with_a_lost_answer_is_done_all_the_same(tmp_path: Path) -> None:
    settings = Settings.load({"home": tmp_path})
    ledger = LosesAnAnswer(file_url(tmp_path / "ledger.db"))
    store = QdrantLocalStore(tmp_path / "qdrant")
    async with Engine(
        settings=settings, ledger=ledger, store=store, embedder=HashEmbedder(), agents=ExtractiveAgents()
    ) as engine:
        scope = Scope(app_id=APP, user_id="ann")
        added = await engine.ingest.add(scope, [Message(role="user", content="I live in Oslo.")])
        assert added.task_id is not None
        task = await engine.settled(scope, added.task_id, timeout=10)
        assert (task.status, task.attempts, ledger.lost) == ("done", 1, True)
