"""The contract of every vector store.

Callers use the public methods, which own validation, scope, order and set-up once per app.
A backend fills in the ``_hooks``: they receive checked values and raise only errors of
``omnimemory.core.errors``. ``omnimemory.testing.store_suite`` tests all of it.

A store is a projection: it holds what the ledger says and can be rebuilt at any time.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

from omnimemory.core.errors import ConfigError, DimensionMismatch, InvalidRequest, StoreError
from omnimemory.core.ids import check_id
from omnimemory.core.lexical import Frequencies
from omnimemory.metrics import SILENT, Observer, observed
from omnimemory.models.base import Vectors
from omnimemory.stores.checks import (
    check_filter,
    check_limit,
    check_records,
    check_vectors,
    is_record_id,
    known_ids,
)
from omnimemory.stores.records import Filter, Fingerprint, Hit, Page, PoolStats, Record, Stored

if TYPE_CHECKING:
    from omnimemory.core.settings import Settings


class VectorStore(ABC):
    """Records of many apps, each app in a collection of its own.

    Reads of an app without a collection find nothing and create nothing. Every method raises
    ``StoreError`` (``StoreUnavailable`` where a later try may succeed) when the backend fails,
    ``ScopeError`` or ``InvalidRequest`` when an argument cannot be used. A cancelled call leaves
    the store usable; an upsert or delete that was cancelled may have happened in part, and
    repeating it completes it.
    """

    provider: ClassVar[str]
    observer: Observer = SILENT

    def __init__(self) -> None:
        self._fingerprints: dict[str, Fingerprint] = {}
        self._preparing = asyncio.Lock()
        self._opened = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:  # noqa: ARG003  # for those that override it
        """The store that the settings describe, not yet opened.

        Raises:
            ConfigError: naming the variable that is wrong or missing.
        """
        raise ConfigError(f"the {cls.provider} store cannot be opened from settings; hand one in with store=")

    # Lifetime

    async def open(self) -> Self:
        """Connect, or take the folder. Opening an open store is an error."""
        if self._opened:
            raise StoreError("the store is already open; share the opened one")
        await self._open()
        self._opened = True
        return self

    async def close(self) -> None:
        """Let go of every resource; what was acknowledged stays. Closing twice does nothing."""
        if self._opened:
            self._opened = False
            self._fingerprints.clear()
            await self._close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def check(self) -> None:
        """Truly touch the backend; raise a ``StoreError`` that says why it cannot be used."""
        self._require_open()
        await self._check()

    @abstractmethod
    def pool_stats(self) -> PoolStats:
        """Connections or open shards, now."""

    # Collections

    async def prepare(self, app_id: str, fingerprint: Fingerprint) -> None:
        """Make sure the app's collection exists and was built with ``fingerprint``.

        Raises:
            DimensionMismatch: it was built by another embedder or analyser.
        """
        found = await self._known(app_id)
        if found is None:
            async with self._preparing:
                found = await self._known(app_id)
                if found is None:
                    await self._create(app_id, fingerprint)
                    self._fingerprints[app_id] = found = fingerprint
        _check_same(app_id, found, fingerprint)

    async def verify(self, app_id: str, fingerprint: Fingerprint) -> bool:
        """Whether the app has a collection; if so, it was built with ``fingerprint``. Creates nothing.

        Raises:
            DimensionMismatch: it was built by another embedder or analyser.
        """
        found = await self._known(app_id)
        if found is not None:
            _check_same(app_id, found, fingerprint)
        return found is not None

    async def collections(self) -> dict[str, Fingerprint]:
        """Every app that has a collection here, with what it was built with."""
        self._require_open()
        return await self._collections()

    async def drop(self, app_id: str) -> None:
        """Remove the app's collection with everything in it; without one, do nothing."""
        if await self._known(app_id) is not None:
            async with self._preparing:
                try:
                    await self._drop(app_id)
                finally:
                    self._fingerprints.pop(app_id, None)

    # Writes

    @observed("store.upsert")
    async def upsert(self, app_id: str, records: Sequence[Record]) -> None:
        """Store the records, each replacing the one with its id. Durable on return."""
        fingerprint = await self._known(app_id)
        if fingerprint is None:
            raise StoreError(f"app {app_id!r} has no collection yet; call prepare() before upsert()")
        if records:
            check_records(records)
            check_vectors([record.vector for record in records], fingerprint)
            await self._upsert(app_id, records)

    @observed("store.delete")
    async def delete(self, app_id: str, memory_ids: Sequence[str], *, user_id: str | None = None) -> None:
        """Remove every record of these memories (of this user's only, when given)."""
        ids = known_ids(memory_ids, "memory_ids")
        _check_user(user_id)
        if await self._known(app_id) is not None and ids:
            await self._delete(app_id, ids, user_id=user_id)

    # Reads

    @observed("store.get")
    async def get(
        self, app_id: str, memory_ids: Sequence[str], *, user_id: str | None = None
    ) -> dict[str, Stored]:
        """Head records by memory id; unknown ids and other users' are left out."""
        ids = known_ids(memory_ids, "memory_ids")
        _check_user(user_id)
        if await self._known(app_id) is None or not ids:
            return {}
        found = await self._get(app_id, ids)
        return {head.memory_id: head for head in found if user_id is None or head.user_id == user_id}

    @observed("store.dense")
    async def dense(self, app_id: str, vector: Vectors, where: Filter, *, limit: int) -> list[Hit]:
        """The nearest records by cosine (-1..1), best first; equal scores by record id."""
        fingerprint = await self._checked_search(app_id, where, limit)
        if fingerprint is None or _matches_nothing(where):
            return []
        check_vectors([vector], fingerprint)
        return _ranked(await self._dense(app_id, vector, where, limit=limit), limit)

    @observed("store.lexical")
    async def lexical(self, app_id: str, tokens: Sequence[str], where: Filter, *, limit: int) -> list[Hit]:
        """The best records by BM25 (> 0), best first; equal scores by record id.

        Document frequencies count the records of the filter's user, or of the app without one.
        """
        fingerprint = await self._checked_search(app_id, where, limit)
        distinct = list(dict.fromkeys(tokens))
        if fingerprint is None or _matches_nothing(where) or not distinct:
            return []
        hits = await self._lexical(app_id, distinct, where, limit=limit)
        return _ranked([hit for hit in hits if hit.score > 0], limit)

    @observed("store.frequencies")
    async def frequencies(
        self, app_id: str, tokens: Sequence[str], *, user_id: str | None = None
    ) -> Frequencies:
        """How many of the user's records (the app's, without one) hold each token: what BM25 counts by."""
        _check_user(user_id)
        distinct = list(dict.fromkeys(tokens))
        if await self._known(app_id) is None or not distinct:
            return Frequencies()
        return await self._frequencies(app_id, distinct, user_id=user_id)

    @observed("store.similarities")
    async def similarities(self, app_id: str, vector: Vectors, record_ids: Sequence[str]) -> dict[str, float]:
        """The exact cosine of each record that exists, by record id."""
        fingerprint = await self._known(app_id)
        ids = known_ids(record_ids, "record_ids")
        if fingerprint is None or not ids:
            return {}
        check_vectors([vector], fingerprint)
        return await self._similarities(app_id, vector, ids)

    @observed("store.scan")
    async def scan(self, app_id: str, where: Filter, *, limit: int, cursor: str | None = None) -> Page:
        """One page in the order of record ids; each record comes once, whatever is written meanwhile."""
        fingerprint = await self._checked_search(app_id, where, limit)
        if cursor is not None and not is_record_id(cursor):
            raise InvalidRequest("cursor must be the one a previous page gave")
        if fingerprint is None or _matches_nothing(where):
            return Page(records=(), cursor=None)
        found = await self._scan(app_id, where, limit=limit + 1, start=cursor)
        following = found[limit].id if len(found) > limit else None
        return Page(records=tuple(found[:limit]), cursor=following)

    @observed("store.count")
    async def count(self, app_id: str, where: Filter) -> int:
        """How many records match, exactly."""
        check_filter(where)
        if await self._known(app_id) is None or _matches_nothing(where):
            return 0
        return await self._count(app_id, where)

    # What a backend fills in. `_known` saw the collection before each of the hooks below `_drop`.

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    async def _close(self) -> None: ...

    @abstractmethod
    async def _check(self) -> None: ...

    @abstractmethod
    async def _fingerprint(self, app_id: str) -> Fingerprint | None:
        """What the app's collection was built with; None when there is none. Creates nothing."""

    @abstractmethod
    async def _create(self, app_id: str, fingerprint: Fingerprint) -> None:
        """Create the collection, all or nothing."""

    @abstractmethod
    async def _collections(self) -> dict[str, Fingerprint]: ...

    @abstractmethod
    async def _drop(self, app_id: str) -> None: ...

    @abstractmethod
    async def _upsert(self, app_id: str, records: Sequence[Record]) -> None: ...

    @abstractmethod
    async def _delete(self, app_id: str, memory_ids: Sequence[str], *, user_id: str | None) -> None: ...

    @abstractmethod
    async def _get(self, app_id: str, memory_ids: Sequence[str]) -> list[Stored]: ...

    @abstractmethod
    async def _dense(self, app_id: str, vector: Vectors, where: Filter, *, limit: int) -> list[Hit]: ...

    @abstractmethod
    async def _lexical(
        self, app_id: str, tokens: Sequence[str], where: Filter, *, limit: int
    ) -> list[Hit]: ...

    @abstractmethod
    async def _frequencies(
        self, app_id: str, tokens: Sequence[str], *, user_id: str | None
    ) -> Frequencies: ...

    @abstractmethod
    async def _similarities(
        self, app_id: str, vector: Vectors, record_ids: Sequence[str]
    ) -> dict[str, float]: ...

    @abstractmethod
    async def _scan(self, app_id: str, where: Filter, *, limit: int, start: str | None) -> list[Stored]:
        """Up to ``limit`` records with an id at or after ``start``, by id ascending."""

    @abstractmethod
    async def _count(self, app_id: str, where: Filter) -> int: ...

    # Shared steps

    def _require_open(self) -> None:
        if not self._opened:
            raise StoreError("the store is not open; use `async with store:` or `await store.open()`")

    async def _known(self, app_id: str) -> Fingerprint | None:
        self._require_open()
        check_id(app_id, "app_id")
        known = self._fingerprints.get(app_id)
        if known is None and (known := await self._fingerprint(app_id)) is not None:
            self._fingerprints[app_id] = known
        return known

    async def _checked_search(self, app_id: str, where: Filter, limit: int) -> Fingerprint | None:
        check_limit(limit)
        check_filter(where)
        return await self._known(app_id)


def _ranked(hits: list[Hit], limit: int) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:limit]


def _matches_nothing(where: Filter) -> bool:
    return not where.kinds or not where.statuses


def _check_user(user_id: str | None) -> None:
    if user_id is not None:
        check_id(user_id, "user_id")


def _check_same(app_id: str, built_with: Fingerprint, configured: Fingerprint) -> None:
    if built_with != configured:
        raise DimensionMismatch(
            f"the collection of app {app_id!r} was built with {_described(built_with)}, but "
            f"{_described(configured)} is configured; configure the former again, or run "
            "`omnimemory reindex` to make it anew with the new one"
        )


def _described(fingerprint: Fingerprint) -> str:
    return (
        f"embedder {fingerprint.embedder!r} ({fingerprint.dimensions} dimensions, "
        f"analyser {fingerprint.analyser!r})"
    )
