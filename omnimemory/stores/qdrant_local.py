"""The embedded default: Qdrant's own engine as a library (qdrant-edge), one shard per app.

Every call of the engine holds the interpreter's lock, so calls are made on the loop itself and
kept short: upserts go in batches with a turn of the loop between them, and nothing here calls
``optimize()``. The exceptions: opening an app's shard (20 to 100 ms up to 10k records, once until it
is evicted) and the flush that bounds the write-ahead log (about 55 ms every 4,096 records).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self
from uuid import UUID

import qdrant_edge as qe

from omnimemory.core.errors import InvalidRequest, StoreError, StoreLocked
from omnimemory.core.ids import collection_name
from omnimemory.models.base import Vectors
from omnimemory.stores.base import VectorStore
from omnimemory.stores.folder_lock import FolderLock
from omnimemory.stores.qdrant_local_points import (
    HEAD_FIELDS,
    MEANING,
    STORED_FIELDS,
    WORDS,
    Head,
    field_indexes,
    head_of,
    id_of,
    of_memories,
    of_records,
    of_user,
    query_words,
    shard_config,
    to_filter,
    to_head,
    to_point,
    to_stored,
)
from omnimemory.stores.records import Filter, Fingerprint, Hit, PoolStats, Record, Stored

if TYPE_CHECKING:
    from omnimemory.core.settings import Settings

_MANIFEST = "collection.json"
_UNFINISHED = ".new"
_DROPPED = ".dropped"
_UPSERT_BATCH = 64
_FLUSH_EVERY = 4096
_TIES = 2048
_HEADS_KEPT = 1 << 17  # 40 MB


@dataclass(slots=True)
class _Shard:
    """An open shard. ``heads`` spares a search the reading of payloads (2 ms of 60 among 100k records)."""

    edge: qe.EdgeShard
    heads: dict[int, Head] = field(default_factory=dict)
    unflushed: int = 0


class QdrantLocalStore(VectorStore):
    """Shards under ``folder``, one folder per app, one process at a time.

    ``max_open`` shards stay open (each maps about 75 MB of files, 2 MB of it private memory);
    the least recently used is closed past that. Writes are refused while the disk has less
    than ``min_free_bytes`` left, as the engine cannot survive a full one.

    What an upsert has returned from survives the end of the process (``kill -9``).
    """

    provider: ClassVar[str] = "qdrant-local"

    def __init__(
        self, folder: str | Path, *, max_open: int = 16, min_free_bytes: int = 64 * 1024 * 1024
    ) -> None:
        super().__init__()
        if max_open < 1:
            raise InvalidRequest(f"max_open must be at least 1, got {max_open}")
        self.folder = Path(folder)
        self._max_open = max_open
        self._min_free_bytes = min_free_bytes
        self._lock = FolderLock(self.folder)
        self._shards: OrderedDict[str, _Shard] = OrderedDict()
        self._pid = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.home / "qdrant", max_open=settings.max_open_collections)

    def pool_stats(self) -> PoolStats:
        return PoolStats(active=len(self._shards), limit=self._max_open)

    # Lifetime

    async def _open(self) -> None:
        self._lock.acquire()
        self._pid = os.getpid()
        for suffix in (_UNFINISHED, _DROPPED):  # what a process that died midway has left
            for leftover in self.folder.glob(f"*{suffix}"):
                await asyncio.to_thread(shutil.rmtree, leftover, ignore_errors=True)

    async def _close(self) -> None:
        failed: StoreError | None = None
        try:
            while self._shards:
                app_id, shard = self._shards.popitem()
                try:
                    self._close_shard(app_id, shard)
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
        for app_id, shard in list(self._shards.items()):
            with self._translated(app_id, "read"):
                shard.edge.info()

    # Collections

    async def _fingerprint(self, app_id: str) -> Fingerprint | None:
        self._require_own_process()
        path = self._path(app_id)
        return _read_manifest(path)[1] if path.exists() else None

    async def _create(self, app_id: str, fingerprint: Fingerprint) -> None:
        self._require_space()
        path = self._path(app_id)
        unfinished = path.with_name(path.name + _UNFINISHED)
        manifest = {"app_id": app_id, **_fields(fingerprint)}
        with self._translated(app_id, "created"):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            edge = qe.EdgeShard.create(str(unfinished), shard_config(fingerprint))
        try:
            for operation in field_indexes():
                with self._translated(app_id, "created"):
                    edge.update(operation)
                await asyncio.sleep(0)
        finally:
            with self._translated(app_id, "created"):
                edge.close()
        with self._translated(app_id, "created"):
            (unfinished / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
            unfinished.rename(path)  # from here on the collection exists, and is complete

    async def _collections(self) -> dict[str, Fingerprint]:
        paths = sorted(path.parent for path in self.folder.glob(f"*/{_MANIFEST}"))
        return dict(_read_manifest(path) for path in paths if path.suffix not in (_UNFINISHED, _DROPPED))

    async def _drop(self, app_id: str) -> None:
        shard = self._shards.pop(app_id, None)
        if shard is not None:
            self._close_shard(app_id, shard)
        path = self._path(app_id)
        dropped = path.with_name(path.name + _DROPPED)
        with self._translated(app_id, "dropped"):
            shutil.rmtree(dropped, ignore_errors=True)
            path.rename(dropped)
        await asyncio.to_thread(shutil.rmtree, dropped, ignore_errors=True)

    # Writes

    async def _upsert(self, app_id: str, records: Sequence[Record]) -> None:
        for start in range(0, len(records), _UPSERT_BATCH):
            if start:
                await asyncio.sleep(0)
            batch = records[start : start + _UPSERT_BATCH]
            self._require_space()
            with self._using(app_id, "written to") as shard:
                shard.edge.update(qe.UpdateOperation.upsert_points([to_point(record) for record in batch]))
                _keep_heads(shard, {UUID(record.id).int: head_of(record) for record in batch})
                shard.unflushed += len(batch)
                if shard.unflushed >= _FLUSH_EVERY:
                    shard.edge.flush()
                    shard.unflushed = 0

    async def _delete(self, app_id: str, memory_ids: Sequence[str], *, user_id: str | None) -> None:
        doomed = of_memories(memory_ids, user_id=user_id)
        with self._using(app_id, "written to") as shard:
            shard.edge.update(qe.UpdateOperation.delete_points_by_filter(doomed))

    # Reads

    async def _get(self, app_id: str, memory_ids: Sequence[str]) -> list[Stored]:
        with self._using(app_id, "read") as shard:
            found = shard.edge.retrieve(list(memory_ids), STORED_FIELDS, False)
            return [to_stored(point) for point in found]

    async def _dense(self, app_id: str, vector: Vectors, where: Filter, *, limit: int) -> list[Hit]:
        nearest = qe.Query.Nearest(vector.tolist(), using=MEANING)
        with self._using(app_id, "searched") as shard:
            return _search(shard, nearest, where, limit=limit, params=None)

    async def _lexical(self, app_id: str, tokens: Sequence[str], where: Filter, *, limit: int) -> list[Hit]:
        nearest = qe.Query.Nearest(query_words(tokens), using=WORDS)
        with self._using(app_id, "searched") as shard:
            params = qe.SearchParams(idf=qe.IdfParams(corpus=_corpus(shard.edge, where.user_id)))
            return _search(shard, nearest, where, limit=limit, params=params)

    async def _similarities(
        self, app_id: str, vector: Vectors, record_ids: Sequence[str]
    ) -> dict[str, float]:
        request = qe.QueryRequest(
            len(record_ids),
            query=qe.Query.Nearest(vector.tolist(), using=MEANING),
            filter=of_records(record_ids),
            params=qe.SearchParams(exact=True),
        )
        with self._using(app_id, "searched") as shard:
            return {str(point.id): point.score for point in shard.edge.query(request)}

    async def _scan(self, app_id: str, where: Filter, *, limit: int, start: str | None) -> list[Stored]:
        request = qe.ScrollRequest(
            offset=start, limit=limit, filter=to_filter(where), with_payload=STORED_FIELDS, with_vector=False
        )
        with self._using(app_id, "read") as shard:
            points, _ = shard.edge.scroll(request)
            return [to_stored(point) for point in points]

    async def _count(self, app_id: str, where: Filter) -> int:
        with self._using(app_id, "read") as shard:
            return shard.edge.count(qe.CountRequest(exact=True, filter=to_filter(where)))

    # Shards. Nothing below awaits: whoever uses a shard is done with it before another can close it.

    @contextmanager
    def _using(self, app_id: str, doing: str) -> Iterator[_Shard]:
        self._require_own_process()
        shard = self._shards.get(app_id)
        if shard is None:
            shard = self._load(app_id)
        else:
            self._shards.move_to_end(app_id)
        with self._translated(app_id, doing):
            yield shard

    def _load(self, app_id: str) -> _Shard:
        path = self._path(app_id)
        _, fingerprint = _read_manifest(path)
        while len(self._shards) >= self._max_open:
            self._close_shard(*self._shards.popitem(last=False))
        with self._translated(app_id, "opened"):
            shard = _Shard(qe.EdgeShard.load(str(path), shard_config(fingerprint)))
        self._shards[app_id] = shard
        return shard

    def _close_shard(self, app_id: str, shard: _Shard) -> None:
        with self._translated(app_id, "closed"):
            try:
                shard.edge.flush()
            finally:
                shard.edge.close()

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


def _search(
    shard: _Shard, nearest: qe.Query, where: Filter, *, limit: int, params: qe.SearchParams | None
) -> list[Hit]:
    """One leg. The engine cuts equal scores at will: a tie across the cut is fetched whole, up to a bound."""

    def found(amount: int) -> list[qe.ScoredPoint]:
        request = qe.QueryRequest(amount, query=nearest, filter=to_filter(where), params=params)
        return shard.edge.query(request)

    points = [(id_of(point), point.score) for point in found(limit + 1)]
    if len(points) > limit and points[limit - 1][1] == points[limit][1]:
        points = [(id_of(point), point.score) for point in found(limit + _TIES)]
        points.sort(key=lambda point: (-point[1], point[0]))
    heads = _heads(shard, [point_id for point_id, _ in points[:limit]])
    return [heads[point_id].scored(score) for point_id, score in points[:limit]]


def _heads(shard: _Shard, ids: Sequence[int]) -> dict[int, Head]:
    kept = shard.heads
    missing: list[int | UUID | str] = [UUID(int=point_id) for point_id in ids if point_id not in kept]
    if not missing:
        return kept
    read = {id_of(point): to_head(point) for point in shard.edge.retrieve(missing, HEAD_FIELDS, False)}
    found = {point_id: kept[point_id] for point_id in ids if point_id in kept} | read
    _keep_heads(shard, read)
    return found


def _keep_heads(shard: _Shard, heads: Mapping[int, Head]) -> None:
    if len(shard.heads) + len(heads) > _HEADS_KEPT:
        shard.heads.clear()
    shard.heads.update(heads)


def _corpus(edge: qe.EdgeShard, user_id: str | None) -> qe.Filter | None:
    """The records whose words count for IDF. None means all: for a lone user the same, 7 times faster."""
    if user_id is None:
        return None
    own = of_user(user_id)
    lone = edge.count(qe.CountRequest(exact=False, filter=own)) == edge.info().points_count
    return None if lone else own


def _fields(fingerprint: Fingerprint) -> dict[str, str | int]:
    return {
        "embedder": fingerprint.embedder,
        "dimensions": fingerprint.dimensions,
        "analyser": fingerprint.analyser,
    }


def _read_manifest(path: Path) -> tuple[str, Fingerprint]:
    """The app of a collection's folder and what it was built with."""
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        return str(manifest["app_id"]), Fingerprint(
            embedder=manifest["embedder"], dimensions=manifest["dimensions"], analyser=manifest["analyser"]
        )
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise StoreError(
            f"{path / _MANIFEST} is missing or damaged ({exc}); move {path} away and run `omnimemory rebuild`"
        ) from exc
