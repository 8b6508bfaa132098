"""docs/API_SPECIFICATION.md: every call is there, and every line of it works."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from omnimemory.api.server import create_app

from .serving import Running

PAGE = (Path(__file__).parents[2] / "docs" / "API_SPECIFICATION.md").read_text()
SHOWN = re.findall(
    r"^```bash\n(curl .*?)\n```\n\n(?:.*?\n\n)??```(json|text)\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE
)
"""Each call with the form of its answer and an example of it, before any other call."""
LINES = re.findall(r"^```bash\n(curl .*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
FREE = frozenset({"metadata", "result"})
"""Which names are in there differs from memory to memory and from task to task."""
HOST = "http://127.0.0.1:8001"
KEY = "the-key-of-the-page"
SHOP = {"app_id": "shop", "user_id": "ann"}


@dataclass(frozen=True)
class Ids:
    memory: str
    ended: str
    task: str
    parked: str


def stored(text: str, running: Running) -> tuple[str, str]:
    """The ids of a new memory and of the task that told of it."""
    with running.client(key=KEY) as client:
        body = {**SHOP, "messages": [{"role": "user", "content": text}]}
        task = client.post("/api/v1/memories", json=body).raise_for_status().json()["task_id"]
        page = client.get(
            "/api/v1/memories", params={"app_id": "shop", "newest_first": "true", "kinds": "turn"}
        )
        return page.json()["memories"][0]["memory_id"], task


def parked(running: Running) -> str:
    """The id of a task that gave up: its callback's name leads to this machine."""
    with running.client(key=KEY) as client:
        body = {**SHOP, "messages": "Ann likes tea.", "callback_url": "http://localhost/hook"}
        task: str = client.post("/api/v1/agent/summaries", json=body).raise_for_status().json()["task_id"]
        client.post("/api/v1/memory-batcher/flush", json={"app_id": "shop", "wait": True})
        found = client.get(f"/api/v1/tasks/{task}", params={"app_id": "shop"}).json()
        assert found["status"] == "parked", found
        return task


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(home=tmp_path_factory.mktemp("page"), api_keys=KEY, shutdown_seconds=0) as started:
        yield started


@pytest.fixture
def ids(running: Running) -> Ids:
    memory, task = stored("I live in Oslo and I work as a baker.", running)
    ended, _ = stored("I have a cat.", running)
    with running.client(key=KEY) as client:
        client.delete(f"/api/v1/memories/{ended}", params={"app_id": "shop"}).raise_for_status()
    return Ids(memory, ended, task, parked(running))


def test_every_call_of_the_schema_has_a_line() -> None:
    shown = set()
    for line in LINES:
        method = re.search(r"-X (\w+)", line)
        path = re.search(rf'"{HOST}(.*?)(\?.*)?"', line)
        assert path is not None
        shown.add((method[1] if method else "GET", re.sub(r"\$\w+", "{}", path[1])))
    described = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, calls in create_app().openapi()["paths"].items()
        for method in calls
    }
    assert shown == described


def test_every_line_is_followed_by_an_answer() -> None:
    assert [line for line, _, _ in SHOWN] == LINES


def names(value: object) -> object:
    """A JSON value without its texts and numbers: its names, and those of a list's first member."""
    if isinstance(value, dict):
        return {name: None if name in FREE else names(inner) for name, inner in value.items()}
    return [names(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None


@pytest.mark.parametrize(
    ("line", "form", "example"),
    SHOWN,
    ids=lambda text: text.split(HOST)[1].split('"')[0].split("?")[0] if HOST in text else "",
)
def test_the_line_works_as_it_stands_and_answers_as_shown(
    line: str, form: str, example: str, running: Running, ids: Ids
) -> None:
    done = subprocess.run(
        ["bash", "-c", line.replace(HOST, running.url).replace("curl ", "curl -sS --fail-with-body ", 1)],
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "OMNIMEMORY_KEY": KEY,
            "MEMORY_ID": ids.memory,
            "ENDED_ID": ids.ended,
            "TASK_ID": ids.task,
            "PARKED_ID": ids.parked,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout
    if form == "json":
        assert names(json.loads(done.stdout)) == names(json.loads(example))
