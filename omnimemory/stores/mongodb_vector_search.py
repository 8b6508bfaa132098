"""``$vectorSearch``: its documents, and which collections have an index that answers.

Atlas, atlas-local and servers with mongot have it. Written to the documented syntax,
https://www.mongodb.com/docs/vector-search/. A search index follows the collection by a second or so,
hence ``written_before``: what was written later is searched exactly.
"""

from __future__ import annotations

import logging
import time

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.operations import SearchIndexModel

from omnimemory.models.base import Vectors
from omnimemory.stores.mongodb_connection import Connection
from omnimemory.stores.mongodb_documents import HEAD_FIELDS, Document, to_binary

logger = logging.getLogger(__name__)

INDEX = "meaning"
SCORE = "score"
_FILTERS = ("user_id", "session_id", "kind", "status", "facets", "occurred_at", "created_at", "ended_at")
_CANDIDATES_PER_HIT = 20  # MongoDB's advice for recall
_MOST_CANDIDATES = 10_000  # what the stage allows
_ASK_AGAIN = {False: 5.0, True: 60.0}
"""Seconds between two questions whether an index is ready, by the last answer."""


def search_index(dimensions: int) -> SearchIndexModel:
    """The index that the stage searches, with every field that a filter names."""
    vector = {"type": "vector", "path": "vector", "numDimensions": dimensions, "similarity": "cosine"}
    filters = [{"type": "filter", "path": field} for field in _FILTERS]
    return SearchIndexModel({"fields": [vector, *filters]}, name=INDEX, type="vectorSearch")


def nearest(vector: Vectors, matching: Document, *, written_before: float, limit: int) -> list[Document]:
    """The pipeline that finds the records nearest to ``vector``: head fields and ``score``.

    The index's answer may be old, the documents it names are not: they must match once more.
    """
    stage: Document = {
        "index": INDEX,
        "path": "vector",
        "queryVector": to_binary(vector),
        "numCandidates": min(_MOST_CANDIDATES, limit * _CANDIDATES_PER_HIT),
        "limit": limit,
    }
    if matching:
        stage["filter"] = matching
    return [
        {"$vectorSearch": stage},
        {"$match": {**matching, "written_at": {"$lt": written_before}}},
        {"$project": {**HEAD_FIELDS, SCORE: {"$meta": "vectorSearchScore"}}},
    ]


def cosine(score: float) -> float:
    """The cosine behind a score of the stage, which is (1 + cosine) / 2."""
    return 2.0 * score - 1.0


class SearchIndexes:
    """What one server can do and which of its indexes answer. Every method belongs inside ``calling``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._supported: bool | None = None
        self._ready: dict[str, bool] = {}
        self._ask_at: dict[str, float] = {}

    async def are_supported(self, collection: AsyncCollection[Document]) -> bool:
        """Whether the server has ``$vectorSearch``; it is asked once."""
        if self._supported is None:
            self._supported = await self._connection.has_vector_search(collection)
            logger.debug("the server %s $vectorSearch", "has" if self._supported else "does not have")
        return self._supported

    async def create(self, collection: AsyncCollection[Document], dimensions: int) -> None:
        """Ask for the index, unless it is there; the server builds it later."""
        async with await collection.list_search_indexes(INDEX) as cursor:
            if not await cursor.to_list():
                await collection.create_search_index(search_index(dimensions))

    async def is_ready(self, collection: AsyncCollection[Document]) -> bool:
        """Whether the collection's index answers. Never waits for it."""
        if not await self.are_supported(collection):
            return False
        name = collection.name
        if time.monotonic() >= self._ask_at.get(name, 0.0):
            async with await collection.list_search_indexes(INDEX) as cursor:
                indexes = await cursor.to_list()
            if not indexes:
                logger.warning("collection %s has no search index; run `omnimemory rebuild`", name)
            self._ready[name] = any(index.get("queryable") is True for index in indexes)
            self._ask_at[name] = time.monotonic() + _ASK_AGAIN[self._ready[name]]
        return self._ready[name]

    def forget(self, name: str) -> None:
        self._ready.pop(name, None)
        self._ask_at.pop(name, None)
