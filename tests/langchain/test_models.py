"""LangChain's models as models of the engine."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.messages import AIMessage
from langchain_omnimemory import LangChainChatModel, LangChainEmbeddings

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.core.errors import ModelError, ModelUnavailable, RateLimited
from omnimemory.models.base import ChatModel, Embedder, Prompt

from .chat import APP, USER, ScriptedChat

PROMPT = Prompt(system="Be brief.", user="Where does Ana live?")


async def test_a_chat_model_answers_with_text_and_its_tokens() -> None:
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    reply: Any = AIMessage(
        content=[{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "In Porto."}],
        usage_metadata=usage,
    )
    model = ScriptedChat(replies=[reply])
    adapter = LangChainChatModel(model)
    assert isinstance(adapter, ChatModel)
    answer = await adapter.complete(PROMPT, json_schema={"title": "Place", "type": "object"})
    assert (answer.text, answer.input_tokens, answer.output_tokens) == ("In Porto.", 7, 3)
    system, human = model.prompts[0]
    assert str(system.text).startswith("Be brief.")
    assert '"title":"Place"' in str(system.text)
    assert (human.type, str(human.text)) == ("human", PROMPT.user)


async def test_tokens_are_zero_where_the_model_does_not_count() -> None:
    answer = await LangChainChatModel(ScriptedChat()).complete(PROMPT)
    assert (answer.text, answer.input_tokens, answer.output_tokens) == ("Noted.", 0, 0)


class Answered(Exception):
    def __init__(self, status: int) -> None:
        super().__init__("secret prompt")
        self.status_code = status


class APIConnectionError(Exception): ...


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (Answered(429), RateLimited),
        (Answered(503), ModelUnavailable),
        (Answered(408), ModelUnavailable),
        (Answered(401), ModelError),
        (TimeoutError(), ModelUnavailable),
        (ConnectionResetError(), ModelUnavailable),
        (APIConnectionError(), ModelUnavailable),
        (ValueError("secret prompt"), ModelError),
        (RateLimited("ours", retry_after=3), RateLimited),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
async def test_a_provider_s_errors_are_told_apart(error: Exception, meant: type[ModelError]) -> None:
    with pytest.raises(ModelError) as raised:
        await LangChainChatModel(ScriptedChat(replies=[error])).complete(PROMPT)
    assert type(raised.value) is meant
    assert "secret" not in str(raised.value)


async def test_embeddings_are_measured_once_and_normalised() -> None:
    embedder = LangChainEmbeddings(DeterministicFakeEmbedding(size=12))
    assert isinstance(embedder, Embedder)
    assert embedder.dimensions == 12
    rows = await embedder.embed(["one", "two"])
    assert rows.shape == (2, 12)
    assert (rows**2).sum(axis=1).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert (await embedder.embed([])).shape == (0, 12)


class Named(Embeddings):
    model = "text-embedding-3-small"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise Answered(429)

    def embed_query(self, text: str) -> list[float]:
        raise AssertionError("must not be asked")


async def test_a_well_known_model_is_not_asked_for_its_dimensions() -> None:
    embedder = LangChainEmbeddings(Named())
    assert (embedder.dimensions, embedder.name) == (1536, "Named:text-embedding-3-small")
    assert LangChainEmbeddings(Named(), dimensions=5, name="mine").name == "mine"
    with pytest.raises(RateLimited):
        await embedder.embed(["one"])


async def test_they_power_the_engine() -> None:
    model = ScriptedChat(replies=["Ana lives in Porto."])
    async with OmniMemorySDK(
        chat_model=LangChainChatModel(model),
        embedder=LangChainEmbeddings(DeterministicFakeEmbedding(size=32)),
    ) as sdk:
        said = [Message(role="user", content="I live in Porto.")]
        await sdk.ingest(UserMessages(app_id=APP, user_id=USER, messages=said))
        found = await sdk.query_memory(APP, "Where does Ana live?", USER)
        assert found[0].document == "I live in Porto."
        assert await sdk.answer("Where does Ana live?", found) == "Ana lives in Porto."
        await sdk.close(drain=False)  # the script has no note for what was ingested
    assert "I live in Porto." in str(model.prompts[0])
