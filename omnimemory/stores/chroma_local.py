"""Chroma in a folder of this machine, for one process at a time.

Two processes on one path would answer each other's queries from stale indexes without a word, so a
lock of our own keeps the second one out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from omnimemory.core.errors import (
    ConfigError,
    InvalidRequest,
    OmniMemoryError,
    StoreError,
    StoreLocked,
    StoreUnavailable,
)
from omnimemory.stores.chroma import ChromaStore
from omnimemory.stores.chroma_table import Driver, Table
from omnimemory.stores.folder_lock import FolderLock
from omnimemory.stores.records import PoolStats

if TYPE_CHECKING:
    from chromadb.api.client import Client

    from omnimemory.core.settings import Settings

_SQLITE = b"SQLite format 3\x00"


class ChromaLocalStore(ChromaStore):
    """Chroma's files below ``folder``; its calls run in up to ``threads`` threads.

    What an upsert has returned from survives the end of the process (``kill -9``). A call that takes
    longer than ``timeout`` seconds is ``StoreUnavailable`` to its caller; its thread ends by itself.
    """

    provider: ClassVar[str] = "chromadb-local"

    def __init__(self, folder: str | Path, *, threads: int = 4, timeout: float = 30.0) -> None:
        super().__init__()
        if threads < 1 or timeout <= 0:
            raise InvalidRequest(
                f"threads must be at least 1 and timeout above 0, got {threads} and {timeout}"
            )
        self.folder = Path(folder)
        self._threads = threads
        self._timeout = timeout
        self._lock = FolderLock(self.folder)
        self._folder_driver: _FolderDriver | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings.home / "chroma", threads=min(4, settings.max_connections))

    def pool_stats(self) -> PoolStats:
        active = 0 if self._folder_driver is None else self._folder_driver.active
        return PoolStats(active=active, limit=self._threads)

    @property
    def _driver(self) -> Driver:
        if self._folder_driver is None:
            raise StoreError("the store is not open; use `async with store:` or `await store.open()`")
        return self._folder_driver

    async def _open(self) -> None:
        self._lock.acquire()
        driver = _FolderDriver(self.folder, threads=self._threads, timeout=self._timeout)
        try:
            await driver.open()
        except BaseException:  # cancelled, too: the lock would keep everybody out of the folder
            await driver.close()
            self._lock.release()
            raise
        self._folder_driver = driver

    async def _close(self) -> None:
        await super()._close()
        driver, self._folder_driver = self._folder_driver, None
        try:
            if driver is not None:
                await driver.close()
        finally:
            self._lock.release()


class _FolderDriver:
    """Chroma's embedded client, each call in a thread."""

    def __init__(self, folder: Path, *, threads: int, timeout: float) -> None:
        self._folder = folder
        self._timeout = timeout
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="omnimemory-chroma")
        self._pid = os.getpid()
        self._client: Client | None = None
        self.active = 0

    async def open(self) -> None:
        self._client = await self._ask(partial(_client, self._folder))

    async def close(self) -> None:
        client, self._client = self._client, None
        await asyncio.to_thread(self._pool.shutdown)  # calls whose callers left are still at work
        if client is not None:
            await asyncio.to_thread(client.close)

    async def find(self, name: str) -> Table | None:
        from chromadb.errors import NotFoundError

        def found() -> Any:
            try:
                return self._opened.get_collection(name, embedding_function=None)
            except NotFoundError:
                return None

        collection = await self._ask(found)
        return None if collection is None else Table(collection, self._ask)

    async def make(
        self, name: str, metadata: Mapping[str, str | int], index: Mapping[str, str | int]
    ) -> Table | None:
        if await self.find(name) is not None:
            return None
        collection = await self._ask(
            self._opened.create_collection,
            name=name,
            metadata=dict(metadata),
            configuration={"hnsw": dict(index)},
            embedding_function=None,
        )
        return Table(collection, self._ask)

    async def tables(self) -> list[Table]:
        return [Table(found, self._ask) for found in await self._ask(self._opened.list_collections)]

    async def remove(self, name: str) -> None:
        if await self.find(name) is not None:
            await self._ask(self._opened.delete_collection, name)

    async def ping(self) -> None:
        if not self._folder.is_dir():
            raise StoreError(f"the store's folder {self._folder} is gone; restore it, or restart")
        await self._ask(self._opened.count_collections)

    @property
    def _opened(self) -> Client:
        if self._client is None:
            raise StoreError("the store is not open; use `async with store:` or `await store.open()`")
        return self._client

    async def _ask(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """The one place where Chroma's errors become ours."""
        if os.getpid() != self._pid:
            raise StoreLocked(
                f"the store in {self._folder} was opened by process {self._pid} before this one was forked "
                "from it; open a store in the process that uses it, in a folder of its own"
            )
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                return await loop.run_in_executor(
                    self._pool, partial(self._counted, call, *arguments, **named)
                )
        except TimeoutError as exc:
            raise StoreUnavailable(
                f"Chroma in {self._folder} did not answer within {self._timeout:g} seconds; try again"
            ) from exc
        except Exception as exc:  # its engine raises bare exceptions besides its own
            raise _translated(exc, self._folder) from exc

    def _counted(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.active += 1
        try:
            return call(*arguments, **named)
        finally:
            self.active -= 1


def _client(folder: Path) -> Client:
    try:
        import chromadb
        from chromadb.config import Settings
    except ImportError as exc:
        raise ConfigError(
            'the chromadb-local store needs chromadb; install it with `pip install "omnimemory[chroma]"`'
        ) from exc
    _require_database(folder / "chroma.sqlite3")
    settings = Settings(_env_file=None, anonymized_telemetry=False, allow_reset=False)
    client = chromadb.PersistentClient(str(folder), settings=settings)
    return cast("Client", client)  # its declared type lacks close()


def _require_database(path: Path) -> None:
    """Chroma cannot open a folder again in this process once it has failed to; so look first."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE))
    except FileNotFoundError:
        return
    except OSError as exc:
        raise StoreError(f"{path} cannot be read ({exc.strerror}); give this process the right to") from exc
    if head not in (b"", _SQLITE):
        raise StoreError(f"{path} is damaged; move {path.parent} away and run `omnimemory rebuild`")


def _translated(error: Exception, folder: Path) -> OmniMemoryError:
    from chromadb.errors import ChromaError, InternalError

    from omnimemory.stores.chroma_errors import translated

    if isinstance(error, OmniMemoryError):
        return error
    if isinstance(error, InternalError) or not isinstance(error, ChromaError):
        return StoreError(
            f"Chroma in {folder} failed: {error}. If it stays so, move {folder} away and run "
            "`omnimemory rebuild`"
        )
    return translated(error, str(folder))
