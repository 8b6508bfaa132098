"""Told to stop: who still waits is told so, and nothing is waited for that cannot come."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from .process import ServerProcess
from .requests import ANN, SAID, V1
from .test_waiting import spent_today

SILENT_MODEL = {"LLM_BASE_URL": "http://127.0.0.1:9/v1", "LLM_MODEL": "m", "LLM_API_KEY": "k"}


def answer_to(raw: socket.socket) -> str:
    """All that comes until the connection ends."""
    parts = []
    while part := raw.recv(10_000):
        parts.append(part)
    return b"".join(parts).decode()


def test_a_request_that_takes_too_long_is_told_to_come_back(tmp_path: Path) -> None:
    settings = {"OMNIMEMORY_REQUEST_DRAIN_SECONDS": "0", "OMNIMEMORY_SHUTDOWN_SECONDS": "0"}
    with ServerProcess(tmp_path, **SILENT_MODEL, **settings) as server:
        with server.client() as client:
            client.post(f"{V1}/memories", json={**ANN, "messages": SAID}).raise_for_status()
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as raw:
            body = b'{"app_id": "shop", "wait": true}'
            raw.sendall(
                f"POST {V1}/memory-batcher/flush HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            )
            assert raw.recv(100).startswith(b"HTTP/1.1 100")  # from here on it is under way
            raw.sendall(body)
            log = server.stop()
            answer = answer_to(raw)
    assert answer.startswith("HTTP/1.1 503")
    assert "retry-after: 1" in answer.lower()
    assert "application/problem+json" in answer
    assert "Traceback" not in log


def test_work_that_the_daily_cap_holds_is_not_waited_for(tmp_path: Path) -> None:
    import asyncio

    asyncio.run(spent_today(tmp_path))
    settings = {"OMNIMEMORY_DAILY_TOKEN_CAP": "5", "OMNIMEMORY_SHUTDOWN_SECONDS": "50"}
    with ServerProcess(tmp_path, **settings) as server:
        with server.client() as client:
            client.post(f"{V1}/memories", json={**ANN, "messages": SAID}).raise_for_status()
            flushed = client.post(f"{V1}/memory-batcher/flush", json={**ANN, "wait": True}).json()
            assert flushed["held"]
        before = time.monotonic()
        assert "shutdown complete" in server.stop()
        assert time.monotonic() - before < 20


def test_work_that_is_due_later_is_not_waited_for(tmp_path: Path) -> None:
    settings = {"OMNIMEMORY_RETRY_BASE_SECONDS": "300", "OMNIMEMORY_SHUTDOWN_SECONDS": "50"}
    with ServerProcess(tmp_path, **SILENT_MODEL, **settings, OMNIMEMORY_FLUSH_SECONDS="5") as server:
        with server.client() as client:
            task = client.post(f"{V1}/memories", json={**ANN, "messages": SAID}).json()["task_id"]
            while client.get(f"{V1}/tasks/{task}", params=ANN).json()["error"] is None:
                client.get("/health/live")
        before = time.monotonic()
        assert "shutdown complete" in server.stop()
        assert time.monotonic() - before < 20
