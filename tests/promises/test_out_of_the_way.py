"""No network, no framework, no thread at import; no key, no server and no network in use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_WATCH = """
import sys, threading
FRAMEWORKS = {"langchain", "langchain_core", "llama_index", "torch", "openai", "sqlalchemy", "rich"}
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        sys.exit(f"{event} {arguments[1:]}")
sys.addaudithook(watch)
"""
_BREAK = """
import importlib.abc, importlib.machinery
class Worse(importlib.machinery.SourceFileLoader):
    def exec_module(self, module):
        super().exec_module(module)
        %s
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "omnimemory.runtime":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        spec.loader = Worse(name, spec.origin)
        return spec
sys.meta_path.insert(0, Finder())
"""
_IMPORT = """
import omnimemory.sdk
loaded = FRAMEWORKS & sys.modules.keys()
if loaded: sys.exit(f"imported {sorted(loaded)}")
if threading.active_count() > 1: sys.exit("started a thread")
"""
_USE = """
from omnimemory import SyncOmniMemorySDK, UserMessages, Message
with SyncOmniMemorySDK() as sdk:
    messages = [Message(role="user", content="I live in Oslo.")]
    sdk.add_memory(UserMessages(app_id="app", user_id="ann", messages=messages))
    sdk.flush()
    assert sdk.query_memory("app", "Oslo?", "ann")
"""


def out_of_the_way(home: Path, *steps: str) -> None:
    """The promise, in a fresh interpreter; the reason it is broken is the assertion's message."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join((_WATCH, *steps))],
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_import_starts_nothing_and_loads_no_framework(home: Path) -> None:
    out_of_the_way(home, _IMPORT)


def test_it_works_without_a_key_a_server_or_a_network(home: Path) -> None:
    out_of_the_way(home, _USE)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("import sqlalchemy", "imported"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "socket.connect|socket.getaddrinfo"),
        ("threading.Thread(target=threading.Event().wait, daemon=True).start()", "started a thread"),
    ],
)
def test_a_build_that_does_any_of_it_at_import_is_caught(home: Path, step: str, reason: str) -> None:
    """Broken on purpose: one module of ours does at import what none may do."""
    with pytest.raises(AssertionError, match=reason):
        out_of_the_way(home, _BREAK % step, _IMPORT)
