"""``create_agent`` with the middleware, on the real framework and a scripted model."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain.agents.middleware import HumanInTheLoopMiddleware, SummarizationMiddleware
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langchain_omnimemory import OmniMemoryMiddleware
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

from omnimemory import OmniMemorySDK
from omnimemory.core.errors import InvalidRequest, MessageError, ScopeError
from omnimemory.core.schemas import ScoredMemory

from .chat import APP, USER, ScriptedChat, agent_of, calls, turns

TOLD = "I moved from Lisbon to Porto in May."
ASKED = "Which city did I move to?"
MARK = "<omnimemory-recall>"


def thread(name: str, **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": name, **more}}


def said(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


@pytest.fixture
def model() -> ScriptedChat:
    return ScriptedChat()


async def run(agent: Any, way: str, text: str, config: RunnableConfig) -> None:
    """One turn, by one of the four ways an agent is called."""
    match way:
        case "invoke":
            agent.invoke(said(text), config)
        case "ainvoke":
            await agent.ainvoke(said(text), config)
        case "stream":
            list(agent.stream(said(text), config, stream_mode="messages"))
        case "astream":
            [part async for part in agent.astream(said(text), config, stream_mode="messages")]


WAYS = ("invoke", "ainvoke", "stream", "astream")


@pytest.mark.parametrize("way", WAYS)
async def test_told_in_thread_a_asked_in_thread_b(way: str, model: ScriptedChat, sdk: OmniMemorySDK) -> None:
    agent = agent_of(
        model, middleware=[OmniMemoryMiddleware(app_id=APP, memory=sdk)], checkpointer=InMemorySaver()
    )
    await run(agent, way, TOLD, thread("a", user_id="ana"))
    await run(agent, way, ASKED, thread("b", user_id="ana"))
    await run(agent, way, ASKED, thread("c", user_id="ben"))
    first, asked, stranger = model.systems
    assert first == ""
    assert TOLD in asked
    assert stranger == ""
    assert turns(sdk, session_id="a") == [("user", TOLD), ("assistant", "Noted.")]


@pytest.mark.parametrize("way", ["invoke", "stream"])
async def test_with_a_sqlite_checkpointer_whose_file_holds_nothing_recalled(
    way: str, model: ScriptedChat, sdk: OmniMemorySDK, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints.db"
    with SqliteSaver.from_conn_string(str(file)) as saver:
        agent = agent_of(
            model, middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)], checkpointer=saver
        )
        await run(agent, way, TOLD, thread("a"))
        await run(agent, way, ASKED, thread("b"))
    assert MARK in model.systems[1]
    rows = _everything_in(file)
    assert b"Which city" in rows
    assert MARK.encode() not in rows


@pytest.mark.parametrize("way", ["ainvoke", "astream"])
async def test_with_an_async_sqlite_checkpointer(
    way: str, model: ScriptedChat, sdk: OmniMemorySDK, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints.db"
    async with AsyncSqliteSaver.from_conn_string(str(file)) as saver:
        agent = agent_of(
            model, middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)], checkpointer=saver
        )
        await run(agent, way, TOLD, thread("a"))
        await run(agent, way, ASKED, thread("b"))
    assert TOLD in model.systems[1]
    assert MARK.encode() not in _everything_in(file)


def _everything_in(file: Path) -> bytes:
    with sqlite3.connect(file) as connection:
        rows = [
            value
            for table in ("checkpoints", "writes")
            for row in connection.execute(f"select * from {table}")
            for value in row
        ]
    connection.close()
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in rows)


def test_works_with_nothing_else_set(model: ScriptedChat) -> None:
    agent = agent_of(model, middleware=[OmniMemoryMiddleware(app_id="a", user_id="u")])
    agent.invoke(said(TOLD))
    agent.invoke(said(ASKED))
    assert TOLD in model.systems[1]


def test_a_crash_of_the_model_loses_no_human_turn(sdk: OmniMemorySDK) -> None:
    model = ScriptedChat(replies=[RuntimeError("down"), "Good to know."])
    agent = agent_of(
        model,
        middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)],
        checkpointer=InMemorySaver(),
    )
    with pytest.raises(RuntimeError, match="down"):
        agent.invoke(said(TOLD), thread("a"))
    assert turns(sdk) == [("user", TOLD)]
    agent.invoke(said(ASKED), thread("b"))
    assert TOLD in model.systems[1]
    assert turns(sdk) == [("user", TOLD), ("user", ASKED), ("assistant", "Good to know.")]


def test_a_stream_left_early_keeps_the_human_turn_and_the_next_run_the_answer(sdk: OmniMemorySDK) -> None:
    model = ScriptedChat(replies=["A long answer.", "Second."])
    agent = agent_of(
        model,
        middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)],
        checkpointer=InMemorySaver(),
    )
    stream = agent.stream(said(TOLD), thread("a"), stream_mode="updates")
    next(stream)
    stream.close()
    assert turns(sdk) == [("user", TOLD)]
    agent.invoke(said(ASKED), thread("a"))
    assert [text for _, text in turns(sdk)] == [TOLD, "A long answer.", ASKED, "Second."]


def test_over_twenty_rounds_nothing_recalled_is_recorded(sdk: OmniMemorySDK) -> None:
    model = ScriptedChat(replies=[f"Answer {number}." for number in range(20)])
    agent = agent_of(
        model,
        middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)],
        checkpointer=InMemorySaver(),
    )
    for number in range(20):
        agent.invoke(said(f"Round {number}: the harbour of Porto again."), thread(f"t{number % 3}"))
    assert sum(MARK in system for system in model.systems) == 19
    kept = turns(sdk)
    assert len(kept) == 40
    assert len(set(kept)) == 40
    assert not any(MARK in text for _, text in kept)


def test_an_answer_that_quotes_the_recalled_block_is_recorded_without_it(sdk: OmniMemorySDK) -> None:
    model = ScriptedChat()
    agent = agent_of(model, middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)])
    agent.invoke(said(TOLD))
    agent.invoke(said(ASKED))
    model.replies = [f"You live in Porto.\n{model.systems[1]}"]
    agent.invoke(said("Quote your memory."))
    assert turns(sdk)[-1] == ("assistant", "You live in Porto.")


def test_what_the_thread_shows_is_not_recalled_again(model: ScriptedChat, sdk: OmniMemorySDK) -> None:
    agent = agent_of(
        model,
        middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)],
        checkpointer=InMemorySaver(),
    )
    agent.invoke(said(TOLD), thread("a"))
    agent.invoke(said(ASKED), thread("a"))
    assert model.systems == ["", ""]


def test_two_honest_yes_are_two_turns(model: ScriptedChat, sdk: OmniMemorySDK) -> None:
    for checkpointer in (None, InMemorySaver()):
        agent = agent_of(
            model,
            middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)],
            checkpointer=checkpointer,
        )
        name = "kept" if checkpointer else "loose"
        agent.invoke(said("yes"), thread(name))
        agent.invoke(said("yes"), thread(name))
        assert turns(sdk, session_id=name) == [("user", "yes"), ("assistant", "Noted.")] * 2


def test_a_history_replayed_without_a_checkpointer_adds_only_what_is_new(sdk: OmniMemorySDK) -> None:
    """Stateless servers send the whole chat each time; the framework gives its messages new ids."""
    history: list[dict[str, str]] = []
    for number in range(4):
        model = ScriptedChat(replies=["ok"])
        agent = agent_of(model, middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)])
        history.append({"role": "user", "content": "yes" if number % 2 else f"Question {number}"})
        agent.invoke({"messages": history}, thread("stateless"))
        history.append({"role": "assistant", "content": "ok"})
    assert [text for _, text in turns(sdk)] == [message["content"] for message in history]


def test_a_new_process_records_nothing_twice(model: ScriptedChat, sdk: OmniMemorySDK) -> None:
    saver = InMemorySaver()
    for text in (TOLD, ASKED, "Thanks"):
        fresh = OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)  # knows nothing of earlier runs
        agent_of(model, middleware=[fresh], checkpointer=saver).invoke(said(text), thread("a"))
    assert [text for role, text in turns(sdk) if role == "user"] == [TOLD, ASKED, "Thanks"]
    assert len(turns(sdk)) == 6


def test_a_thread_older_than_the_memory_is_taken_in(model: ScriptedChat, sdk: OmniMemorySDK) -> None:
    saver = InMemorySaver()
    agent_of(model, checkpointer=saver).invoke(said(TOLD), thread("a"))
    remembering = OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)
    agent_of(model, middleware=[remembering], checkpointer=saver).invoke(said(ASKED), thread("a"))
    assert [text for _, text in turns(sdk)] == [TOLD, "Noted.", ASKED, "Noted."]


def test_tool_calls_and_results_are_not_recorded(sdk: OmniMemorySDK) -> None:
    @tool
    def weather(city: str) -> str:
        """The weather."""
        return f"secret weather of {city}"

    calling = calls("weather", city="Porto")
    calling.content = "Let me look that up."
    model = ScriptedChat(replies=[calling, "It is sunny."])
    agent = agent_of(
        model, [weather], middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)]
    )
    agent.invoke(said("How is the weather?"))
    assert turns(sdk) == [("user", "How is the weather?"), ("assistant", "It is sunny.")]


async def test_an_interrupt_and_its_resumption_record_each_message_once(sdk: OmniMemorySDK) -> None:
    @tool
    def send(text: str) -> str:
        """Send a mail."""
        return "sent"

    model = ScriptedChat(replies=[calls("send", text="hi"), "It is sent."])
    agent = agent_of(
        model,
        [send],
        middleware=[
            OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk),
            HumanInTheLoopMiddleware(interrupt_on={"send": True}),
        ],
        checkpointer=InMemorySaver(),
    )
    await agent.ainvoke(said("Send hi to Ben."), thread("a"))
    assert turns(sdk) == [("user", "Send hi to Ben.")]
    await agent.ainvoke(Command(resume={"decisions": [{"type": "approve"}]}), thread("a"))
    assert turns(sdk) == [("user", "Send hi to Ben."), ("assistant", "It is sent.")]


def test_a_summary_of_the_framework_is_not_recorded_as_said(sdk: OmniMemorySDK) -> None:
    model = ScriptedChat()
    agent = agent_of(
        model,
        middleware=[
            SummarizationMiddleware(
                model=ScriptedChat(replies=["a summary"]), trigger=("messages", 3), keep=("messages", 1)
            ),
            OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk),
        ],
        checkpointer=InMemorySaver(),
    )
    for text in ("one", "two", "three"):
        agent.invoke(said(text), thread("a"))
    assert any("summary" in str(m.text) for m in model.prompts[-1])
    assert [text for role, text in turns(sdk) if role == "user"] == ["one", "two", "three"]


@pytest.mark.parametrize(
    "system",
    [None, "Be brief.", SystemMessage(content=[{"type": "text", "text": "Be brief."}])],
    ids=["none", "text", "blocks"],
)
def test_the_block_follows_the_system_message(system: Any, model: ScriptedChat, sdk: OmniMemorySDK) -> None:
    agent = agent_of(
        model, system_prompt=system, middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)]
    )
    agent.invoke(said(TOLD), thread("a"))
    agent.invoke(said(ASKED), thread("b"))
    assert MARK not in model.systems[0]
    message = model.prompts[1][0]
    assert message.type == "system"
    assert len([m for m in model.prompts[1] if m.type == "system"]) == 1
    if system is None:
        assert model.systems[1].startswith(MARK)
    else:
        assert model.systems[1].startswith("Be brief.")
    if isinstance(system, SystemMessage):
        assert isinstance(message.content, list)
        assert len(system.content) == 1, "the agent's own system message stays as it was"


@dataclass
class Caller:
    user_id: str
    session_id: str | None = None


def test_the_context_goes_before_the_config_and_that_before_the_constructor(
    model: ScriptedChat, sdk: OmniMemorySDK
) -> None:
    agent = agent_of(
        model,
        context_schema=Caller,
        middleware=[OmniMemoryMiddleware(app_id=APP, user_id="from-init", memory=sdk)],
    )
    agent.invoke(said("1"), thread("t", user_id="from-config"), context=Caller("from-context", "s"))
    agent.invoke(said("2"), thread("t", user_id="from-config"))
    agent.invoke(said("3"), thread("t"))
    assert turns(sdk, user_id="from-context", session_id="s")[0] == ("user", "1")
    assert turns(sdk, user_id="from-config", session_id="t")[0] == ("user", "2")
    assert turns(sdk, user_id="from-init", session_id="t")[0] == ("user", "3")


def test_a_missing_user_is_an_error_that_says_where_to_name_one(
    model: ScriptedChat, sdk: OmniMemorySDK
) -> None:
    agent = agent_of(model, middleware=[OmniMemoryMiddleware(app_id=APP, memory=sdk)])
    with pytest.raises(ScopeError, match="configurable"):
        agent.invoke(said(TOLD))
    with pytest.raises(ScopeError, match="blank"):
        agent.invoke(said(TOLD), thread("t", user_id=" "))
    assert model.prompts == []


def test_wrong_arguments_fail_where_they_are_written() -> None:
    with pytest.raises(ScopeError):
        OmniMemoryMiddleware(app_id="")
    with pytest.raises(InvalidRequest):
        OmniMemoryMiddleware(app_id=APP, k=0)


def test_a_message_without_text_is_not_recorded_and_recalls_nothing(
    model: ScriptedChat, sdk: OmniMemorySDK
) -> None:
    agent = agent_of(model, middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)])
    agent.invoke(said(TOLD))
    image = {"type": "image", "url": "https://example.com/a.png"}
    agent.invoke({"messages": [HumanMessage(content=[image])]})
    agent.invoke({"messages": [HumanMessage(content=[{"type": "text", "text": "What is this?"}, image])]})
    assert model.systems[1] == ""
    assert [text for role, text in turns(sdk) if role == "user"] == [TOLD, "What is this?"]


def test_reasoning_is_not_recorded(sdk: OmniMemorySDK) -> None:
    thought = AIMessage(
        content=[{"type": "reasoning", "reasoning": "hm, secret"}, {"type": "text", "text": "It is Porto."}]
    )
    agent = agent_of(
        ScriptedChat(replies=[thought]),
        middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk)],
    )
    agent.invoke(said(ASKED))
    assert turns(sdk)[-1] == ("assistant", "It is Porto.")


def test_recall_and_record_can_be_switched_off(model: ScriptedChat, sdk: OmniMemorySDK) -> None:
    silent = OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk, recall=False)
    agent_of(model, middleware=[silent]).invoke(said(TOLD))
    agent_of(model, middleware=[silent]).invoke(said(ASKED))
    forgetful = OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk, record=False)
    agent_of(model, middleware=[forgetful]).invoke(said("Where do I live?"))
    assert [bool(system) for system in model.systems] == [False, False, True]
    assert len(turns(sdk)) == 4


def test_a_formatter_writes_the_text_of_at_most_k_memories(model: ScriptedChat, sdk: OmniMemorySDK) -> None:
    def listed(memories: Any) -> str:
        assert all(isinstance(memory, ScoredMemory) for memory in memories)
        return f"{len(memories)} memories, first: {memories[0].document}"

    agent = agent_of(
        model,
        middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=sdk, k=1, formatter=listed)],
    )
    agent.invoke(said(TOLD))
    agent.invoke(said(ASKED))
    assert model.systems[1] == f"1 memories, first: {TOLD}"


@pytest.mark.parametrize("fail_open", [True, False])
def test_a_failing_recall_warns_and_goes_on_or_raises_if_asked_to(
    fail_open: bool, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limited = OmniMemorySDK(max_query_chars=10)
    model = ScriptedChat()
    middleware = OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=limited, fail_open=fail_open)
    agent = agent_of(model, middleware=[middleware])
    if fail_open:
        agent.invoke(said("a query of more than ten characters"))
        assert "recall failed" in caplog.text
        assert len(model.prompts) == 1
    else:
        with pytest.raises(InvalidRequest):
            agent.invoke(said("a query of more than ten characters"))
        assert model.prompts == []
    assert turns(limited)[0] == ("user", "a query of more than ten characters"), "the turn is kept anyway"
    limited.close_blocking(drain=False)


def test_a_failing_write_is_raised(model: ScriptedChat, home: Path) -> None:
    strict = OmniMemorySDK(max_message_chars=10)
    agent = agent_of(model, middleware=[OmniMemoryMiddleware(app_id=APP, user_id=USER, memory=strict)])
    with pytest.raises(MessageError, match="OMNIMEMORY_MAX_MESSAGE_CHARS"):
        agent.invoke(said("much longer than that"))
    assert model.prompts == []
    strict.close_blocking(drain=False)


def test_users_of_one_agent_at_the_same_time_are_not_mixed(sdk: OmniMemorySDK) -> None:
    model = ScriptedChat()
    agent = agent_of(
        model, middleware=[OmniMemoryMiddleware(app_id=APP, memory=sdk)], checkpointer=InMemorySaver()
    )

    async def converse() -> None:
        names = [f"user{number}" for number in range(8)]
        await asyncio.gather(
            *(agent.ainvoke(said(f"My code word is {n}."), thread(n, user_id=n)) for n in names)
        )
        await asyncio.gather(
            *(agent.ainvoke(said("What is my code word?"), thread(n + "b", user_id=n)) for n in names)
        )

    asyncio.run(converse())
    for system in model.systems[8:]:
        assert system.count("My code word is") == 1
    for number in range(8):
        assert turns(sdk, user_id=f"user{number}")[0] == ("user", f"My code word is user{number}.")
