"""Chat models and embedders behind any OpenAI-compatible endpoint."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from omnimemory.core.errors import ConfigError, ModelError
from omnimemory.models.base import Completion, Prompt, Vectors
from omnimemory.models.dialect import Dialect
from omnimemory.models.endpoint import Endpoint
from omnimemory.models.providers import native_dimensions
from omnimemory.models.vectors import unit_rows

_CHARS_PER_REQUEST = 400_000
"""Keeps a batch below the 300,000 tokens that OpenAI takes at once, also where a token is 1.5 characters."""


class OpenAIChatModel:
    """A chat model behind ``/chat/completions``.

    What the model refuses (a temperature on reasoning models, ``json_schema``) is left out or
    replaced once and for this instance; where no schema is enforced it stands in the prompt.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        temperature: float | None = 0.4,
        max_tokens: int | None = 3000,
        top_p: float | None = 0.9,
        timeout: float = 120.0,
        max_connections: int = 32,
        enforces_schema: bool = True,
    ) -> None:
        self._options = {"temperature": temperature, "top_p": top_p}
        self._max_tokens = max_tokens
        self._endpoint = Endpoint(
            base_url=base_url,
            api_key=api_key,
            model=model,
            timeout=timeout,
            max_connections=max_connections,
            purpose="LLM",
            dialect=Dialect(plain_schema=not enforces_schema),
        )

    @property
    def name(self) -> str:
        return self._endpoint.model

    async def complete(
        self, prompt: Prompt, *, json_schema: dict[str, Any] | None = None, max_tokens: int | None = None
    ) -> Completion:
        body: dict[str, Any] = {
            "messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ],
            **{name: value for name, value in self._options.items() if value is not None},
        }
        limit = max_tokens or self._max_tokens
        if limit is not None:
            body["max_tokens"] = limit
        if json_schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": _schema_name(json_schema), "schema": json_schema, "strict": True},
            }
        reply = await self._endpoint.post("/chat/completions", body, _ChatReply)
        return Completion(
            text=reply.choices[0].message.content or "",
            input_tokens=reply.usage.prompt_tokens or 0,
            output_tokens=reply.usage.completion_tokens or 0,
        )

    async def aclose(self) -> None:
        await self._endpoint.aclose()


class OpenAIEmbedder:
    """An embedding model behind ``/embeddings``.

    ``dimensions`` may be left out for models whose size is known (``providers.DIMENSIONS``); the
    endpoint is asked for it only where it differs from that. Blank texts get the zero vector.

    Raises:
        ConfigError: at construction, when the dimensions are neither given nor known.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        dimensions: int | None = None,
        encoding_format: Literal["base64", "float"] = "base64",
        batch_size: int = 256,
        timeout: float = 600.0,
        max_connections: int = 8,
    ) -> None:
        native = native_dimensions(model)
        size = dimensions or native
        if size is None:
            raise ConfigError(
                f"EMBEDDING_DIMENSIONS is missing: the size of {model}'s vectors is not known; "
                "a right value is the number its provider documents, such as 1536"
            )
        self._dimensions = size
        self._options: dict[str, Any] = {"encoding_format": encoding_format}
        if dimensions is not None and dimensions != native:
            self._options["dimensions"] = dimensions
        self._batch_size = max(1, batch_size)
        self._endpoint = Endpoint(
            base_url=base_url,
            api_key=api_key,
            model=model,
            timeout=timeout,
            max_connections=max_connections,
            purpose="EMBEDDING",
            dialect=Dialect(),
        )

    @property
    def name(self) -> str:
        return self._endpoint.model

    @property
    def dimensions(self) -> int:
        return self._dimensions

    async def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self._dimensions), dtype=np.float32)
        spoken = [number for number, text in enumerate(texts) if text.strip()]
        for batch in self._batches(texts, spoken):
            vectors[batch] = await self._embed([texts[number] for number in batch])
        return vectors

    async def aclose(self) -> None:
        await self._endpoint.aclose()

    def _batches(self, texts: Sequence[str], numbers: Sequence[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        chars = 0
        for number in numbers:
            if batch and (len(batch) == self._batch_size or chars + len(texts[number]) > _CHARS_PER_REQUEST):
                yield batch
                batch, chars = [], 0
            batch.append(number)
            chars += len(texts[number])
        if batch:
            yield batch

    async def _embed(self, texts: list[str]) -> Vectors:
        reply = await self._endpoint.post("/embeddings", {"input": texts, **self._options}, _EmbeddingReply)
        rows = [_decoded(item.embedding, self.name) for item in sorted(reply.data, key=lambda d: d.index)]
        return unit_rows(rows, count=len(texts), dimensions=self._dimensions, source=self.name)


def _decoded(embedding: str | list[float], model: str) -> Any:
    if not isinstance(embedding, str):
        return embedding
    try:
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    except (binascii.Error, ValueError) as exc:
        raise ModelError(f"{model} returned a vector that is not base64 of 32-bit floats") from exc


def _schema_name(schema: dict[str, Any]) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", str(schema.get("title", "answer")))[:64]


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _ChatMessage(_Reply):
    content: str | None = None


class _Choice(_Reply):
    message: _ChatMessage


class _TokenUsage(_Reply):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _ChatReply(_Reply):
    choices: list[_Choice] = Field(min_length=1)
    usage: _TokenUsage = _TokenUsage()


class _Embedding(_Reply):
    embedding: str | list[float]
    index: int = 0


class _EmbeddingReply(_Reply):
    data: list[_Embedding]
