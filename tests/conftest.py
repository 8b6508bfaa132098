"""What every test starts from: none of our settings in the environment, a home folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

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
