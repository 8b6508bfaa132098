"""A loopback proxy that stands between a client and its server, and fails on demand.

    async with Proxy(("127.0.0.1", 5432)) as proxy:
        connect(*proxy.address)
        await proxy.stop()       # connections are cut, new ones refused: the server is gone
        await proxy.restore()    # and is back, at the same address

TCP before TCP, or a Unix socket before a Unix socket. Needs nothing but asyncio.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from pathlib import Path
from types import TracebackType
from typing import Self

Address = tuple[str, int] | Path
"""Host and port, or the path of a Unix socket."""

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Passes bytes on, both ways, until told otherwise.

    ``listen`` is where clients connect: a free loopback port by default; for a Unix socket give a
    path. Use it in one event loop; what it does to connections it does at once.
    """

    def __init__(self, server: Address, *, listen: Address | None = None) -> None:
        if listen is None and isinstance(server, Path):
            raise ValueError("a proxy before a Unix socket needs the path of its own: give listen=")
        self._server = server
        self._listen: Address = ("127.0.0.1", 0) if listen is None else listen
        self._listener: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._seconds = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._held = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if isinstance(self._listen, Path):
            self._listen.unlink(missing_ok=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to connect to."""
        if isinstance(self._listen, Path):
            raise ValueError(f"this proxy listens on the Unix socket {self._listen}")
        return self._listen

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._links)

    # What can go wrong

    async def stop(self) -> None:
        """The server is gone: connections are cut and new ones refused."""
        await self.refuse()
        await self.cut()

    async def refuse(self) -> None:
        """New connections are refused; those there are go on."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def cut(self) -> None:
        """Every connection is reset; new ones are served."""
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def delay(self, seconds: float) -> None:
        """Whatever comes is passed on this much later, in both directions."""
        self._seconds = seconds

    def freeze(self) -> None:
        """A black hole: connections are accepted, and nothing that is sent arrives until ``restore``."""
        self._held.clear()
        self._flowing.clear()

    async def held(self) -> None:
        """Wait until something was sent into the black hole: a call is under way."""
        await self._held.wait()

    async def restore(self) -> None:
        """All is well again; what was held back arrives."""
        self._seconds = 0.0
        self._flowing.set()
        if self._listener is None:
            if isinstance(self._listen, Path):
                self._listen.unlink(missing_ok=True)
                self._listener = await asyncio.start_unix_server(self._accept, self._listen)
            else:
                self._listener = await asyncio.start_server(self._accept, *self._listen)
                self._listen = self._listener.sockets[0].getsockname()[:2]

    # One connection

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.create_task(self._connect(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sides = [writer]
        try:
            if isinstance(self._server, Path):
                server, upstream = await asyncio.open_unix_connection(self._server)
            else:
                server, upstream = await asyncio.open_connection(*self._server)
            sides.append(upstream)
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pass_on(reader, upstream))
                directions.create_task(self._pass_on(server, writer))
            for side in sides:
                side.close()
        except* OSError:
            pass  # one side hung up, or there is no server: so does the other
        finally:
            for side in sides:
                _reset(side)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(_CHUNK):
            if not self._flowing.is_set():
                self._held.set()
                await self._flowing.wait()
            if self._seconds:
                await asyncio.sleep(self._seconds)
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()


def _reset(side: asyncio.StreamWriter) -> None:
    """Close at once, by a reset where TCP knows one."""
    if side.transport.is_closing():
        return
    connection: socket.socket = side.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    side.transport.abort()
