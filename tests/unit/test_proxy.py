"""The proxy the fault tests stand on does what it says, on a tiny server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from omnimemory.testing.proxy import Address, Proxy

SOON = 0.2
REFUSED = (ConnectionRefusedError, FileNotFoundError)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionResetError):
        while data := await reader.read(100):
            writer.write(data)
    writer.close()


class Client:
    """Says something and hears the echo."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, address: Address) -> Client:
        if isinstance(address, Path):
            return cls(*await asyncio.open_unix_connection(address))
        return cls(*await asyncio.open_connection(*address))

    async def hears(self, said: bytes) -> bytes:
        self.writer.write(said)
        return await self.reader.read(100)

    async def is_cut_off(self) -> bool:
        try:
            return await self.hears(b"there?") == b""
        except OSError:
            return True

    def close(self) -> None:
        self.writer.transport.abort()


@pytest.fixture(params=["tcp", "unix"])
async def addresses(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Address, Address]]:
    """Where the server listens, and where its proxy shall."""
    if request.param == "tcp":
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        yield server.sockets[0].getsockname(), ("127.0.0.1", 0)
    else:
        server = await asyncio.start_unix_server(echo, tmp_path / "server")
        yield tmp_path / "server", tmp_path / "proxy"
    server.close()


@pytest.fixture
async def proxy(addresses: tuple[Address, Address]) -> AsyncIterator[Proxy]:
    async with Proxy(addresses[0], listen=addresses[1]) as started:
        yield started


@pytest.fixture
def address(addresses: tuple[Address, Address], proxy: Proxy) -> Address:
    """Where clients of the proxy connect."""
    return addresses[1] if isinstance(addresses[1], Path) else proxy.address


@pytest.fixture
async def client(address: Address) -> AsyncIterator[Client]:
    connected = await Client.to(address)
    assert await connected.hears(b"hello") == b"hello"
    yield connected
    connected.close()


async def test_bytes_pass_both_ways_and_the_end_of_them_too(client: Client) -> None:
    assert await client.hears(b"a" * 100) == b"a" * 100
    client.writer.write_eof()
    assert await client.reader.read() == b""


async def test_a_stopped_server_cuts_and_refuses_and_comes_back_at_the_same_address(
    client: Client, proxy: Proxy, address: Address
) -> None:
    await proxy.stop()
    assert proxy.connections == 0
    assert await client.is_cut_off()
    with pytest.raises(REFUSED):
        await Client.to(address)
    await proxy.restore()
    again = await Client.to(address)
    assert await again.hears(b"back") == b"back"
    again.close()


async def test_cut_connections_can_be_made_anew_at_once(
    client: Client, proxy: Proxy, address: Address
) -> None:
    await proxy.cut()
    again = await Client.to(address)
    assert await again.hears(b"new") == b"new"
    again.close()


async def test_refusing_leaves_the_connections_there_are(
    client: Client, proxy: Proxy, address: Address
) -> None:
    await proxy.refuse()
    assert await client.hears(b"still") == b"still"
    with pytest.raises(REFUSED):
        await Client.to(address)


async def test_a_black_hole_swallows_until_all_is_restored(
    client: Client, proxy: Proxy, address: Address
) -> None:
    proxy.freeze()
    late = await Client.to(address)  # connections are accepted all the same
    for each in (client, late):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await each.hears(b"lost?")
    await proxy.held()
    await proxy.restore()
    assert await client.reader.read(100) == b"lost?"
    assert await late.reader.read(100) == b"lost?"
    late.close()


async def test_a_delay_holds_each_direction(client: Client, proxy: Proxy) -> None:
    proxy.delay(SOON)
    start = asyncio.get_running_loop().time()
    assert await client.hears(b"slow") == b"slow"
    assert asyncio.get_running_loop().time() - start >= 2 * SOON * 0.9


async def test_a_server_that_is_down_ends_the_connection(tmp_path: Path) -> None:
    async with Proxy(tmp_path / "nobody", listen=tmp_path / "proxy"):
        client = await Client.to(tmp_path / "proxy")
        assert await client.is_cut_off()
        client.close()


def test_a_unix_proxy_needs_a_path_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="listen="):
        Proxy(tmp_path / "server")
