"""The SDK in processes beside the daemon: attached to it, and without it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import pytest

from omnimemory.attach.place import Place
from omnimemory.core.errors import ConfigError, StoreLocked, StoreUnavailable
from omnimemory.core.schemas import Message, UserMessages
from omnimemory.sdk import OmniMemorySDK, SyncOmniMemorySDK
from tests.cli.conftest import Shell
from tests.cli.daemons import model_that_never_answers, said, started, stored


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


def test_an_sdk_writes_into_no_other_ledger_than_its_own(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(shell)
    with SyncOmniMemorySDK(home=shell.home) as sdk:
        sdk.list_memories("app")
        shell("daemon", "stop")
        monkeypatch.setenv("OMNIMEMORY_LEDGER_URL", f"sqlite:///{shell.home}/other.db")
        started(shell)
        with pytest.raises(ConfigError, match="started with another"):
            sdk.add_memory(said("I keep bees."))
        assert stored(shell) == set()
        shell("daemon", "stop")
        monkeypatch.delenv("OMNIMEMORY_LEDGER_URL")
        started(shell)
        assert sdk.add_memory(said("I keep bees."))["status"] == "accepted"
        assert stored(shell) == {"I keep bees."}


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_sdk_whose_daemon_has_ended_works_in_its_own_process(shell: Shell, end: signal.Signals) -> None:
    pid = started(shell)
    with SyncOmniMemorySDK(home=shell.home) as sdk:
        sdk.add_memory(said("I keep bees."), infer=False)
        os.kill(pid, end)
        while Place(shell.home).holder() is not None:
            time.sleep(0.01)  # until the system has ended the process, which is no child of ours
        sdk.add_memory(said("And goats."), infer=False)
        sdk.flush()
        assert {memory.text for memory in sdk.list_memories("app")} == {"I keep bees.", "And goats."}
        assert sdk.warm_up()
    assert stored(shell) == {"I keep bees.", "And goats."}


def test_a_call_that_was_cut_is_not_made_again(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    with model_that_never_answers(monkeypatch):
        pid = started(shell)
        with SyncOmniMemorySDK(home=shell.home) as sdk:
            task_id = sdk.add_memory(said("I keep bees."))["task_id"]
            killing = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
            killing.start()
            with pytest.raises(StoreUnavailable, match="may have been carried out"):
                sdk.wait_for_task(task_id, "app")
            while Place(shell.home).holder() is not None:
                time.sleep(0.01)  # until the system has ended the process, which is no child of ours
            assert not sdk.get_task(task_id, "app").is_settled
            sdk.close(drain=False)


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
