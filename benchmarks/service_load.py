"""The load tool: keep-alive connections to one server on this machine, each with one request at a time."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from pydantic_core import to_json

Send = Callable[[], bytes]
"""Makes the next request."""


@dataclass(slots=True)
class Load:
    """What a run of requests took: seconds of each, of all, and the answers that were no success."""

    seconds: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    failures: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.seconds) / self.elapsed


def get(path: str, parameters: Mapping[str, object]) -> bytes:
    return f"GET {path}?{urlencode(parameters)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, body: object) -> bytes:
    content = to_json(body)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def run(
    port: int, send: Send, *, requests: int, callers: int, told: Callable[[], object] = lambda: None
) -> Load:
    """Send ``requests`` requests, ``callers`` at once; ``told`` is called after each."""
    load = Load()
    numbers: Iterator[int] = iter(range(requests))

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in numbers:
            request = send()
            start = time.perf_counter()
            writer.write(request)
            status = await _answered(reader)
            load.seconds.append(time.perf_counter() - start)
            if status >= 400:
                load.failures[status] += 1
            told()
        writer.close()
        await writer.wait_closed()

    start = time.perf_counter()
    await asyncio.gather(*itertools.starmap(caller, itertools.repeat((), callers)))
    load.elapsed = time.perf_counter() - start
    return load


async def _answered(reader: asyncio.StreamReader) -> int:
    """The status; the answer is read to its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, _, after = head.partition(b"content-length:")
    await reader.readexactly(int(after.partition(b"\r\n")[0]))
    return int(head[9:12])
