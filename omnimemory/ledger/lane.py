"""A thread with a database connection of its own that runs work in groups.

All work that waits at the same moment shares one transaction (group commit): one flush to
disk acknowledges many callers. Nobody is answered before the commit has returned.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Generic

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from omnimemory.core.errors import LedgerError, OmniMemoryError
from omnimemory.ledger.operation import T, Work

_log = logging.getLogger(__name__)
_GROUP_LIMIT = 256


class _Job(Generic[T]):
    __slots__ = ("_error", "_result", "future", "loop", "work")
    _result: T

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self._error: BaseException | None = None

    @property
    def failed(self) -> bool:
        return self._error is not None

    def run(self, conn: Connection) -> None:
        self._result = self.work(conn)

    def fail(self, error: BaseException) -> None:
        self._error = self._error or error

    def settle(self) -> None:
        if self.future.done():  # the caller was cancelled meanwhile
            return
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._result)


class Lane:
    """Runs work in the order of submission, from any event loop, on one daemon thread.

    ``begin`` opens a group's transaction. With ``isolated``, each piece of work in a group has
    a savepoint: one that raises is undone alone and raises for its own caller.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        name: str,
        begin: str,
        isolated: bool,
        translate: Callable[[SQLAlchemyError], OmniMemoryError],
        count_changes: Callable[[Connection], int],
    ) -> None:
        self._count_changes = count_changes
        self._connect = connect
        self._begin = begin
        self._isolated = isolated
        self._translate = translate
        self._queue: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        # a daemon: an interpreter that exits without close() must not wait for it
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._closed = False
        self.changes = 0
        """Rows changed so far. Grows after a group's end and before any of its callers is answered."""

    async def start(self) -> None:
        """Connect.

        Raises:
            LedgerError: the database cannot be opened.
        """
        first: _Job[None] = _Job(lambda _conn: None)
        self._queue.put(first)
        self._thread.start()
        await first.future

    async def run(self, work: Work[T]) -> T:
        """Run ``work`` and return its result once it is committed; what it raises is raised here."""
        if self._pid != os.getpid():
            raise LedgerError("this ledger was opened before a fork; open another one in the child process")
        job = _Job(work)
        with self._lock:  # nothing may be queued behind the mark that ends the thread
            if self._closed:
                raise LedgerError("the ledger is closed")
            self._queue.put(job)
        return await job.future

    async def stop(self) -> None:
        """Finish what was submitted, then disconnect. May be called twice."""
        with self._lock:
            already, self._closed = self._closed, True
        if not already:
            self._queue.put(None)
        if self._pid == os.getpid() and self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        try:
            conn = self._connect()
        except SQLAlchemyError as exc:
            self._refuse(exc)
            return
        try:
            open_ = True
            while open_:
                group, open_ = self._next_group()
                if group:
                    self._run_group(conn, group)
                    _answer(group)
        finally:
            conn.close()

    def _refuse(self, exc: SQLAlchemyError) -> None:
        with self._lock:
            self._closed = True
        while not self._queue.empty():
            job = self._queue.get()
            if job is not None:
                job.fail(self._translated(exc))
                _answer([job])

    def _next_group(self) -> tuple[list[_Job[Any]], bool]:
        group: list[_Job[Any]] = []
        item = self._queue.get()
        while item is not None:
            group.append(item)
            if len(group) == _GROUP_LIMIT:
                return group, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _run_group(self, conn: Connection, group: list[_Job[Any]]) -> None:
        savepoints = self._isolated and len(group) > 1
        try:
            conn.exec_driver_sql(self._begin)
            for job in group:
                self._run_one(conn, job, savepoints)
            if all(job.failed for job in group):
                conn.rollback()
            else:
                # by hand: after a commit() that failed, SQLAlchemy would not roll back any more
                conn.exec_driver_sql("COMMIT")
                conn.commit()
        except SQLAlchemyError as exc:
            for job in group:
                job.fail(self._translated(exc))
            self._roll_back(conn)
        finally:
            self.changes = self._count_changes(conn)

    def _run_one(self, conn: Connection, job: _Job[Any], savepoint: bool) -> None:
        if savepoint:
            conn.exec_driver_sql("SAVEPOINT job")
        try:
            job.run(conn)
        except Exception as exc:  # noqa: BLE001 - handed to the caller who waits for this job
            job.fail(self._translated(exc) if isinstance(exc, SQLAlchemyError) else exc)
            if savepoint:
                # fails, and the group with it, where the database has dropped the whole transaction
                conn.exec_driver_sql("ROLLBACK TO job")
        if savepoint:
            conn.exec_driver_sql("RELEASE job")

    def _roll_back(self, conn: Connection) -> None:
        try:
            conn.rollback()
        except SQLAlchemyError:
            _log.warning("could not roll back after a failed group of writes", exc_info=True)

    def _translated(self, exc: SQLAlchemyError) -> OmniMemoryError:
        error = self._translate(exc)
        error.__cause__ = exc
        return error


def _answer(group: list[_Job[Any]]) -> None:
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[_Job[Any]]] = defaultdict(list)
    for job in group:
        by_loop[job.loop].append(job)
    for loop, jobs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, jobs)
        except RuntimeError:
            _log.debug("%d callers' event loop was closed before they could be answered", len(jobs))


def _settle(jobs: list[_Job[Any]]) -> None:
    for job in jobs:
        job.settle()
