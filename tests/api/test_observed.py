"""What the server says about requests: their templates in metrics, and a line each in the log."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from omnimemory import logs
from omnimemory.core.settings import Settings

from .serving import bearer, opened

KEY, WATCHER = "a-long-secret", "a-watchers-secret"
MEMORY = "/api/v1/memories/{memory_id}"
QUERY = "/api/v1/memories/query"


async def counted(client: httpx.AsyncClient) -> set[tuple[str, str, str]]:
    """Method, route and status of what has been answered so far."""
    read = await client.get("/metrics", headers=bearer(WATCHER))
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"])
        for family in text_string_to_metric_families(read.text)
        for sample in family.samples
        if sample.name == "omnimemory_http_requests_total"
    }


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", QUERY + "?app_id=a&query=x", QUERY, "200"),
        ("GET", "/api/v1/memories/m1?app_id=a", MEMORY, "404"),
        ("GET", "/api/v1/memories/m1/evolution/graph?app_id=a", MEMORY + "/evolution/graph", "404"),
        ("POST", "/api/v1/memory-batcher/messages", "/api/v1/memory-batcher/messages", "422"),
        ("PUT", "/api/v1/tasks/t1", "/api/v1/tasks/{task_id}", "405"),
        ("GET", "/health/live", "/health/live", "200"),
        ("GET", "/", "/", "200"),
        ("GET", "/openapi.json", "/openapi.json", "200"),
        ("GET", "/docs", "/docs", "200"),
        ("GET", "/docs/assets/favicon.png", "/docs/assets/{file:path}", "200"),
        ("GET", "/wp-login.php", "unmatched", "404"),
    ],
)
async def test_a_request_is_counted_under_the_whole_template(
    method: str, path: str, route: str, status: str
) -> None:
    async with opened(api_keys=f"{KEY},{WATCHER}") as client:
        await client.request(method, path, headers=bearer(KEY), json=None if method == "GET" else {})
        assert (method, route, status) in await counted(client)


async def test_what_the_gate_refuses_is_counted_under_its_template_too() -> None:
    async with opened(api_keys=f"{KEY},{WATCHER}", max_body_bytes=1024, rate_limit=2) as client:
        await client.get("/api/v1/memories/m1?app_id=a")
        await client.post("/api/v1/memories", headers=bearer(KEY), json={"app_id": "a" * 2000})
        while (await client.get(QUERY, headers=bearer(KEY))).status_code != 429:
            pass
        found = await counted(client)
    assert found >= {("GET", MEMORY, "401"), ("POST", "/api/v1/memories", "413"), ("GET", QUERY, "429")}


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Path]:
    """A file that holds this process's log as JSON lines; afterwards logging is as it was."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    logs.configure(Settings.load({"log_dir": tmp_path, "log_format": "json"}))
    yield tmp_path / logs.FILE_NAME
    for added in set(root.handlers) - set(before):
        root.removeHandler(added)
        added.close()
    root.setLevel(level)
    for name in (*logs.OURS, logs.ACCESS):
        logging.getLogger(name).setLevel(logging.NOTSET)


def access_lines(file: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["logger"] == logs.ACCESS]


async def test_a_request_is_a_line_without_its_ids_and_texts(configured: Path) -> None:
    async with opened(api_keys=KEY) as client:
        asked = {**bearer(KEY), "X-Request-ID": "r-1"}
        await client.get(QUERY + "?app_id=a&user_id=ana&query=my+locker+is+4711", headers=asked)
        await client.delete("/api/v1/memories/m1?app_id=a", headers={"X-Request-ID": "r-2"})
    answered, refused = access_lines(configured)
    assert answered.pop("milliseconds") > 0
    assert answered["message"].startswith(f"GET {QUERY} 200 in ")
    names = ("level", "request_id", "key", "method", "route", "status")
    assert [answered[name] for name in names] == ["INFO", "r-1", "environment-1", "GET", QUERY, 200]
    assert (refused["request_id"], refused["route"], refused["status"]) == ("r-2", MEMORY, 401)
    assert "key" not in refused
    text = json.dumps([answered, refused])
    assert all(secret not in text for secret in ("4711", "ana", "m1", KEY))


async def test_the_lines_can_be_turned_off(configured: Path, tmp_path: Path) -> None:
    logs.configure(Settings.load({"log_dir": tmp_path, "log_format": "json", "access_log": False}))
    async with opened() as client:
        await client.get("/health/live")
    assert access_lines(configured) == []


def test_started_by_uvicorn_itself_it_logs_in_our_format_and_no_query(tmp_path: Path, home: Path) -> None:
    (tmp_path / ".env").write_text("LOG_FORMAT=json\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "omnimemory.api.server:app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        started = next(line for line in process.stderr if "Uvicorn running" in line)
        assert json.loads(started)["logger"] == "uvicorn.error"
        found = httpx.get(f"http://127.0.0.1:{port}{QUERY}?app_id=a&query=my+locker+is+4711")
        process.terminate()
        out, err = process.communicate(timeout=30)
    assert found.status_code == 200
    assert "4711" not in out + err
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["route"] for line in lines if line["logger"] == logs.ACCESS] == [QUERY]
