"""The short-term window: whole turns, within the limit, and never half of a tool call."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import (
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    ToolCallBlock,
)
from llama_index.memory.omnimemory import OmniMemory
from llama_index.memory.omnimemory.messages import to_entry
from llama_index.memory.omnimemory.tokens import count, message_tokens
from llama_index.memory.omnimemory.window import fitting, tokens_of

from omnimemory import OmniMemorySDK

from .scripted import APP, USER, assistant, calling, result, user

TURN = [user("How is the weather?"), calling("weather", city="Oslo"), result("It rains."), assistant("Rain.")]


def older(call_id: str) -> ChatMessage:
    """A tool call as integrations without call blocks tell it."""
    calls = [{"id": call_id, "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
    return ChatMessage(role="assistant", content=None, additional_kwargs={"tool_calls": calls})


def windowed(messages: list[ChatMessage], limit: int, *, complete: bool = True) -> list[str]:
    entries = fitting([to_entry(message) for message in messages], limit, complete=complete)
    return [str(entry["role"]) for entry in entries]


def memory_of(sdk: OmniMemorySDK, limit: int) -> OmniMemory:
    return OmniMemory.from_defaults(
        app_id=APP, user_id=USER, token_limit=limit + 1, token_budget=1, memory=sdk
    )


pieces = st.sampled_from(
    [
        [user("A question of some length, to be sure?")],
        [assistant("An answer.")],
        [calling("weather", city="Oslo"), result("rain " * 20)],
        [older("x"), result("sun", "x")],
        [calling("weather", "1"), result("one", "1"), result("a stray one", "9")],
        [calling("weather")],
        [result("a stray one")],
        [ChatMessage(role="system", content="Be brief.")],
    ]
)


@given(st.lists(pieces, max_size=12), st.integers(0, 400), st.booleans())
def test_every_window_of_every_chat_can_be_sent_to_a_model(
    chat: list[list[ChatMessage]], limit: int, complete: bool
) -> None:
    entries = [to_entry(message) for piece in chat for message in piece]
    window = fitting(entries, limit, complete=complete)
    roles = [str(entry["role"]) for entry in window]
    assert [entry for entry in entries if any(entry is kept for kept in window)] == window, "order is kept"
    for position, role in enumerate(roles):
        if role == "tool":
            assert position, "a result needs its call"
            assert roles[position - 1] == "tool" or _calls(window[position - 1]), "a result needs its call"
        elif _calls(window[position]) and position + 1 < len(roles):
            assert roles[position + 1] == "tool", "an old call needs its result"
    newest_turn = max((i for i, role in enumerate(roles) if role == "user"), default=len(roles))
    assert sum(map(tokens_of, window)) <= limit or newest_turn == 0
    if "user" in [entry["role"] for entry in entries]:
        assert "user" in roles, "the newest turn is always there"
        assert roles[0] == "user" or complete


def _calls(entry: Mapping[str, object]) -> bool:
    extras, blocks = entry["additional_kwargs"], entry["blocks"]
    return "tool_calls" in str(extras) or "tool_call" in str(blocks)


def test_a_window_is_cut_between_turns() -> None:
    size = sum(map(message_tokens, TURN))
    assert windowed(TURN * 3, 3 * size) == ["user", "assistant", "tool", "assistant"] * 3
    assert windowed(TURN * 3, 3 * size - 1) == ["user", "assistant", "tool", "assistant"] * 2


def test_the_newest_turn_is_never_cut() -> None:
    assert windowed([*TURN, *TURN], 0) == ["user", "assistant", "tool", "assistant"]


def test_a_call_with_fewer_results_than_calls_is_left_out_once_the_chat_goes_on() -> None:
    both = ChatMessage(
        role="assistant",
        blocks=[ToolCallBlock(tool_call_id=i, tool_name="weather") for i in ("1", "2")],
    )
    chat = [user("How?"), both, result("It rains.", "1"), assistant("It rains.")]
    assert windowed(chat, 1000) == ["user", "assistant"]
    assert windowed(chat[:3], 1000) == ["user", "assistant", "tool"], "it may be going on just now"


def test_tool_calls_and_media_count() -> None:
    silent = message_tokens(ChatMessage(role="assistant", content=None))
    call = calling("weather", city="a long description of a city " * 10)
    old = older("x" * 200)
    assert message_tokens(call) > silent + 60
    assert message_tokens(old) > silent + 20
    assert message_tokens(ChatMessage(role="user", blocks=[ImageBlock(url="http://x/y.png")])) > silent + 200
    assert message_tokens(ChatMessage(role="user", blocks=[DocumentBlock(data=b"x")])) > silent + 2000
    assert count("word " * 100_000) > 90_000


async def test_the_limit_holds_for_what_get_returns(sdk: OmniMemorySDK) -> None:
    memory = memory_of(sdk, 200)
    for number in range(30):
        await memory.aput_messages([user(f"Question {number}, with some more words?"), *TURN[1:]])
    messages = await memory.aget()
    assert messages[0].role == MessageRole.USER
    assert 100 < sum(map(message_tokens, messages)) <= 200
    assert await memory.aget(initial_token_count=190) == messages[-4:], "the newest turn stays"
    narrow = await memory.aget(initial_token_count=100, some_other_argument=1)
    assert sum(map(message_tokens, narrow)) <= 100
    assert narrow[-1] == messages[-1]
    assert len(await memory.aget_all()) == 120


async def test_a_long_chat_is_read_as_far_as_the_window_goes(sdk: OmniMemorySDK) -> None:
    memory = memory_of(sdk, 30_000)
    chat = [user("Hello?"), assistant("Yes.")] * 150
    await memory.aset(chat)
    assert await memory.aget() == chat


async def test_messages_may_be_changed_by_whoever_gets_them(sdk: OmniMemorySDK) -> None:
    """Agents write their state into the last message."""
    memory = memory_of(sdk, 1000)
    await memory.aput(user("Hello"))
    (message,) = await memory.aget()
    message.content = "changed"
    assert await memory.aget() == [user("Hello")]
