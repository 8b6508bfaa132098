"""The ledger: the database of record for turns, notes, history, tasks, deliveries, transcripts, items."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from omnimemory.core.errors import ConfigError
from omnimemory.ledger import migrations, owners
from omnimemory.ledger.api_keys import ApiKeys
from omnimemory.ledger.backlog import Backlogs
from omnimemory.ledger.calibrations import CalibrationRows
from omnimemory.ledger.evolution import Evolution
from omnimemory.ledger.items import Items
from omnimemory.ledger.leases import Watch
from omnimemory.ledger.memories import Memories
from omnimemory.ledger.operation import Database
from omnimemory.ledger.outbox import Outbox
from omnimemory.ledger.speakers import Speakers
from omnimemory.ledger.spending import Spending
from omnimemory.ledger.sqlite import SQLite
from omnimemory.ledger.tasks import Tasks
from omnimemory.ledger.transcripts import Transcripts
from omnimemory.ledger.turns import Turns

_EXAMPLE = "sqlite:////absolute/path/ledger.db or postgresql://user:password@host:5432/database"
_POSTGRES = ("postgresql", "postgres")


def file_url(path: Path) -> URL:
    """The URL of a SQLite ledger in ``path``, whatever characters the path holds."""
    return URL.create("sqlite", database=str(path))


class Ledger(
    Turns,
    Speakers,
    CalibrationRows,
    Memories,
    Evolution,
    Tasks,
    Backlogs,
    Spending,
    Outbox,
    Transcripts,
    Items,
    ApiKeys,
):
    """Everything OmniMemory knows, in SQL. Usable from any number of event loops at once.

    A method that writes returns only when the change is on disk (with ``synchronous="NORMAL"``
    it survives the death of the process, but not of the machine). Methods raise ``LedgerError``
    when the database cannot be used, ``LedgerUnavailable`` where a later try may succeed.

    Args:
        url: a SQLAlchemy URL, such as ``sqlite:////absolute/path/ledger.db`` or
            ``postgresql://user:password@host:5432/database``.
        synchronous: SQLite's setting, FULL or NORMAL. A Postgres server has its own.
        connections: most connections to a Postgres server, besides two for ``exclusive``.
        owner: the name under which tasks are leased, ``place:pid:nonce``; made up by default.
        clock: the current time, aware; by default this machine's, and for leases the database's.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        synchronous: str = "FULL",
        connections: int = 10,
        owner: str | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__()
        self.owner = owner or owners.new_owner()
        self._clock = clock
        self._watch = Watch()
        self._database = _database(url, synchronous=synchronous, connections=connections)

    async def open(self) -> None:
        """Connect, and create or upgrade the tables.

        Raises:
            LedgerError: the database cannot be opened or written, or is a newer release's.
        """
        await self._database.open(migrations.migrate_once)
        owners.enter(self.owner)

    async def close(self) -> None:
        """Finish what was submitted and disconnect. Our leases are free from now on."""
        await self._database.close()
        owners.leave(self.owner)

    def exclusive(self, *place: str) -> AbstractAsyncContextManager[None]:
        """Keep other processes out of a place while they ask for the same one.

        On Postgres it is theirs at once when this process dies or loses its connection, or after two
        minutes in which nothing was heard of it. On SQLite there are no others.

        Raises:
            LedgerUnavailable: the database does not answer; on leaving: the place was lost meanwhile.
        """
        return self._database.exclusive(place)

    def changes(self, *, every: float = 0.1) -> AsyncGenerator[None, None]:
        """Yields when another process, or this one, has written: look for work then.

        On Postgres commits are looked for every so many seconds. On SQLite it ends at once.
        """
        return self._database.changes(every=every)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _database(url: str | URL, *, synchronous: str, connections: int) -> Database:
    try:
        address = make_url(url)
    except ArgumentError as exc:
        raise ConfigError(f"the ledger's URL cannot be read; give one like {_EXAMPLE}") from exc
    kind = address.get_backend_name()
    if kind == "sqlite":
        return SQLite(address, synchronous=synchronous)
    if kind not in _POSTGRES:
        raise ConfigError(f"no ledger on {kind!r}; give a URL like {_EXAMPLE}")
    try:
        from omnimemory.ledger.postgres import Postgres
    except ModuleNotFoundError as exc:
        raise ConfigError('a ledger on Postgres needs a driver: pip install "omnimemory[postgres]"') from exc
    return Postgres(address, connections=connections)
