"""What tests of the daemon do to it, and ask of it."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from omnimemory.attach.line import DATA_HEADER
from omnimemory.attach.place import Place
from omnimemory.core.schemas import Message, UserMessages
from tests.cli.conftest import Shell

ADD = ("memory", "add", "--app-id", "app", "--user-id", "ann", "--no-infer", "--json")
LIST = ("memory", "list", "--app-id", "app", "--json")


def started(shell: Shell) -> int:
    done = shell.process("daemon", "start", "--json")
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["pid"])


def stored(shell: Shell) -> set[str]:
    done = shell("memory", "list", "--app-id", "app", "--json")
    assert done.exit_code == 0, done.stderr
    return {memory["document"] for memory in json.loads(done.stdout)["memories"]}


def client(shell: Shell, *, token: str | None) -> httpx.Client:
    state = Place(shell.home).running()
    assert state is not None
    headers = {DATA_HEADER: state.data} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    transport = httpx.HTTPTransport(uds=str(state.socket))
    return httpx.Client(transport=transport, base_url="http://localhost", headers=headers)


def gone(pid: int) -> bool:
    """Whether the process has ended, its parent aside."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """The process holds what it has, and does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def model_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work that needs the settings' chat model does not end."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("LLM_PROVIDER", "openai")
        monkeypatch.setenv("LLM_MODEL", "any")
        monkeypatch.setenv("LLM_API_KEY", "any")
        monkeypatch.setenv("LLM_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
        yield


def said(text: str) -> UserMessages:
    return UserMessages(app_id="app", user_id="ann", messages=[Message(role="user", content=text)])
