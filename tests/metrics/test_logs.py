"""Logs for people and for machines, in the places the settings name."""

from __future__ import annotations

import json
import logging
import logging.config
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnimemory import logs
from omnimemory.core.errors import ConfigError
from omnimemory.core.settings import Settings

logger = logging.getLogger("omnimemory.test_logs")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The root logger as it was."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for added in set(root.handlers) - set(before):
        root.removeHandler(added)
        added.close()
    root.setLevel(level)
    for name in (*logs.OURS, logs.ACCESS):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.getLogger("uvicorn.access").propagate = True


def lines(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / logs.FILE_NAME).read_text(encoding="utf-8").splitlines()]


def test_json_lines_carry_time_level_and_context(tmp_path: Path) -> None:
    logs.configure(Settings.load({"log_dir": tmp_path, "log_format": "json"}))
    with logs.fields(request_id="r1"), logs.fields(task_id="t1"):
        logger.info("task %s is done", "t1")
    logger.debug("not at INFO")
    (line,) = lines(tmp_path)
    assert line["time"].endswith("+00:00")
    assert {name: line[name] for name in ("level", "logger", "message", "request_id", "task_id")} == {
        "level": "INFO",
        "logger": "omnimemory.test_logs",
        "message": "task t1 is done",
        "request_id": "r1",
        "task_id": "t1",
    }


def test_an_exception_stays_on_one_line_of_json(tmp_path: Path) -> None:
    logs.configure(Settings.load({"log_dir": tmp_path, "log_format": "json"}))
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logger.exception("it failed")
    (line,) = lines(tmp_path)
    assert line["error"] == "ValueError"
    assert "Traceback" in line["traceback"]


def test_what_a_message_quotes_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings.load())
    logger.warning("unknown id %s", "x\n2026-01-01 INFO omnimemory: all is well\x1b[2J")
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "\\n2026-01-01" in shown
    assert "\x1b" not in shown


def test_other_libraries_speak_from_warning_up(tmp_path: Path) -> None:
    logs.configure(Settings.load({"log_dir": tmp_path, "log_format": "json", "log_level": "DEBUG"}))
    logging.getLogger("httpx").info("GET https://api.example.com")
    logging.getLogger("httpx").warning("slow")
    logger.debug("ours")
    assert [line["message"] for line in lines(tmp_path)] == ["slow", "ours"]


def test_configuring_again_does_not_say_everything_twice(tmp_path: Path) -> None:
    settings = Settings.load({"log_dir": tmp_path, "log_format": "json"})
    logs.configure(settings)
    logs.configure(settings)
    logger.info("once")
    assert len(lines(tmp_path)) == 1


def test_uvicorns_own_loggers_are_taken_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from uvicorn.config import LOGGING_CONFIG

    logging.config.dictConfig(LOGGING_CONFIG)
    logs.configure(Settings.load({"log_dir": tmp_path, "log_format": "json"}))
    logging.getLogger("uvicorn.error").info("Application startup complete.")
    logging.getLogger("uvicorn.access").info("GET /api/v1/memories/query?query=my+secret")
    assert [line["message"] for line in lines(tmp_path)] == ["Application startup complete."]
    shown = capsys.readouterr()
    assert "secret" not in shown.out + shown.err
    assert shown.err.count("\n") == 1
    assert not logging.getLogger("uvicorn.access").hasHandlers(), "uvicorn makes no line for nobody"


def test_details_are_fields_of_json_and_no_part_of_a_line_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Settings.load({"log_dir": tmp_path, "log_format": "json"}))
    logger.info("answered", extra={"details": {"status": 200}})
    assert '"status": 200' in (tmp_path / logs.FILE_NAME).read_text()
    logs.configure(Settings.load())
    capsys.readouterr()
    logger.info("answered", extra={"details": {"status": 200}})
    assert capsys.readouterr().err.rstrip().endswith("answered")


def test_files_are_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 500)
    logs.configure(Settings.load({"log_dir": tmp_path, "log_format": "json"}))
    for number in range(50):
        logger.info("line %d", number)
    assert len(list(tmp_path.glob(f"{logs.FILE_NAME}*"))) == logs.OLD_FILES + 1
    assert lines(tmp_path)[-1]["message"] == "line 49"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="LOG_DIR"):
        logs.configure(Settings.load({"log_dir": tmp_path / "file"}))
