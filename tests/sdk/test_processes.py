"""A process of its own: what imports and exits do, alone, forked, killed and offline."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from omnimemory import SyncOmniMemorySDK

from .conversations import APP, USER, documents, said

SKIS = "I keep my skis in the cellar."


def python(
    code: str, *, options: tuple[str, ...] = (), seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process of its own, in the test's environment and folder."""
    command = [sys.executable, *options, "-c", textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    """What a process printed, once it is sure that it ended well and quietly."""
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_importing_warns_of_nothing() -> None:
    succeeded(python("import omnimemory, omnimemory.sdk", options=("-W", "error")))


def test_using_warns_of_nothing() -> None:
    code = """
        from omnimemory import SyncOmniMemorySDK, UserMessages, Message
        with SyncOmniMemorySDK() as sdk:
            said = [Message(role="user", content="I keep my skis in the cellar.")]
            sdk.add_memory(UserMessages(app_id="a", user_id="u", messages=said))
            sdk.flush()
            print(len(sdk.query_memory("a", "skis")))
    """
    assert int(succeeded(python(code, options=("-W", "error")))) > 0


def test_importing_the_sdk_loads_no_heavy_library() -> None:
    heavy = "sqlalchemy openai wordllama langchain langchain_core llama_index numpy onnxruntime tokenizers"
    more = "qdrant_edge rich typer httpx tiktoken rapidfuzz cryptography torch"
    code = f"""
        import sys
        import omnimemory.sdk
        print(sorted(set("{heavy} {more}".split()) & set(sys.modules)))
    """
    assert succeeded(python(code)).strip() == "[]"


def test_importing_starts_no_thread_and_opens_no_file(tmp_path: Path) -> None:
    code = """
        import threading, omnimemory.sdk, logging
        assert threading.active_count() == 1
        assert not logging.getLogger("omnimemory").handlers and not logging.getLogger().handlers
    """
    succeeded(python(code))
    assert list(tmp_path.iterdir()) == []


OFFLINE = """
import socket, sys
def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        print(event, args, file=sys.stderr)
        raise AssertionError(f"network: {event} {args}")
sys.addaudithook(refuse)
"""


def test_nothing_reaches_the_network_with_local_models() -> None:
    code = """
        from omnimemory import AgentMemorySDK, Message, OmniMemorySDK, UserMessages
        import asyncio
        async def main():
            async with OmniMemorySDK() as sdk:
                assert await sdk.warm_up()
                said = [Message(role="user", content="I keep my skis in the cellar.")] * 12
                await sdk.add_memory(UserMessages(app_id="a", user_id="u", messages=said))
                await sdk.flush()
                found = await sdk.recall("a", "skis", token_budget=200)
                print(len(found.packed))
            async with AgentMemorySDK() as agent:
                print((await agent.answer_query("a", "where are the skis?"))["answer"])
        asyncio.run(main())
    """
    assert "skis" in succeeded(python(OFFLINE + textwrap.dedent(code)))


def test_exit_without_close_is_quick_and_quiet_and_loses_nothing() -> None:
    code = f"""
        import asyncio
        from omnimemory import Message, OmniMemorySDK, UserMessages
        sdk = OmniMemorySDK()
        said = [Message(role="user", content="{SKIS}")]
        task = asyncio.run(sdk.add_memory(UserMessages(app_id="{APP}", user_id="{USER}", messages=said)))
        print(task["task_id"])
    """
    begun = time.monotonic()
    task_id = succeeded(python(code)).strip()
    assert time.monotonic() - begun < 5
    with SyncOmniMemorySDK() as sdk:
        assert SKIS in documents(sdk.query_memory(APP, "skis", user_id=USER))
        assert sdk.wait_for_task(task_id, APP, timeout=30).status == "done"


def test_exit_while_a_model_hangs_is_quick_and_the_work_resumes() -> None:
    code = f"""
        import asyncio
        from omnimemory import Message, OmniMemorySDK, UserMessages
        from omnimemory.testing.replies import Fault
        from omnimemory.testing.scripted import ScriptedChatModel
        model = ScriptedChatModel(Fault.hang())
        sdk = OmniMemorySDK(chat_model=model)
        async def main():
            said = [Message(role="user", content="{SKIS}")]
            task = await sdk.add_memory(UserMessages(app_id="{APP}", user_id="{USER}", messages=said))
            while not model.prompts:
                await asyncio.sleep(0.01)  # until the worker has asked the model
            print(task["task_id"])
        asyncio.run(main())
    """
    begun = time.monotonic()
    task_id = succeeded(python(code)).strip()
    assert time.monotonic() - begun < 6
    with SyncOmniMemorySDK() as sdk:
        assert sdk.wait_for_task(task_id, APP, timeout=30).status == "done"
        assert sdk.list_memories(APP, kinds=["note"])


def test_a_batch_survives_the_end_of_the_process() -> None:
    code = f"""
        from omnimemory import SyncOmniMemorySDK
        sdk = SyncOmniMemorySDK()
        for n in range(4):
            sdk.memory_batcher_add_message("{APP}", "{USER}", "user", f"Skis number {{n}}.")
    """
    succeeded(python(code))
    with SyncOmniMemorySDK() as sdk:
        response = sdk.memory_batcher_add_message(APP, USER, "user", "Skis number 4.")
        assert response["pending_messages"] == 5


def test_an_acknowledged_turn_survives_a_kill() -> None:
    code = f"""
        import os, signal
        from omnimemory import Message, SyncOmniMemorySDK, UserMessages
        sdk = SyncOmniMemorySDK()
        said = [Message(role="user", content="{SKIS}", id="m1")]
        task = sdk.add_memory(UserMessages(app_id="{APP}", user_id="{USER}", messages=said))
        print(task["task_id"], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = python(code)
    assert killed.returncode == -9
    with SyncOmniMemorySDK() as sdk:
        assert SKIS in documents(sdk.query_memory(APP, "skis", user_id=USER))
        assert sdk.wait_for_task(killed.stdout.strip(), APP, timeout=30).status == "done"
        sdk.add_memory(said(SKIS), infer=False)
        assert sum(m.message_id == "m1" for m in sdk.list_memories(APP, kinds=["turn"])) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_gets_a_clear_error_and_leaves_its_parent_unharmed() -> None:
    code = f"""
        import os, signal
        from omnimemory import Message, SyncOmniMemorySDK, UserMessages
        from omnimemory.core.errors import StoreLocked
        sdk = SyncOmniMemorySDK()
        said = [Message(role="user", content="{SKIS}")]
        sdk.add_memory(UserMessages(app_id="{APP}", user_id="{USER}", messages=said))
        child = os.fork()
        if not child:
            signal.alarm(20)
            try:
                sdk.list_memories("{APP}")
                os._exit(3)
            except StoreLocked as exc:
                os._exit(0 if str(os.getppid()) in str(exc) else 4)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        sdk.flush()
        print(len(sdk.query_memory("{APP}", "skis")))
        sdk.close()
    """
    assert int(succeeded(python(code))) > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_forked_before_first_use_and_one_that_just_exits_are_fine() -> None:
    code = f"""
        import os, signal, sys
        from omnimemory import Message, SyncOmniMemorySDK, UserMessages
        sdk = SyncOmniMemorySDK()
        said = [Message(role="user", content="{SKIS}")]
        child = os.fork()
        if not child:
            signal.alarm(20)
            sdk.add_memory(UserMessages(app_id="{APP}", user_id="{USER}", messages=said))
            sys.exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(sdk.list_memories("{APP}")) >= 1
        child = os.fork()
        if not child:
            signal.alarm(20)
            sys.exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        print(len(sdk.query_memory("{APP}", "skis")))
        sdk.close()
    """
    assert int(succeeded(python(code))) > 0
