"""A memory of its own for every test, in a temporary folder; no environment, no model, no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omnimemory import OmniMemorySDK
from omnimemory.core.settings import Settings, variable_of


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The home folder of every SDK of the test, which sees no other setting of ours."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.delenv("LANGSMITH_TRACING", raising=False)
    folder = tmp_path / "home"
    monkeypatch.setenv("OMNIMEMORY_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def sdk(home: Path) -> Iterator[OmniMemorySDK]:
    """The SDK as the README makes it; tests hand it to the classes, or let them open their own."""
    opened = OmniMemorySDK()
    yield opened
    opened.close_blocking(drain=False)
