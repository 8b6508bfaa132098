"""LlamaIndex's agents with ``OmniMemory``: told in one session, asked in another, on one ``Context``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, CodeActAgent, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.workflow import Context, JsonSerializer
from llama_index.memory.omnimemory import OmniMemory, OmniMemoryToolSpec

from omnimemory import OmniMemorySDK
from omnimemory.recall.pack import is_echo

from .scripted import APP, USER, ScriptedLLM, as_text, assistant, calling, told, turns, user

pytestmark = [
    # LlamaIndex looks at all attributes of its agents, pydantic's deprecated ones among them.
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince211"),
    pytest.mark.filterwarnings("ignore:is_running called:DeprecationWarning"),
]


def weather(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


def omnimemory(sdk: OmniMemorySDK, session_id: str = "s", user_id: str = USER) -> OmniMemory:
    return OmniMemory.from_defaults(app_id=APP, user_id=user_id, session_id=session_id, memory=sdk)


def agent_of(llm: ScriptedLLM, **more: Any) -> FunctionAgent:
    return FunctionAgent(llm=llm, tools=[weather], system_prompt="You help.", **more)


@pytest.mark.parametrize("streaming", [True, False])
async def test_told_in_one_session_and_asked_in_another(sdk: OmniMemorySDK, streaming: bool) -> None:
    llm = ScriptedLLM("Nice.")
    agent = agent_of(llm, streaming=streaming)
    await agent.run("I keep bees behind the barn.", memory=omnimemory(sdk, "first"))
    await agent.run("Where do I keep my bees?", memory=omnimemory(sdk, "second"))
    assert "behind the barn" in llm.last_prompt
    await agent.run("Where do I keep my bees?", memory=omnimemory(sdk, "third", user_id="another"))
    assert "behind the barn" not in llm.last_prompt


async def test_tool_calls_stay_in_the_transcript_and_only_the_answer_is_remembered(
    sdk: OmniMemorySDK,
) -> None:
    llm = ScriptedLLM(calling("weather", remark="Let me look.", city="Oslo"), "Take an umbrella.")
    memory = omnimemory(sdk)
    await agent_of(llm).run("How is the weather in Oslo?", memory=memory)
    assert [message.role.value for message in await memory.aget_all()] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert await turns(sdk) == ["How is the weather in Oslo?", "Take an umbrella."]


async def test_one_recall_a_run(sdk: OmniMemorySDK) -> None:
    """Also with tools: the block that the model sees first is the one it sees last."""
    await told(sdk, "I live in Oslo.")
    llm = ScriptedLLM(calling("weather", city="Oslo"), "Rain.")
    await agent_of(llm).run("How is the weather where I live?", memory=omnimemory(sdk))
    blocks = [[m.content for m in prompt if is_echo(m.content or "")] for prompt in llm.prompts]
    assert len(blocks) == 2
    assert blocks[0] == blocks[1] != []


async def test_three_runs_on_one_context(sdk: OmniMemorySDK) -> None:
    await told(sdk, "I keep bees behind the barn.")
    llm = ScriptedLLM("One.", "Two.", "Three.")
    agent = agent_of(llm)
    context = Context(agent)
    memory = omnimemory(sdk)
    for question in ("My name is Ann.", "I like tea.", "Where do I keep my bees?"):
        await agent.run(question, ctx=context, memory=memory)
    assert "behind the barn" in llm.last_prompt
    assert as_text(await memory.aget_all()) == (
        "user: My name is Ann.\nassistant: One.\nuser: I like tea.\nassistant: Two.\n"
        "user: Where do I keep my bees?\nassistant: Three."
    )
    assert len(await turns(sdk, session_id="s")) == 6


async def test_a_context_restored_from_json_goes_on(sdk: OmniMemorySDK) -> None:
    llm = ScriptedLLM("One.", "Two.")
    agent = agent_of(llm)
    context = Context(agent)
    await agent.run("My name is Ann.", ctx=context, memory=omnimemory(sdk))
    written = json.dumps(context.to_dict(serializer=JsonSerializer()))
    restored = Context.from_dict(agent, json.loads(written), serializer=JsonSerializer())
    await agent.run("What is my name?", ctx=restored)
    assert "user: My name is Ann.\nassistant: One.\nuser: What is my name?" in llm.last_prompt
    assert isinstance(await restored.store.get("memory"), OmniMemory)


async def test_a_client_that_keeps_the_history_adds_nothing_twice(sdk: OmniMemorySDK) -> None:
    llm = ScriptedLLM("One.", "Two.", "Three.")
    agent = agent_of(llm)
    history: list[ChatMessage] = []
    for question in ("yes", "I like tea.", "yes"):
        response = await agent.run(question, chat_history=list(history), memory=omnimemory(sdk))
        history += [user(question), assistant(str(response))]
    assert await turns(sdk) == ["yes", "One.", "I like tea.", "Two.", "yes", "Three."]


async def test_a_history_that_ends_with_the_question(sdk: OmniMemorySDK) -> None:
    await told(sdk, "I keep bees behind the barn.")
    llm = ScriptedLLM("There.")
    history = [user("Hello"), assistant("Hi."), user("Where do I keep my bees?")]
    await agent_of(llm).run(chat_history=history, memory=omnimemory(sdk))
    assert "behind the barn" in llm.last_prompt
    assert await turns(sdk, session_id="s") == ["Hello", "Hi.", "Where do I keep my bees?", "There."]


async def test_a_crash_of_the_model_loses_no_human_turn(sdk: OmniMemorySDK) -> None:
    with pytest.raises(Exception, match="overloaded"):
        await agent_of(ScriptedLLM(RuntimeError("overloaded"))).run("I keep bees.", memory=omnimemory(sdk))
    assert await turns(sdk) == ["I keep bees."]


async def test_agents_that_hand_over_share_one_memory(sdk: OmniMemorySDK) -> None:
    await told(sdk, "I keep bees behind the barn.")
    first = ScriptedLLM(calling("handoff", to_agent="keeper", reason="bees"))
    second = ScriptedLLM("Behind the barn.")
    workflow = AgentWorkflow(
        agents=[
            FunctionAgent(name="host", description="Hosts.", llm=first, can_handoff_to=["keeper"]),
            FunctionAgent(name="keeper", description="Knows bees.", llm=second, tools=[weather]),
        ],
        root_agent="host",
    )
    memory = omnimemory(sdk)
    context = Context(workflow)
    for _ in range(2):
        answer = await workflow.run(user_msg="Where do I keep my bees?", ctx=context, memory=memory)
        assert str(answer) == "Behind the barn."
    assert "behind the barn" in as_text(second.prompts[0])
    said = ["Where do I keep my bees?", "Behind the barn."]
    assert await turns(sdk, session_id="s") == said * 2


async def test_a_reasoning_agents_trace_is_not_remembered(sdk: OmniMemorySDK) -> None:
    llm = ScriptedLLM(
        'Thought: I need the weather.\nAction: weather\nAction Input: {"city": "Oslo"}',
        "Thought: I can answer without using any more tools.\nAnswer: Take an umbrella.",
    )
    memory = omnimemory(sdk)
    await ReActAgent(llm=llm, tools=[weather]).run("How is the weather in Oslo?", memory=memory)
    assert await turns(sdk) == ["How is the weather in Oslo?", "Take an umbrella."]


async def test_code_and_its_results_are_not_remembered(sdk: OmniMemorySDK) -> None:
    async def execute(code: str) -> str:
        return "4"

    llm = ScriptedLLM("I compute.\n<execute>\nprint(2 + 2)\n</execute>", "It is four.")
    await told(sdk, "I study sums.")
    memory = OmniMemory.from_defaults(
        app_id=APP, user_id=USER, session_id="s", insert_method="user", memory=sdk
    )
    await CodeActAgent(llm=llm, code_execute_fn=execute).run("What is the sum of 2 and 2?", memory=memory)
    assert await turns(sdk, session_id="s") == ["What is the sum of 2 and 2?", "It is four."]
    assert "I study sums." in llm.last_prompt, "this agent overwrites system messages, so insert for the user"


async def test_an_agent_finds_saves_and_forgets_by_itself(sdk: OmniMemorySDK) -> None:
    tools = OmniMemoryToolSpec(app_id=APP, user_id=USER, memory=sdk).to_tool_list()
    saving = ScriptedLLM(calling("save", text="The user keeps bees behind the barn."), "Done.")
    await FunctionAgent(llm=saving, tools=tools).run("Remember my bees.", memory=omnimemory(sdk, "a"))
    asking = ScriptedLLM(calling("recall", query="Where are the user's bees?"), "Behind the barn.")
    await FunctionAgent(llm=asking, tools=tools).run("?", memory=omnimemory(sdk, "b"))
    found = asking.prompts[-1][-1].content or ""
    assert "behind the barn" in found
    known = json.loads(found[found.index("[") :])[0]["memory_id"]
    forgetting = ScriptedLLM(calling("forget", memory_id=known), "Forgotten.")
    await FunctionAgent(llm=forgetting, tools=tools).run("Forget it.", memory=omnimemory(sdk, "c"))
    assert forgetting.prompts[-1][-1].content == "Forgotten."
    memory = await sdk.get_memory(known, APP)
    assert memory is not None
    assert memory.status == "deleted"
