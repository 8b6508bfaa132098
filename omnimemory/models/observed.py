"""Models that report what they do: a thin wrapping around a chat model and an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omnimemory.metrics import Observer
from omnimemory.models.base import ChatModel, Completion, Embedder, Prompt, Vectors


class ObservedChatModel:
    """A chat model as one agent sees it: each request is the operation ``model.<agent>``."""

    def __init__(self, model: ChatModel, agent: str, observer: Observer) -> None:
        self._model = model
        self._agent = agent
        self._observer = observer

    @property
    def name(self) -> str:
        return self._model.name

    async def complete(
        self, prompt: Prompt, *, json_schema: dict[str, Any] | None = None, max_tokens: int | None = None
    ) -> Completion:
        with self._observer.operation(f"model.{self._agent}"):
            found = await self._model.complete(prompt, json_schema=json_schema, max_tokens=max_tokens)
            self._observer.model_called(
                self._agent, input_tokens=found.input_tokens, output_tokens=found.output_tokens
            )
        return found

    async def aclose(self) -> None:
        await self._model.aclose()


class ObservedEmbedder:
    """An embedder whose every request is the operation ``embed``; belongs inside the cache."""

    def __init__(self, embedder: Embedder, observer: Observer) -> None:
        self._embedder = embedder
        self._observer = observer

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    async def embed(self, texts: Sequence[str]) -> Vectors:
        with self._observer.operation("embed"):
            return await self._embedder.embed(texts)

    async def aclose(self) -> None:
        await self._embedder.aclose()
