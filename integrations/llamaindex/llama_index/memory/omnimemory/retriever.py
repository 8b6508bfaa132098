"""``OmniMemoryRetriever``: a user's memories as scored nodes, for query engines and chat engines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.memory.omnimemory.attachment import Attachment
from pydantic import JsonValue

from omnimemory import OmniMemorySDK, Scope
from omnimemory.core.errors import ScopeError
from omnimemory.core.schemas import ScoredMemory

SHOWN = frozenset({"kind", "occurred_at"})
"""The metadata that a model sees beside a memory's text; numbers and ids would only take its tokens."""


class OmniMemoryRetriever(BaseRetriever):
    """The ``k`` most useful memories for a query, best first, by composite score.

    A node's id is the memory's; its metadata hold every part of the score (``relevance``, ``match``,
    ``similarity_score``, ``lexical_score``, ``recency_score``, ``importance_score``,
    ``composite_score``, ``rank``) and the memory's kind, times, session and tags. ``session_id``
    narrows to one session; the other arguments are those of ``OmniMemorySDK.recall``.

    Failures are raised: never an empty list instead.
    """

    def __init__(
        self,
        *,
        app_id: str,
        user_id: str,
        session_id: str | None = None,
        k: int = 5,
        kinds: Iterable[str] = ("turn", "note"),
        filters: Mapping[str, JsonValue] | None = None,
        said_after: datetime | None = None,
        said_before: datetime | None = None,
        as_of: datetime | None = None,
        similarity_threshold: float | None = None,
        composite_threshold: float | None = None,
        memory: OmniMemorySDK | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager=callback_manager)
        self._scope = user_scope(app_id, user_id, session_id)
        self._attachment = Attachment(memory)
        self._k = k
        self._kinds = tuple(kinds)
        self._filters = filters
        self._said_after = said_after
        self._said_before = said_before
        self._as_of = as_of
        self._similarity_threshold = similarity_threshold
        self._composite_threshold = composite_threshold

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        recalled = await self._attachment.sdk.recall(
            self._scope.app_id,
            query_bundle.query_str,
            user_id=self._scope.user_id,
            session_id=self._scope.session_id,
            n_results=self._k,
            kinds=self._kinds,
            filters=self._filters,
            said_after=self._said_after,
            said_before=self._said_before,
            as_of=self._as_of,
            similarity_threshold=self._similarity_threshold,
            composite_threshold=self._composite_threshold,
        )
        return [to_node(memory) for memory in recalled]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._attachment.run(lambda: self._aretrieve(query_bundle))


def user_scope(app_id: str, user_id: str, session_id: str | None = None) -> Scope:
    """A scope that names a user.

    Raises:
        ScopeError: an id is missing or not usable.
    """
    if user_id is None:
        raise ScopeError("user_id is missing; memories belong to a user and no shared default is assumed")
    return Scope(app_id=app_id, user_id=user_id, session_id=session_id)


def to_node(scored: ScoredMemory) -> NodeWithScore:
    """A recalled memory as a node; its score is the composite score."""
    found = scored.to_dict()
    scores = {
        key: value
        for key, value in found.items()
        if key not in ("memory_id", "document", "memory_note", "metadata")
    }
    metadata = {**scored.metadata, **scores}
    hidden = sorted(set(metadata) - SHOWN)
    node = TextNode(
        id_=scored.memory_id,
        text=scored.document,
        metadata=metadata,
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=sorted(metadata),
    )
    return NodeWithScore(node=node, score=scored.composite_score)
