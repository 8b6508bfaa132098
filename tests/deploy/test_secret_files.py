"""Secrets that are mounted as files, and variables that are nearly right."""

from __future__ import annotations

import logging
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


def test_a_line_of_the_dotenv_file_names_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-a-file")
    (tmp_path / ".env").write_text(f"LLM_API_KEY_FILE={tmp_path}/key\n")
    key = Settings.load().llm_api_key
    assert key is not None
    assert key.get_secret_value() == "sk-from-a-file"


@pytest.mark.parametrize("environment", [{"MONGO_URI": "first"}, {"MONGO_URI_FILE": "first"}])
@pytest.mark.parametrize("dotenv", ["MONGO_URI=second", "MONGO_URI_FILE=second"])
def test_the_environment_wins_over_the_dotenv_file(
    environment: dict[str, str], dotenv: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
    (tmp_path / ".env").write_text(dotenv)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    uri = Settings.load().mongo_uri
    assert uri is not None
    assert uri.get_secret_value() == "first"


def test_in_the_dotenv_file_the_variable_itself_wins(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("file")
    (tmp_path / ".env").write_text("MONGO_URI_FILE=file\nMONGO_URI=variable\n")
    uri = Settings.load().mongo_uri
    assert uri is not None
    assert uri.get_secret_value() == "variable"


def test_a_dotenv_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"LLM_MODEL=\xff\xfe")
    with pytest.raises(ConfigError, match=r"\.env cannot be read"):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OMNIMEMORY_API_KEY", "OMNIMEMORY_API_KEYS"),
        ("OMNIMEMORY_PROVIDER", "OMNI_MEMORY_PROVIDER"),
        ("LLM_APIKEY", "LLM_API_KEY"),
        ("LLM_API_KEY_FILES", "LLM_API_KEY_FILE"),
    ],
)
def test_a_name_that_is_nearly_right_is_told_once(
    name: str, meant: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text(f"{name}=something\n")
    with caplog.at_level(logging.WARNING):
        Settings.load()
        Settings.load()
    assert caplog.messages == [f"{name} is no setting and is ignored; did you mean {meant}?"]


@pytest.mark.parametrize(
    "lines",
    [
        "OMNIMEMORY_API_KEY=k\nOMNIMEMORY_API_KEYS=[]",
        "OMNIMEMORY_API_KEY=",
        "OMNIMEMORY_MONITOR_KEY=k\nOMNIMEMORY_HOST_PORT=1",
        "POSTGRES_URL=another application's",
    ],
    ids=["compose", "empty", "compose alone", "not ours"],
)
def test_what_is_meant_as_it_stands_gives_no_warning(
    lines: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text(lines)
    with caplog.at_level(logging.WARNING):
        Settings.load()
    assert caplog.messages == []
