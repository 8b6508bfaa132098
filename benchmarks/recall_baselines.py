"""What the recall benchmark compares with: a stock vector retriever on the same embedder, and BM25 alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.measure import Bench
from benchmarks.recall_quality import DEPTH, Places
from benchmarks.recall_set import Asked, Conversation, RecallSet
from omnimemory.core.errors import ConfigError
from omnimemory.core.lexical import idf, term_id, weights
from omnimemory.core.text import query_tokens, tokens
from omnimemory.models.base import Embedder

try:
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore
except ImportError as exc:
    raise ConfigError("the stock retriever is LangChain's; install omnimemory[langchain]") from exc


@dataclass(frozen=True, slots=True)
class Baseline:
    """The results of each question, in order; ``seconds`` is empty where they were asked in a batch."""

    results: list[Places]
    seconds: list[float]
    index_seconds: float


class StockEmbeddings(Embeddings):
    """Our embedder as LangChain has it."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        rows: list[list[float]] = (await self._embedder.embed(texts)).tolist()
        return rows

    async def aembed_query(self, text: str) -> list[float]:
        return (await self.aembed_documents([text]))[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError("the benchmark awaits")

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError("the benchmark awaits")


async def langchain(given: RecallSet, asked: Sequence[Asked], embedder: Embedder, bench: Bench) -> Baseline:
    """``InMemoryVectorStore.as_retriever()``: a store for each conversation, the turns' plain texts, its
    batch calls for adding and asking.
    """
    task = bench.progress.add_task("langchain", total=len(asked))
    index_seconds = 0.0
    found: dict[int, Places] = {}
    embeddings = StockEmbeddings(embedder)
    await embeddings.aembed_query("warm")
    for conversation, numbers in _by_conversation(given, asked):
        start = time.perf_counter()
        store = InMemoryVectorStore(embeddings)
        await store.aadd_texts(
            [turn.text for turn in conversation.said], ids=[turn.id for turn in conversation.said]
        )
        index_seconds += time.perf_counter() - start
        retriever = store.as_retriever(search_kwargs={"k": DEPTH})
        batch = await retriever.abatch([asked[number].text for number in numbers])
        for number, documents in zip(numbers, batch, strict=True):
            found[number] = [frozenset({str(document.id)}) for document in documents]
        bench.progress.advance(task, len(numbers))
    return Baseline([found[number] for number in range(len(asked))], [], index_seconds)


def bm25(given: RecallSet, asked: Sequence[Asked], bench: Bench) -> Baseline:
    """Okapi BM25 over the turns' plain texts: our analyser, each conversation's own statistics."""
    task = bench.progress.add_task("BM25", total=len(asked))
    index_seconds = 0.0
    found: dict[int, Places] = {}
    seconds: dict[int, float] = {}
    for conversation, numbers in _by_conversation(given, asked):
        start = time.perf_counter()
        search = _searching(conversation)
        index_seconds += time.perf_counter() - start
        for number in numbers:
            start = time.perf_counter()
            best = search(query_tokens(asked[number].text))
            seconds[number] = time.perf_counter() - start
            found[number] = [frozenset({turn_id}) for turn_id in best]
        bench.progress.advance(task, len(numbers))
    order = range(len(asked))
    return Baseline([found[n] for n in order], [seconds[n] for n in order], index_seconds)


def _searching(conversation: Conversation) -> Callable[[Iterable[str]], list[str]]:
    """The ids of the turns that share a word with a query, best first, at most ``DEPTH``."""
    turns = conversation.said
    words = [tokens(turn.text) for turn in turns]
    average = sum(map(len, words)) / len(words) or 1.0  # turns of signs only have no words
    postings: dict[int, list[tuple[int, float]]] = {}
    for position, own in enumerate(words):
        for term, weight in weights(own, average_length=average).items():
            postings.setdefault(term, []).append((position, weight))

    def search(query: Iterable[str]) -> list[str]:
        scores = np.zeros(len(turns))
        for term in map(term_id, query):
            holding = postings.get(term, ())
            for position, weight in holding:
                scores[position] += idf(len(turns), len(holding)) * weight
        best = np.argsort(-scores, kind="stable")[:DEPTH]
        return [turns[position].id for position in best if scores[position] > 0]

    return search


def _by_conversation(
    given: RecallSet, asked: Sequence[Asked]
) -> Iterable[tuple[Conversation, Sequence[int]]]:
    """Each conversation that is asked something, with the numbers of its questions."""
    numbers: Mapping[str, list[int]] = {each.id: [] for each in given.conversations}
    for number, one in enumerate(asked):
        numbers[one.conversation].append(number)
    return [(each, numbers[each.id]) for each in given.conversations if numbers[each.id]]
