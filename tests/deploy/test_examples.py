"""The complete examples run as they are printed: no key, no network."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=90, check=False
    )


def test_the_sdk_example_batches_recalls_and_answers() -> None:
    done = run(ROOT / "examples/complete_sdk_example.py")
    assert done.returncode == 0, done.stderr
    for expected in (
        "batch of 10 handed to the agents",
        "  User lives in Oslo.",
        "User moved from Oslo to Bergen.",
        "4 Fjord Lane, Bergen",
        "Monday's note has 2 versions",
        '"User moved from Oslo to Bergen." takes the place of "User lives in Oslo."',
        "M1 -->|UPDATE| M2",
        "The agent says:",
    ):
        assert expected in done.stdout


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a server that was started as the example says."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "omnimemory.api.server:app", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        started = any("Uvicorn running" in line for line in process.stderr)
        assert started, "the server did not start"
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.communicate(timeout=30)


def test_the_api_example_runs_against_a_server(server: str) -> None:
    done = run(ROOT / "examples/complete_api_example.py", "--url", server)
    assert done.returncode == 0, done.stderr
    for expected in ("repeated, still task", "the task is done", "e-mail only, no calls", "the agent says:"):
        assert expected in done.stdout


def test_the_api_example_says_how_to_start_a_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = run(ROOT / "examples/complete_api_example.py", "--url", f"http://127.0.0.1:{port}")
    assert done.returncode == 1
    assert "omnimemory serve" in done.stderr
