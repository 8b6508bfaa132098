"""A real Chroma server of the tests' own, on a loopback port."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

_START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ChromaServer:
    """``chroma run`` over one folder; it keeps its port when stopped and started again."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        self.port = port or free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(self._folder)]
        self._process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
        )
        ends = time.monotonic() + _START_SECONDS
        while time.monotonic() < ends:
            with suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{self.port}/api/v2/heartbeat", timeout=1).is_success:
                    return
            if self._process.poll() is not None:
                raise RuntimeError(f"the Chroma server ended with {self._process.returncode}")
        raise RuntimeError(f"the Chroma server did not answer within {_START_SECONDS} seconds")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Gate:
    """A proxy before the server that asks for a token, as Chroma 1.x leaves that to one.

    Without a token and a server behind it, it is a web server that has nothing.
    """

    def __init__(self, upstream: int, token: str) -> None:
        self.port = 0
        self._upstream = upstream
        self._token = token
        self._server: asyncio.Server | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Gate:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._calls.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            if not self._token:
                writer.write(_answer("404 Not Found"))
            elif f"authorization: bearer {self._token}\r\n".encode() not in head.lower():
                writer.write(_answer("401 Unauthorized"))
            else:
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
                async with closing(inner_writer):
                    inner_writer.write(head)
                    await asyncio.gather(_pipe(reader, inner_writer), _pipe(inner_reader, writer))


@asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Swallows that the other side hangs up."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        try:
            yield
        finally:
            writer.close()
            await writer.wait_closed()


def _answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(status)}\r\nConnection: close\r\n\r\n{status}".encode()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
def chroma_gate() -> type[Gate]:
    return Gate


@pytest.fixture
def chroma_spare(tmp_path: Path) -> Iterator[ChromaServer]:
    """A server of the test's own, not yet started."""
    server = ChromaServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    server = ChromaServer(tmp_path_factory.mktemp("chroma"))
    server.start()
    yield server
    server.stop()
