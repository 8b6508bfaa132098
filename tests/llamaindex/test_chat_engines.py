"""LlamaIndex's chat and query engines with the memory, the retriever and the block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.llms import MockLLM
from llama_index.core.memory import Memory
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.schema import MetadataMode
from llama_index.memory.omnimemory import OmniMemory, OmniMemoryBlock, OmniMemoryRetriever
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from omnimemory import OmniMemorySDK
from omnimemory.core.errors import InvalidRequest, ScopeError
from omnimemory.recall.pack import is_echo

from .scripted import APP, USER, ScriptedLLM, as_text, assistant, told, turns, user

SCORES = {
    "rank",
    "relevance",
    "match",
    "similarity_score",
    "lexical_score",
    "recency_score",
    "importance_score",
    "composite_score",
}


def omnimemory(sdk: OmniMemorySDK, session_id: str = "s") -> OmniMemory:
    return OmniMemory.from_defaults(app_id=APP, user_id=USER, session_id=session_id, memory=sdk)


def retriever(sdk: OmniMemorySDK, user_id: str = USER, **more: object) -> OmniMemoryRetriever:
    return OmniMemoryRetriever(app_id=APP, user_id=user_id, memory=sdk, **more)  # type: ignore[arg-type]


async def test_a_simple_chat_engine_remembers_across_sessions(sdk: OmniMemorySDK) -> None:
    llm = ScriptedLLM("Nice.", "Behind the barn.")
    first = SimpleChatEngine.from_defaults(
        llm=llm, memory=omnimemory(sdk, "first"), system_prompt="You help."
    )
    await first.achat("I keep bees behind the barn.")
    second = SimpleChatEngine.from_defaults(llm=llm, memory=omnimemory(sdk, "second"))
    assert str(await second.achat("Where do I keep my bees?")) == "Behind the barn."
    assert "I keep bees behind the barn." in llm.last_prompt
    assert await turns(sdk) == [
        "I keep bees behind the barn.",
        "Nice.",
        "Where do I keep my bees?",
        "Behind the barn.",
    ]


async def test_blocking_chats_inside_a_running_loop(sdk: OmniMemorySDK) -> None:
    engine = SimpleChatEngine.from_defaults(llm=ScriptedLLM("Nice."), memory=omnimemory(sdk))
    engine.chat("I keep bees.")
    assert as_text(engine.chat_history) == "user: I keep bees.\nassistant: Nice."
    engine.reset()
    assert engine.chat_history == []
    assert await turns(sdk) == ["I keep bees.", "Nice."]


async def test_streamed_answers_are_remembered_once_and_whole(sdk: OmniMemorySDK) -> None:
    engine = SimpleChatEngine.from_defaults(llm=MockLLM(max_tokens=4), memory=omnimemory(sdk))
    streamed = await engine.astream_chat("I keep bees.")
    assert [text async for text in streamed.async_response_gen()]
    "".join(engine.stream_chat("I like tea.").response_gen)
    assert await turns(sdk) == ["I keep bees.", "text text text text", "I like tea.", "text text text text"]


async def test_replayed_histories_add_nothing(sdk: OmniMemorySDK) -> None:
    engine = SimpleChatEngine.from_defaults(llm=ScriptedLLM("One.", "Two."), memory=omnimemory(sdk))
    await engine.achat("yes", chat_history=[])
    await engine.achat("yes", chat_history=[user("yes"), assistant("One.")])
    assert await turns(sdk) == ["yes", "One.", "yes", "Two."]


def test_an_engine_cannot_make_a_memory_without_a_user() -> None:
    with pytest.raises((ScopeError, TypeError)):  # older engines hand over an llm too
        SimpleChatEngine.from_defaults(llm=ScriptedLLM(), memory_cls=OmniMemory)


async def test_condense_plus_context_with_memory_and_retriever(sdk: OmniMemorySDK) -> None:
    await told(sdk, "I keep bees behind the barn.", "My sister sails a ketch.")
    llm = ScriptedLLM("Behind the barn.", "Where are my bees, again?", "Still there.")
    memory = omnimemory(sdk)
    engine = CondensePlusContextChatEngine.from_defaults(retriever=retriever(sdk), llm=llm, memory=memory)
    first = await engine.achat("Where do I keep my bees?")
    assert "behind the barn" in first.source_nodes[0].text
    engine.chat("And now?")
    assert "Where do I keep my bees?" in llm.last_prompt
    assert await turns(sdk, session_id="s") == [
        "Where do I keep my bees?",
        str(first),
        "And now?",
        "Still there.",
    ]
    assert not any(is_echo(text) for text in await turns(sdk))


async def test_a_context_chat_engine(sdk: OmniMemorySDK) -> None:
    await told(sdk, "I keep bees behind the barn.")
    llm = ScriptedLLM("Behind the barn.")
    engine = ContextChatEngine.from_defaults(retriever=retriever(sdk), llm=llm, memory=omnimemory(sdk))
    engine.chat("Where do I keep my bees?")
    await engine.achat("Where do I keep my bees?")
    assert "I keep bees behind the barn." in llm.last_prompt
    assert len(await turns(sdk, session_id="s")) == 4


async def test_a_query_engine_answers_from_memories(sdk: OmniMemorySDK) -> None:
    await told(sdk, "I keep bees behind the barn.", "My sister sails a ketch.")
    llm = ScriptedLLM("Behind the barn.")
    engine = RetrieverQueryEngine(retriever(sdk, k=1), get_response_synthesizer(llm=llm))
    for answer in (await engine.aquery("Where are my bees?"), engine.query("Where are my bees?")):
        assert str(answer) == "Behind the barn."
        assert [node.text for node in answer.source_nodes] == ["I keep bees behind the barn."]
    assert "behind the barn" in llm.last_prompt
    assert "composite_score" not in llm.last_prompt, "numbers are for programs"


async def test_nodes_carry_every_part_of_the_score(sdk: OmniMemorySDK) -> None:
    await told(sdk, "I keep bees behind the barn.", "My bees are black.", "My sister sails a ketch.")
    nodes = await retriever(sdk).aretrieve("Where do I keep my bees?")
    assert [node.score for node in nodes] == sorted((node.score or 0 for node in nodes), reverse=True)
    best = nodes[0]
    assert SCORES | {"kind", "occurred_at", "created_at", "session_id", "status"} <= set(best.metadata)
    assert best.score == best.metadata["composite_score"]
    memory = await sdk.get_memory(best.node_id, APP)
    assert memory is not None
    assert memory.text == best.text
    assert "kind: turn" in best.get_content(MetadataMode.LLM)


async def test_a_retriever_narrows(sdk: OmniMemorySDK) -> None:
    await told(sdk, "I keep bees behind the barn.")
    question = "Where do I keep my bees?"
    assert len(await retriever(sdk, k=1).aretrieve(question)) == 1
    soon = datetime.now(UTC) + timedelta(hours=1)
    for nothing in (
        retriever(sdk, user_id="another"),
        retriever(sdk, session_id="another"),
        retriever(sdk, kinds=["note"], composite_threshold=2.0),
        retriever(sdk, said_after=soon),
        retriever(sdk, filters={"project": "x"}),
        retriever(sdk, similarity_threshold=0.999),
    ):
        assert await nothing.aretrieve(question) == []


async def test_a_retriever_raises_instead_of_finding_nothing(sdk: OmniMemorySDK) -> None:
    with pytest.raises(ScopeError):
        OmniMemoryRetriever(app_id=APP, user_id=None)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(InvalidRequest, match="blank"):
        await retriever(sdk).aretrieve(" ")
    with pytest.raises(InvalidRequest, match="n_results"):
        retriever(sdk, k=0).retrieve("bees")


@pytest.fixture
async def database() -> AsyncIterator[AsyncEngine]:
    """Where the framework's own memory keeps its messages; it would not close one of its own."""
    engine = create_async_engine("sqlite+aiosqlite:///:memory:")
    yield engine
    await engine.dispose()


async def test_a_block_recalls_for_the_frameworks_own_memory(
    sdk: OmniMemorySDK, database: AsyncEngine
) -> None:
    await told(sdk, "I keep bees behind the barn.")
    block = OmniMemoryBlock(app_id=APP, user_id=USER, memory=sdk)
    memory = Memory.from_defaults(
        session_id="s", token_limit=4000, memory_blocks=[block], async_engine=database
    )
    llm = ScriptedLLM("Behind the barn.")
    await SimpleChatEngine.from_defaults(llm=llm, memory=memory).achat("Where do I keep my bees?")
    assert "I keep bees behind the barn." in llm.last_prompt
    assert await turns(sdk, session_id="s") == [], "a block only recalls"


async def test_a_block_stays_out_of_the_prompt_when_it_knows_nothing(
    sdk: OmniMemorySDK, database: AsyncEngine
) -> None:
    block = OmniMemoryBlock(app_id=APP, user_id=USER, memory=sdk)
    memory = Memory.from_defaults(token_limit=4000, memory_blocks=[block], async_engine=database)
    await memory.aput(user("Where do I keep my bees?"))
    assert await memory.aget() == [user("Where do I keep my bees?")]
    assert await block.aget() == ""
    with pytest.raises(ScopeError):
        OmniMemoryBlock(app_id=APP)  # type: ignore[call-arg]  # that is the point
