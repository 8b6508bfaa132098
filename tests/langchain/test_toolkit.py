"""The tools: the framework's own suites, then an agent that uses them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_omnimemory import OmniMemoryMiddleware, OmniMemoryToolkit
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from langgraph.checkpoint.memory import InMemorySaver

from omnimemory import OmniMemorySDK, SyncOmniMemorySDK
from omnimemory.core.errors import ScopeError

from .chat import APP, USER, ScriptedChat, agent_of, calls, turns

FACT = "Ana is allergic to peanuts."


def tools(**options: Any) -> dict[str, BaseTool]:
    return {tool.name: tool for tool in OmniMemoryToolkit(app_id=APP, **options).get_tools()}


class Tool:
    tool_name: str
    tool_args: dict[str, Any]

    @property
    def tool_constructor(self) -> BaseTool:
        return tools(user_id=USER)[self.tool_name]

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return self.tool_args


class Search(Tool):
    tool_name = "search_memory"
    tool_args = {"query": "allergies", "limit": 3}  # noqa: RUF012


class Save(Tool):
    tool_name = "save_memory"
    tool_args = {"content": FACT}  # noqa: RUF012


class Forget(Tool):
    tool_name = "forget_memory"
    tool_args = {"memory_id": "unknown"}  # noqa: RUF012


class TestSearchUnit(Search, ToolsUnitTests): ...


class TestSearchIntegration(Search, ToolsIntegrationTests): ...


class TestSaveUnit(Save, ToolsUnitTests): ...


class TestSaveIntegration(Save, ToolsIntegrationTests): ...


class TestForgetUnit(Forget, ToolsUnitTests): ...


class TestForgetIntegration(Forget, ToolsIntegrationTests): ...


def test_save_search_forget(sdk: OmniMemorySDK) -> None:
    ours = tools(user_id=USER, memory=sdk)
    assert ours["search_memory"].invoke({"query": "allergies"}) == "No memories found."
    assert ours["save_memory"].invoke({"content": FACT}) == "Saved."
    SyncOmniMemorySDK(sdk).flush()
    found = _call(ours["search_memory"], query="What is Ana allergic to?")
    assert FACT in found.text
    for memory in found.artifact["memories"]:
        assert memory["memory_id"] in found.text
        ours["forget_memory"].invoke({"memory_id": memory["memory_id"]})
    assert ours["search_memory"].invoke({"query": "allergies"}) == "No memories found."


def test_another_user_s_memory_can_neither_be_found_nor_forgotten(sdk: OmniMemorySDK) -> None:
    ana, ben = tools(user_id="ana", memory=sdk), tools(user_id="ben", memory=sdk)
    ana["save_memory"].invoke({"content": FACT})
    memory_id = _call(ana["search_memory"], query="allergic").artifact["memories"][0]["memory_id"]
    assert _call(ben["search_memory"], query="allergic").artifact == {"memories": []}
    assert "no memory" in ben["forget_memory"].invoke({"memory_id": memory_id})
    assert FACT in ana["search_memory"].invoke({"query": "allergic"})


def _call(tool: BaseTool, **args: Any) -> ToolMessage:
    message = tool.invoke({"name": tool.name, "args": args, "id": "1", "type": "tool_call"})
    assert isinstance(message, ToolMessage)
    return message


def test_the_model_sees_no_way_to_name_a_user() -> None:
    for tool in tools(user_id=USER).values():
        assert not {"user_id", "app_id", "session_id", "runtime"} & set(tool.args)


def test_a_missing_user_is_an_error(sdk: OmniMemorySDK) -> None:
    with pytest.raises(ScopeError, match="user_id is missing"):
        tools(memory=sdk)["save_memory"].invoke({"content": FACT})


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_agent_s_tools_act_for_the_user_of_the_run(asynchronous: bool, sdk: OmniMemorySDK) -> None:
    model = ScriptedChat(
        replies=[
            calls("save_memory", content=FACT),
            "Saved.",
            calls("search_memory", query="allergic"),
            "Peanuts.",
        ]
    )
    agent = agent_of(
        model, list(tools(memory=sdk).values()), context_schema=dict, checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "t", "user_id": "from-config"}}
    told = {"messages": [{"role": "user", "content": "I cannot eat peanuts."}]}
    for user in ("from-context", None):
        context = {"user_id": user} if user else None
        model.prompts.clear()
        if asynchronous:
            await agent.ainvoke(told, config, context=context)
        else:
            agent.invoke(told, config, context=context)
    assert turns(sdk, user_id="from-context", session_id="t") == [("assistant", FACT)]
    assert turns(sdk, user_id="from-config", session_id="t") == [("assistant", FACT)]


def test_beside_the_middleware_the_search_s_results_are_not_recorded(sdk: OmniMemorySDK) -> None:
    ours = tools(user_id=USER, memory=sdk)
    ours["save_memory"].invoke({"content": FACT})
    model = ScriptedChat(replies=[calls("search_memory", query="allergic"), "Peanuts."])
    agent = agent_of(
        model, list(ours.values()), middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)]
    )
    agent.invoke({"messages": [{"role": "user", "content": "What must I avoid?"}]})
    assert FACT in str(model.prompts[1][-1].text)
    assert [text for _, text in turns(sdk)] == [FACT, "What must I avoid?", "Peanuts."]
