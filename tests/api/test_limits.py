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


WATCHED = ("/health/live", "/health/ready", "/metrics")


async def test_a_full_server_says_so_and_can_be_watched_all_the_same() -> None:
    async with opened(max_requests=1, body_seconds=5) as client:
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            entered.set()
            await go_on.wait()
            yield b"{}"

        slow = asyncio.create_task(client.post(f"{V1}/memories", content=slow_body(), headers=JSON))
        await entered.wait()
        refused = await client.get("/health")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        for path in WATCHED:
            assert (await client.get(path)).status_code == 200
        go_on.set()
        assert (await slow).status_code == 422
        assert (await client.get("/health")).status_code == 200


async def test_who_asks_too_often_can_still_watch_the_server() -> None:
    async with opened(api_keys="one", rate_limit=0.5) as client:
        key = {"X-API-Key": "one"}
        asked = [(await client.get("/health", headers=key)).status_code for _ in range(3)]
        assert asked == [200, 429, 429]
        for path in WATCHED:
            assert (await client.get(path, headers=key)).status_code == 200


async def test_wrong_keys_count_against_the_rate_of_their_address() -> None:
    async with opened(api_keys="right", rate_limit=0.5) as client:
        tries = [(await client.get(f"{V1}/tasks", headers={"X-API-Key": "wrong"})) for _ in range(3)]
        assert [answer.status_code for answer in tries] == [401, 429, 429]
        right = await client.get(f"{V1}/tasks", params=ANN, headers={"X-API-Key": "right"})
        assert right.status_code == 200


def repeated(part: bytes, times: int, before: bytes, after: bytes) -> bytes:
    return before + b",".join([part] * times) + after


SCOPE = b'"app_id":"shop","user_id":"ann",'
TOLD = b'"messages":[{"role":"user","content":"a"}],'
HEAVY = {
    "empty messages": ("/memories", repeated(b"{}", 300_000, b"{" + SCOPE + b'"messages":[', b"]}")),
    "wrong messages": ("/agent/memories", repeated(b"1", 90_000, b"{" + SCOPE + b'"messages":[', b"]}")),
    "lists in metadata": (
        "/memories",
        repeated(b"[]", 1_000_000, b"{" + SCOPE + TOLD + b'"metadata":{"a":[', b"]}}"),
    ),
    "some lists in metadata": (
        "/memories",
        repeated(b"[]", 90_000, b"{" + SCOPE + TOLD + b'"metadata":{"a":[', b"]}}"),
    ),
    "a long name in metadata": (
        "/memories",
        b"{" + SCOPE + TOLD + b'"metadata":{"' + b"a" * 4_000_000 + b'":1}}',
    ),
    "texts in texts": ("/memories", repeated(b'"a,b:[{"', 400_000, b"{" + SCOPE + b'"messages":[', b"]}")),
    "unknown fields": (
        "/memories",
        b"{" + b",".join(b'"f%d":1' % number for number in range(90_000)) + b"}",
    ),
    "unknown kinds": (
        "/memories/query",
        repeated(b'"a"', 190_000, b'{"app_id":"shop","query":"a","kinds":[', b"]}"),
    ),
    "many shown": (
        "/memories/query",
        repeated(b'"a"', 190_000, b'{"app_id":"shop","query":"a","shown":[', b"]}"),
    ),
    "filters": (
        "/memories/query",
        repeated(b"[]", 90_000, b'{"app_id":"shop","query":"a","filters":{"a":[', b"]}}"),
    ),
    "callback headers": (
        "/agent/summaries",
        b"{" + SCOPE + TOLD + b'"callback_headers":{'
        + b",".join(b'"f%d":1' % number for number in range(60_000)) + b"}}",
    ),
    "deep nesting": (
        "/memories",
        b"{" + SCOPE + TOLD + b'"metadata":{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEAVY)
async def test_a_body_of_very_many_values_is_refused_without_an_error_for_each(name: str) -> None:
    path, body = HEAVY[name]
    async with opened(synthesis=False) as client:
        answer = await client.post(V1 + path, content=body, headers=JSON)
        assert answer.status_code in (400, 413, 422)
        assert len(answer.content) < 20_000


def test_others_are_answered_while_heavy_bodies_come_in(server: Running) -> None:
    """Many short messages among them, which are taken."""
    short = repeated(
        b'{"role":"user","content":"hi"}', 10_000, b"{" + SCOPE + b'"infer":false,"messages":[', b"]}"
    )
    bodies = [*HEAVY.values(), ("/memories", short)]

    def upload() -> list[int]:
        with server.client() as client:
            return [client.post(V1 + path, content=body, headers=JSON).status_code for path, body in bodies]

    with ThreadPoolExecutor(1) as uploads, server.client() as client:
        sent = uploads.submit(upload)
        worst = 0.0
        while not sent.done():
            before = time.perf_counter()
            assert client.get(f"{V1}/tasks", params=ANN).status_code == 200
            worst = max(worst, time.perf_counter() - before)
    *refused, taken = sent.result()
    assert set(refused) <= {400, 413, 422}
    assert taken == 202
    assert worst < 1.5


async def test_ten_thousand_messages_with_all_their_fields_are_few_enough() -> None:
    message = {"role": "user", "content": "a, b: [c]", "name": "Ann", "metadata": {"a": 1, "b": 2}}
    messages = [
        {**message, "id": str(number), "timestamp": "2024-01-01T00:00:00Z"} for number in range(10_000)
    ]
    async with opened(synthesis=False) as client:
        answer = await client.post(f"{V1}/memories", json={**ANN, "messages": messages})
        assert answer.status_code == 202, answer.text
        too_many = await client.post(f"{V1}/memories", json={**ANN, "messages": [*SAID, *messages]})
        assert too_many.status_code == 422
        assert "OMNIMEMORY_MAX_MESSAGES_PER_CALL" in too_many.json()["detail"]


async def test_a_query_string_without_end_is_refused() -> None:
    async with opened() as client:
        answer = await client.get(f"{V1}/memories/query", params={**ANN, "query": "a" * 40_000})
        assert answer.status_code == 414


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
