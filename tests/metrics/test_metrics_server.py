"""The port of its own: metrics for Prometheus, nothing for anybody else, and never in the way."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest

from omnimemory.core.errors import ConfigError
from omnimemory.metrics_server import MetricsServer


async def read() -> tuple[bytes, str]:
    return b"omnimemory_tasks 1\n", "text/plain; version=1.0.0"


async def ask(
    server: MetricsServer, method: str = "GET", path: str = "/metrics", authorization: bytes | None = None
) -> httpx.Response:
    headers = [] if authorization is None else [(b"Authorization", authorization)]
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(method, f"http://127.0.0.1:{server.port}{path}", headers=headers)


async def test_metrics_are_read_from_their_own_port() -> None:
    async with MetricsServer(read, host="127.0.0.1", port=0) as server:
        answer = await ask(server)
        assert (answer.status_code, answer.text) == (200, "omnimemory_tasks 1\n")
        assert answer.headers["content-type"] == "text/plain; version=1.0.0"
        assert (await ask(server, path="/metrics?name[]=up")).status_code == 200
        head = await ask(server, "HEAD")
        assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405)])
async def test_nothing_else_is_answered(method: str, path: str, status: int) -> None:
    async with MetricsServer(read, host="127.0.0.1", port=0) as server:
        assert (await ask(server, method, path)).status_code == status


async def test_a_token_is_asked_for_when_there_is_one() -> None:
    async with MetricsServer(read, host="127.0.0.1", port=0, token="s3cret") as server:
        assert (await ask(server)).status_code == 401
        assert (await ask(server, authorization=b"Bearer wrong")).status_code == 401
        assert (await ask(server, authorization=b"Bearer \xe9")).status_code == 401
        assert (await ask(server, authorization=b"Bearer s3cret")).status_code == 200


def test_beyond_this_machine_a_token_is_required() -> None:
    with pytest.raises(ConfigError, match="OMNIMEMORY_METRICS_TOKEN"):
        MetricsServer(read, host="0.0.0.0", port=0)


@pytest.mark.parametrize("sent", [b"\r\n\r\n", b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"x" * 20_000])
async def test_rubbish_ends_its_own_connection_only(sent: bytes) -> None:
    async with MetricsServer(read, host="127.0.0.1", port=0) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        try:
            answer = await reader.read()
        except ConnectionResetError:
            answer = b""
        writer.close()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
        assert (await ask(server)).status_code == 200


async def test_a_taken_port_is_said_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with MetricsServer(read, host="127.0.0.1", port=taken.getsockname()[1]) as server:
            assert server.port is None
    assert "no metrics on 127.0.0.1" in caplog.text
