"""A Chroma collection behind the few calls that the store makes, embedded or on a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from omnimemory.core.errors import StoreUnavailable
from omnimemory.models.base import Vectors
from omnimemory.stores.chroma_records import Fields, Where

T = TypeVar("T")
Ask = Callable[..., Awaitable[Any]]
"""Makes one call of the driver: ``await ask(collection.get, ids=[...])``."""

_READ = 1_000
"""Ids in one call: what 100 KB documents still allow, and SQLite's number of parameters."""


class CollectionGone(StoreUnavailable):
    """Another process removed or rebuilt the collection; the next call looks for it anew."""


@dataclass(frozen=True, slots=True)
class Row:
    """A record read back. What was not asked for is empty; ``score`` is the cosine of a search."""

    id: str
    fields: Mapping[str, Any]
    document: str = ""
    weights: str = ""
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Written:
    """Records to write, column by column."""

    ids: list[str]
    vectors: Vectors
    fields: list[Fields]
    documents: list[str] | None = None
    weights: list[str] | None = None


class Driver(Protocol):
    """The server or the folder. Its errors are ours."""

    async def find(self, name: str) -> Table | None: ...

    async def make(
        self, name: str, metadata: Mapping[str, str | int], index: Mapping[str, str | int]
    ) -> Table | None:
        """The new collection; None when there is one of this name."""

    async def tables(self) -> list[Table]: ...

    async def remove(self, name: str) -> None:
        """Remove the collection; without one, do nothing."""

    async def ping(self) -> None: ...


class Table:
    """A collection. Chroma's ``uris`` hold the words' weights: the one text that a read leaves out
    unless asked, and that no full-text index is kept of."""

    def __init__(self, collection: Any, ask: Ask) -> None:
        self._collection = collection
        self._ask = ask
        self.name: str = collection.name
        self.metadata: Mapping[str, Any] = collection.metadata or {}

    async def count(self) -> int:
        return int(await self._ask(self._collection.count))

    async def ids(self, where: Where | None, *, limit: int | None = None) -> list[str]:
        """Ids of the records that match, in no order; up to ``limit``."""
        found = await self._ask(self._collection.get, where=where, limit=limit, include=[])
        return list(found["ids"])

    async def rows(
        self,
        ids: Sequence[str],
        *,
        documents: bool = False,
        weights: bool = False,
    ) -> list[Row]:
        """Those of the records that exist, in no order."""
        include = ["metadatas", *["documents"] * documents, *["uris"] * weights]
        rows: list[Row] = []
        for part in _parts(ids):
            found = await self._ask(self._collection.get, ids=part, include=include)
            texts = found["documents"] or [""] * len(found["ids"])
            packed = found["uris"] or [""] * len(found["ids"])
            for key, fields, text, held in zip(found["ids"], found["metadatas"], texts, packed, strict=True):
                rows.append(Row(key, fields or {}, text or "", held or ""))
        return rows

    async def cosines(self, vector: Vectors, ids: Sequence[str]) -> dict[str, float]:
        """The exact cosine of each of the records that exists."""
        scores: dict[str, float] = {}
        for part in _parts(ids):
            found = await self._ask(self._collection.get, ids=part, include=["embeddings"])
            if found["ids"]:
                rows = np.asarray(found["embeddings"], dtype=np.float32)
                scores |= zip(found["ids"], (rows @ vector).tolist(), strict=True)
        return scores

    async def nearest(self, vector: Vectors, where: Where | None, *, limit: int) -> list[Row]:
        """The nearest by the graph, best first: nearly all of the true ones, sometimes fewer than exist."""
        found = await self._ask(
            self._collection.query,
            query_embeddings=vector[np.newaxis],
            n_results=limit,
            where=where,
            include=["metadatas", "distances"],
        )
        columns = zip(found["ids"][0], found["metadatas"][0], found["distances"][0], strict=True)
        return [Row(key, fields or {}, score=1.0 - distance) for key, fields, distance in columns]

    async def upsert(self, written: Written) -> None:
        if written.ids:
            await self._ask(
                self._collection.upsert,
                ids=written.ids,
                embeddings=written.vectors,
                metadatas=written.fields,
                documents=written.documents,
                uris=written.weights,
            )

    async def delete(self, ids: Sequence[str]) -> None:
        for part in _parts(ids):
            await self._ask(self._collection.delete, ids=part)


def _parts(values: Sequence[T]) -> list[list[T]]:
    return [list(values[start : start + _READ]) for start in range(0, len(values), _READ)]
