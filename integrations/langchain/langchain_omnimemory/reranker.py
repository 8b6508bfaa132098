"""LangChain's document compressors as rerankers of the engine: ``OmniMemorySDK(reranker=...)``."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from langchain_core.documents import BaseDocumentCompressor, Document

from langchain_omnimemory.retriever import as_document
from omnimemory.core.errors import InvalidModelOutput, InvalidRequest
from omnimemory.core.schemas import ScoredMemory
from omnimemory.models.provider_errors import meaning_of

_ID = "memory_id"


class LangChainReranker:
    """Any ``BaseDocumentCompressor`` (a cross-encoder, Cohere, a filter, a pipeline) as a reranker.

    It gets the memories as the retriever's documents, with the ``memory_id`` in the metadata. What it
    does to their texts is not kept, only which come back and in which order; of several pieces of one
    memory the first counts. Many compressors keep but ``top_n`` documents: no recall then has more.

    Raises:
        InvalidRequest: ``compressor`` is none.
    """

    def __init__(self, compressor: BaseDocumentCompressor) -> None:
        if not isinstance(compressor, BaseDocumentCompressor):
            raise InvalidRequest(
                f"compressor must be a LangChain BaseDocumentCompressor, got {type(compressor).__name__}"
            )
        self._compressor = compressor
        self._name = type(compressor).__name__

    def __call__(
        self, query: str, memories: Sequence[ScoredMemory]
    ) -> list[ScoredMemory] | Awaitable[list[ScoredMemory]]:
        """The memories that the compressor keeps; to be awaited where it has an async form of its own.

        Raises:
            RateLimited, ModelUnavailable: a later try may succeed.
            ModelError: the compressor failed.
            InvalidModelOutput: it returned documents that are no memories.
        """
        kind = type(self._compressor)
        if kind.acompress_documents is not BaseDocumentCompressor.acompress_documents:
            return self._awaited(query, memories)
        try:
            kept = self._compressor.compress_documents(_documents(memories), query)
        except Exception as exc:  # each provider raises its own classes
            raise meaning_of(exc, self._name) from exc
        return self._memories(kept, memories)

    async def _awaited(self, query: str, memories: Sequence[ScoredMemory]) -> list[ScoredMemory]:
        try:
            kept = await self._compressor.acompress_documents(_documents(memories), query)
        except Exception as exc:  # each provider raises its own classes
            raise meaning_of(exc, self._name) from exc
        return self._memories(kept, memories)

    def _memories(self, kept: Sequence[Document], memories: Sequence[ScoredMemory]) -> list[ScoredMemory]:
        known = {memory.memory_id: memory for memory in memories}
        # Many compressors copy documents and lose the id; all keep the metadata.
        ids = dict.fromkeys(str(document.metadata.get(_ID, document.id)) for document in kept)
        try:
            return [known[memory_id] for memory_id in ids]
        except KeyError as exc:
            raise InvalidModelOutput(f"{self._name} returned a document that is no memory") from exc


def _documents(memories: Sequence[ScoredMemory]) -> list[Document]:
    documents = [as_document(memory) for memory in memories]
    for document in documents:
        document.metadata[_ID] = document.id
    return documents
