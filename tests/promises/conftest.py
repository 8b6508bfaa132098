"""A memory of its own for every test: no environment, a home folder in ``tmp_path``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omnimemory.core.settings import Settings, variable_of
from omnimemory.testing.model_server import ScriptedModelServer

from .minds import sensible


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The home folder of every SDK of the test, which sees no other setting of ours."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    folder = tmp_path / "home"
    monkeypatch.setenv("OMNIMEMORY_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def model() -> Iterator[ScriptedModelServer]:
    """A chat model behind real HTTP that answers sensibly until a test says otherwise."""
    with ScriptedModelServer(sensible()) as server:
        yield server
