"""``OmniMemory`` on its own: what it keeps, what it remembers, what it recalls."""

from __future__ import annotations

import base64
import copy
import json
import logging
import pickle

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock, ThinkingBlock
from llama_index.core.memory import BaseMemory, InsertMethod
from llama_index.memory.omnimemory import OmniMemory

from omnimemory import OmniMemorySDK
from omnimemory.core.errors import InvalidRequest, MessageError, ScopeError
from omnimemory.recall.pack import is_echo

from .scripted import APP, USER, as_text, assistant, calling, result, told, turns, user

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def memory(sdk: OmniMemorySDK) -> OmniMemory:
    return OmniMemory.from_defaults(app_id=APP, user_id=USER, session_id="s", memory=sdk)


def recalled(messages: list[ChatMessage]) -> list[str]:
    """The recalled blocks in a prompt."""
    return [message.content or "" for message in messages if is_echo(message.content or "")]


def test_it_is_a_memory_of_the_framework_and_needs_nothing_but_ids() -> None:
    memory = OmniMemory.from_defaults(app_id="a", user_id="u", session_id="s")
    assert isinstance(memory, BaseMemory)
    memory.put(user("I keep bees."))
    assert as_text(memory.get_all()) == "user: I keep bees."


@pytest.mark.parametrize("method", ["aget", "aget_all", "aput", "aput_messages", "aset", "areset"])
def test_no_async_method_is_a_blocking_one_in_a_thread(method: str) -> None:
    """Which is what the framework's base class does where a memory has none of its own."""
    assert getattr(OmniMemory, method) is not getattr(BaseMemory, method)


async def test_a_message_is_in_the_window_and_in_the_users_memory(
    memory: OmniMemory, sdk: OmniMemorySDK
) -> None:
    await memory.aput(user("I keep bees behind the barn."))
    await memory.aput(assistant("How many hives?"))
    assert as_text(await memory.aget()) == "user: I keep bees behind the barn.\nassistant: How many hives?"
    assert await turns(sdk) == ["I keep bees behind the barn.", "How many hives?"]


async def test_what_was_said_in_another_session_is_recalled_in_front(
    memory: OmniMemory, sdk: OmniMemorySDK
) -> None:
    await told(sdk, "I keep bees behind the barn.", "My sister sails a ketch.")
    await memory.aput(user("Where do I keep my bees?"))
    first, last = await memory.aget()
    assert first.role == MessageRole.SYSTEM
    assert "behind the barn" in (first.content or "")
    assert last == user("Where do I keep my bees?")


async def test_nothing_useful_adds_nothing(memory: OmniMemory) -> None:
    await memory.aput(user("Where do I keep my bees?"))
    assert await memory.aget() == [user("Where do I keep my bees?")]


async def test_messages_of_the_window_are_not_recalled_too(memory: OmniMemory) -> None:
    await memory.aput_messages(
        [user("I keep bees."), assistant("Nice bees."), user("Tell me about my bees.")]
    )
    assert recalled(await memory.aget()) == []


async def test_what_fell_out_of_the_window_is_recalled(sdk: OmniMemorySDK) -> None:
    memory = OmniMemory.from_defaults(
        app_id=APP, user_id=USER, session_id="s", token_limit=400, token_budget=200, memory=sdk
    )
    await memory.aput(user("I keep bees behind the barn."))
    for number in range(10):
        await memory.aput_messages([user(f"Question {number}? " + "and so on " * 10), assistant("Yes.")])
    await memory.aput(user("Where do I keep my bees?"))
    messages = await memory.aget()
    assert "user: I keep bees behind the barn." not in as_text(messages)
    assert "I keep bees behind the barn." in recalled(messages)[0]


async def test_recall_can_stand_in_front_of_the_users_message(sdk: OmniMemorySDK) -> None:
    await told(sdk, "I keep bees behind the barn.")
    memory = OmniMemory.from_defaults(app_id=APP, user_id=USER, insert_method=InsertMethod.USER, memory=sdk)
    await memory.aput(user("Where do I keep my bees?"))
    (message,) = await memory.aget()
    assert message.role == MessageRole.USER
    assert is_echo(message.content or "")
    assert (message.content or "").endswith("Where do I keep my bees?")
    assert await memory.aget_all() == [user("Where do I keep my bees?")]


async def test_one_recall_for_each_user_turn(
    memory: OmniMemory, sdk: OmniMemorySDK, caplog: pytest.LogCaptureFixture
) -> None:
    await memory.aput(user("Where do I keep my bees?"))
    assert recalled(await memory.aget()) == []
    await told(sdk, "I keep bees behind the barn.")
    await memory.aput_messages([calling("look"), result("nothing"), assistant("I do not know.")])
    assert recalled(await memory.aget()) == []
    assert recalled(await memory.aget(input="Where do I keep my bees?")), "an answered turn is over"
    await memory.aput(user("Where do I keep my bees?"))
    assert recalled(await memory.aget()), "the same words are a new turn"


async def test_a_query_handed_in_counts_for_the_turn_that_it_begins(
    memory: OmniMemory, sdk: OmniMemorySDK
) -> None:
    assert await memory.aget(input="Where do I keep my bees?") == []
    await told(sdk, "I keep bees behind the barn.")
    await memory.aput(user("Where do I keep my bees?"))
    assert recalled(await memory.aget()) == []


async def test_a_query_may_be_a_message(memory: OmniMemory, sdk: OmniMemorySDK) -> None:
    await told(sdk, "I keep bees behind the barn.")
    assert recalled(await memory.aget(input=user("Where are the bees?")))


async def test_two_honest_repetitions_are_two_turns(memory: OmniMemory, sdk: OmniMemorySDK) -> None:
    await memory.aput_messages([user("yes"), assistant("Sure?"), user("yes")])
    assert await turns(sdk) == ["yes", "Sure?", "yes"]


async def test_a_replayed_history_adds_only_what_is_new(memory: OmniMemory, sdk: OmniMemorySDK) -> None:
    history = [user("I keep bees."), assistant("Nice."), user("yes"), assistant("Sure?"), user("yes")]
    for length in range(1, len(history) + 1):
        await memory.aset(history[:length])
    await memory.aset(history)
    await memory.aset(history[-2:])
    assert await turns(sdk) == ["I keep bees.", "Nice.", "yes", "Sure?", "yes"]
    assert await memory.aget_all() == history[-2:]


async def test_nothing_recalled_is_stored_or_remembered(memory: OmniMemory, sdk: OmniMemorySDK) -> None:
    await told(sdk, "I keep bees behind the barn.")
    for number in range(20):
        await memory.aput(user(f"Question {number}: where do I keep my bees?"))
        seen = await memory.aget()
        assert recalled(seen)
        await memory.aset(seen)
        await memory.aput(assistant("Behind the barn."))
    assert not any(is_echo(text) for text in await turns(sdk))
    assert len(await turns(sdk, session_id="s")) == 40
    assert recalled(await memory.aget_all()) == []


async def test_a_users_message_with_the_recalled_block_keeps_only_the_users_words(
    memory: OmniMemory, sdk: OmniMemorySDK
) -> None:
    await told(sdk, "I keep bees behind the barn.")
    block = recalled(await memory.aget(input="Where do I keep my bees?"))[0]
    await memory.aput(ChatMessage(role="user", blocks=[TextBlock(text=block), TextBlock(text="Hello")]))
    assert await memory.aget_all() == [user("Hello")]
    assert await turns(sdk, session_id="s") == ["Hello"]


async def test_only_what_people_said_and_were_told_is_remembered(
    memory: OmniMemory, sdk: OmniMemorySDK
) -> None:
    thinking = ChatMessage(
        role="assistant", blocks=[ThinkingBlock(content="The user is odd."), TextBlock(text="Sunny.")]
    )
    trace = assistant(
        "Thought: I need a tool.\nAction: weather\nAction Input: {}\nObservation: sunny\n"
        "Thought: I can answer.\nAnswer: It is sunny\nin Oslo."
    )
    await memory.aput_messages(
        [
            ChatMessage(role="system", content="Be brief."),
            user("What is the weather?"),
            calling("weather", remark="Let me look."),
            result("sunny"),
            thinking,
            trace,
            assistant("Thought: I need a tool.\nAction: weather\nAction Input: {}"),
            ChatMessage(
                role="assistant",
                content="I call it the old way.",
                additional_kwargs={"tool_calls": [{"id": "1", "function": {"name": "weather"}}]},
            ),
        ]
    )
    assert await turns(sdk) == ["What is the weather?", "Sunny.", "It is sunny\nin Oslo."]
    assert len(await memory.aget_all()) == 8


async def test_images_and_empty_messages_stay_in_the_transcript_and_are_not_remembered(
    memory: OmniMemory, sdk: OmniMemorySDK
) -> None:
    image = ChatMessage(role="user", blocks=[ImageBlock(image=PIXEL)])
    given = [image, assistant(""), ChatMessage(role="user", content=None), user("  ")]
    for message in given:
        await memory.aput(message)
    assert await memory.aget_all() == given
    assert await memory.aget() == given
    assert await turns(sdk) == []


async def test_text_beside_an_image_is_remembered(memory: OmniMemory, sdk: OmniMemorySDK) -> None:
    message = ChatMessage(role="user", blocks=[ImageBlock(image=PIXEL), TextBlock(text="This is my hive.")])
    await memory.aput(message)
    assert await memory.aget() == [message]
    assert await turns(sdk) == ["This is my hive."]


async def test_tool_only_turns_are_kept_whole(memory: OmniMemory, sdk: OmniMemorySDK) -> None:
    messages = [calling("weather", city="Oslo"), result("sunny")]
    await memory.aput_messages(messages)
    assert await memory.aget() == messages
    assert await turns(sdk) == []


async def test_a_message_that_is_no_json_is_refused_and_nothing_is_kept(
    memory: OmniMemory, sdk: OmniMemorySDK
) -> None:
    odd = ChatMessage(role="user", content="Hi", additional_kwargs={"object": object()})
    with pytest.raises(MessageError, match="JSON"):
        await memory.aput_messages([user("Hello"), odd])
    assert await memory.aget_all() == []
    assert await turns(sdk) == []


async def test_a_message_over_the_limit_is_refused_and_nothing_is_kept(memory: OmniMemory) -> None:
    with pytest.raises(MessageError, match="OMNIMEMORY_MAX_MESSAGE_CHARS"):
        await memory.aput(user("x" * 200_001))
    assert await memory.aget_all() == []


async def test_reset_clears_the_transcript_and_forgets_nothing(
    memory: OmniMemory, sdk: OmniMemorySDK
) -> None:
    await memory.aput(user("I keep bees behind the barn."))
    await memory.areset()
    assert await memory.aget_all() == []
    await memory.aput(user("Where do I keep my bees?"))
    assert "behind the barn" in recalled(await memory.aget())[0]


async def test_set_with_nothing_clears_the_transcript(memory: OmniMemory) -> None:
    await memory.aput(user("Hello"))
    await memory.aset([])
    assert await memory.aget_all() == []


async def test_users_and_sessions_do_not_mix(memory: OmniMemory, sdk: OmniMemorySDK) -> None:
    other = OmniMemory.from_defaults(app_id=APP, user_id="somebody-else", session_id="s", memory=sdk)
    next_one = OmniMemory.from_defaults(app_id=APP, user_id=USER, session_id="next", memory=sdk)
    await memory.aput(user("I keep bees behind the barn."))
    for asking in (other, next_one):
        await asking.aput(user("Where do I keep my bees?"))
    assert recalled(await other.aget()) == []
    assert recalled(await next_one.aget())
    assert as_text(await other.aget_all()) == "user: Where do I keep my bees?"


async def test_a_failing_recall_is_a_warning_unless_asked_otherwise(
    memory: OmniMemory, sdk: OmniMemorySDK, caplog: pytest.LogCaptureFixture
) -> None:
    endless = "bees " * 50_000
    with caplog.at_level(logging.WARNING):
        assert await memory.aget(input=endless) == []
    assert "recall failed" in caplog.text
    assert "bees" not in caplog.text
    strict = OmniMemory.from_defaults(app_id=APP, user_id=USER, fail_open=False, memory=sdk)
    with pytest.raises(InvalidRequest, match="query"):
        await strict.aget(input=endless)


async def test_a_failing_write_is_raised(sdk: OmniMemorySDK) -> None:
    memory = OmniMemory.from_defaults(app_id=APP, user_id=USER, memory=sdk)
    await sdk.close()
    with pytest.raises(InvalidRequest, match="closed"):
        await memory.aput(user("Hello"))


@pytest.mark.parametrize(
    "ids",
    [{}, {"app_id": "a"}, {"user_id": "u"}, {"app_id": "a", "user_id": " "}, {"app_id": "a", "user_id": 7}],
)
def test_ids_are_never_assumed(ids: dict[str, str]) -> None:
    with pytest.raises(ScopeError):
        OmniMemory.from_defaults(**ids)  # type: ignore[arg-type]  # that is the point


def test_a_session_of_its_own_when_none_is_named() -> None:
    first, second = (OmniMemory.from_defaults(app_id="a", user_id="u") for _ in range(2))
    assert first.session_id != second.session_id


@pytest.mark.parametrize(
    "wrong",
    [{"token_limit": 0}, {"k": 0}, {"token_limit": 500}, {"insert_method": "assistant"}, {"memory": "sdk"}],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidRequest):
        OmniMemory.from_defaults(app_id="a", user_id="u", **wrong)  # type: ignore[arg-type]  # that is the point


def test_a_misspelt_setting_is_an_error() -> None:
    with pytest.raises(TypeError, match="token_limt"):
        OmniMemory.from_defaults(app_id="a", user_id="u", token_limt=5)  # type: ignore[call-arg]  # the point


async def test_it_survives_json_pickle_and_copies(memory: OmniMemory) -> None:
    await memory.aput(user("I keep bees."))
    written = json.loads(json.dumps(memory.to_dict()))
    again = [
        OmniMemory.from_dict(written),
        OmniMemory.from_json(memory.to_json()),
        pickle.loads(pickle.dumps(memory)),
        copy.deepcopy(memory),
        memory.model_copy(),
    ]
    for other in again:
        assert isinstance(other, OmniMemory)
        assert other.to_dict() == memory.to_dict()
        assert await other.aget_all() == [user("I keep bees.")]


def test_what_it_is_written_out_as_holds_no_secret_and_no_place() -> None:
    sdk = OmniMemorySDK(llm_api_key="sk-secret")
    memory = OmniMemory.from_defaults(app_id="a", user_id="u", memory=sdk)
    assert "secret" not in memory.to_json()
    assert str(sdk.settings.home) not in memory.to_json()
    sdk.close_blocking()


async def test_blocking_methods_do_the_same(sdk: OmniMemorySDK) -> None:
    memory = OmniMemory.from_defaults(
        [user("I keep bees behind the barn.")], app_id=APP, user_id=USER, memory=sdk
    )
    memory.put(assistant("Nice."))
    memory.put_messages([user("yes"), assistant("Sure?")])
    assert len(memory.get()) == 4
    memory.set([user("Hello")])
    assert memory.get_all() == [user("Hello")]
    memory.reset()
    assert memory.get_all() == []
    assert recalled(memory.get(input="Where do I keep my bees?"))
