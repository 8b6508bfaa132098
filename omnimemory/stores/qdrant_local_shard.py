"""One open shard of the embedded store: short calls of qdrant-edge, which hold the interpreter's lock.

Raises whatever the engine raises; the store translates it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import qdrant_edge as qe

from omnimemory.core.schemas import Status
from omnimemory.models.base import Vectors
from omnimemory.stores.qdrant_local_points import (
    MEANING,
    WORDS,
    Head,
    head_of,
    id_of,
    of_memories,
    of_records,
    of_user,
    shard_config,
    to_filter,
    to_head,
    to_point,
    to_stored,
    weight_of,
    with_words,
)
from omnimemory.stores.qdrant_payload import HIT_FIELDS, STORED_FIELDS
from omnimemory.stores.records import Filter, Fingerprint, Hit, Record, RecordKind, Stored

FLUSH_EVERY = 512
"""Records between two flushes, which bound the write-ahead log. Measured on an idle disk: 25 ms each,
where 4,096 records take 55 ms."""
_TIES = 2048
_NARROWED = 256
_RARITIES = 1 << 15
"""Words whose rarity is kept, 0.1 KB each: counting the ten of a question takes 0.3 ms."""


@dataclass(slots=True)
class _Counts:
    """What was counted of one user's records; a rarity is None for a term in none."""

    worded: int | None = None
    rarities: dict[int, float | None] = field(default_factory=dict)


class Shard:
    """``heads_kept`` hits' payloads are kept in memory, 0.4 KB each: reading 60 takes 2 ms."""

    def __init__(self, edge: qe.EdgeShard, *, heads_kept: int) -> None:
        self.edge = edge
        self._heads: dict[int, Head] = {}
        self._heads_kept = heads_kept
        self._narrowed: dict[Filter, Filter] = {}
        self._counts: dict[str | None, _Counts] = {}
        self._counted = 0
        self._unflushed = 0

    @classmethod
    def create(cls, folder: Path, fingerprint: Fingerprint, *, heads_kept: int) -> Shard:
        """An empty shard in a new folder; every one of ``field_indexes`` is still to be made."""
        folder.mkdir(parents=True)
        return cls(qe.EdgeShard.create(str(folder), shard_config(fingerprint)), heads_kept=heads_kept)

    @classmethod
    def load(cls, folder: Path, fingerprint: Fingerprint, *, heads_kept: int) -> Shard:
        return cls(qe.EdgeShard.load(str(folder), shard_config(fingerprint)), heads_kept=heads_kept)

    def close(self) -> None:
        """Flush and let go of the files."""
        try:
            self.edge.flush()
        finally:
            self.edge.close()

    # Writes

    def put(self, records: Sequence[Record]) -> None:
        """Store the records; survives the end of the process on return."""
        self._update(
            qe.UpdateOperation.upsert_points([to_point(record) for record in records]),
            users={record.user_id for record in records},
        )
        self._unflushed += len(records)
        self._keep({UUID(record.id).int: head_of(record) for record in records})

    def put_points(self, points: Sequence[qe.Point]) -> None:
        self._update(qe.UpdateOperation.upsert_points(list(points)), users=None)
        self._unflushed += len(points)

    def delete(self, memory_ids: Sequence[str], *, user_id: str | None) -> None:
        doomed = of_memories(memory_ids, user_id=user_id)
        users = None if user_id is None else {user_id}
        self._update(qe.UpdateOperation.delete_points_by_filter(doomed), users=users)

    def _update(self, operation: qe.UpdateOperation, *, users: Set[str] | None) -> None:
        """Write; what was counted of these users' records (of anybody's, for None) holds no longer."""
        self.edge.update(operation)
        self._narrowed.clear()
        if users is None:
            self._counts.clear()
        for changed in (None, *(users or ())):
            self._counts.pop(changed, None)

    @property
    def due(self) -> bool:
        """Whether enough was written for a flush."""
        return self._unflushed >= FLUSH_EVERY

    def flush(self) -> None:
        self.edge.flush()
        self._unflushed = 0

    # Reads

    def knows(self, record_id: str) -> bool:
        """Whether the record is known to be in this shard; False says nothing."""
        return UUID(record_id).int in self._heads

    def get(self, record_ids: Sequence[str]) -> list[Stored]:
        return [to_stored(point) for point in self.edge.retrieve(list(record_ids), STORED_FIELDS, False)]

    def scan(self, where: Filter, *, limit: int, start: str | None) -> list[Stored]:
        request = qe.ScrollRequest(
            offset=start, limit=limit, filter=to_filter(where), with_payload=STORED_FIELDS, with_vector=False
        )
        points, _ = self.edge.scroll(request)
        return [to_stored(point) for point in points]

    def count(self, where: Filter) -> int:
        return self.edge.count(qe.CountRequest(exact=True, filter=to_filter(where)))

    def size(self) -> int:
        return self.edge.info().points_count

    def largest_user(self) -> int:
        """How many records the user with the most has."""
        return max(
            (hit.count for hit in self.edge.facet(qe.FacetRequest("user_id", limit=1)).hits), default=0
        )

    def similarities(self, vector: Vectors, record_ids: Sequence[str]) -> dict[str, float]:
        request = qe.QueryRequest(
            len(record_ids),
            query=qe.Query.Nearest(vector.tolist(), using=MEANING),
            filter=of_records(record_ids),
            params=qe.SearchParams(exact=True),
        )
        return {str(point.id): point.score for point in self.edge.query(request)}

    def dense(self, vector: Vectors, where: Filter, *, limit: int) -> list[Hit]:
        nearest = qe.Query.Nearest(vector.tolist(), using=MEANING)
        return self._search(nearest, self._narrow(where), limit=limit, params=None)

    def lexical(self, words: qe.SparseVector, where: Filter, *, limit: int) -> list[Hit]:
        """BM25; a word's rarity is that among the filter's user's records, or in this shard."""
        narrowed = self._narrow(where)
        corpus = None if narrowed.user_id is None else of_user(narrowed.user_id)
        params = qe.SearchParams(idf=qe.IdfParams(corpus=corpus))
        return self._search(qe.Query.Nearest(words, using=WORDS), narrowed, limit=limit, params=params)

    def worded(self, user_id: str | None) -> int:
        """How many records (of the user's) have words at all: what their rarity is counted among."""
        counts = self._counts_of(user_id)
        if counts.worded is None:
            counts.worded = self.edge.count(qe.CountRequest(exact=True, filter=with_words(user_id)))
        return counts.worded

    def rarities(self, terms: Sequence[int], *, user_id: str | None = None) -> dict[int, float]:
        """The IDF of each term in this shard, or among the user's records; terms in none are left out."""
        kept = self._counts_of(user_id).rarities
        if fresh := [term for term in terms if term not in kept]:
            counted = self._count_rarities(fresh, user_id)
            kept.update((term, counted.get(term)) for term in fresh)
            self._counted += len(fresh)
        return {term: rarity for term in terms if (rarity := kept[term]) is not None}

    def _count_rarities(self, terms: Sequence[int], user_id: str | None) -> dict[int, float]:
        """The engine tells it only through a score: that of the best record for the term alone,
        divided by the term's weight in that record.
        """
        own = None if user_id is None else of_user(user_id)
        queries = [
            qe.QueryRequest(
                1,
                query=qe.Query.Nearest(qe.SparseVector([term], [1.0]), using=WORDS),
                filter=own,
                params=qe.SearchParams(idf=qe.IdfParams(corpus=own)),
                with_vector=[WORDS],
            )
            for term in terms
        ]
        best = self.edge.query_batch(qe.QueryBatchRequest(queries))
        found = zip(terms, best, strict=True)
        return {term: points[0].score / weight_of(points[0], term) for term, points in found if points}

    def _counts_of(self, user_id: str | None) -> _Counts:
        if self._counted > _RARITIES or len(self._counts) > _RARITIES:
            self._counts.clear()
            self._counted = 0
        return self._counts.setdefault(user_id, _Counts())

    def _search(
        self, nearest: qe.Query, where: Filter, *, limit: int, params: qe.SearchParams | None
    ) -> list[Hit]:
        """One leg. The engine cuts equal scores at will: a tie across the cut is fetched whole, up to a
        bound."""
        condition = to_filter(where)

        def found(amount: int) -> list[tuple[int, float]]:
            request = qe.QueryRequest(amount, query=nearest, filter=condition, params=params)
            return [(id_of(point), point.score) for point in self.edge.query(request)]

        points = found(limit + 1)
        if len(points) > limit and points[limit - 1][1] == points[limit][1]:
            points = found(limit + _TIES)
            points.sort(key=lambda point: (-point[1], point[0]))
        heads = self._heads_of([point_id for point_id, _ in points[:limit]])
        return [heads[point_id].scored(score) for point_id, score in points[:limit]]

    def _narrow(self, where: Filter) -> Filter:
        """``where`` without the conditions that every record here meets: a third of the dense leg's time
        among 100k records of one user."""
        known = self._narrowed.get(where)
        if known is not None:
            return known
        size = self.size()

        def all_meet(condition: Filter) -> bool:
            request = qe.CountRequest(exact=False, filter=to_filter(condition))
            return self.edge.count(request) == size

        every = Filter(statuses=frozenset(Status))
        narrowed = where
        if where.user_id is not None and all_meet(replace(every, user_id=where.user_id)):
            narrowed = replace(narrowed, user_id=None)
        if len(where.statuses) < len(Status) and all_meet(Filter(statuses=where.statuses)):
            narrowed = replace(narrowed, statuses=frozenset(Status))
        if len(where.kinds) < len(RecordKind) and all_meet(replace(every, kinds=where.kinds)):
            narrowed = replace(narrowed, kinds=frozenset(RecordKind))
        if len(self._narrowed) >= _NARROWED:
            self._narrowed.clear()
        self._narrowed[where] = narrowed
        return narrowed

    def _heads_of(self, ids: Sequence[int]) -> dict[int, Head]:
        kept = self._heads
        missing: list[int | UUID | str] = [UUID(int=point_id) for point_id in ids if point_id not in kept]
        if not missing:
            return kept
        read = {id_of(point): to_head(point) for point in self.edge.retrieve(missing, HIT_FIELDS, False)}
        found = {point_id: kept[point_id] for point_id in ids if point_id in kept} | read
        self._keep(read)
        return found

    def _keep(self, heads: Mapping[int, Head]) -> None:
        if len(self._heads) + len(heads) > self._heads_kept:
            self._heads.clear()
        self._heads.update(heads)
