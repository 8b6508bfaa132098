"""What a command tells of work that it does not see done."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

ADD = ("memory", "add", "--app-id", "app", "--user-id", "ann", "-m", "user: I keep bees.")


@pytest.fixture
def mute(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Commands whose chat model cannot be reached, so that no note is ever made."""
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("LLM_API_KEY", "none")
    monkeypatch.setenv("LLM_MODEL", "mute")
    return shell


def test_without_a_daemon_nobody_is_said_to_do_the_work(mute: Shell) -> None:
    for arguments in (("--no-wait",), ("--timeout", "0.1")):
        done = mute(*ADD, *arguments)
        assert done.exit_code == 0, done.stderr
        assert "1 of 1 message is new and stored." in done.stdout
        assert f"the next command, or `omnimemory daemon start --home {mute.home}`" in done.stdout
        assert "background" not in done.stdout


def test_with_a_daemon_it_is_the_daemon_that_goes_on(shell: Shell) -> None:
    assert shell.process("daemon", "start").returncode == 0
    assert "goes on in the daemon." in shell(*ADD).stdout


def test_a_wait_that_was_asked_for_and_ends_too_early_is_no_success(mute: Shell) -> None:
    done = mute(*ADD, "--wait", "--timeout", "0.1", "--json")
    assert done.exit_code == 5
    told = json.loads(done.stdout)
    assert (told["status"], told["task"]["task_id"]) == ("accepted", told["task_id"])
    assert told["task"]["status"] in ("queued", "running")


def test_the_state_of_the_task_is_told_whether_or_not_anybody_waited(shell: Shell) -> None:
    assert json.loads(shell(*ADD, "--no-wait", "--json").stdout)["task"]["status"] in ("queued", "running")
    assert json.loads(shell(*ADD, "--json").stdout)["task"]["status"] == "done"


def test_the_retry_that_a_parked_task_advises_can_be_pasted(
    mute: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNIMEMORY_TASK_ATTEMPTS", "1")
    done = mute(*ADD)
    assert done.exit_code == 1
    task_id = json.loads(mute("tasks", "list", "--app-id", "app", "--json").stdout)[0]["task_id"]
    assert f"`omnimemory tasks retry {task_id} --app-id app --home {mute.home}`" in done.stdout


def test_ctrl_c_ends_the_wait_and_tells_what_is_stored(mute: Shell) -> None:
    waiting = mute.begin(*ADD, "--timeout", "50")
    assert waiting.stderr is not None
    assert "attempt 1" in waiting.stderr.readline(), "the model was asked, so the command waits"
    waiting.send_signal(signal.SIGINT)
    told, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert "1 of 1 message is new and stored." in told
    assert "waits for the next command" in told


def test_a_daemon_that_stops_meanwhile_takes_nothing_with_it(
    mute: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNIMEMORY_SHUTDOWN_SECONDS", "0")
    monkeypatch.setenv("OMNIMEMORY_REQUEST_DRAIN_SECONDS", "1")
    assert mute.process("daemon", "start").returncode == 0
    waiting = mute.begin(*ADD, "--wait", "--timeout", "50", "--json")
    while not json.loads(mute("tasks", "list", "--app-id", "app", "--json").stdout):
        pass  # until the daemon has the task
    assert mute.process("daemon", "stop").returncode == 0
    told, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 5, said
    assert json.loads(told)["message"] == "1 of 1 message is new and stored"


def test_health_tells_of_each_part_also_when_one_fails(mute: Shell) -> None:
    done = mute("health", "--json")
    assert done.exit_code == 5
    checks = json.loads(done.stdout)["checks"]
    assert {part: check["status"] for part, check in checks.items()} == {
        "ledger": "ok",
        "store": "ok",
        "embedder": "ok",
        "model": "failing",
    }
    assert "cannot be reached" in checks["model"]["error"]
    assert [line.split()[:2] for line in mute("health").stdout.splitlines()[:2]] == [
        ["ok", "ledger"],
        ["ok", "store"],
    ]


def test_a_store_that_is_down_is_one_failed_part(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNI_MEMORY_PROVIDER", "qdrant-remote")
    monkeypatch.setenv("QDRANT_HOST", "127.0.0.1")
    monkeypatch.setenv("QDRANT_PORT", "9")
    done = shell("health", "--json")
    assert done.exit_code == 5
    assert json.loads(done.stdout)["checks"]["store"]["status"] == "failing"


def test_what_happens_in_a_command_is_logged_where_the_settings_say(
    mute: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_DIR", str(tmp_path / "logs"))
    monkeypatch.setenv("LOG_FORMAT", "json")
    monkeypatch.setenv("LOG_LEVEL", "info")
    monkeypatch.setenv("OMNIMEMORY_TASK_ATTEMPTS", "1")
    done = mute(*ADD)
    lines = [json.loads(line) for line in (tmp_path / "logs" / "omnimemory.log").read_text().splitlines()]
    assert any(line["level"] == "ERROR" or line["level"] == "WARNING" for line in lines)
    assert all(json.loads(line)["level"] in ("WARNING", "ERROR") for line in done.stderr.splitlines())
