"""Every snippet of the plugin's README runs as it stands; ``llm`` is an LLM of the reader's."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from llama_index.memory import omnimemory as plugin
from llama_index.memory.omnimemory import OmniMemory

from omnimemory import OmniMemorySDK

from .scripted import ScriptedLLM, as_text

README = (Path(__file__).parents[2] / "integrations/llamaindex/README.md").read_text("utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings(
    "ignore::pydantic.PydanticDeprecatedSince20", "ignore::pydantic.PydanticDeprecatedSince211"
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # stock Memory closes nothing
@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.splitlines()[-1][:40])
async def test_a_snippet_runs(snippet: str) -> None:
    names: dict[str, Any] = {"llm": ScriptedLLM("Behind the barn.")}
    code = compile(snippet, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    found = eval(code, names)
    if inspect.iscoroutine(found):
        await found
    for value in names.values():
        if isinstance(value, OmniMemorySDK):
            await value.close()


async def test_the_first_snippet_recalls_what_it_promises() -> None:
    names: dict[str, Any] = {}
    exec(SNIPPETS[0], names)
    friday = names["friday"]
    assert isinstance(friday, OmniMemory)
    assert "I keep bees behind the barn." in as_text(friday.get())


def test_the_table_names_every_class() -> None:
    assert set(plugin.__all__) <= set(re.findall(r"`(\w+)`", README))
