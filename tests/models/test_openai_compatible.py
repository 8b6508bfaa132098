"""The real openai SDK against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import BaseModel

from omnimemory.core.errors import ConfigError, ModelError, ModelUnavailable, RateLimited
from omnimemory.models.base import ChatModel, Embedder, Prompt, Usage
from omnimemory.models.endpoint import retry_after
from omnimemory.models.openai_compatible import OpenAIChatModel, OpenAIEmbedder
from omnimemory.models.providers import PROVIDERS, access
from omnimemory.models.structured import ask
from omnimemory.testing.model_server import ScriptedModelServer
from omnimemory.testing.replies import Fault

SECRET = "sk-very-secret"
PROMPT = Prompt(system="You keep notes.", user="My private diary: the temperature dropped.")


class Mood(BaseModel):
    word: str
    score: int


@pytest.fixture
def server() -> Iterator[ScriptedModelServer]:
    with ScriptedModelServer() as running:
        yield running


def chat(server: ScriptedModelServer, **options: Any) -> OpenAIChatModel:
    return OpenAIChatModel(base_url=server.base_url, model="scripted", api_key=SECRET, **options)


def embedder(server: ScriptedModelServer, **options: Any) -> OpenAIEmbedder:
    given: dict[str, Any] = {"dimensions": 256, **options}
    return OpenAIEmbedder(base_url=server.base_url, model="scripted-embedder", api_key=SECRET, **given)


async def test_an_answer_comes_with_its_tokens(server: ScriptedModelServer) -> None:
    server.script["text"] = "Noted, thanks."
    model = chat(server, temperature=0.1, max_tokens=77)
    answer = await model.complete(PROMPT)
    assert (answer.text, answer.input_tokens, answer.output_tokens) == ("Noted, thanks.", 9, 2)
    (sent,) = server.requests
    assert sent["messages"][0] == {"role": "system", "content": PROMPT.system}
    assert (sent["model"], sent["temperature"], sent["max_tokens"]) == ("scripted", 0.1, 77)
    assert isinstance(model, ChatModel)
    await model.aclose()


async def test_a_schema_goes_with_the_request_and_the_answer_obeys_it(server: ScriptedModelServer) -> None:
    model = chat(server)
    usage = Usage()
    assert await ask(model, PROMPT, Mood, agent="Mood", usage=usage) == Mood(word="text", score=0)
    wanted = server.requests[0]["response_format"]
    assert wanted["json_schema"]["name"] == "Mood"
    assert wanted["json_schema"]["strict"] is True
    assert (usage.calls, server.calls["Mood"]) == (1, 1)
    await model.aclose()


@pytest.mark.parametrize("rejection", ["fields", "text"])
async def test_refused_parameters_are_dropped_once_and_remembered(
    server: ScriptedModelServer, rejection: Literal["fields", "text"]
) -> None:
    server.rejected = {"temperature", "top_p", "max_tokens", "json_schema"}
    server.rejection = rejection
    model = chat(server)
    answers = await asyncio.gather(*(ask(model, PROMPT, Mood, agent="Mood", usage=Usage()) for _ in range(8)))
    assert answers == [Mood(word="text", score=0)] * 8
    before = len(server.requests)
    await ask(model, PROMPT, Mood, agent="Mood", usage=Usage())
    assert len(server.requests) == before + 1
    sent = server.requests[-1]
    assert sent.keys() == {"model", "messages", "max_completion_tokens", "response_format"}
    assert sent["response_format"] == {"type": "json_object"}
    assert '"score"' in sent["messages"][0]["content"]
    await model.aclose()


async def test_an_endpoint_without_any_json_mode_gets_the_schema_as_text(server: ScriptedModelServer) -> None:
    server.rejected = {"response_format", "max_tokens", "max_completion_tokens"}
    refused, ignored = chat(server), chat(server, enforces_schema=False)
    for model in (refused, ignored):
        assert await ask(model, PROMPT, Mood, agent="Mood", usage=Usage()) == Mood(word="text", score=0)
        assert "response_format" not in server.requests[-1]
        assert "max_tokens" not in server.requests[-1]
        await model.aclose()


async def test_a_request_that_nothing_mends_is_refused_after_bounded_tries(
    server: ScriptedModelServer,
) -> None:
    server.script["text"] = Fault(status=400, message="temperature, top_p and max_tokens look odd")
    model = chat(server)
    with pytest.raises(ModelError, match="LLM_MODEL"):
        await model.complete(PROMPT)
    assert len(server.requests) <= 6
    await model.aclose()


async def test_a_parameter_named_by_its_place_in_the_body_is_dropped_alone(
    server: ScriptedModelServer,
) -> None:
    echo = '{"detail": [{"loc": ["body", "top_p"], "msg": "extra", "input": {"temperature": 1}}]}'
    server.script["text"] = [Fault(kind="body", status=422, body=echo), "fine"]
    model = chat(server)
    assert (await model.complete(PROMPT)).text == "fine"
    assert "top_p" not in server.requests[-1]
    assert "temperature" in server.requests[-1]
    await model.aclose()


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault.error(500), ModelUnavailable, "500"),
        (Fault.error(503), ModelUnavailable, "503"),
        (Fault.drop(), ModelUnavailable, "cannot be reached"),
        (Fault.hang(), ModelUnavailable, r"within 0\.2 s"),
        (Fault.raw('{"choices": [{"mess'), ModelUnavailable, "broken JSON"),
        (Fault.raw('{"hello": 1}'), ModelError, "LLM_BASE_URL"),
        (Fault.raw('{"choices": []}'), ModelError, "LLM_BASE_URL"),
        (Fault.error(401, code="invalid_api_key"), ModelError, "LLM_API_KEY"),
        (Fault.error(403), ModelError, "LLM_API_KEY"),
        (Fault.error(404), ModelError, "LLM_MODEL"),
        (Fault.error(413), ModelError, "too large"),
        (Fault(status=400, code="context_length_exceeded", param="messages"), ModelError, "context_length"),
        (Fault(status=429, code="insufficient_quota"), ModelError, "quota"),
    ],
)
async def test_failures_are_translated_and_echo_nothing(
    server: ScriptedModelServer, fault: Fault, error: type[ModelError], words: str
) -> None:
    leaky = Fault(**{**{f: getattr(fault, f) for f in Fault.__slots__}, "message": f"{SECRET} {PROMPT.user}"})
    server.script["text"] = leaky
    model = chat(server, timeout=0.2 if fault.kind == "hang" else 10.0)
    with pytest.raises(error, match=words) as raised:
        await model.complete(PROMPT)
    assert type(raised.value) is error
    assert SECRET not in str(raised.value)
    assert "diary" not in str(raised.value)
    assert SECRET not in repr(model)
    assert len(server.requests) <= 4
    server.script["text"] = "fine again"
    assert (await model.complete(PROMPT)).text == "fine again"
    await model.aclose()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    model = OpenAIChatModel(base_url="http://127.0.0.1:9/v1", model="nobody")
    with pytest.raises(ModelUnavailable, match="LLM_BASE_URL"):
        await model.complete(PROMPT)
    await model.aclose()


async def test_a_rate_limit_says_how_long_to_wait(server: ScriptedModelServer) -> None:
    model = chat(server)
    server.script["text"] = [Fault.rate_limited(7), Fault.rate_limited(), Fault.rate_limited("nonsense")]
    waits = []
    for _ in range(3):
        with pytest.raises(RateLimited) as limited:
            await model.complete(PROMPT)
        waits.append(limited.value.retry_after)
    assert waits == [7.0, None, None]
    await model.aclose()


def test_retry_after_reads_seconds_and_dates() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=90), usegmt=True)
    stamp = now.timestamp()
    assert retry_after({"retry-after": later}, now=stamp) == 90.0
    assert retry_after({"retry-after": later}, now=stamp + 1000) == 0.0
    assert retry_after({"retry-after": "1.5"}) == 1.5
    assert retry_after({"retry-after": "inf"}) is None
    assert retry_after({}) is None


async def test_32_slow_calls_run_side_by_side_and_no_more_than_allowed(server: ScriptedModelServer) -> None:
    wide, narrow = chat(server), chat(server, max_connections=4)
    await wide.complete(PROMPT)
    server.delay = 2.0  # longer than 32 requests need to arrive on a busy machine
    await asyncio.gather(*(wide.complete(PROMPT) for _ in range(32)))
    assert server.most_in_flight == 32
    server.most_in_flight, server.delay = 0, 0.01
    await asyncio.gather(*(narrow.complete(PROMPT) for _ in range(16)))
    assert server.most_in_flight == 4
    await wide.aclose()
    await narrow.aclose()


async def test_an_admin_key_of_the_environment_goes_nowhere(
    server: ScriptedModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin")
    monkeypatch.setenv("OPENAI_API_KEY", "of the environment")
    server.api_key = "none"
    model = OpenAIChatModel(base_url=server.base_url, model="local")
    assert (await model.complete(PROMPT)).text
    await model.aclose()


@pytest.mark.parametrize("encoding", ["base64", "float"])
async def test_vectors_arrive_in_order_batched_and_normalised(
    server: ScriptedModelServer, encoding: str
) -> None:
    model = embedder(server, encoding_format=encoding, batch_size=3)
    texts = ["red apple", "", "green apple", "a house by the sea", "red apple", "\n"]
    vectors = await model.embed(texts)
    assert vectors.shape == (6, 256)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0, 1, 1, 1, 0], abs=1e-5)
    assert vectors[0] == pytest.approx(vectors[4])
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[3]
    assert [len(request["input"]) for request in server.requests] == [3, 1]
    assert server.requests[0]["encoding_format"] == encoding
    assert isinstance(model, Embedder)
    await model.aclose()


@pytest.mark.parametrize("rejection", ["fields", "text"])
async def test_an_embedder_gives_up_base64_and_dimensions_where_refused(
    server: ScriptedModelServer, rejection: Literal["fields", "text"]
) -> None:
    server.rejected, server.rejection = {"encoding_format", "dimensions"}, rejection
    model = embedder(server)
    assert (await model.embed(["a text"])).shape == (1, 256)
    assert server.requests[-1].keys() == {"model", "input"}
    await model.aclose()


async def test_vectors_of_another_size_or_broken_ones_are_refused(server: ScriptedModelServer) -> None:
    server.dimensions = 32
    server.rejected = {"dimensions"}
    model = embedder(server)
    with pytest.raises(ModelError, match="EMBEDDING_DIMENSIONS=32"):
        await model.embed(["a text"])
    server.script["embeddings"] = Fault.raw('{"data": [{"embedding": "!!!", "index": 0}]}')
    with pytest.raises(ModelError, match="base64"):
        await model.embed(["a text"])
    server.script["embeddings"] = Fault.raw('{"data": [{"embedding": [NaN], "index": 0}]}')
    with pytest.raises(ModelError):
        await model.embed(["a text"])
    server.script["embeddings"] = Fault.error(404)
    with pytest.raises(ModelError, match="EMBEDDING_MODEL"):
        await model.embed(["a text"])
    await model.aclose()


def test_unknown_dimensions_are_asked_for_at_once() -> None:
    with pytest.raises(ConfigError, match="EMBEDDING_DIMENSIONS"):
        OpenAIEmbedder(base_url="http://localhost/v1", model="homemade")
    assert (
        OpenAIEmbedder(base_url="http://localhost/v1", model="openai/text-embedding-3-small").dimensions
        == 1536
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"provider": "opnai"}, "LLM_PROVIDER.*openai, anthropic, mistral, azure, ollama.*LLM_BASE_URL"),
        ({"provider": "openai"}, "LLM_API_KEY is missing"),
        ({}, "LLM_API_KEY is missing"),
        ({"provider": "azure", "api_key": "k"}, "LLM_BASE_URL is missing.*openai.azure.com"),
        ({"provider": "azure", "api_key": "k", "base_url": "https://x/v1"}, "LLM_MODEL is missing"),
        ({"base_url": "http://localhost:1/v1"}, "LLM_MODEL is missing"),
        ({"provider": "ollama", "base_url": "localhost:11434"}, "http"),
    ],
)
def test_what_a_provider_lacks_is_named_by_its_variable(given: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        access("LLM", **given)


def test_providers_are_reached_with_their_defaults() -> None:
    for name, provider in PROVIDERS.items():
        if name != "azure":
            assert access("LLM", provider=name.upper(), api_key="k").base_url == provider.base_url
    assert access("LLM", provider="ollama").api_key == ""
    assert not access("LLM", provider="anthropic", api_key="k").enforces_schema
    local = access("EMBEDDING", base_url="http://localhost:8080/v1/", model="bge-m3")
    assert (local.base_url, local.model) == ("http://localhost:8080/v1", "bge-m3")
    assert SECRET not in repr(access("LLM", provider="openai", api_key=SECRET))
    with pytest.raises(ConfigError, match="anthropic has no embeddings"):
        access("EMBEDDING", provider="anthropic", api_key="k")


async def test_the_server_runs_as_a_process_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "omnimemory.testing.model_server", "--delay", "0.01",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    model = OpenAIChatModel(base_url=(await process.stdout.readline()).decode().strip(), model="scripted")
    assert (await model.complete(PROMPT)).text
    await model.aclose()
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0
