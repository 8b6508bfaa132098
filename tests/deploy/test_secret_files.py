"""Secrets that are mounted as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnimemory.core.errors import ConfigError
from omnimemory.core.settings import Settings


def test_a_secret_is_read_from_the_file_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("sk-from-a-file\n")
    monkeypatch.setenv("LLM_API_KEY_FILE", str(tmp_path / "key"))
    key = Settings.load().llm_api_key
    assert key is not None
    assert key.get_secret_value() == "sk-from-a-file"


def test_the_variable_itself_and_an_argument_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uri").write_text("postgresql://file")
    monkeypatch.setenv("POSTGRES_URI_FILE", str(tmp_path / "uri"))
    monkeypatch.setenv("POSTGRES_URI", "postgresql://variable")
    for overrides, wanted in (({}, "variable"), ({"postgres_uri": "postgresql://argument"}, "argument")):
        uri = Settings.load(overrides).postgres_uri
        assert uri is not None
        assert uri.get_secret_value() == f"postgresql://{wanted}"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY_FILE", str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="QDRANT_API_KEY_FILE"):
        Settings.load()


def test_an_empty_file_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("\n")
    monkeypatch.setenv("LLM_API_KEY_FILE", str(tmp_path / "key"))
    assert Settings.load().llm_api_key is None
