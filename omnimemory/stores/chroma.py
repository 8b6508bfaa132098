"""Chroma, on a server or in a folder: what both have in common. Their classes are in
``chroma_remote`` and ``chroma_local``.

An app has two collections. One holds its records: vector, metadata, document. The other, named
``..._words``, holds which words each record has, because Chroma reads a record's lists along with
whatever else is asked of it, and sixty words make reading a hit four times slower.

Meaning: a scope of up to 300 records is compared vector by vector; a larger one goes through
Chroma's graph, which finds nearly all of the nearest. Words: Chroma says which records hold them,
their BM25 is computed here, exactly, over as many records as can be among the best.
"""

from __future__ import annotations

import asyncio
import zlib
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache

from omnimemory.core.errors import StoreError, StoreUnavailable
from omnimemory.core.ids import collection_name
from omnimemory.core.lexical import K1, Frequencies, idf, term_id
from omnimemory.models.base import Vectors
from omnimemory.stores import chroma_records as terms_of
from omnimemory.stores.base import VectorStore
from omnimemory.stores.chroma_table import CollectionGone, Driver, Row, Table, Written
from omnimemory.stores.records import Filter, Fingerprint, Hit, Record, RecordKind, Stored

_EXACT = 300
"""Records compared one by one: their vectors come in 10 ms, a graph over 20,000 takes 16 ms."""
_FEW_WORDED = 2_000
_BATCH_RECORDS = 256
_BATCH_CHARS = 4_000_000
_READ = 1_000
_SPARE = 8
_TIE = 1e-6
_INDEX: Mapping[str, str | int] = {"space": "cosine", "ef_construction": 128, "ef_search": 256}
_NO_INDEX: Mapping[str, str | int] = {"space": "l2", "max_neighbors": 2, "ef_construction": 2}


@dataclass(frozen=True, slots=True)
class _Tables:
    records: Table
    words: Table


class ChromaStore(VectorStore):
    """Collections reached through a ``Driver``, which a subclass supplies."""

    def __init__(self) -> None:
        super().__init__()
        self._tables: dict[str, _Tables] = {}
        self._crowded: LRUCache[tuple[str, str | None, str | None], bool] = LRUCache(maxsize=10_000)

    @property
    @abstractmethod
    def _driver(self) -> Driver: ...

    async def _close(self) -> None:
        self._tables.clear()
        self._crowded.clear()

    async def _check(self) -> None:
        await self._driver.ping()

    # Collections

    async def _fingerprint(self, app_id: str) -> Fingerprint | None:
        name = collection_name(app_id)
        records = await self._driver.find(name)
        if records is None:
            return None
        described = _described(records)
        if described is None or described[0] != app_id:
            raise StoreError(
                f"Chroma's collection {name!r} was made by another program; rename or remove it, or use "
                "another database for OmniMemory"
            )
        self._tables[app_id] = _Tables(records, await self._words(app_id))
        return described[1]

    async def _create(self, app_id: str, fingerprint: Fingerprint) -> None:
        name = collection_name(app_id)
        if await self._driver.find(f"{name}_words") is not None:  # of a process that died while dropping
            await self._words(app_id)
            await self._driver.remove(f"{name}_words")
        await self._driver.make(f"{name}_words", {"omnimemory_words_of": app_id}, _NO_INDEX)
        words = await self._words(app_id)
        # From here on the collection exists, and is complete.
        records = await self._driver.make(name, _metadata(app_id, fingerprint), _INDEX)
        if records is not None:
            self._tables[app_id] = _Tables(records, words)
        elif await self._fingerprint(app_id) != fingerprint:
            raise StoreUnavailable(f"another process has just made the collection {name!r}; try again")

    async def _words(self, app_id: str) -> Table:
        name = f"{collection_name(app_id)}_words"
        words = await self._driver.find(name)
        if words is None:
            raise StoreError(
                f"Chroma lost {name!r}, the app's words; remove {collection_name(app_id)!r} as well and run "
                "`omnimemory rebuild`"
            )
        if words.metadata.get("omnimemory_words_of") != app_id:
            raise StoreError(f"Chroma's collection {name!r} was made by another program; rename or remove it")
        return words

    async def _collections(self) -> dict[str, Fingerprint]:
        described = [_described(table) for table in await self._driver.tables()]
        return dict(found for found in described if found is not None)

    async def _drop(self, app_id: str) -> None:
        self._tables.pop(app_id, None)
        await self._driver.remove(collection_name(app_id))
        await self._driver.remove(f"{collection_name(app_id)}_words")

    # Writes

    async def _upsert(self, app_id: str, records: Sequence[Record]) -> None:
        terms_of.check_facets(records)
        tables = self._of(app_id)
        with self._watched(app_id):
            for batch in _batches(records):
                ids, words = [record.id for record in batch], [record.words for record in batch]
                written = Written(
                    ids=ids,
                    vectors=np.stack([record.vector for record in batch]),
                    fields=[terms_of.fields_of(record) for record in batch],
                    documents=[record.document for record in batch],
                    weights=list(map(terms_of.weights_text, words)),
                )
                await _write_words(tables.words, app_id, batch, words)
                await tables.records.upsert(written)

    async def _delete(self, app_id: str, memory_ids: Sequence[str], *, user_id: str | None) -> None:
        tables = self._of(app_id)
        with self._watched(app_id):
            for start in range(0, len(memory_ids), _BATCH_RECORDS):
                clauses = [terms_of.of_memories(memory_ids[start : start + _BATCH_RECORDS])]
                owned = terms_of.of_user(user_id)
                found = await tables.records.ids(
                    terms_of.all_of(clauses if owned is None else [*clauses, owned])
                )
                await tables.words.delete([*found, *await _further_parts(tables.words, found)])
                await tables.records.delete(found)  # last, so that a repeated call finds what is left

    # Reads

    async def _get(self, app_id: str, memory_ids: Sequence[str]) -> list[Stored]:
        with self._watched(app_id):
            rows = await self._of(app_id).records.rows(memory_ids, documents=True)
        found = [terms_of.to_stored(row.id, row.fields, row.document) for row in rows]
        return [stored for stored in found if stored.kind is not RecordKind.STATEMENT]

    async def _dense(self, app_id: str, vector: Vectors, where: Filter, *, limit: int) -> list[Hit]:
        records, conditions = self._of(app_id).records, terms_of.matching(where)
        with self._watched(app_id):
            few = await self._few(app_id, where)
            if few is not None:
                return await _compared(records, vector, few, limit)
            asked, rows = limit, list[Row]()
            # Until the last is truly worse than the limit's: among equals the ids decide.
            while not rows or (len(rows) == asked and rows[limit - 1].score - rows[-1].score < _TIE):
                asked = limit + _SPARE if not rows else asked * 4
                rows = await records.nearest(vector, conditions, limit=asked)
                if not rows:
                    break
            hits = [terms_of.to_hit(row.id, row.fields, round(row.score, 6)) for row in rows]
            if len(rows) < asked:  # the graph has shown all it reaches; there may be more
                found = {row.id for row in rows}
                missed = [key for key in await records.ids(conditions) if key not in found]
                hits += await _compared(records, vector, missed, limit)
        return hits

    async def _few(self, app_id: str, where: Filter) -> list[str] | None:
        """The ids that match when they are few enough to compare each; None when they are not."""
        records, scope = self._of(app_id).records, (app_id, where.user_id, where.session_id)
        if scope in self._crowded:
            return None
        app_wide = where.user_id is None and where.session_id is None and not where.facets
        if app_wide and await records.count() > _EXACT:
            return None
        found = await records.ids(terms_of.matching(where), limit=_EXACT + 1)
        if len(found) <= _EXACT:
            return found
        if not where.facets:
            self._crowded[scope] = True  # a hint: the graph answers for a scope that has shrunk as well
        return None

    async def _similarities(
        self, app_id: str, vector: Vectors, record_ids: Sequence[str]
    ) -> dict[str, float]:
        with self._watched(app_id):
            return await self._of(app_id).records.cosines(vector, record_ids)

    async def _scan(self, app_id: str, where: Filter, *, limit: int, start: str | None) -> list[Stored]:
        records = self._of(app_id).records
        stored: list[Stored] = []
        with self._watched(app_id):
            found = await records.ids(terms_of.matching(where))
            ahead = sorted(key for key in found if start is None or key >= start)
            while ahead and len(stored) < limit:  # what was deleted meanwhile leaves room for later ones
                page, ahead = ahead[: limit - len(stored)], ahead[limit - len(stored) :]
                rows = await records.rows(page, documents=True)
                stored += [terms_of.to_stored(row.id, row.fields, row.document) for row in rows]
        return sorted(stored, key=lambda record: record.id)

    async def _count(self, app_id: str, where: Filter) -> int:
        records, conditions = self._of(app_id).records, terms_of.matching(where)
        with self._watched(app_id):
            return await records.count() if conditions is None else len(await records.ids(conditions))

    # Words

    async def _lexical(self, app_id: str, tokens: Sequence[str], where: Filter, *, limit: int) -> list[Hit]:
        tables, terms = self._of(app_id), _terms(tokens)
        with self._watched(app_id):
            total = await self._worded(tables, where.user_id)
            if total > _FEW_WORDED:
                postings = await self._postings(app_id, terms, where.user_id)
                rarity = {term: idf(total, len(ids)) for term, ids in postings.items()}
                shown = await _shown(tables.records, where)
                return await _best(tables.records, postings, rarity, shown, limit)
            holding = await self._holding(app_id, terms, where.user_id)
            # A `get` by ids with conditions takes seventeen times as long as one by conditions alone.
            rows, shown = await asyncio.gather(
                tables.records.rows(holding, weights=True), _shown(tables.records, where)
            )
        rarity = {term: idf(total, count) for term, count in _counted(rows, terms).items()}
        return [_scored(row, rarity) for row in rows if row.id in shown]

    async def _frequencies(self, app_id: str, tokens: Sequence[str], *, user_id: str | None) -> Frequencies:
        tables, terms = self._of(app_id), _terms(tokens)
        with self._watched(app_id):
            total = await self._worded(tables, user_id)
            if total > _FEW_WORDED:
                counts = {k: len(ids) for k, ids in (await self._postings(app_id, terms, user_id)).items()}
            else:
                holding = await self._holding(app_id, terms, user_id)
                counts = _counted(await tables.records.rows(holding, weights=True), terms)
        held = {token: counts.get(str(term_id(token)), 0) for token in tokens}
        return Frequencies(total, {token: count for token, count in held.items() if count})

    async def _worded(self, tables: _Tables, user_id: str | None) -> int:
        """How many of the user's records have words."""
        owned = terms_of.worded_by(user_id)
        if owned is None:
            return await tables.words.count() - len(await tables.words.ids(terms_of.further_parts()))
        return len(set(map(terms_of.record_of, await tables.words.ids(owned))))

    async def _holding(self, app_id: str, terms: Sequence[int], user_id: str | None) -> list[str]:
        """Ids of the user's records that hold any of the terms."""
        found = await self._of(app_id).words.ids(terms_of.holding(app_id, terms, user_id))
        return list(dict.fromkeys(map(terms_of.record_of, found)))

    async def _postings(self, app_id: str, terms: Sequence[int], user_id: str | None) -> dict[str, list[str]]:
        """Ids of the user's records that hold each term."""
        words = self._of(app_id).words
        found = await asyncio.gather(
            *(words.ids(terms_of.holding(app_id, [term], user_id)) for term in terms)
        )
        held = [[terms_of.record_of(key) for key in keys] for keys in found]
        return {str(term): ids for term, ids in zip(terms, held, strict=True)}

    # Shared steps

    def _of(self, app_id: str) -> _Tables:
        tables = self._tables.get(app_id)
        if tables is None:
            raise CollectionGone(f"the collection of app {app_id!r} was removed a moment ago; try again")
        return tables

    @contextmanager
    def _watched(self, app_id: str) -> Iterator[None]:
        """Forgets the app's collections when one of them turns out to be gone."""
        try:
            yield
        except CollectionGone:
            self._tables.pop(app_id, None)
            self._fingerprints.pop(app_id, None)
            raise


async def _write_words(
    table: Table, app_id: str, records: Sequence[Record], words: Sequence[Mapping[int, float]]
) -> None:
    """Replace what the words' collection holds of the records."""
    entries: dict[str, terms_of.Fields] = {}
    for record, terms in zip(records, words, strict=True):
        entries |= terms_of.words_of(app_id, record, terms)
    ids = [record.id for record in records]
    stale = [key for key in [*ids, *await _further_parts(table, ids)] if key not in entries]
    await table.delete(stale)
    # Chroma wants vectors also where nobody looks for them.
    vectors = np.array([[float(zlib.crc32(key.encode()))] for key in entries], dtype=np.float32)
    await table.upsert(Written(ids=list(entries), vectors=vectors, fields=list(entries.values())))


async def _further_parts(words: Table, record_ids: Sequence[str]) -> list[str]:
    return await words.ids(terms_of.further_parts(record_ids)) if record_ids else []


async def _compared(records: Table, vector: Vectors, ids: Sequence[str], limit: int) -> list[Hit]:
    """The nearest of these records, exactly."""
    cosines = await records.cosines(vector, ids)
    rounded = {key: round(cosine, 6) for key, cosine in cosines.items()}
    best = sorted(rounded, key=lambda key: (-rounded[key], key))[:limit]
    return [terms_of.to_hit(row.id, row.fields, rounded[row.id]) for row in await records.rows(best)]


async def _best(
    records: Table,
    postings: Mapping[str, Sequence[str]],
    rarity: Mapping[str, float],
    shown: Container[str],
    limit: int,
) -> list[Hit]:
    """The best of ``shown`` by BM25: read in the order of the most that each can score, until no other
    can be among them.

    A word's weight is below k1 + 1 in any record.
    """
    most: defaultdict[str, float] = defaultdict(float)
    for term, ids in postings.items():
        for key in ids:
            if key in shown:
                most[key] += rarity[term] * (K1 + 1.0)
    order = sorted(most, key=lambda key: -most[key])
    hits: list[Hit] = []
    start, step = 0, 2 * limit
    while start < len(order) and not (len(hits) == limit and hits[-1].score > most[order[start]]):
        rows = await records.rows(order[start : start + step], weights=True)
        hits += [_scored(row, rarity) for row in rows]
        hits = sorted(hits, key=lambda hit: (-hit.score, hit.id))[:limit]
        start, step = start + step, min(2 * step, _READ)
    return hits


async def _shown(records: Table, where: Filter) -> set[str]:
    return set(await records.ids(terms_of.matching(where)))


def _scored(row: Row, rarity: Mapping[str, float]) -> Hit:
    held = terms_of.held_weights(row.weights)
    score = sum(rare * held[term] for term, rare in rarity.items() if term in held)
    return terms_of.to_hit(row.id, row.fields, round(score, 6))


def _counted(rows: Sequence[Row], terms: Sequence[int]) -> dict[str, int]:
    held = [terms_of.held_weights(row.weights) for row in rows]
    return {str(term): sum(str(term) in weights for weights in held) for term in terms}


def _terms(tokens: Sequence[str]) -> list[int]:
    return list(dict.fromkeys(map(term_id, tokens)))


def _batches(records: Sequence[Record]) -> Iterator[list[Record]]:
    """In order, each small enough for one call."""
    batch: list[Record] = []
    size = 0
    for record in records:
        if batch and (len(batch) == _BATCH_RECORDS or size + len(record.document) > _BATCH_CHARS):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record.document)
    if batch:
        yield batch


def _metadata(app_id: str, fingerprint: Fingerprint) -> dict[str, str | int]:
    return {
        "omnimemory_app": app_id,
        "omnimemory_embedder": fingerprint.embedder,
        "omnimemory_dimensions": fingerprint.dimensions,
        "omnimemory_analyser": fingerprint.analyser,
    }


def _described(table: Table) -> tuple[str, Fingerprint] | None:
    """Whose the collection is and what it was built with; None for one that is not ours."""
    held = table.metadata
    app_id, embedder = held.get("omnimemory_app"), held.get("omnimemory_embedder")
    dimensions, analyser = held.get("omnimemory_dimensions"), held.get("omnimemory_analyser")
    if not (isinstance(app_id, str) and isinstance(dimensions, int)):
        return None
    return app_id, Fingerprint(str(embedder), dimensions, str(analyser))
