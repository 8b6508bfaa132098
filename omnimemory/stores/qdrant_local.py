"""The embedded default: Qdrant's own engine as a library (qdrant-edge), one collection per app.

Every call of the engine holds the interpreter's lock, so calls are made on the loop itself and
kept short: upserts go in batches, searches from shard to shard, each with a turn of the loop
between them, and nothing here calls ``optimize()``. The exceptions, on an idle disk: opening a
shard (20 to 100 ms up to 10k records, 0.5 s for 60k, once until the app is evicted) and the flush
that bounds the write-ahead log (25 ms every 512 records).
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from omnimemory.core.errors import InvalidRequest, StoreError, StoreLocked
from omnimemory.core.ids import collection_name
from omnimemory.core.lexical import Frequencies, term_id
from omnimemory.models.base import Vectors
from omnimemory.stores.base import VectorStore
from omnimemory.stores.folder_lock import FolderLock
from omnimemory.stores.qdrant_local_collection import Collection, held, over_all
from omnimemory.stores.qdrant_local_layout import DROPPED, MANIFEST, Manifest, read_manifest, write_manifest
from omnimemory.stores.qdrant_local_points import field_indexes, query_words
from omnimemory.stores.qdrant_local_shard import Shard
from omnimemory.stores.records import Filter, Fingerprint, Hit, PoolStats, Record, Stored

if TYPE_CHECKING:
    from omnimemory.core.settings import Settings

logger = logging.getLogger(__name__)
T = TypeVar("T")

_UNFINISHED = ".new"
_UPSERT_BATCH = 16
_SPREAD_BATCH = 64  # over sixteen shards
_SPLIT_STEPS = 6
"""Steps of a split that follow each batch: it copies faster than records come in."""
_REST = 0.005
"""Seconds after a long step, for a query that waits to be answered as a whole and not between two such."""
_TIE_DIGITS = 4


class QdrantLocalStore(VectorStore):
    """Collections under ``folder``, one folder per app, one process at a time.

    ``max_open`` apps stay open; the least recently used is closed past that. An app is one shard
    (which maps about 75 MB of files, 2 MB of it private memory) until it has ``split_at`` records of
    several users; from then on it is sixteen, by user, made in small steps beside later writes.
    Writes are refused while the disk has less than ``min_free_bytes`` left, as the engine cannot
    survive a full one.

    What an upsert has returned from survives the end of the process (``kill -9``).
    """

    provider: ClassVar[str] = "qdrant-local"

    def __init__(
        self,
        folder: str | Path,
        *,
        max_open: int = 16,
        split_at: int = 50_000,
        min_free_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        super().__init__()
        for name, value in (("max_open", max_open), ("split_at", split_at)):
            if value < 1:
                raise InvalidRequest(f"{name} must be at least 1, got {value}")
        self.folder = Path(folder)
        self._max_open = max_open
        self._split_at = split_at
        self._min_free_bytes = min_free_bytes
        self._lock = FolderLock(self.folder)
        self._opened_apps: OrderedDict[str, Collection] = OrderedDict()
        self._pid = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.home / "qdrant", max_open=settings.max_open_collections)

    def pool_stats(self) -> PoolStats:
        return PoolStats(active=len(self._opened_apps), limit=self._max_open)

    # Lifetime

    async def _open(self) -> None:
        self._lock.acquire()
        self._pid = os.getpid()
        for suffix in (_UNFINISHED, DROPPED):  # what a process that died midway has left
            for leftover in self.folder.glob(f"*{suffix}"):
                await asyncio.to_thread(shutil.rmtree, leftover, ignore_errors=True)

    async def _close(self) -> None:
        failed: StoreError | None = None
        try:
            while self._opened_apps:
                try:
                    self._close_app(*self._opened_apps.popitem())
                except StoreError as exc:
                    failed = exc
        finally:
            self._lock.release()
        if failed is not None:
            raise failed

    async def _check(self) -> None:
        self._require_own_process()
        self._require_space()
        probe = self.folder / ".probe"
        try:
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as exc:
            raise StoreError(
                f"the store's folder {self.folder} cannot be written to ({exc.strerror}); "
                "restore it, or give another with OMNIMEMORY_HOME"
            ) from exc
        for app_id, collection in list(self._opened_apps.items()):
            with self._translated(app_id, "read"):
                for shard in collection.opened():
                    shard.size()

    # Collections

    async def _fingerprint(self, app_id: str) -> Fingerprint | None:
        self._require_own_process()
        path = self._path(app_id)
        return read_manifest(path).fingerprint if path.exists() else None

    async def _create(self, app_id: str, fingerprint: Fingerprint) -> None:
        self._require_space()
        path = self._path(app_id)
        unfinished = path.with_name(path.name + _UNFINISHED)
        with self._translated(app_id, "created"):
            shutil.rmtree(unfinished, ignore_errors=True)
            shard = Shard.create(unfinished, fingerprint, heads_kept=0)
        try:
            for operation in field_indexes():
                with self._translated(app_id, "created"):
                    shard.edge.update(operation)
                await asyncio.sleep(0)
        finally:
            with self._translated(app_id, "created"):
                shard.edge.close()
        with self._translated(app_id, "created"):
            write_manifest(unfinished, Manifest(app_id, fingerprint))
            unfinished.rename(path)  # from here on the collection exists, and is complete

    async def _collections(self) -> dict[str, Fingerprint]:
        paths = sorted(path.parent for path in self.folder.glob(f"*/{MANIFEST}"))
        found = [read_manifest(path) for path in paths if path.suffix not in (_UNFINISHED, DROPPED)]
        return {manifest.app_id: manifest.fingerprint for manifest in found}

    async def _drop(self, app_id: str) -> None:
        collection = self._opened_apps.pop(app_id, None)
        if collection is not None:
            self._close_app(app_id, collection)
        path = self._path(app_id)
        dropped = path.with_name(path.name + DROPPED)
        with self._translated(app_id, "dropped"):
            shutil.rmtree(dropped, ignore_errors=True)
            path.rename(dropped)
        await asyncio.to_thread(shutil.rmtree, dropped, ignore_errors=True)

    # Writes

    async def _upsert(self, app_id: str, records: Sequence[Record]) -> None:
        start = 0
        while start < len(records):
            self._require_space()
            with self._using(app_id, "written to") as collection:
                end = start + (_SPREAD_BATCH if collection.is_split else _UPSERT_BATCH)
                placed = collection.by_user(records[start:end])
            for number, own in placed.items():
                with self._using(app_id, "written to") as collection:
                    collection.put(number, own)
                await asyncio.sleep(0)
            await self._tidy(app_id)
            start = end

    async def _tidy(self, app_id: str) -> None:
        """What follows a write: flushes that are due, and some steps of a split."""
        flushed = True
        while flushed:
            with self._using(app_id, "written to") as collection:
                flushed = collection.flush_due()
            if flushed:
                await asyncio.sleep(_REST)
        try:
            with self._using(app_id, "split") as collection:
                collection.check_size()
            for _ in range(_SPLIT_STEPS if collection.is_splitting else 0):
                with self._using(app_id, "split") as collection:
                    replaced = collection.advance_split()
                if replaced is not None:
                    await asyncio.to_thread(shutil.rmtree, replaced, ignore_errors=True)
                await asyncio.sleep(_REST)
        except StoreError as exc:
            logger.warning("splitting is put off, the records stay in one shard: %s", exc)
            with self._using(app_id, "split") as collection:
                collection.abandon_split()

    async def _delete(self, app_id: str, memory_ids: Sequence[str], *, user_id: str | None) -> None:
        for number in self._numbers(app_id, user_id):
            with self._using(app_id, "written to") as collection:
                collection.delete(number, memory_ids, user_id=user_id)
            await asyncio.sleep(0)

    # Reads

    async def _get(self, app_id: str, memory_ids: Sequence[str]) -> list[Stored]:
        with self._using(app_id, "read") as collection:
            asked = collection.by_id(memory_ids)
        calls = {number: partial(Shard.get, record_ids=ids) for number, ids in asked.items()}
        return _joined(await self._each(app_id, "read", calls))

    async def _dense(self, app_id: str, vector: Vectors, where: Filter, *, limit: int) -> list[Hit]:
        call = partial(Shard.dense, vector=vector, where=where, limit=limit)
        return _joined(await self._each(app_id, "searched", self._every(app_id, where.user_id, call)))

    async def _lexical(self, app_id: str, tokens: Sequence[str], where: Filter, *, limit: int) -> list[Hit]:
        words = query_words(tokens)
        numbers = self._numbers(app_id, where.user_id)
        if len(numbers) == 1:
            call = partial(Shard.lexical, words=words, where=where, limit=limit)
            return _joined(await self._each(app_id, "searched", dict.fromkeys(numbers, call)))
        worded = partial(Shard.worded, user_id=None)
        sizes = await self._each(app_id, "searched", dict.fromkeys(numbers, worded))
        rare = partial(Shard.rarities, terms=words.indices)
        rarities = await self._each(app_id, "searched", dict.fromkeys(numbers, rare))
        weighted = zip(numbers, over_all(words, sizes, rarities), strict=True)
        calls = {
            number: partial(Shard.lexical, words=own, where=where, limit=limit)
            for number, own in weighted
            if own.indices
        }
        hits = _joined(await self._each(app_id, "searched", calls))
        # What two shards score alike differs in the last bits; rounded, it is a tie again.
        return [hit._replace(score=round(hit.score, _TIE_DIGITS)) for hit in hits]

    async def _frequencies(self, app_id: str, tokens: Sequence[str], *, user_id: str | None) -> Frequencies:
        terms = {token: term_id(token) for token in tokens}
        worded = partial(Shard.worded, user_id=user_id)
        rare = partial(Shard.rarities, terms=list(set(terms.values())), user_id=user_id)
        sizes = await self._each(app_id, "searched", self._every(app_id, user_id, worded))
        rarities = await self._each(app_id, "searched", self._every(app_id, user_id, rare))
        counts = held(sizes, rarities)
        return Frequencies(sum(sizes), {t: counts[term] for t, term in terms.items() if term in counts})

    async def _similarities(
        self, app_id: str, vector: Vectors, record_ids: Sequence[str]
    ) -> dict[str, float]:
        with self._using(app_id, "searched") as collection:
            asked = collection.by_id(record_ids)
        calls = {
            number: partial(Shard.similarities, vector=vector, record_ids=ids)
            for number, ids in asked.items()
        }
        found = await self._each(app_id, "searched", calls)
        return {record_id: cosine for part in found for record_id, cosine in part.items()}

    async def _scan(self, app_id: str, where: Filter, *, limit: int, start: str | None) -> list[Stored]:
        call = partial(Shard.scan, where=where, limit=limit, start=start)
        found = _joined(await self._each(app_id, "read", self._every(app_id, where.user_id, call)))
        return sorted(found, key=lambda record: record.id)[:limit]

    async def _count(self, app_id: str, where: Filter) -> int:
        call = partial(Shard.count, where=where)
        return sum(await self._each(app_id, "read", self._every(app_id, where.user_id, call)))

    async def _each(self, app_id: str, doing: str, calls: Mapping[int, Callable[[Shard], T]]) -> list[T]:
        """The answers of some shards, by number, the loop running between them."""
        found: list[T] = []
        for number, call in calls.items():
            if found:
                await asyncio.sleep(0)
            with self._using(app_id, doing) as collection:
                found.append(call(collection.shard(number)))
        return found

    def _every(
        self, app_id: str, user_id: str | None, call: Callable[[Shard], T]
    ) -> dict[int, Callable[[Shard], T]]:
        return dict.fromkeys(self._numbers(app_id, user_id), call)

    def _numbers(self, app_id: str, user_id: str | None) -> Sequence[int]:
        with self._using(app_id, "opened") as collection:
            return collection.numbers(user_id)

    # Collections that are open. Nothing below awaits: whoever uses one is done with it before another
    # can close it.

    @contextmanager
    def _using(self, app_id: str, doing: str) -> Iterator[Collection]:
        self._require_own_process()
        collection = self._opened_apps.get(app_id)
        if collection is None:
            collection = self._load(app_id)
        else:
            self._opened_apps.move_to_end(app_id)
        with self._translated(app_id, doing):
            yield collection

    def _load(self, app_id: str) -> Collection:
        path = self._path(app_id)
        manifest = read_manifest(path)
        while len(self._opened_apps) >= self._max_open:
            self._close_app(*self._opened_apps.popitem(last=False))
        with self._translated(app_id, "opened"):
            collection = Collection(path, manifest, split_at=self._split_at)
        self._opened_apps[app_id] = collection
        return collection

    def _close_app(self, app_id: str, collection: Collection) -> None:
        with self._translated(app_id, "closed"):
            collection.close()

    def _path(self, app_id: str) -> Path:
        return self.folder / collection_name(app_id)

    def _require_own_process(self) -> None:
        if os.getpid() != self._pid:
            raise StoreLocked(
                f"the store in {self.folder} was opened by process {self._pid} before this one was forked "
                "from it; open a store in the process that uses it, in a folder of its own"
            )

    def _require_space(self) -> None:
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError as exc:
            raise StoreError(
                f"the store's folder {self.folder} is gone ({exc.strerror}); restore it, or restart"
            ) from exc
        if free < self._min_free_bytes:
            raise StoreError(
                f"the disk of {self.folder} has {free} bytes left and writing needs {self._min_free_bytes}; "
                "free some space, or move the folder and set OMNIMEMORY_HOME"
            )

    @contextmanager
    def _translated(self, app_id: str, doing: str) -> Iterator[None]:
        """The one place where the engine's errors become ours: it raises bare ``Exception`` for all."""
        try:
            yield
        except StoreError:
            raise
        except Exception as exc:  # qdrant-edge has no error type of its own
            path = self._path(app_id)
            raise StoreError(
                f"the collection of app {app_id!r} in {path} could not be {doing}: {exc}. If it stays so, "
                f"move {path} away and run `omnimemory rebuild`"
            ) from exc


def _joined(parts: Sequence[Sequence[T]]) -> list[T]:
    return [found for part in parts for found in part]
