"""Memories as LangChain documents, ranked by composite score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from langchain_core.runnables import RunnableConfig, ensure_config
from pydantic import Field, PrivateAttr, model_validator
from typing_extensions import TypedDict, Unpack

from langchain_omnimemory.connection import Connection
from langchain_omnimemory.scope import Defaults
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import ScoredMemory
from omnimemory.sdk import OmniMemorySDK


class Overrides(TypedDict, total=False):
    """What ``invoke`` may be given for one call; names and meanings are the fields'."""

    k: int
    user_id: str
    session_id: str
    filters: Mapping[str, Any]
    kinds: Iterable[str]
    similarity_threshold: float
    composite_threshold: float
    said_after: datetime
    said_before: datetime
    as_of: datetime


_SEARCH = frozenset(Overrides.__annotations__) - {"k", "user_id", "session_id"}


class OmniMemoryRetriever(BaseRetriever):
    """Retrieves a user's memories; a ``session_id`` narrows to one session.

    A document's ``id`` is the memory's, its text the memory's, and its metadata the memory's own
    (``kind``, ``status``, ``session_id``, times, tags, the user metadata under ``metadata``) and
    every part of its score (``composite_score``, ``relevance``, ``match``, ``similarity_score``,
    ``lexical_score``, ``recency_score``, ``importance_score``, ``rank``).

    Each field but ``app_id`` and ``memory`` may be overridden by ``invoke(query, k=3)``; ``user_id``
    and ``session_id`` also by ``config={"configurable": {...}}``.
    """

    app_id: str
    user_id: str | None = None
    session_id: str | None = None
    k: int = 5
    filters: dict[str, Any] | None = None
    kinds: tuple[str, ...] = ("turn", "note")
    similarity_threshold: float | None = None
    composite_threshold: float | None = None
    said_after: datetime | None = None
    said_before: datetime | None = None
    as_of: datetime | None = None
    memory: Any = Field(default=None, exclude=True, repr=False)

    _connection: Connection = PrivateAttr()

    @model_validator(mode="after")
    def _connect(self) -> OmniMemoryRetriever:
        Defaults(self.app_id, self.user_id, self.session_id)
        self._connection = Connection(self.memory)
        return self

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        return super().invoke(input, config, **_configured(config, kwargs))

    async def ainvoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[Document]:
        return await super().ainvoke(input, config, **_configured(config, kwargs))

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002  # the framework's signature
        **overrides: Unpack[Overrides],
    ) -> list[Document]:
        return self._connection.run(lambda sdk: self._search(sdk, query, overrides))

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002  # the framework's signature
        **overrides: Unpack[Overrides],
    ) -> list[Document]:
        return await self._connection.arun(lambda sdk: self._search(sdk, query, overrides))

    async def _search(self, sdk: OmniMemorySDK, query: str, overrides: Overrides) -> list[Document]:
        if unknown := sorted(set(overrides) - set(Overrides.__annotations__) - {"verbose"}):
            known = ", ".join(Overrides.__annotations__)
            raise InvalidRequest(f"the retriever has no parameter {', '.join(unknown)}; known: {known}")
        who = Defaults(self.app_id, self.user_id, self.session_id).identity(context=overrides)
        search: dict[str, Any] = {name: overrides.get(name, getattr(self, name)) for name in _SEARCH}
        found = await sdk.recall(
            who.app_id,
            query,
            user_id=who.user_id,
            session_id=who.session_id,
            n_results=overrides.get("k", self.k),
            **search,
        )
        return [as_document(scored) for scored in found]

    def _get_ls_params(self, **_kwargs: Any) -> LangSmithRetrieverParams:
        return LangSmithRetrieverParams(ls_retriever_name="omnimemory", ls_vector_store_provider="omnimemory")


def as_document(scored: ScoredMemory) -> Document:
    """A recalled memory with its scores as a document."""
    numbers = scored.model_dump(mode="json", exclude={"memory", "matched_statement"}, exclude_none=True)
    return Document(id=scored.memory_id, page_content=scored.document, metadata=scored.metadata | numbers)


def _configured(config: RunnableConfig | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """What ``invoke`` was given, over what the config names."""
    configurable = ensure_config(config).get("configurable", {})
    named = {
        name: configurable[name] for name in ("user_id", "session_id") if configurable.get(name) is not None
    }
    return {**named, **given}
