"""LangChain's document compressors as rerankers of the engine."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_classic.retrievers.document_compressors import (
    CrossEncoderReranker,
    DocumentCompressorPipeline,
)
from langchain_classic.retrievers.document_compressors.cross_encoder import BaseCrossEncoder
from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_omnimemory import LangChainReranker, OmniMemoryRetriever
from langchain_text_splitters import CharacterTextSplitter

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Recalled

from .chat import APP, USER

DRINKS = ["I drink tea.", "I drink tea with a friend on Mondays.", "I drink coffee. I drink it black."]
LONGEST_FIRST = sorted(DRINKS, key=len, reverse=True)


class Longest(BaseCrossEncoder):
    """Scores a text by its length."""

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        return [len(text) for _, text in text_pairs]


class Copying(BaseDocumentCompressor):
    """Gives back copies without an id, the longest first, as the compressors of hosted rerankers do."""

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        assert query == "drink"
        copies = [Document(d.page_content, metadata={**d.metadata, "relevance_score": 1}) for d in documents]
        return sorted(copies, key=lambda copy: -len(copy.page_content))


class Bound(Copying):
    """Has an async form of its own, for the loop it was made on."""

    loop: Any

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        raise NotImplementedError

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is self.loop
        return super().compress_documents(documents, query)


class Inventing(BaseDocumentCompressor):
    """Answers with a document of its own."""

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        return [Document("I drink water.")]


class Unreachable(BaseDocumentCompressor):
    """Fails as a provider's client does."""

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        raise ConnectionResetError(documents[0].page_content)


class UnreachableLater(Unreachable):
    """Fails so when awaited."""

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        return super().compress_documents(documents, query)


async def recalled(compressor: BaseDocumentCompressor | None, **asked: Any) -> Recalled:
    """What is recalled of the drinks; the same memories each time within a test."""
    reranker = None if compressor is None else LangChainReranker(compressor)
    sdk = OmniMemorySDK(synthesis=False, reranker=reranker)
    said = [Message(role="user", content=text, id=text) for text in DRINKS]
    await sdk.ingest(UserMessages(app_id=APP, user_id=USER, messages=said))
    found = await sdk.recall(APP, "drink", USER, **asked)
    await sdk.close(drain=False)
    return found


async def test_a_stock_reranker_decides_the_order() -> None:
    found = await recalled(CrossEncoderReranker(model=Longest(), top_n=20))
    assert [memory.document for memory in found] == LONGEST_FIRST
    assert [memory.rank for memory in found] == [1, 2, 3]
    two = await recalled(CrossEncoderReranker(model=Longest(), top_n=2))
    assert [memory.document for memory in two] == LONGEST_FIRST[:2]


async def test_copies_without_an_id_are_known_by_their_metadata() -> None:
    found = await recalled(Copying())
    assert [memory.document for memory in found] == LONGEST_FIRST
    assert all("relevance_score" not in memory.metadata for memory in found)


async def test_pieces_of_a_memory_are_that_memory() -> None:
    splitter = CharacterTextSplitter(separator=". ", chunk_size=15, chunk_overlap=0)
    found = await recalled(DocumentCompressorPipeline(transformers=[splitter, Copying()]))
    assert sorted(memory.document for memory in found) == sorted(DRINKS)


async def test_an_async_form_of_its_own_is_awaited_on_the_callers_loop() -> None:
    found = await recalled(Bound(loop=asyncio.get_running_loop()))
    assert [memory.document for memory in found] == LONGEST_FIRST


async def test_one_without_blocks_no_loop() -> None:
    threads: list[threading.Thread] = []

    class Telling(Longest):
        def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
            threads.append(threading.current_thread())
            return super().score(text_pairs)

    await recalled(CrossEncoderReranker(model=Telling()))
    assert threads[0].name == "omnimemory-reranker"


@pytest.mark.parametrize("compressor", [Inventing(), Unreachable(), UnreachableLater()], ids=repr)
async def test_a_failing_one_leaves_the_order_of_the_scores(
    compressor: BaseDocumentCompressor, caplog: pytest.LogCaptureFixture
) -> None:
    expected = [memory.document for memory in await recalled(None)]
    with caplog.at_level(logging.INFO):
        found = await recalled(compressor)
    assert [memory.document for memory in found] == expected
    assert "the reranker failed" in caplog.text
    assert type(compressor).__name__ in caplog.text
    assert "I drink" not in caplog.text


async def test_the_retriever_gives_what_it_keeps() -> None:
    sdk = OmniMemorySDK(synthesis=False, reranker=LangChainReranker(Copying()))
    said = [Message(role="user", content=text) for text in DRINKS]
    await sdk.ingest(UserMessages(app_id=APP, user_id=USER, messages=said))
    retriever = OmniMemoryRetriever(app_id=APP, user_id=USER, memory=sdk)
    assert [found.page_content for found in await retriever.ainvoke("drink")] == LONGEST_FIRST
    await sdk.close(drain=False)


def test_something_else_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="BaseDocumentCompressor, got Longest"):
        LangChainReranker(Longest())  # type: ignore[arg-type]  # that is the point
