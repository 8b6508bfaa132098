"""LlamaIndex's LLMs and embeddings as models of the engine."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import MockLLM
from llama_index.memory.omnimemory import LlamaIndexChatModel, LlamaIndexEmbedder
from pydantic import PrivateAttr

from omnimemory import AgentMemorySDK, Message, OmniMemorySDK, UserMessages
from omnimemory.core.errors import InvalidRequest, ModelError, ModelUnavailable, RateLimited
from omnimemory.models.base import ChatModel, Embedder, Prompt

from .scripted import APP, USER, ScriptedLLM

PROMPT = Prompt(system="Be brief.", user="Hello")


class LetterEmbedding(BaseEmbedding):
    """Counts letters: a vector space that is easy to foresee."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [float(text.lower().count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class FailingEmbedding(LetterEmbedding):
    def _get_text_embedding(self, text: str) -> list[float]:
        raise ProviderError(503)


class ProviderError(Exception):
    """As the clients of providers raise it."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__("the prompt was: secret")
        self.status_code = status
        self.response = httpx.Response(status, headers=headers)


class CountingLLM(ScriptedLLM):
    """Reports tokens as the integration of a provider does."""

    _reported: dict[str, Any] = PrivateAttr()

    def __init__(self, **reported: Any) -> None:
        super().__init__("Hi.")
        self._reported = reported

    async def achat(self, messages: Any, **kwargs: Any) -> ChatResponse:
        return ChatResponse(message=ChatMessage(role="assistant", content="Hi."), **self._reported)


async def test_an_llm_answers_the_engine() -> None:
    llm = ScriptedLLM("Hi.")
    model = LlamaIndexChatModel(llm)
    assert isinstance(model, ChatModel)
    assert model.name == "scripted"
    assert (await model.complete(PROMPT)).text == "Hi."
    assert llm.last_prompt == "system: Be brief.\nuser: Hello"
    await model.complete(PROMPT, json_schema={"type": "object"})
    assert '{"type":"object"}' in llm.last_prompt
    await model.aclose()


async def test_the_frameworks_mock_is_an_llm_too() -> None:
    assert (await LlamaIndexChatModel(MockLLM(max_tokens=2)).complete(PROMPT)).text == "text text"


@pytest.mark.parametrize(
    "reported",
    [
        {"additional_kwargs": {"prompt_tokens": 7, "completion_tokens": 2}},
        {"raw": {"usage": {"input_tokens": 7, "output_tokens": 2}}},
        {"raw": {"usage_metadata": {"prompt_token_count": 7, "candidates_token_count": 2}}},
    ],
)
async def test_tokens_are_counted_where_the_provider_tells(reported: dict[str, Any]) -> None:
    completion = await LlamaIndexChatModel(CountingLLM(**reported)).complete(PROMPT)
    assert (completion.input_tokens, completion.output_tokens) == (7, 2)


async def test_no_usage_is_no_tokens() -> None:
    completion = await LlamaIndexChatModel(ScriptedLLM("Hi.")).complete(PROMPT)
    assert (completion.input_tokens, completion.output_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (ProviderError(429), RateLimited),
        (ProviderError(503), ModelUnavailable),
        (ProviderError(408), ModelUnavailable),
        (ProviderError(401), ModelError),
        (httpx.ConnectError("refused"), ModelUnavailable),
        (TimeoutError(), ModelUnavailable),
        (ConnectionResetError(), ModelUnavailable),
        (KeyError("choices"), ModelError),
    ],
)
async def test_errors_are_the_engines(error: Exception, meaning: type[ModelError]) -> None:
    with pytest.raises(ModelError) as raised:
        await LlamaIndexChatModel(ScriptedLLM(error)).complete(PROMPT)
    assert type(raised.value) is meaning
    assert raised.value.__cause__ is error
    assert "secret" not in str(raised.value)


async def test_the_endpoints_wish_to_wait_is_heard() -> None:
    error = ProviderError(429, **{"retry-after": "7"})
    with pytest.raises(RateLimited) as raised:
        await LlamaIndexChatModel(ScriptedLLM(error)).complete(PROMPT)
    assert raised.value.retry_after == 7


async def test_an_embedding_model_embeds_for_the_engine() -> None:
    embedder = LlamaIndexEmbedder(LetterEmbedding(model_name="letters"))
    assert isinstance(embedder, Embedder)
    assert embedder.dimensions == 26
    assert "letters" in embedder.name
    vectors = await embedder.embed(["abba", "cab"])
    assert vectors.shape == (2, 26)
    assert float(vectors[0] @ vectors[0]) == pytest.approx(1)
    assert (await embedder.embed([])).shape == (0, 26)
    await embedder.aclose()


async def test_dimensions_that_do_not_fit_are_an_error() -> None:
    embedder = LlamaIndexEmbedder(MockEmbedding(embed_dim=3), dimensions=4)
    with pytest.raises(ModelError, match="3 numbers where 4"):
        await embedder.embed(["a"])


async def test_a_failing_embedding_model_is_the_engines_error() -> None:
    with pytest.raises(ModelUnavailable):
        LlamaIndexEmbedder(FailingEmbedding())
    with pytest.raises(ModelUnavailable):
        await LlamaIndexEmbedder(FailingEmbedding(), dimensions=26).embed(["a"])


def test_something_else_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="LLM"):
        LlamaIndexChatModel("gpt")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(InvalidRequest, match="BaseEmbedding"):
        LlamaIndexEmbedder("ada")  # type: ignore[arg-type]  # that is the point


async def test_the_engine_runs_on_both() -> None:
    llm = ScriptedLLM("Behind the barn.")
    async with OmniMemorySDK(
        synthesis=False, chat_model=LlamaIndexChatModel(llm), embedder=LlamaIndexEmbedder(LetterEmbedding())
    ) as sdk:
        said = [Message(role="user", content="I keep bees behind the barn.")]
        await sdk.ingest(UserMessages(app_id=APP, user_id=USER, messages=said))
        answered = await AgentMemorySDK(sdk).answer_query(APP, "Where do I keep bees?", USER)
    assert answered["answer"] == "Behind the barn."
    assert "behind the barn" in llm.last_prompt
