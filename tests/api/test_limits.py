"""Too large, too many, too slow, too broken: the others are still answered."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from omnimemory.api.server import create_app
from omnimemory.api.service import requested_workers, require_shareable
from omnimemory.core.errors import ConfigError
from omnimemory.core.settings import Settings

from .requests import ANN, SAID, V1
from .serving import Running, opened

JSON = {"Content-Type": "application/json"}
TWENTY_MEGABYTES = 20_000_000


def pieces(size: int) -> Iterator[bytes]:
    """A body whose length is not told before."""
    for _ in range(0, size, 100_000):
        yield b"x" * 100_000


def test_a_body_of_twenty_megabytes_is_refused_while_others_are_answered(server: Running) -> None:
    def upload(content: bytes | Iterator[bytes]) -> httpx.Response:
        with server.client() as client:
            return client.post(f"{V1}/memories", content=content, headers=JSON)

    with ThreadPoolExecutor(4) as uploads, server.client() as client:
        sent = [
            uploads.submit(upload, b"x" * TWENTY_MEGABYTES if number % 2 else pieces(TWENTY_MEGABYTES))
            for number in range(8)
        ]
        answered = 0
        while not all(one.done() for one in sent):
            assert client.get("/health/ready").status_code == 200
            answered += 1
        assert answered > 0
    for one in sent:
        assert one.result().status_code == 413
        assert "OMNIMEMORY_MAX_BODY_BYTES" in one.result().json()["detail"]


def test_a_flood_of_malformed_json_keeps_nobody_waiting(server: Running) -> None:
    broken = [b"{", b"[" * 200_000, b'{"a":' * 50_000, b'"' + b"\\u00" * 50_000, b"\xff" * 1000, b"{}" * 1000]

    def flood(number: int) -> set[int]:
        with server.client() as client:
            return {
                client.post(
                    f"{V1}/memories", content=broken[(number + turn) % len(broken)], headers=JSON
                ).status_code
                for turn in range(100)
            }

    with ThreadPoolExecutor(4) as floods, server.client() as client:
        running = [floods.submit(flood, number) for number in range(4)]
        worst, stored = 0.0, 0
        while not all(one.done() for one in running):
            before = time.perf_counter()
            answer = client.post(f"{V1}/memory-batcher/messages", json={**ANN, "messages": SAID})
            worst = max(worst, time.perf_counter() - before)
            assert answer.status_code == 200
            stored += 1
        assert stored > 0
        assert worst < 2.0
        for one in running:
            assert one.result() == {400}


def test_a_body_that_does_not_arrive_is_given_up(tmp_path: object) -> None:
    with Running(home=tmp_path, body_seconds=0.2) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as raw:
            raw.sendall(
                f"POST {V1}/memories HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
                "Content-Length: 100\r\n\r\n{".encode()
            )
            assert raw.recv(1000).startswith(b"HTTP/1.1 408")


async def test_a_key_has_a_rate_of_its_own() -> None:
    async with opened(api_keys="one,two", rate_limit=0.5) as client:
        statuses = [
            (await client.get(f"{V1}/tasks", params=ANN, headers={"X-API-Key": "one"})) for _ in range(3)
        ]
        assert [answer.status_code for answer in statuses] == [200, 429, 429]
        assert int(statuses[-1].headers["retry-after"]) >= 1
        assert (await client.get(f"{V1}/tasks", params=ANN, headers={"X-API-Key": "two"})).status_code == 200


async def test_a_full_server_says_so() -> None:
    async with opened(max_requests=1, body_seconds=5) as client:
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            entered.set()
            await go_on.wait()
            yield b"{}"

        slow = asyncio.create_task(client.post(f"{V1}/memories", content=slow_body(), headers=JSON))
        await entered.wait()
        refused = await client.get("/health/live")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        go_on.set()
        assert (await slow).status_code == 422
        assert (await client.get("/health/live")).status_code == 200


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["OMNIMEMORY_LEDGER_URL", "OMNI_MEMORY_PROVIDER"]),
        ({"provider": "qdrant-remote"}, ["OMNIMEMORY_LEDGER_URL"]),
        ({"ledger_url": "postgresql://db/memory"}, ["OMNI_MEMORY_PROVIDER"]),
    ],
)
async def test_several_workers_need_servers_to_share(settings: dict[str, object], names: list[str]) -> None:
    app = create_app(Settings.load({**settings, "api_workers": 4}))
    with pytest.raises(ConfigError) as refused:
        async with app.router.lifespan_context(app):
            pass
    assert all(name in str(refused.value) for name in names)


def test_several_workers_may_share_a_postgres_ledger_and_a_store_server() -> None:
    shared = {"provider": "qdrant-remote", "ledger_url": "postgresql://db/memory"}
    require_shareable(Settings.load(shared), workers=4)
    require_shareable(
        Settings.load({"provider": "postgresql", "postgres_uri": "postgresql://db/m"}), workers=4
    )
    require_shareable(Settings.load(), workers=1)


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [([], 1), (["--workers", "4"], 4), (["--workers=3"], 3), (["--workers"], 1), (["--workers", "x"], 1)],
)
def test_uvicorns_own_option_counts_too(arguments: list[str], workers: int) -> None:
    assert requested_workers(["uvicorn", "omnimemory.api.server:app", *arguments]) == workers
