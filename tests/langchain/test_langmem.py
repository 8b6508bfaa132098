"""langmem's tools on our store."""

from __future__ import annotations

import pytest
from langchain_omnimemory import OmniMemoryStore

from omnimemory import OmniMemorySDK

from .chat import APP, ScriptedChat, agent_of, calls


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # langmem's own, at its import
def test_langmem_s_tools_work_on_the_store(sdk: OmniMemorySDK) -> None:
    store = OmniMemoryStore(app_id=APP, memory=sdk)
    model = ScriptedChat(
        replies=[
            calls("manage_memory", content="Ana is allergic to peanuts.", action="create"),
            "Saved.",
            calls("search_memory", query="allergic"),
            "Peanuts.",
        ]
    )
    from langmem import (  # type: ignore[import-untyped]
        create_manage_memory_tool,
        create_search_memory_tool,
    )

    namespace = ("memories", "{langgraph_user_id}")
    tools = [create_manage_memory_tool(namespace), create_search_memory_tool(namespace)]
    agent = agent_of(model, tools, store=store)
    config = {"configurable": {"langgraph_user_id": "ana"}}
    for text in ("I cannot eat peanuts.", "What must I avoid?"):
        agent.invoke({"messages": [{"role": "user", "content": text}]}, config)
    assert "Ana is allergic to peanuts." in str(model.prompts[-1][-1].text)
    assert len(store.search(("memories", "ana"))) == 1
