"""The ledger on SQLite: a writing lane, a reading lane, and what its errors mean."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, cast

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from omnimemory.core.errors import ConfigError, Conflict, LedgerError, OmniMemoryError
from omnimemory.ledger.lane import Lane
from omnimemory.ledger.locks import Place
from omnimemory.ledger.operation import T, Work

_BUSY_SECONDS = 5
_ADVICE = {
    sqlite3.SQLITE_NOTADB: "is not a ledger; name another file, or move this one away",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore a backup, or recover it with `sqlite3 FILE .recover`",
    sqlite3.SQLITE_READONLY: "is read-only; allow this user to write the file and its folder",
    sqlite3.SQLITE_PERM: "may not be opened by this user; allow it to write the file and its folder",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; free some space, nothing acknowledged is lost",
    sqlite3.SQLITE_BUSY: "is locked by another process; stop it, or share a Postgres ledger instead",
    sqlite3.SQLITE_LOCKED: "is locked by another process; stop it, or share a Postgres ledger instead",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; create its folder, and allow this user to write there",
    sqlite3.SQLITE_IOERR: "could not be read or written by the operating system; check the disk",
}


class SQLite:
    """Runs work on a SQLite file: writes in groups on one thread, reads on another.

    Reads see a snapshot that holds everything acknowledged before they were asked for.
    """

    def __init__(self, url: URL, *, synchronous: str) -> None:
        if synchronous not in ("FULL", "NORMAL"):
            raise ConfigError(f"synchronous must be FULL or NORMAL, got {synchronous!r}")
        if not url.database or url.database == ":memory:":
            raise ConfigError("the ledger needs a file: sqlite:////absolute/path/ledger.db")
        self._file = url.database
        self._synchronous = synchronous
        # no implicit transactions of the driver: it would commit before a SAVEPOINT
        self._engine = create_engine(
            url,
            poolclass=NullPool,
            connect_args={"check_same_thread": False, "isolation_level": None, "timeout": _BUSY_SECONDS},
        )
        event.listen(self._engine, "connect", self._prepare)
        self._writer = Lane(
            self._engine.connect,
            name="omnimemory-ledger-writer",
            begin="BEGIN IMMEDIATE",
            isolated=True,
            translate=self._translate,
            count_changes=_changes,
        )
        self._reader = Lane(
            self._connect_reader,
            name="omnimemory-ledger-reader",
            begin="BEGIN",
            isolated=False,
            translate=self._translate,
            count_changes=_changes,
        )

    async def open(self, migrate: Work[bool]) -> None:
        await self._writer.start()
        try:
            while await self._writer.run(migrate):
                pass
            await self._reader.start()
        except BaseException:  # a cancelled caller, too, would leave the lanes' threads
            await self.close()
            raise

    async def close(self) -> None:
        await self._reader.stop()
        await self._writer.stop()
        self._engine.dispose()

    @property
    def written(self) -> int:
        """Grows with every row that this process changes, before its caller is answered."""
        return self._writer.changes

    async def write(self, work: Work[T], *, turn: Place | None = None) -> T:  # noqa: ARG002 - all take turns
        return await self._writer.run(work)

    async def read(self, work: Work[T]) -> T:
        return await self._reader.run(work)

    def exclusive(self, place: Place) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - the protocol's
        """Nothing: the processes that share a folder are one."""
        return nullcontext()

    async def changes(self, *, every: float) -> AsyncGenerator[None, None]:  # noqa: ARG002 - the protocol's
        """Ends at once."""
        return
        yield

    def _prepare(self, connection: Any, _record: object) -> None:
        for pragma in (
            f"busy_timeout = {_BUSY_SECONDS * 1000}",
            "journal_mode = WAL",
            f"synchronous = {self._synchronous}",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    def _connect_reader(self) -> Connection:
        conn = self._engine.connect()
        conn.exec_driver_sql("PRAGMA query_only = ON")
        conn.rollback()
        return conn

    def _translate(self, exc: SQLAlchemyError) -> OmniMemoryError:
        if isinstance(exc, IntegrityError):
            return Conflict("this contradicts what the ledger holds already; read it again and retry")
        code = getattr(exc.orig, "sqlite_errorcode", 0) if isinstance(exc, DBAPIError) else 0
        advice = _ADVICE.get(code & 0xFF, "refused a statement; the cause is attached")
        return LedgerError(f"the ledger {self._file} {advice}")


def _changes(conn: Connection) -> int:
    """Rows changed on this connection, those rolled back included."""
    driver: sqlite3.Connection = cast("sqlite3.Connection", conn.connection.driver_connection)
    return driver.total_changes
