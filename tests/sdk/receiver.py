"""Real servers on loopback that take webhooks, refuse them, or answer without an end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Self, cast


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request as it arrived; header names in lower case."""

    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.content)
        return found


class Receiver:
    """Answers with ``statuses`` in order, the last one for good; keeps what came in ``deliveries``.

    A 3xx status redirects to ``/elsewhere`` of the same server.
    """

    def __init__(self) -> None:
        self.statuses = [200]
        self.deliveries: list[Delivery] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                number = len(receiver.deliveries)
                receiver.deliveries.append(Delivery(self.path, headers, content))
                self.send_response(receiver.statuses[min(number, len(receiver.statuses) - 1)])
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(slots=True)
class Endless:
    """A server whose answers never end: where it is, and what came of it so far."""

    url: str
    requests: int = 0
    open: int = 0
    most_open: int = 0
    sent: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once somebody waits for the end of an answer."""


@asynccontextmanager
async def endless(
    beginning: bytes, more: Callable[[int], bytes], *, pause: float = 0.0
) -> AsyncIterator[Endless]:
    """Answers each request with ``beginning`` and then ``more(0)``, ``more(1)`` and so on, until its
    caller goes; at the end it waits for the callers to go.
    """
    answers: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers.add(cast("asyncio.Task[None]", asyncio.current_task()))
        found.requests += 1
        found.open += 1
        found.most_open = max(found.most_open, found.open)
        found.begun.set()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(beginning)
            for number in count():
                writer.write(more(number))
                await writer.drain()
                found.sent += len(more(number))
                await asyncio.sleep(pause)
        found.open -= 1
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    found = Endless(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook")
    try:
        yield found
    finally:
        server.close()
        await asyncio.gather(*answers)


def dripping() -> AbstractAsyncContextManager[Endless]:
    """A server that begins to answer and then sends header after header."""
    return endless(b"HTTP/1.1 200 OK\r\n", lambda number: b"X-%d: 1\r\n" % number, pause=0.02)
