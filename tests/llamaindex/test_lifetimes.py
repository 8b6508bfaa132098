"""Processes, threads, loops and the end of the interpreter."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from llama_index.memory.omnimemory import OmniMemory

from omnimemory import OmniMemorySDK
from omnimemory.core.errors import ConfigError

from .scripted import APP, USER, assistant, turns, user

ROOT = Path(__file__).parents[2]


def python(code: str, *arguments: str, **variables: str) -> str:
    """What a new interpreter prints; nothing may be on its error output."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_importing_loads_no_framework_and_no_engine() -> None:
    loaded = python(
        "import sys, llama_index.memory.omnimemory as plugin; dir(plugin);"
        "heavy = ('llama_index.core', 'omnimemory.sdk', 'sqlalchemy', 'numpy');"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert loaded == "[]"


def test_the_frameworks_own_packages_are_still_there() -> None:
    assert python(
        "import llama_index, llama_index.core, llama_index.memory.omnimemory as plugin;"
        "print(hasattr(llama_index, '__file__') and llama_index.__file__, hasattr(plugin, '__file__'))"
    ) in ("None True", "False True")


def test_a_missing_framework_is_an_error_with_the_install_line() -> None:
    said = python(
        "import sys; sys.modules['llama_index.core'] = None\n"
        "from omnimemory.core.errors import ConfigError\n"
        "import llama_index.memory.omnimemory as plugin\n"
        "try: plugin.OmniMemory\n"
        "except ConfigError as exc: print(exc)"
    )
    assert said == 'OmniMemory needs llama-index-core; run: pip install "omnimemory[llamaindex]"'


def test_several_loops_in_a_row_and_none_at_all() -> None:
    said = python(
        """
import asyncio, threading
from llama_index.memory.omnimemory import OmniMemory
from llama_index.core.llms import ChatMessage

memory = OmniMemory.from_defaults(app_id="a", user_id="u", session_id="s")

async def turn(text):
    await memory.aput(ChatMessage(role="user", content=text))
    memory.put(ChatMessage(role="assistant", content="Yes."))
    return len(await memory.aget())

print([asyncio.run(turn(str(number))) for number in range(3)])
memory.put(ChatMessage(role="user", content="without a loop"))
thread = threading.Thread(target=memory.put, args=(ChatMessage(role="user", content="in a thread"),))
thread.start()
thread.join()
print(len(memory.get_all()))
"""
    )
    assert said.splitlines() == ["[2, 4, 6]", "8"]


async def test_many_threads_and_tasks_at_once(sdk: OmniMemorySDK) -> None:
    memory = OmniMemory.from_defaults(app_id=APP, user_id=USER, session_id="s", memory=sdk)
    with ThreadPoolExecutor(8) as threads:
        jobs = [threads.submit(memory.put_messages, [user(f"t{n}"), assistant("Yes.")]) for n in range(16)]
        await asyncio.gather(
            *(memory.aput_messages([user(f"a{n}"), assistant("Yes.")]) for n in range(16)),
            *map(asyncio.wrap_future, jobs),
        )
    kept = await memory.aget_all()
    assert [message.role.value for message in kept] == ["user", "assistant"] * 32, "calls stay together"
    assert len(await turns(sdk)) == 64


RUN = """
import asyncio, json, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.workflow import Context, JsonSerializer
from llama_index.memory.omnimemory import OmniMemory
from omnimemory import OmniMemorySDK
from tests.llamaindex.scripted import ScriptedLLM

async def main(path, question, home):
    llm = ScriptedLLM("Understood.")
    agent = FunctionAgent(llm=llm)
    given = OmniMemorySDK(home=home) if home else None
    memory = OmniMemory.from_defaults(app_id="a", user_id="u", session_id="s", memory=given)
    try:
        context = Context.from_dict(agent, json.load(open(path)), serializer=JsonSerializer())
        await agent.run(question, ctx=context)
    except FileNotFoundError:
        context = Context(agent)
        await agent.run(question, ctx=context, memory=memory)
    json.dump(context.to_dict(serializer=JsonSerializer()), open(path, "w"))
    print(json.dumps([m.content for m in llm.prompts[-1]]))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("given", [False, True], ids=["from the environment", "an SDK of one's own"])
def test_a_context_goes_on_in_a_new_process(tmp_path: Path, given: bool) -> None:
    path, home = str(tmp_path / "context.json"), str(tmp_path / "elsewhere") if given else ""
    python(RUN, path, "My name is Ann.", home)
    prompt = json.loads(python(RUN, path, "What is my name?", home))
    assert prompt == ["My name is Ann.", "Understood.", "What is my name?"]


async def test_a_memory_never_goes_on_in_another_ledger(tmp_path: Path) -> None:
    async with OmniMemorySDK(home=tmp_path / "elsewhere") as sdk:
        memory = OmniMemory.from_defaults(app_id=APP, user_id=USER, memory=sdk)
        written = {**memory.to_dict(), "engine_key": "0123456789abcdef"}
        with pytest.raises(ConfigError, match="OMNIMEMORY_HOME"):
            await OmniMemory.from_dict(written).aput(user("Hello"))
        await OmniMemory.from_dict(memory.to_dict()).aput(user("Hello"))
        assert await memory.aget_all() == [user("Hello")]


async def test_the_environment_may_name_the_ledger_of_a_restored_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = python(
        "import sys; from llama_index.memory.omnimemory import OmniMemory\n"
        "from omnimemory import OmniMemorySDK\n"
        "print(OmniMemory(app_id='a', user_id='u', memory=OmniMemorySDK(home=sys.argv[1])).engine_key)",
        str(tmp_path / "elsewhere"),
    )
    monkeypatch.setenv("OMNIMEMORY_HOME", str(tmp_path / "elsewhere"))
    memory = OmniMemory(app_id=APP, user_id=USER, engine_key=key)
    await memory.aput(user("Hello"))
    assert await memory.aget_all() == [user("Hello")]
