"""How the ledger's methods are written: a plain function over a connection, run in a transaction."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

from omnimemory.ledger.rows import micros

P = ParamSpec("P")
T = TypeVar("T")


class Database(Protocol):
    """Runs a function over a connection in a transaction; returns after the commit."""

    @property
    def written(self) -> int: ...

    async def write(self, work: Callable[[Connection], T]) -> T: ...

    async def read(self, work: Callable[[Connection], T]) -> T: ...


class Operations:
    """What each part of the ledger has at hand."""

    owner: str
    _clock: Callable[[], datetime]
    _database: Database

    def _now(self) -> int:
        return micros(self._clock())


S = TypeVar("S", bound=Operations)
Operation = Callable[Concatenate[S, Connection, P], T]
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def writes(operation: Operation[S, P, T]) -> Method[S, P, T]:
    """An async method that runs ``operation`` in a write transaction."""

    @functools.wraps(operation)
    async def method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.write(lambda conn: operation(self, conn, *args, **kwargs))

    del method.__wrapped__  # it would document the connection as an argument
    return method


def reads(operation: Operation[S, P, T]) -> Method[S, P, T]:
    """An async method that runs ``operation`` on a snapshot."""

    @functools.wraps(operation)
    async def method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.read(lambda conn: operation(self, conn, *args, **kwargs))

    del method.__wrapped__  # it would document the connection as an argument
    return method
