"""Every snippet of the plugin's README runs, one after the other, as a reader would paste them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import langchain_omnimemory
import pytest

from .chat import ScriptedChat

README = Path(__file__).parents[2] / "integrations/langchain/README.md"


@pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated")
def test_every_snippet_runs() -> None:
    model = ScriptedChat(replies=["Noted."])
    names: dict[str, Any] = {"model": model}
    snippets = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(snippets) >= 8
    for snippet in snippets:
        exec(compile(snippet, str(README), "exec"), names)
    assert "I moved from Lisbon to Porto in May." in model.systems[1]
    assert "I like tea." in names["memory"].load_memory_variables({"input": "What do I like?"})["history"]
    assert "Ana likes tea." in [document.page_content for document in names["retriever"].invoke("tea")]


def test_the_table_names_every_class() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in langchain_omnimemory.__all__ if f"`{name}`" not in text] == []
