"""The chat history, in ``RunnableWithMessageHistory`` and by itself."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import ConfigurableFieldSpec
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_omnimemory import OmniMemoryChatMessageHistory, OmniMemoryMiddleware

from omnimemory import OmniMemorySDK, SyncOmniMemorySDK
from omnimemory.core.errors import ScopeError

from .chat import APP, USER, ScriptedChat, agent_of, calls, turns

pytestmark = pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated")


def history(sdk: OmniMemorySDK, session_id: str = "s", **options: Any) -> OmniMemoryChatMessageHistory:
    return OmniMemoryChatMessageHistory(
        app_id=APP, user_id=USER, session_id=session_id, memory=sdk, **options
    )


def test_messages_come_back_exactly_as_they_were_added(sdk: OmniMemorySDK) -> None:
    image = {"type": "image", "url": "https://example.com/a.png"}
    calling = calls("weather", city="Porto")
    calling.id = "ai-1"
    exchange = [
        HumanMessage(content=[{"type": "text", "text": "Look."}, image], name="Ana"),
        calling,
        ToolMessage(content="sunny", tool_call_id="call-weather", artifact={"degrees": 21}),
        AIMessage(content="It is sunny.", id="ai-2", response_metadata={"model": "m"}),
    ]
    history(sdk).add_messages(exchange)
    assert history(sdk).messages == exchange
    assert turns(sdk, session_id="s") == [("user", "Look."), ("assistant", "It is sunny.")]


async def test_every_call_has_an_async_twin(sdk: OmniMemorySDK) -> None:
    ours = history(sdk)
    await ours.aadd_messages([HumanMessage("hello"), AIMessage("hi")])
    assert [message.text for message in await ours.aget_messages()] == ["hello", "hi"]
    assert [message.text for message in ours.messages] == ["hello", "hi"], "blocking, inside a running loop"
    await ours.aclear()
    assert await ours.aget_messages() == []


def test_an_honest_repetition_is_kept_and_a_replay_is_not(sdk: OmniMemorySDK) -> None:
    ours = history(sdk)
    ours.add_user_message("yes")
    ours.add_user_message("yes")
    answer = AIMessage("ok", id="ai-1")
    ours.add_messages([answer])
    ours.add_messages([answer, answer])
    assert [message.text for message in ours.messages] == ["yes", "yes", "ok"]
    assert [text for _, text in turns(sdk)] == ["yes", "yes", "ok"]


def test_an_edited_message_takes_the_place_of_the_first(sdk: OmniMemorySDK) -> None:
    ours = history(sdk)
    ours.add_messages([HumanMessage("I live in Oslo", id="h"), AIMessage("ok", id="a")])
    ours.add_messages([HumanMessage("I live in Porto", id="h")])
    assert [message.text for message in ours.messages] == ["I live in Porto", "ok"]
    assert [text for _, text in turns(sdk)] == ["I live in Porto", "ok"]


def test_clear_empties_the_history_and_forgets_nothing(sdk: OmniMemorySDK) -> None:
    ours, other = history(sdk), history(sdk, "other")
    for kept in (ours, other):
        kept.add_user_message("My cat is called Tigre.")
    ours.clear()
    assert ours.messages == []
    assert len(other.messages) == 1
    assert SyncOmniMemorySDK(sdk).recall(APP, "What is the cat's name?", USER).memories


def test_the_last_messages_never_begin_with_an_orphaned_tool_result(sdk: OmniMemorySDK) -> None:
    ours = history(sdk)
    ours.add_messages(
        [
            HumanMessage("weather?"),
            calls("weather"),
            ToolMessage(content="sunny", tool_call_id="call-weather"),
            AIMessage("Sunny."),
            HumanMessage("thanks"),
            AIMessage("Welcome."),
        ]
    )
    lengths = [len(history(sdk, last=last).messages) for last in (2, 3, 4, 5, 6, 7)]
    assert lengths == [2, 2, 2, 2, 6, 6]


def test_record_false_keeps_the_messages_out_of_memory(sdk: OmniMemorySDK) -> None:
    ours = history(sdk, record=False)
    ours.add_messages([HumanMessage("a secret"), AIMessage("ok")])
    assert len(ours.messages) == 2
    assert turns(sdk) == []


def test_messages_without_text_are_kept_but_not_remembered(sdk: OmniMemorySDK) -> None:
    image = HumanMessage(content=[{"type": "image", "url": "https://example.com/a.png"}])
    ours = history(sdk)
    ours.add_messages([image, calls("look")])
    assert [message.type for message in ours.messages] == ["human", "ai"]
    assert turns(sdk) == []


def test_a_user_is_required() -> None:
    with pytest.raises(ScopeError, match="user_id is missing"):
        OmniMemoryChatMessageHistory(app_id=APP, user_id=None, session_id="s")


def test_users_of_one_session_id_are_not_mixed(sdk: OmniMemorySDK) -> None:
    for user in ("ana", "ben"):
        OmniMemoryChatMessageHistory(app_id=APP, user_id=user, session_id="1", memory=sdk).add_user_message(
            user
        )
    assert [m.text for m in history(sdk, "1").messages] == ["ana"]


def conversation(sdk: OmniMemorySDK, model: ScriptedChat) -> Any:
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])

    def of(user_id: str, session_id: str) -> BaseChatMessageHistory:
        return OmniMemoryChatMessageHistory(app_id=APP, user_id=user_id, session_id=session_id, memory=sdk)

    fields = [ConfigurableFieldSpec(id=name, annotation=str) for name in ("user_id", "session_id")]
    return RunnableWithMessageHistory(
        prompt | model,
        of,
        input_messages_key="question",
        history_messages_key="history",
        history_factory_config=fields,
    )


async def test_a_chain_with_message_history_in_all_four_ways(sdk: OmniMemorySDK) -> None:
    model = ScriptedChat(replies=["one", "two", "three three", "four four"])
    chain = conversation(sdk, model)
    config = {"configurable": {"user_id": USER, "session_id": "s"}}
    chain.invoke({"question": "1"}, config)
    await chain.ainvoke({"question": "yes"}, config)
    list(chain.stream({"question": "yes"}, config))
    [part async for part in chain.astream({"question": "4"}, config)]
    found = history(sdk).messages
    assert [m.text.strip() for m in found] == [
        "1",
        "one",
        "yes",
        "two",
        "yes",
        "three three",
        "4",
        "four four",
    ]
    assert not any(isinstance(message, AIMessageChunk) for message in found)
    assert turns(sdk) == [("user" if m.type == "human" else "assistant", m.text.strip()) for m in found]
    assert len(model.prompts[3]) == 7


@pytest.mark.parametrize("whole_state", [True, False], ids=["message list", "state"])
def test_beside_the_middleware_nothing_is_stored_twice(whole_state: bool, sdk: OmniMemorySDK) -> None:
    model = ScriptedChat(replies=["one", "two", "two"])
    agent = agent_of(model, middleware=[OmniMemoryMiddleware(app_id=APP, memory=sdk)])
    chain = RunnableWithMessageHistory(
        agent,
        lambda session_id: history(sdk, session_id),
        input_messages_key="messages",
        output_messages_key="messages",
    )
    config: Any = {"configurable": {"user_id": USER, "session_id": "s"}}
    for text in ("hello", "yes", "yes"):
        said: Any = text if whole_state else [HumanMessage(text)]
        chain.invoke({"messages": said}, config)
    expected = ["hello", "one", "yes", "two", "yes", "two"]
    assert [message.text for message in history(sdk).messages] == expected
    assert [text for _, text in turns(sdk)] == expected


def test_using_it_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OmniMemoryChatMessageHistory(app_id=APP, user_id=USER).add_user_message("hello")
