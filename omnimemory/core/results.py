"""What comes back from recall and listings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, SupportsIndex, TypeVar, overload

from pydantic import JsonValue

from omnimemory.core.base import DictReadable, Frozen
from omnimemory.core.memories import Memory, Statement
from omnimemory.core.tables import Table, Tabled, memories_table, result_line, result_text, results_table

M = TypeVar("M", bound="Memory | ScoredMemory")


class ScoredMemory(DictReadable):
    """A recalled memory with the numbers that ranked it (DESIGN section 6).

    ``relevance`` orders within one query; ``match`` does not depend on the other candidates.
    ``similarity_score`` is the exact cosine of the best matching record (-1..1, None when no
    embedder answered), ``lexical_score`` its BM25 score (>= 0).
    """

    memory: Memory
    rank: int
    relevance: float
    match: float
    similarity_score: float | None
    lexical_score: float
    recency_score: float
    importance_score: float
    composite_score: float
    matched_statement: Statement | None = None
    explanation: dict[str, JsonValue] | None = None

    @property
    def memory_id(self) -> str:
        return self.memory.id

    @property
    def document(self) -> str:
        return self.memory.text

    @property
    def metadata(self) -> dict[str, Any]:
        found = self.memory.described()
        if self.matched_statement is not None:
            found["matched_statement"] = self.matched_statement.text
        return found

    def _mapping(self) -> dict[str, Any]:
        scores = self.model_dump(mode="json", exclude={"memory", "matched_statement"})
        if self.explanation is None:
            del scores["explanation"]
        return {
            "memory_id": self.memory_id,
            "document": self.document,
            "memory_note": self.document,
            "metadata": self.metadata,
            **scores,
        }

    def __str__(self) -> str:
        return result_text(self)

    def __repr__(self) -> str:
        return result_line(self)

    def _repr_html_(self) -> str:
        return results_table([self]).as_html()


class MemoryList(Tabled, list[M]):
    """A list like any other that shows as a table of its results or memories."""

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> M: ...
    @overload
    def __getitem__(self, index: slice, /) -> MemoryList[M]: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> M | MemoryList[M]:
        if isinstance(index, slice):
            return MemoryList(super().__getitem__(index))
        return super().__getitem__(index)

    def _table(self) -> Table:
        results = [item for item in self if isinstance(item, ScoredMemory)]
        return (
            results_table(results) if results else memories_table([m for m in self if isinstance(m, Memory)])
        )


class NearMiss(Frozen):
    """A candidate that is not among the results, with the numbers that a result has, and why not."""

    memory_id: str
    composite_score: float
    match: float
    similarity_score: float | None
    lexical_score: float
    reason: str


class Recalled(Tabled, Frozen):
    """What a recall found, best first; reads as a sequence of memories.

    With a token budget, ``block`` is a ready-made text for a prompt that frames as many of them as
    fit as data, ``packed`` are those, and ``tokens`` is its size. ``near_misses``, best first, are
    given where the recall was asked to explain.
    """

    memories: tuple[ScoredMemory, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()
    block: str = ""
    packed: tuple[ScoredMemory, ...] = ()
    tokens: int = 0

    def __iter__(self) -> Iterator[ScoredMemory]:  # type: ignore[override]  # pydantic's yields pairs
        return iter(self.memories)

    def __len__(self) -> int:
        return len(self.memories)

    def __getitem__(self, index: int) -> ScoredMemory:
        return self.memories[index]

    def _table(self) -> Table:
        packed = f"{len(self.packed)} of them in a block of {self.tokens} tokens." if self.block else ""
        return results_table(self.memories, remark=packed)


class MemoryPage(Tabled, Frozen):
    """One page of a listing; ``next_cursor`` fetches the next one and is None after the last."""

    memories: tuple[Memory, ...] = ()
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[Memory]:  # type: ignore[override]  # pydantic's yields pairs
        return iter(self.memories)

    def __len__(self) -> int:
        return len(self.memories)

    def __getitem__(self, index: int) -> Memory:
        return self.memories[index]

    def _table(self) -> Table:
        return memories_table(self.memories, remark="More with next_cursor." if self.next_cursor else "")
