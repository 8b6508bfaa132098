"""Loops, threads and imports, each in a fresh interpreter where warnings are errors."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SETUP = """
import asyncio, sys, threading, warnings
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_omnimemory import OmniMemoryMiddleware, OmniMemoryRetriever, OmniMemoryStore
agent = create_agent(
    FakeListChatModel(responses=["ok"]), middleware=[OmniMemoryMiddleware(app_id="a", user_id="u")]
)
retriever = OmniMemoryRetriever(app_id="a", user_id="u", k=5)
store = OmniMemoryStore(app_id="a")
def said(text):
    return {"messages": [{"role": "user", "content": text}]}
"""


def run(code: str) -> str:
    """What a fresh interpreter prints; it must end well, at once, and write nothing to stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def test_several_loops_one_after_the_other_and_no_loop_at_all() -> None:
    code = """
for number in range(3):
    asyncio.run(agent.ainvoke(said(f"The number {number} is liked.")))
    agent.invoke(said(f"The letter {number} is not."))
    asyncio.run(store.aput(("a",), str(number), {"n": number}))
found = asyncio.run(retriever.ainvoke("Which number is liked?", k=50, kinds=["turn"]))
print(len(found), len(store.search(("a",))))
"""
    assert run(_SETUP + code).split() == ["7", "3"], "equal answers collapse into one result"


def test_blocking_calls_inside_a_running_loop() -> None:
    code = """
async def main():
    agent.invoke(said("The harbour is liked."))
    await agent.ainvoke(said("The hill is liked."))
    store.put(("a",), "k", {"v": 1})
    print(len(retriever.invoke("What is liked?")), store.get(("a",), "k").value)
asyncio.run(main())
"""
    assert run(_SETUP + code).strip() == "3 {'v': 1}"


def test_threads() -> None:
    code = """
def converse(number):
    agent.invoke(said(f"Thread {number} says hello."))
    asyncio.run(agent.ainvoke(said(f"Thread {number} says goodbye.")))
threads = [threading.Thread(target=converse, args=(n,)) for n in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(len(retriever.invoke("Who says hello or goodbye?", k=100, kinds=["turn"])))
"""
    assert run(_SETUP + code).strip() == "17"


def test_importing_loads_no_framework() -> None:
    code = """
import sys
import langchain_omnimemory
frameworks = ("langchain", "langchain_core", "langchain_classic", "langgraph", "sqlalchemy", "numpy")
assert not set(frameworks) & set(sys.modules), set(frameworks) & set(sys.modules)
from langchain_omnimemory import OmniMemoryRetriever, OmniMemoryToolkit
OmniMemoryRetriever(app_id="a", user_id="u"); OmniMemoryToolkit(app_id="a", user_id="u").get_tools()
assert not {"langchain", "langchain_classic", "langgraph"} & set(sys.modules)
from langchain_omnimemory import LangChainChatModel, OmniMemoryMiddleware
assert "langchain_classic" not in sys.modules
print(sorted(dir(langchain_omnimemory))[0])
"""
    assert run(code).strip() == "LangChainChatModel"


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("OmniMemoryMiddleware", "langchain"),
        ("OmniMemoryChatMemory", "langchain_classic"),
        ("OmniMemoryStore", "langgraph"),
        ("OmniMemoryRetriever", "langchain_core"),
    ],
)
def test_a_missing_extra_is_an_error_with_the_install_line(name: str, missing: str) -> None:
    code = f"""
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{fullname!r}}", name=fullname)
sys.meta_path.insert(0, Missing())
try:
    from langchain_omnimemory import {name}
except ImportError as exc:
    print(exc)
"""
    assert 'pip install "omnimemory[langchain]"' in run(code)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import langchain_omnimemory

    with pytest.raises(AttributeError, match="Nothing"):
        langchain_omnimemory.Nothing  # noqa: B018
