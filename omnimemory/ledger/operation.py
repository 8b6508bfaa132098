"""How the ledger's methods are written: a plain function over a connection, run in a transaction."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import BigInteger, Connection, cast, func, select

from omnimemory.core.schemas import Scope
from omnimemory.ledger import locks
from omnimemory.ledger.rows import micros
from omnimemory.metrics import SILENT, Observer

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[[Connection], T]

_DATABASE_NOW = select(cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger))


class Database(Protocol):
    """Runs a function over a connection in a transaction; returns after the commit."""

    @property
    def written(self) -> int:
        """Equal to an earlier value only where nothing can have been written since."""
        ...

    async def open(self, migrate: Work[bool]) -> None:
        """Connect, and write with ``migrate`` until it returns False."""
        ...

    async def close(self) -> None: ...

    async def write(self, work: Work[T], *, turn: locks.Place | None = None) -> T:
        """Work of this process with an equal ``turn`` is done in the order it was asked for."""
        ...

    async def read(self, work: Work[T]) -> T: ...

    def exclusive(self, place: locks.Place) -> AbstractAsyncContextManager[None]:
        """Keep other processes out of a place."""
        ...

    def changes(self, *, every: float) -> AsyncGenerator[None, None]:
        """Yields when another process may have written; ends where no other may write."""
        ...


class Operations:
    """What each part of the ledger has at hand."""

    owner: str
    observer: Observer = SILENT
    _clock: Callable[[], datetime] | None
    _database: Database

    def _now(self) -> int:
        return micros(datetime.now(UTC) if self._clock is None else self._clock())

    def _shared_now(self, conn: Connection) -> int:
        """The time by which leases run: the database's, as far as it has one of its own."""
        if self._clock is None and locks.shared(conn):
            return conn.execute(_DATABASE_NOW).scalar_one()
        return self._now()


S = TypeVar("S", bound=Operations)
Operation = Callable[Concatenate[S, Connection, P], T]
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def writes(operation: Operation[S, P, T]) -> Method[S, P, T]:
    """An async method that runs ``operation`` in a write transaction."""

    @functools.wraps(operation)
    async def method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.observer.operation("ledger.write"):
            return await self._database.write(
                lambda conn: operation(self, conn, *args, **kwargs), turn=_turn(args)
            )

    del method.__wrapped__  # it would document the connection as an argument
    return method


def _turn(args: tuple[object, ...]) -> locks.Place | None:
    """The user whom an operation is about, where its first argument is a scope."""
    match args:
        case (Scope(app_id=app_id, user_id=str(user_id)), *_):
            return locks.of_user(app_id, user_id)
    return None


def reads(operation: Operation[S, P, T]) -> Method[S, P, T]:
    """An async method that runs ``operation`` on a snapshot."""

    @functools.wraps(operation)
    async def method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.observer.operation("ledger.read"):
            return await self._database.read(lambda conn: operation(self, conn, *args, **kwargs))

    del method.__wrapped__  # it would document the connection as an argument
    return method
