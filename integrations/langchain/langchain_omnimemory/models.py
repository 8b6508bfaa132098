"""LangChain's chat models and embeddings as models of the engine. Loads no framework itself."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omnimemory.models.base import Completion, Prompt, Vectors
from omnimemory.models.json_schema import with_schema
from omnimemory.models.provider_errors import meaning_of
from omnimemory.models.providers import native_dimensions
from omnimemory.models.vectors import unit_rows

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel


class LangChainChatModel:
    """Any ``BaseChatModel`` as the engine's ``ChatModel``.

    The JSON Schema stands in the prompt, as no way to enforce one works with every model.
    Temperature, limits and keys are the model's own; ``max_tokens`` is not passed on.
    """

    def __init__(self, model: BaseChatModel, *, name: str | None = None) -> None:
        self._model = model
        self._name = name or _name_of(model)

    @property
    def name(self) -> str:
        return self._name

    async def complete(
        self,
        prompt: Prompt,
        *,
        json_schema: dict[str, Any] | None = None,
        max_tokens: int | None = None,  # noqa: ARG002  # models disagree on its name
    ) -> Completion:
        """The model's text, without its reasoning, and the tokens it counted.

        Raises:
            RateLimited, ModelUnavailable: a later try may succeed.
            ModelError: the model refused or failed.
        """
        asked = prompt if json_schema is None else with_schema(prompt, json_schema)
        try:
            reply = await self._model.ainvoke([("system", asked.system), ("human", asked.user)])
        except Exception as exc:  # each provider raises its own classes
            raise meaning_of(exc, self._name) from exc
        usage = reply.usage_metadata or {"input_tokens": 0, "output_tokens": 0}
        return Completion(str(reply.text), usage["input_tokens"], usage["output_tokens"])

    async def aclose(self) -> None:
        """Nothing: whoever built the model closes it."""


class LangChainEmbeddings:
    """Any ``Embeddings`` as the engine's ``Embedder``.

    ``dimensions`` may be left out where the object or the name of its model tells; otherwise a
    short text is embedded once, here, and waited for. ``name`` names the vector space: keep it
    when the model stays the same.

    Raises:
        ModelError: the dimensions had to be asked for and the model did not answer.
    """

    def __init__(
        self, embeddings: Embeddings, *, dimensions: int | None = None, name: str | None = None
    ) -> None:
        self._embeddings = embeddings
        self._name = name or _name_of(embeddings)
        told = getattr(embeddings, "dimensions", None)
        self._dimensions = dimensions or (told if isinstance(told, int) else None) or self._measured()

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimensions(self) -> int:
        return self._dimensions

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row per text, of length 1.

        Raises:
            RateLimited, ModelUnavailable: a later try may succeed.
            ModelError: the model refused, failed, or answered something else than vectors.
        """
        if not texts:
            return unit_rows([], count=0, dimensions=self._dimensions, source=self._name)
        try:
            rows = await self._embeddings.aembed_documents(list(texts))
        except Exception as exc:  # each provider raises its own classes
            raise meaning_of(exc, self._name) from exc
        return unit_rows(rows, count=len(texts), dimensions=self._dimensions, source=self._name)

    async def aclose(self) -> None:
        """Nothing: whoever built the embeddings closes them."""

    def _measured(self) -> int:
        known = native_dimensions(self._name.rpartition(":")[2])
        if known is not None:
            return known
        try:
            return len(self._embeddings.embed_query("dimensions"))
        except Exception as exc:  # each provider raises its own classes
            raise meaning_of(exc, self._name) from exc


def _name_of(model: object) -> str:
    """``Class:model`` where the object names its model, else the class alone."""
    for attribute in ("model_name", "model", "model_id", "deployment_name"):
        value = inspect.getattr_static(model, attribute, None)
        if value is None:
            value = getattr(model, "__dict__", {}).get(attribute)
        if isinstance(value, str) and value:
            return f"{type(model).__name__}:{value}"
    return type(model).__name__
