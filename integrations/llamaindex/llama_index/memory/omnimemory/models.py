"""LlamaIndex's models as models of the engine: ``OmniMemorySDK(chat_model=..., embedder=...)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.llms import LLM

from omnimemory.core.errors import InvalidRequest
from omnimemory.models.base import Completion, Prompt, Vectors
from omnimemory.models.json_schema import with_schema
from omnimemory.models.provider_errors import meaning_of
from omnimemory.models.vectors import unit_rows


class LlamaIndexChatModel:
    """Any LlamaIndex ``LLM`` behind the engine's agents.

    The LLM's own settings decide about temperature and length; ``max_tokens`` is not passed on. The
    JSON Schema stands in the prompt, as no way to enforce one works with every LLM.
    """

    def __init__(self, llm: LLM) -> None:
        if not isinstance(llm, LLM):
            raise InvalidRequest(f"llm must be a LlamaIndex LLM, got {type(llm).__name__}")
        self._llm = llm

    @property
    def name(self) -> str:
        return self._llm.metadata.model_name

    async def complete(
        self,
        prompt: Prompt,
        *,
        json_schema: dict[str, Any] | None = None,
        max_tokens: int | None = None,  # noqa: ARG002  # the protocol's; see the class
    ) -> Completion:
        """The model's answer, with the tokens its provider counted.

        Raises:
            ModelUnavailable, RateLimited: the same call may succeed later.
            ModelError: it will not.
        """
        asked = prompt if json_schema is None else with_schema(prompt, json_schema)
        messages = [
            ChatMessage(role=MessageRole.SYSTEM, content=asked.system),
            ChatMessage(role=MessageRole.USER, content=asked.user),
        ]
        try:
            response = await self._llm.achat(messages)
        except Exception as exc:  # the integrations share no base of their errors
            raise meaning_of(exc, self.name) from exc
        used = _usage(response)
        return Completion(
            text=response.message.content or "",
            input_tokens=_first(used, "prompt_tokens", "input_tokens", "prompt_token_count"),
            output_tokens=_first(used, "completion_tokens", "output_tokens", "candidates_token_count"),
        )

    async def aclose(self) -> None:
        """Nothing: whoever built the LLM closes it."""


class LlamaIndexEmbedder:
    """Any LlamaIndex ``BaseEmbedding`` as the engine's embedder.

    Queries and texts are embedded alike, as texts. Without ``dimensions`` one word is embedded
    here, blocking, to learn them.
    """

    def __init__(self, model: BaseEmbedding, *, dimensions: int | None = None) -> None:
        if not isinstance(model, BaseEmbedding):
            raise InvalidRequest(f"model must be a LlamaIndex BaseEmbedding, got {type(model).__name__}")
        self._model = model
        self._dimensions = dimensions or self._probed()

    @property
    def name(self) -> str:
        return f"{self._model.class_name()}/{self._model.model_name}"

    @property
    def dimensions(self) -> int:
        return self._dimensions

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Normalised vectors of shape (len(texts), dimensions).

        Raises:
            ModelUnavailable, RateLimited: the same call may succeed later.
            ModelError: it will not, or the vectors are not usable.
        """
        try:
            rows = await self._model.aget_text_embedding_batch(list(texts))
        except Exception as exc:  # the integrations share no base of their errors
            raise meaning_of(exc, self.name) from exc
        return unit_rows(rows, count=len(texts), dimensions=self._dimensions, source=self.name)

    async def aclose(self) -> None:
        """Nothing: whoever built the model closes it."""

    def _probed(self) -> int:
        try:
            return len(self._model.get_text_embedding("dimensions"))
        except Exception as exc:  # the integrations share no base of their errors
            raise meaning_of(exc, self.name) from exc


def _usage(response: ChatResponse) -> Mapping[str, Any]:
    """Token counts, which integrations put into ``additional_kwargs`` or leave in the raw answer."""
    raw = response.raw
    for found in (
        response.additional_kwargs,
        _part(raw, "usage"),
        _part(raw, "usage_metadata"),
        response.message.additional_kwargs,
    ):
        counts = found if isinstance(found, Mapping) else getattr(found, "__dict__", {})
        if any(str(key).endswith(("_tokens", "_token_count")) for key in counts):
            return counts
    return {}


def _part(raw: object, name: str) -> object:
    return raw.get(name) if isinstance(raw, Mapping) else getattr(raw, name, None)


def _first(counts: Mapping[str, Any], *names: str) -> int:
    return next((counts[name] for name in names if isinstance(counts.get(name), int)), 0)
