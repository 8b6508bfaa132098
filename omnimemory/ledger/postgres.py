"""The ledger on Postgres, shared by any number of processes: a bounded pool, and what its errors mean."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from omnimemory.core.errors import Conflict, InvalidRequest, LedgerError, LedgerUnavailable, OmniMemoryError
from omnimemory.ledger import locks
from omnimemory.ledger.operation import T, Work

_log = logging.getLogger(__name__)

_CONNECT_SECONDS = 5
_STATEMENT_SECONDS = 30
_LOCK_SECONDS = 15
_IDLE_SECONDS = 60
_ANSWER_SECONDS = 60.0  # the wait for a free connection included; bounds a server that is frozen, too
_EXCLUSIVE_SECONDS = 120
_EXCLUSIVE_CONNECTIONS = 2
_LOOK_SECONDS = 0.02
_TRIES = 4
_PAUSE_SECONDS = 0.1

_UNDONE = ("40001", "40P01")  # serialization failure, deadlock
_PASSING = {
    "40001": "was kept from this by other writers",
    "40P01": "was kept from this by other writers",
    "53300": "takes no more connections; raise its max_connections, or lower "
    "OMNIMEMORY_LEDGER_MAX_CONNECTIONS",
    "55P03": f"was kept waiting by another writer for {_LOCK_SECONDS} s",
    "57014": f"did not answer within {_STATEMENT_SECONDS} s",
}
_LASTING = {
    "25006": "is read-only; name the primary server, not a standby",
    "3F000": "has no schema that this user may use; grant it CREATE and USAGE on one in its search_path",
    "42501": "refuses this user; grant it CREATE and USAGE on its schema, and let it own the ledger_* tables",
    "42P01": "lacks tables of the ledger; restore a backup, or drop the ledger_* tables that are left",
    "53100": "cannot grow: the disk is full; free some space, nothing acknowledged is lost",
}
_OPTIONS = (
    f"-c statement_timeout={_STATEMENT_SECONDS}s -c lock_timeout={_LOCK_SECONDS}s"
    f" -c idle_in_transaction_session_timeout={_IDLE_SECONDS}s"
)
_NO_HURRY = text("SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)")
_HOLD_LONGER = text(f"SET LOCAL idle_in_transaction_session_timeout = '{_EXCLUSIVE_SECONDS}s'")
_STILL_HERE = text("SELECT 1")
_SNAPSHOT = text("SELECT CAST(pg_current_snapshot() AS text)")


class Postgres:
    """Runs each piece of work in a transaction of its own, on one of ``connections`` connections.

    Half of them write. A user's writes wait for the same one, so that they keep their order and a
    busy user cannot occupy them all.

    What the server undid because of other writers or a lost connection is tried again, a bounded
    number of times; a server that comes back is used again without reopening. An error that is
    ``transient`` may pass. When the connection is lost during a commit, nobody knows its outcome:
    that is an error, and only message ids or an Idempotency-Key make it safe to repeat the call.
    """

    def __init__(self, url: URL, *, connections: int) -> None:
        address = url.set(drivername="postgresql+psycopg")
        host = address.query.get("host") or address.host or "localhost"
        self._name = f"{address.database or address.username} at {host}"
        given = {
            "application_name": "omnimemory",
            "connect_timeout": _CONNECT_SECONDS,
            "keepalives_idle": _CONNECT_SECONDS,
            "keepalives_interval": _CONNECT_SECONDS,
            "keepalives_count": 3,
            "tcp_user_timeout": _STATEMENT_SECONDS * 1000,
        }
        asked = address.query.get("options", "")
        options = " ".join([_OPTIONS, asked if isinstance(asked, str) else " ".join(asked)])
        self._engine = create_engine(
            address,
            pool_size=connections,
            max_overflow=_EXCLUSIVE_CONNECTIONS,
            pool_timeout=_CONNECT_SECONDS,
            connect_args={k: v for k, v in given.items() if k not in address.query}
            | {"options": options.strip()},
        )
        self._writing = self._engine.execution_options(isolation_level="READ COMMITTED")
        self._reading = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        writers = max(1, connections // 2)
        self._writers = [ThreadPoolExecutor(1, "omnimemory-ledger-writer") for _ in range(writers)]
        self._readers = ThreadPoolExecutor(max(1, connections - writers), "omnimemory-ledger-reader")
        self._next_writer = itertools.cycle(self._writers)
        self._pid = os.getpid()
        self._never_equal = itertools.count()

    async def open(self, migrate: Work[bool]) -> None:
        def patiently(conn: Connection) -> bool:
            conn.execute(_NO_HURRY)
            return migrate(conn)

        try:
            while await self._run(self._writers[0], self._writing, patiently, within=None):
                pass
        except BaseException:  # a cancelled caller, too, would leave the threads and connections
            await self.close()
            raise

    async def close(self) -> None:
        for threads in (*self._writers, self._readers):
            await asyncio.to_thread(threads.shutdown)
        if self._pid == os.getpid():
            self._engine.dispose()

    @property
    def written(self) -> int:
        """Another number each time: others may have written since."""
        return next(self._never_equal)

    async def write(self, work: Work[T], *, turn: locks.Place | None = None) -> T:
        threads = next(self._next_writer) if turn is None else self._writers[hash(turn) % len(self._writers)]
        return await self._run(threads, self._writing, work)

    async def read(self, work: Work[T]) -> T:
        return await self._run(self._readers, self._reading, work)

    async def changes(self, *, every: float) -> AsyncGenerator[None, None]:
        """Looks for commits of anybody every so many seconds, through outages too."""
        before = None
        while True:
            try:
                now = await self.read(lambda conn: str(conn.execute(_SNAPSHOT).scalar_one()))
            except LedgerUnavailable:
                _log.debug("the ledger %s is looked at again", self._name)
            else:
                if before not in (None, now):
                    yield
                before = now
            await asyncio.sleep(every)

    @contextlib.asynccontextmanager
    async def exclusive(self, place: locks.Place) -> AsyncIterator[None]:
        """Hold a place among all processes; one that dies lets go of it at once.

        Raises:
            LedgerUnavailable: on leaving, the place had been lost meanwhile: others may have been there.
        """
        while True:
            held = await self._seized(place)
            if held is not None:
                break
            await asyncio.sleep(random.uniform(_LOOK_SECONDS, 2 * _LOOK_SECONDS))
        keeping = asyncio.create_task(self._keep(held))
        kept = False
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])
            released = self._submit(self._readers, lambda: self._let_go(held))
            kept = await asyncio.shield(asyncio.wrap_future(released))
        if not kept:
            raise LedgerUnavailable(f"the ledger {self._name} was lost while a place in it was held")

    async def _keep(self, held: Connection) -> None:
        """Let the server hear of us, however long the work takes."""
        while True:
            await asyncio.sleep(_EXCLUSIVE_SECONDS / 4)
            word = asyncio.wrap_future(self._submit(self._readers, lambda: self._still_holds(held)))
            try:
                if not await asyncio.shield(word):
                    return
            finally:
                await asyncio.wait([word])  # one thread at a time on a connection

    def _still_holds(self, held: Connection) -> bool:
        try:
            held.execute(_STILL_HERE)
        except SQLAlchemyError:  # told on leaving
            return False
        return True

    async def _seized(self, place: locks.Place) -> Connection | None:
        seizing = self._submit(self._readers, lambda: self._insist(lambda: self._seize(place)))
        try:
            return await self._answer(seizing)
        except BaseException:
            seizing.add_done_callback(self._let_go_of)  # it may get there without us
            raise

    def _seize(self, place: locks.Place) -> Connection | None:
        conn = self._writing.connect()
        try:
            if locks.try_take(conn, place):
                conn.execute(_HOLD_LONGER)
                return conn
        except BaseException:  # whatever it was, nobody else has this connection to close it
            conn.close()
            raise
        conn.close()
        return None

    def _let_go(self, held: Connection) -> bool:
        """Whether it was held until now."""
        try:
            with held:
                held.execute(_STILL_HERE)
                held.rollback()
        except SQLAlchemyError:  # the connection is lost, and the lock with it
            _log.warning("a lock in the ledger %s was lost before its time", self._name)
            return False
        return True

    def _let_go_of(self, seizing: Future[Connection | None]) -> None:
        if not seizing.cancelled() and seizing.exception() is None:
            held = seizing.result()
            if held is not None:
                self._let_go(held)

    async def _run(
        self,
        threads: ThreadPoolExecutor,
        engine: Engine,
        work: Work[T],
        *,
        within: float | None = _ANSWER_SECONDS,
    ) -> T:
        job = self._submit(threads, lambda: self._insist(lambda: self._transact(engine, work)))
        return await self._answer(job, within=within)

    def _submit(self, threads: ThreadPoolExecutor, job: Callable[[], T]) -> Future[T]:
        if self._pid != os.getpid():
            raise LedgerError("this ledger was opened before a fork; open another one in the child process")
        try:
            return threads.submit(job)
        except RuntimeError as exc:
            raise LedgerError("the ledger is closed") from exc

    async def _answer(self, job: Future[T], *, within: float | None = _ANSWER_SECONDS) -> T:
        try:
            async with asyncio.timeout(within):
                return await asyncio.wrap_future(job)
        except TimeoutError as exc:
            raise LedgerUnavailable(f"the ledger {self._name} did not answer within {within:g} s") from exc

    def _insist(self, attempt: Callable[[], T]) -> T:
        """The attempt's result; what left nothing behind is tried again, a few times."""
        for tries in range(1, _TRIES + 1):
            try:
                return attempt()
            except SQLAlchemyError as exc:
                if tries == _TRIES or not _left_nothing(exc):
                    raise self._translated(exc) from exc
                _log.debug("the ledger is tried again: %s", type(exc.__cause__ or exc).__name__)
            time.sleep(random.uniform(0.5, 1.0) * _PAUSE_SECONDS * 2**tries)
        raise AssertionError("unreachable")

    def _transact(self, engine: Engine, work: Work[T]) -> T:
        with engine.connect() as conn:
            result = work(conn)
            try:
                conn.commit()
            except DBAPIError as exc:
                if _is_lost(exc):
                    raise _OutcomeUnknown from exc
                raise
            return result

    def _translated(self, exc: SQLAlchemyError) -> OmniMemoryError:
        where = f"the ledger {self._name}"
        if isinstance(exc, IntegrityError):
            return Conflict("this contradicts what the ledger holds already; read it again and retry")
        if isinstance(exc, _OutcomeUnknown):
            return LedgerUnavailable(
                f"{where} was lost during a commit; whether it holds the change is not known"
            )
        if isinstance(exc, PoolTimeout):
            return LedgerUnavailable(f"{where} has no connection free")
        if isinstance(exc, DataError) and _state(exc) is None:
            return InvalidRequest(f"the ledger cannot store this text: {exc.orig}")
        state = _state(exc)
        if state in _LASTING:
            return LedgerError(f"{where} {_LASTING[state]}")
        if state in _PASSING:
            return LedgerUnavailable(f"{where} {_PASSING[state]}")
        if _is_lost(exc):
            return LedgerUnavailable(
                f"{where} cannot be reached: {_said(exc)}; check its host, port, user and password"
            )
        if state is None and isinstance(exc, DBAPIError):
            return LedgerError(f"{where} cannot be used as its URL says: {_said(exc)}")
        return LedgerError(f"{where} refused a statement; the cause is attached")


class _OutcomeUnknown(SQLAlchemyError):
    """The connection was lost while a commit was under way."""


def _said(exc: SQLAlchemyError) -> str:
    return " ".join(str(exc.orig if isinstance(exc, DBAPIError) else exc).split())


def _state(exc: SQLAlchemyError) -> str | None:
    orig = exc.orig if isinstance(exc, DBAPIError) else None
    return orig.sqlstate if isinstance(orig, psycopg.Error) else None


def _is_lost(exc: SQLAlchemyError) -> bool:
    """Whether there is no connection, or none any more."""
    if not isinstance(exc, DBAPIError):
        return False
    return exc.connection_invalidated or (isinstance(exc.orig, psycopg.OperationalError) and not _state(exc))


def _left_nothing(exc: SQLAlchemyError) -> bool:
    return _state(exc) in _UNDONE or _is_lost(exc)
