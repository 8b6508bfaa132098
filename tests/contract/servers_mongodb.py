"""A MongoDB wire server of the tests' own: secantusdb, on loopback, in a folder of its own.

It has real collections, indexes and aggregations, and no ``$vectorSearch``.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pymongo
import pytest

_PROGRAM = Path(sys.executable).parent / "secantusd-py"
_START_SECONDS = 30.0
_MEMORY = Path("/dev/shm")
"""Every acknowledged write is synced: on a disk the ten thousand records of the suite take a minute."""


class MongoServer:
    """One server on one port and folder, started, stopped and paused at will."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def uri(self, database: str, *, credentials: str = "", query: str = "") -> str:
        return f"mongodb://{credentials}127.0.0.1:{self.port}/{database}{query}"

    def start(self, *, auth: bool = False) -> None:
        """Returns once it takes connections."""
        command = [str(_PROGRAM), "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--storage-path", str(self._folder), "--log-level", "ERROR", "--cache-size", "128M"]
        if auth:
            command.append("--auth")
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError("secantusd-py did not start")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in good order."""
        assert self._process is not None
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        self.kill()

    def kill(self) -> None:
        """End it as a crash does; without one running, do nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def mongo_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mongo-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def mongo_server(mongo_folder: Path) -> Iterator[MongoServer]:
    """One server for all tests; each uses a database of its own."""
    server = MongoServer(mongo_folder / "shared")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def own_mongo_server(tmp_path: Path) -> Iterator[MongoServer]:
    """A server that one test may stop; not started."""
    server = MongoServer(tmp_path / "mongo")
    yield server
    server.kill()


@pytest.fixture(scope="session")
def guarded_mongo_server(mongo_folder: Path) -> Iterator[MongoServer]:
    """One that asks for a password: ``ada`` (``right``) may write in every database, ``eve`` only reads."""
    server = MongoServer(mongo_folder / "guarded")
    server.start()

    async def add_users() -> None:
        async with pymongo.AsyncMongoClient[dict[str, object]](server.uri("")) as client:
            for name, role in (("ada", "readWriteAnyDatabase"), ("eve", "readAnyDatabase")):
                await client.admin.command("createUser", name, pwd="right", roles=[role])

    asyncio.run(add_users())
    server.stop()
    server.start(auth=True)
    yield server
    server.kill()
