"""LlamaIndex's node postprocessors as rerankers of the engine."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from llama_index.core.postprocessor import LLMRerank, LongContextReorder, SimilarityPostprocessor
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.memory.omnimemory import LlamaIndexReranker, OmniMemoryRetriever
from pydantic import PrivateAttr

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Recalled

from .scripted import APP, USER, ScriptedLLM

DRINKS = ["I drink tea.", "I drink tea with a friend on Mondays.", "I drink coffee. I drink it black."]
LONGEST_FIRST = sorted(DRINKS, key=len, reverse=True)


class Longest(BaseNodePostprocessor):
    """The longest text first, in new nodes with scores of its own."""

    _threads: list[str] = PrivateAttr(default_factory=list)

    @property
    def threads(self) -> list[str]:
        return self._threads

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        self._threads.append(threading.current_thread().name)
        assert query_bundle is not None
        assert query_bundle.query_str == "drink"
        copies = [NodeWithScore(node=found.node, score=float(len(found.text))) for found in nodes]
        return sorted(copies, key=lambda copy: -(copy.score or 0))


class Bound(Longest):
    """Has an async form of its own, for the loop it was made on."""

    _loop: asyncio.AbstractEventLoop = PrivateAttr(default_factory=asyncio.get_running_loop)

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is self._loop
        return self._postprocess_nodes(nodes, query_bundle)


class Inventing(BaseNodePostprocessor):
    """Answers with a node of its own."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text="I drink water."))]


class Unreachable(BaseNodePostprocessor):
    """Fails as a provider's client does."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        raise ConnectionResetError(nodes[0].text)


class UnreachableLater(Unreachable):
    """Fails so when awaited."""

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return self._postprocess_nodes(nodes, query_bundle)


async def recalled(postprocessor: BaseNodePostprocessor | None, **asked: Any) -> Recalled:
    """What is recalled of the drinks; the same memories each time within a test."""
    reranker = None if postprocessor is None else LlamaIndexReranker(postprocessor)
    sdk = OmniMemorySDK(synthesis=False, reranker=reranker)
    said = [Message(role="user", content=text, id=text) for text in DRINKS]
    await sdk.ingest(UserMessages(app_id=APP, user_id=USER, messages=said))
    found = await sdk.recall(APP, "drink", USER, **asked)
    await sdk.close(drain=False)
    return found


async def test_it_decides_the_order_and_blocks_no_loop() -> None:
    longest = Longest()
    found = await recalled(longest)
    assert [memory.document for memory in found] == LONGEST_FIRST
    assert [memory.rank for memory in found] == [1, 2, 3]
    assert all(memory.composite_score < 2 for memory in found)
    assert longest.threads == ["omnimemory-reranker"]


async def test_an_async_form_of_its_own_is_awaited_on_the_callers_loop() -> None:
    bound = Bound()
    found = await recalled(bound)
    assert [memory.document for memory in found] == LONGEST_FIRST
    assert bound.threads == ["MainThread"]


async def test_a_stock_llm_reranker_decides() -> None:
    plain = await recalled(None)
    llm = ScriptedLLM("Doc: 3, Relevance: 9\nDoc: 1, Relevance: 7")
    found = await recalled(LLMRerank(llm=llm, top_n=20))
    assert [memory.memory_id for memory in found] == [plain[2].memory_id, plain[0].memory_id]
    assert all(text in llm.last_prompt for text in DRINKS)


async def test_a_stock_cutoff_and_a_stock_reordering_decide() -> None:
    plain = await recalled(None)
    cutoff = (plain[0].composite_score + plain[1].composite_score) / 2
    assert len(await recalled(SimilarityPostprocessor(similarity_cutoff=cutoff))) == 1
    found = await recalled(LongContextReorder(), explain=True)
    assert sorted(memory.document for memory in found) == sorted(DRINKS)
    assert [memory.explanation and memory.explanation["reranked_from"] for memory in found] != [1, 2, 3]


@pytest.mark.parametrize("failing", [Inventing, Unreachable, UnreachableLater])
async def test_a_failing_one_leaves_the_order_of_the_scores(
    failing: type[BaseNodePostprocessor], caplog: pytest.LogCaptureFixture
) -> None:
    expected = [memory.document for memory in await recalled(None)]
    with caplog.at_level(logging.INFO):
        found = await recalled(failing())
    assert [memory.document for memory in found] == expected
    assert "the reranker failed" in caplog.text
    assert failing.__name__ in caplog.text
    assert "I drink" not in caplog.text


async def test_the_retriever_gives_what_it_keeps() -> None:
    sdk = OmniMemorySDK(synthesis=False, reranker=LlamaIndexReranker(Longest()))
    said = [Message(role="user", content=text) for text in DRINKS]
    await sdk.ingest(UserMessages(app_id=APP, user_id=USER, messages=said))
    retriever = OmniMemoryRetriever(app_id=APP, user_id=USER, memory=sdk)
    assert [found.text for found in await retriever.aretrieve("drink")] == LONGEST_FIRST
    await sdk.close(drain=False)


def test_something_else_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="BaseNodePostprocessor, got str"):
        LlamaIndexReranker("cohere")  # type: ignore[arg-type]  # that is the point
