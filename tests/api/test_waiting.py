"""A flush that waits ends: when the notes are there, when they cannot come, in time, and with its caller."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from omnimemory.ledger.ledger import Ledger, file_url
from omnimemory.ledger.values import Spent

from .requests import ANN, SAID, V1
from .serving import Running, opened

FLUSH = f"{V1}/memory-batcher/flush"
SILENT_MODEL = {"llm_base_url": "http://127.0.0.1:9/v1", "llm_model": "m", "llm_api_key": "k"}
"""Its notes never come: every attempt fails and is made again later."""


async def spent_today(home: Path) -> None:
    """As if a model had been asked before."""
    async with Ledger(file_url(home / "ledger.db")) as ledger:
        await ledger.spend(Spent(calls=1, input_tokens=10, output_tokens=10))


async def test_while_the_daily_cap_holds_tasks_a_flush_does_not_wait_and_says_why(tmp_path: Path) -> None:
    await spent_today(tmp_path)
    async with opened(home=tmp_path, daily_token_cap=5, flush_seconds=60) as client:
        await client.post(f"{V1}/memory-batcher/messages", json={**ANN, "messages": SAID})
        flushed = (await client.post(FLUSH, json={**ANN, "wait": True})).json()
        batched = (await client.post(f"{V1}/memory-batcher/messages", json={**ANN, "messages": SAID})).json()
        assert (flushed["status"], batched["status"]) == ("pending", "pending")
        for answer in (flushed, batched):
            assert "daily cap of 5 model tokens" in answer["held"]
        (task_id,) = flushed["task_ids"]
        assert (await client.get(f"{V1}/tasks/{task_id}", params=ANN)).json()["status"] == "queued"


async def test_a_flush_answers_in_time_though_the_notes_are_not_there() -> None:
    async with opened(**SILENT_MODEL, flush_seconds=0.2) as client:
        await client.post(f"{V1}/memories", json={**ANN, "messages": SAID})
        answer = await client.post(FLUSH, json={**ANN, "wait": True})
        assert (answer.status_code, answer.json()["status"]) == (200, "pending")
        at_once = await client.post(FLUSH, json=ANN)
        assert at_once.json()["status"] == "flushed"


def test_a_flush_whose_caller_went_away_waits_no_longer(tmp_path: Path) -> None:
    with (
        Running(home=tmp_path, **SILENT_MODEL, max_requests=1, shutdown_seconds=0) as server,
        server.client() as client,
    ):
        client.post(f"{V1}/memory-batcher/messages", json={**ANN, "messages": SAID}).raise_for_status()
        with flushing(server):
            until(lambda: re.search(r'omnimemory_tasks\{status="(queued|running)"\} 1', metrics(client)))
            assert client.get(f"{V1}/tasks", params=ANN).status_code == 503
        until(lambda: client.get(f"{V1}/tasks", params=ANN).is_success)


def metrics(client: httpx.Client) -> str:
    return client.get("/metrics").text


def flushing(server: Running) -> socket.socket:
    """A connection with a flush that waits."""
    host, port = server.url.removeprefix("http://").split(":")
    body = b'{"app_id": "shop", "wait": true}'
    raw = socket.create_connection((host, int(port)), timeout=30)
    raw.sendall(
        f"POST {FLUSH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return raw


def until(holds: Callable[[], object]) -> None:
    """Ask the server again and again; no event tells of what goes on in it."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
