"""The daemon as a process: it starts, serves, ends, and leaves nothing behind that hinders the next."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from omnimemory.attach import line
from omnimemory.attach.line import DATA_HEADER
from omnimemory.attach.place import Place
from omnimemory.cli import connect
from omnimemory.cli.app import app
from omnimemory.core.errors import ConfigError, StoreUnavailable
from omnimemory.sdk import SyncOmniMemorySDK
from tests.cli.conftest import Shell
from tests.cli.daemons import ADD, LIST, client, frozen, gone, model_that_never_answers, said, started, stored


def test_a_daemon_starts_tells_of_itself_and_stops(shell: Shell) -> None:
    pid = started(shell)
    status = json.loads(shell("daemon", "status", "--json").stdout)
    assert (status["running"], status["ready"], status["pid"]) == (True, True, pid)
    again = shell.process("daemon", "start", "--json")
    assert (json.loads(again.stdout)["pid"], json.loads(again.stdout)["started"]) == (pid, False)
    stopped = shell("daemon", "stop")
    assert (stopped.exit_code, stopped.stdout) == (0, "The daemon has stopped.\n")
    assert gone(pid)
    assert shell("daemon", "status").exit_code == 3
    assert shell("daemon", "stop").stdout == "No daemon runs.\n"


def test_only_its_user_can_reach_it(shell: Shell) -> None:
    started(shell)
    folder = shell.home / "daemon"
    state = Place(shell.home).state()
    assert state is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in (*folder.iterdir(), state.socket):
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert state.socket.parent.stat().st_mode & 0o777 == 0o700


def test_the_rest_api_is_on_its_socket_for_who_has_the_token(shell: Shell) -> None:
    started(shell)
    assert shell(*ADD, "-m", "user: I keep bees.").exit_code == 0
    with client(shell, token=Place(shell.home).token()) as http:
        found = http.get("/api/v1/memories/query", params={"app_id": "app", "query": "bees"})
        assert [memory["document"] for memory in found.json()["memories"]] == ["I keep bees."]
        assert http.post("/daemon/calls/engine.stats", content=b"{}").json()["provider"] == "qdrant-local"
        assert http.post("/daemon/calls/engine.explode", content=b"{}").status_code == 400
        other = {DATA_HEADER: "another store"}
        assert http.post("/daemon/calls/engine.stats", content=b"{}", headers=other).status_code == 400
        assert http.post("/daemon/calls/engine.recall", content=b"nonsense").status_code == 400
    for token in (None, "wrong"):
        with client(shell, token=token) as http:
            assert http.get("/api/v1/memories", params={"app_id": "app"}).status_code == 401
            assert http.post("/daemon/calls/engine.stats", content=b"{}").status_code == 401


def test_after_a_kill_the_leftovers_hinder_nobody(shell: Shell) -> None:
    pid = started(shell)
    assert shell(*ADD, "-m", "user: I keep bees.").exit_code == 0
    os.kill(pid, signal.SIGKILL)
    while not gone(pid):
        time.sleep(0.01)  # until the system has ended the process, which is no child of ours
    assert stored(shell) == {"I keep bees."}
    assert shell("daemon", "status").exit_code == 3
    assert Place(shell.home).state() is None
    assert started(shell) != pid
    assert stored(shell) == {"I keep bees."}


def test_two_starts_at_once_make_one_daemon(shell: Shell) -> None:
    both = [shell.begin("daemon", "start", "--json") for _ in range(2)]
    told = [(*process.communicate(timeout=60), process.returncode) for process in both]
    assert [code for _, _, code in told] == [0, 0], told
    assert len({json.loads(out)["pid"] for out, _, _ in told}) == 1
    assert sorted(json.loads(out)["started"] for out, _, _ in told) == [False, True]


def test_a_long_path_is_no_hindrance(tmp_path: Path) -> None:
    shell = Shell(tmp_path / ("deep" * 30))
    started(shell)
    try:
        state = Place(shell.home).state()
        assert state is not None
        with SyncOmniMemorySDK(home=shell.home) as sdk:
            sdk.add_memory(said("I keep bees."), infer=False)
            shell("daemon", "stop")
            started(shell)
            assert [memory.text for memory in sdk.list_memories("app")] == ["I keep bees."]
        again = Place(shell.home).state()
        assert again is not None
        assert again.socket == state.socket
    finally:
        shell("daemon", "stop")
    assert not state.socket.parent.exists()


def test_a_socket_is_put_in_no_folder_that_others_can_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = Place(tmp_path / ("deep" * 30))
    place.bind().close()
    (apart,) = tmp_path.iterdir()
    apart.chmod(0o755)
    with pytest.raises(ConfigError, match=f"{apart} is open to others"):
        place.bind()


def test_a_daemon_that_cannot_have_the_store_says_who_has_it(shell: Shell) -> None:
    with SyncOmniMemorySDK(home=shell.home) as sdk:
        sdk.list_memories("app")
        done = shell.process("daemon", "start")
    assert (done.returncode, done.stdout) == (4, "")
    assert f"process {os.getpid()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_log_is_shown_and_followed(shell: Shell) -> None:
    missing = shell("daemon", "logs")
    assert missing.exit_code == 3
    assert "omnimemory daemon start" in missing.stderr
    place = Place(shell.home)
    place.prepare()
    place.log.write_text("one\ntwo\nthree\n")
    assert shell("daemon", "logs", "-n", "2").stdout == "two\nthree\n"
    following = shell.begin("daemon", "logs", "-f", "-n", "1")
    assert following.stdout is not None
    assert following.stdout.readline() == "three\n"
    with place.log.open("a") as log:
        log.write("four\n")
    assert following.stdout.readline() == "four\n"
    following.send_signal(signal.SIGINT)
    assert following.communicate(timeout=30)[1] == ""
    assert following.returncode == 0
    document = json.loads(shell("daemon", "logs", "-n", "1", "--json").stdout)
    assert document == {"log": str(place.log), "lines": ["four"]}
    assert shell("daemon", "logs", "-f", "--json").exit_code == 2


def test_following_the_log_ends_with_its_reader(shell: Shell) -> None:
    place = Place(shell.home)
    place.prepare()
    place.log.write_text("one\n")
    with shell.begin("daemon", "logs", "-f") as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "one\n"
        following.stdout.close()
        assert following.wait(timeout=30) == 0


@pytest.mark.parametrize("command", ["start", "status", "stop", "logs"])
def test_a_home_that_is_no_folder_is_named(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("OMNIMEMORY_HOME", str(file))
    done = CliRunner().invoke(app, ["daemon", command])
    assert done.exit_code == 2
    assert f"OMNIMEMORY_HOME: {file}" in done.stderr


def test_a_daemon_that_does_not_answer_keeps_nobody_waiting(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = started(shell)
    monkeypatch.setattr(connect, "LOCK_SECONDS", 0.0)
    monkeypatch.setattr(line, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(line, "SILENT_SECONDS", 0.1)
    with SyncOmniMemorySDK(home=shell.home) as sdk:
        sdk.list_memories("app")
        with frozen(pid), pytest.raises(StoreUnavailable, match="does not answer"):
            sdk.list_memories("app")
        assert sdk.list_memories("app").memories == ()
    with frozen(pid):
        status = shell("daemon", "status")
        assert status.exit_code == 5
        assert f"The daemon (process {pid}) does not answer" in status.stdout
        start = shell("daemon", "start")
        assert (start.exit_code, "does not answer" in start.stderr) == (5, True)
        listing = shell(*LIST)
        assert (listing.exit_code, "omnimemory daemon status" in listing.stderr) == (4, True)


def test_a_token_that_is_gone_comes_with_the_next_daemon(shell: Shell) -> None:
    started(shell)
    token = shell.home / "daemon" / "token"
    token.write_text("")
    for command in (LIST, ("daemon", "start")):
        done = shell(*command)
        assert (done.exit_code, str(token) in done.stderr, "daemon stop" in done.stderr) == (2, True, True)
    with SyncOmniMemorySDK(home=shell.home) as sdk:
        shell("daemon", "stop")
        started(shell)
        sdk.list_memories("app")
        shell("daemon", "stop")
        token.unlink()
        started(shell)
        assert sdk.list_memories("app").memories == ()


def test_a_command_that_waits_is_told_that_the_daemon_stops(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNIMEMORY_REQUEST_DRAIN_SECONDS", "0")
    monkeypatch.setenv("OMNIMEMORY_SHUTDOWN_SECONDS", "0")
    with model_that_never_answers(monkeypatch):
        started(shell)
        adding = ("memory", "add", "--app-id", "app", "--user-id", "ann", "--wait", "--json")
        waiting = shell.begin(*adding, "-m", "user: I keep bees.")
        with client(shell, token=Place(shell.home).token()) as http:
            while not http.get("/api/v1/tasks", params={"app_id": "app"}).json()["tasks"]:
                time.sleep(0.01)  # until it has handed in what it then waits for
        assert shell("daemon", "stop").exit_code == 0
        out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, "Traceback" in err) == (5, False)
    assert json.loads(out)["status"] == "accepted"
    assert stored(shell) == {"I keep bees."}


def test_another_store_or_ledger_than_the_daemons_is_refused(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started(shell)
    monkeypatch.setenv("OMNIMEMORY_LEDGER_URL", f"sqlite:///{tmp_path}/other.db")
    done = shell(*LIST)
    assert done.exit_code == 2
    assert "omnimemory daemon stop" in done.stderr


@pytest.mark.parametrize("served", [False, True], ids=["alone", "daemon"])
def test_commands_at_once_all_succeed(shell: Shell, served: bool) -> None:
    if served:
        started(shell)
    texts = [f"I own hive number {n}." for n in range(4)]
    running = [shell.begin(*ADD, "-m", f"user: {text}") for text in texts]
    told = [(*process.communicate(timeout=90), process.returncode) for process in running]
    assert [code for _, _, code in told] == [0] * 4, told
    assert stored(shell) == set(texts)


@pytest.mark.parametrize("command", ["rebuild", "reindex"])
def test_work_on_the_store_itself_asks_for_the_daemons_end(shell: Shell, command: str) -> None:
    pid = started(shell)
    done = shell(command)
    assert done.exit_code == 4
    assert f"the daemon (process {pid}) holds the store; stop it first: omnimemory daemon stop" in done.stderr
