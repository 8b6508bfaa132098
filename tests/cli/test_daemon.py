"""The daemon as a process: it starts, serves, ends, and leaves nothing behind that hinders the next."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from omnimemory.attach.place import Place
from omnimemory.core.errors import ConfigError, StoreLocked
from omnimemory.core.schemas import Message, UserMessages
from omnimemory.sdk import OmniMemorySDK, SyncOmniMemorySDK
from tests.cli.conftest import Shell

ADD = ("memory", "add", "--app-id", "app", "--user-id", "ann", "--no-infer", "--json")
LIST = ("memory", "list", "--app-id", "app", "--json")


def started(shell: Shell) -> int:
    done = shell.process("daemon", "start", "--json")
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["pid"])


def stored(shell: Shell) -> set[str]:
    done = shell("memory", "list", "--app-id", "app", "--json")
    assert done.exit_code == 0, done.stderr
    return {memory["document"] for memory in json.loads(done.stdout)["memories"]}


def client(shell: Shell, *, token: str | None) -> httpx.Client:
    state = Place(shell.home).running()
    assert state is not None
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = httpx.HTTPTransport(uds=str(state.socket))
    return httpx.Client(transport=transport, base_url="http://localhost", headers=headers)


def gone(pid: int) -> bool:
    """Whether the process has ended, its parent aside."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


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
        assert shell(*ADD, "-m", "user: I keep bees.").exit_code == 0
        assert stored(shell) == {"I keep bees."}
    finally:
        shell("daemon", "stop")
    assert not state.socket.parent.exists()


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


def test_a_rebuild_asks_for_the_daemons_end(shell: Shell) -> None:
    started(shell)
    done = shell("rebuild")
    assert done.exit_code == 4
    assert "omnimemory daemon stop" in done.stderr


# The SDK in other processes


def test_an_sdk_uses_the_daemon_and_leaves_it_running(shell: Shell) -> None:
    pid = started(shell)
    with SyncOmniMemorySDK(home=shell.home) as one, SyncOmniMemorySDK(home=shell.home, n_results=3) as two:
        message = Message(role="user", content="I keep bees behind the barn.")
        accepted = one.add_memory(UserMessages(app_id="app", user_id="ann", messages=[message]))
        task = two.wait_for_task(accepted["task_id"], "app", timeout=60)
        assert task.status == "done"
        (found, *_) = two.query_memory("app", "bees")
        assert "bees" in found["document"]
        assert two.describe().store == "qdrant-local"
        assert one.warm_up()
    assert json.loads(shell("daemon", "status", "--json").stdout)["pid"] == pid


def test_closing_an_sdk_flushes_nobodys_batch(shell: Shell) -> None:
    started(shell)
    with SyncOmniMemorySDK(home=shell.home) as sdk:
        sdk.memory_batcher_add_message("app", "ann", "user", "I keep bees.")
    with SyncOmniMemorySDK(home=shell.home) as sdk:
        assert sdk.memory_batcher_add_message("app", "ann", "user", "And goats.")["pending_messages"] == 2


async def test_an_sdk_with_a_model_of_its_own_does_not_use_the_daemon(shell: Shell) -> None:
    started(shell)
    async with OmniMemorySDK(home=shell.home, reranker=lambda query, found: found) as sdk:
        with pytest.raises(StoreLocked):
            await sdk.list_memories("app")


def test_a_daemon_that_was_started_again_is_met_again(shell: Shell) -> None:
    first = started(shell)
    with SyncOmniMemorySDK(home=shell.home) as sdk:
        sdk.list_memories("app")
        shell("daemon", "stop")
        assert started(shell) != first
        assert sdk.list_memories("app").memories == ()


def test_errors_come_back_as_what_they_are(shell: Shell) -> None:
    started(shell)
    with SyncOmniMemorySDK(home=shell.home) as sdk:
        assert sdk.get_memory("unknown", "app") is None
        with pytest.raises(LookupError, match="unknown"):
            sdk.restore_memory("unknown", "app")
        accepted = sdk.add_memory(
            UserMessages(app_id="app", user_id="ann", messages=[Message(role="user", content="Hi.")])
        )
        sdk.wait_for_task(accepted["task_id"], "app", timeout=60)
        with pytest.raises(ConfigError, match="started with another"):
            SyncOmniMemorySDK(home=shell.home, ledger_url=f"sqlite:///{shell.home}/other.db").list_memories(
                "a"
            )
