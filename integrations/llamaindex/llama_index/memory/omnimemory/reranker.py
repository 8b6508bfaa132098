"""LlamaIndex's node postprocessors as rerankers of the engine: ``OmniMemorySDK(reranker=...)``."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore
from llama_index.memory.omnimemory.retriever import to_node

from omnimemory.core.errors import InvalidModelOutput, InvalidRequest
from omnimemory.core.schemas import ScoredMemory
from omnimemory.models.provider_errors import meaning_of


class LlamaIndexReranker:
    """Any ``BaseNodePostprocessor`` (a cross-encoder, an LLM, a cutoff) as a reranker.

    It gets the memories as the retriever's nodes. What it does to their texts and scores is not
    kept, only which come back and in which order. Many postprocessors keep but ``top_n`` nodes: no
    recall then has more.

    Raises:
        InvalidRequest: ``postprocessor`` is none.
    """

    def __init__(self, postprocessor: BaseNodePostprocessor) -> None:
        if not isinstance(postprocessor, BaseNodePostprocessor):
            raise InvalidRequest(
                "postprocessor must be a LlamaIndex BaseNodePostprocessor, "
                f"got {type(postprocessor).__name__}"
            )
        self._postprocessor = postprocessor
        self._name = type(postprocessor).__name__

    def __call__(
        self, query: str, memories: Sequence[ScoredMemory]
    ) -> list[ScoredMemory] | Awaitable[list[ScoredMemory]]:
        """The memories that the postprocessor keeps; to be awaited where it has an async form of its own.

        Raises:
            RateLimited, ModelUnavailable: a later try may succeed.
            ModelError: the postprocessor failed.
            InvalidModelOutput: it returned nodes that are no memories.
        """
        kind, base = type(self._postprocessor), BaseNodePostprocessor
        # What subclasses fill in; the base's runs the blocking form in a thread, where we are already.
        if kind._apostprocess_nodes is not base._apostprocess_nodes:  # noqa: SLF001
            return self._awaited(query, memories)
        try:
            kept = self._postprocessor.postprocess_nodes(list(map(to_node, memories)), query_str=query)
        except Exception as exc:  # the integrations share no base of their errors
            raise meaning_of(exc, self._name) from exc
        return self._memories(kept, memories)

    async def _awaited(self, query: str, memories: Sequence[ScoredMemory]) -> list[ScoredMemory]:
        nodes = list(map(to_node, memories))
        try:
            kept = await self._postprocessor.apostprocess_nodes(nodes, query_str=query)
        except Exception as exc:  # the integrations share no base of their errors
            raise meaning_of(exc, self._name) from exc
        return self._memories(kept, memories)

    def _memories(
        self, kept: Sequence[NodeWithScore], memories: Sequence[ScoredMemory]
    ) -> list[ScoredMemory]:
        known = {memory.memory_id: memory for memory in memories}
        ids = dict.fromkeys(found.node.node_id for found in kept)
        try:
            return [known[memory_id] for memory_id in ids]
        except KeyError as exc:
            raise InvalidModelOutput(f"{self._name} returned a node that is no memory") from exc
