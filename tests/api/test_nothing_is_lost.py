"""What a 2xx acknowledged is there after a restart, however the server ended."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event

import httpx
import pytest

from .process import ServerProcess
from .requests import ANN, V1

CALLERS = 8


class Load:
    """Callers that write until told to stop or until the server is gone; what was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self._numbers = count()

    def write(self, server: ServerProcess, *, until: int) -> None:
        """Kill the server under load once ``until`` writes in all are acknowledged."""
        enough = Event()
        with ThreadPoolExecutor(CALLERS) as callers:
            working = [callers.submit(self._caller, server, until, enough) for _ in range(CALLERS)]
            assert enough.wait(120)
            server.kill()
            for one in working:
                one.result()

    def _caller(self, server: ServerProcess, until: int, enough: Event) -> None:
        with server.client() as client:
            while True:
                number = next(self._numbers)
                text = f"Fact number {number} is kept."
                if number % 2:
                    path, body = "/memories", {**ANN, "messages": [{"role": "user", "content": text}]}
                else:
                    path, body = "/memory-batcher/messages", {**ANN, "role": "user", "content": text}
                try:
                    answer = client.post(V1 + path, json=body, headers={"Idempotency-Key": str(number)})
                except httpx.TransportError:
                    return
                if answer.is_success:
                    self.acknowledged.append(text)
                if len(self.acknowledged) >= until:
                    enough.set()


def stored(client: httpx.Client) -> Counter[str]:
    """Every turn's text, with how often it is there."""
    found: Counter[str] = Counter()
    params = {**ANN, "kinds": "turn", "limit": "1000"}
    while True:
        page = client.get(f"{V1}/memories", params=params).json()
        found.update(one["document"] for one in page["memories"])
        if page["next_cursor"] is None:
            return found
        params["cursor"] = page["next_cursor"]


@pytest.mark.parametrize(
    ("writes", "kills"),
    [(200, 2), pytest.param(2000, 10, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def test_killed_under_load_every_acknowledged_write_is_there_once(
    tmp_path: Path, writes: int, kills: int
) -> None:
    load = Load()
    for kill in range(1, kills + 1):
        with ServerProcess(tmp_path, OMNIMEMORY_SYNTHESIS="false") as server:
            load.write(server, until=writes * kill // kills)
    with ServerProcess(tmp_path, OMNIMEMORY_SYNTHESIS="false") as server, server.client() as client:
        found = stored(client)
    assert len(load.acknowledged) >= writes
    assert [text for text in load.acknowledged if found[text] != 1] == []
    assert max(found.values()) == 1


def test_told_to_stop_it_ends_well_and_goes_on_at_the_next_start(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, OMNIMEMORY_SHUTDOWN_SECONDS="0") as server, server.client() as client:
        tasks = []
        for number in range(20):
            body = {**ANN, "messages": [{"role": "user", "content": f"My lucky number is {number}."}]}
            tasks.append(client.post(f"{V1}/memories", json=body).json()["task_id"])
        client.close()
        assert "shutdown complete" in server.stop()
    with ServerProcess(tmp_path) as server, server.client() as client:
        client.post(f"{V1}/memory-batcher/flush", json={**ANN, "wait": True}).raise_for_status()
        done = client.get(f"{V1}/tasks", params={**ANN, "statuses": "done"}).json()["tasks"]
        assert {task["task_id"] for task in done} == set(tasks)


def test_told_to_stop_it_finishes_queued_work_first(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server, server.client() as client:
        body = {**ANN, "messages": [{"role": "user", "content": "I live in Oslo."}]}
        task = client.post(f"{V1}/memories", json=body).json()["task_id"]
        client.close()
        assert "shutdown complete" in server.stop()
    with ServerProcess(tmp_path, OMNIMEMORY_SYNTHESIS="false") as server, server.client() as client:
        found = client.get(f"{V1}/tasks/{task}", params=ANN).json()
        assert (found["status"], found["attempts"]) == ("done", 1)
