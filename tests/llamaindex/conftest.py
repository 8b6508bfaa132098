"""A memory of its own for every test: no environment, a home folder in ``tmp_path``, no model, no network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from omnimemory import OmniMemorySDK
from omnimemory.core.settings import Settings, variable_of


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
async def sdk() -> AsyncIterator[OmniMemorySDK]:
    """An SDK from the environment: the one that classes without ``memory=`` share."""
    async with OmniMemorySDK() as opened:
        yield opened
