"""The ledger: the database of record for turns, notes, history, tasks, deliveries, transcripts, items."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from omnimemory.core.errors import ConfigError
from omnimemory.ledger import migrations, owners
from omnimemory.ledger.calibrations import CalibrationRows
from omnimemory.ledger.evolution import Evolution
from omnimemory.ledger.items import Items
from omnimemory.ledger.memories import Memories
from omnimemory.ledger.outbox import Outbox
from omnimemory.ledger.speakers import Speakers
from omnimemory.ledger.sqlite import SQLite
from omnimemory.ledger.tasks import Tasks
from omnimemory.ledger.transcripts import Transcripts
from omnimemory.ledger.turns import Turns

_EXAMPLE = "sqlite:////absolute/path/ledger.db"


def _utc_now() -> datetime:
    return datetime.now(UTC)


def file_url(path: Path) -> URL:
    """The URL of a SQLite ledger in ``path``, whatever characters the path holds."""
    return URL.create("sqlite", database=str(path))


class Ledger(Turns, Speakers, CalibrationRows, Memories, Evolution, Tasks, Outbox, Transcripts, Items):
    """Everything OmniMemory knows, in SQL. Usable from any number of event loops at once.

    A method that writes returns only when the change is on disk (with ``synchronous="NORMAL"``
    it survives the death of the process, but not of the machine). Methods raise ``LedgerError``
    when the database cannot be used.

    Args:
        url: a SQLAlchemy URL, such as ``sqlite:////absolute/path/ledger.db``.
        synchronous: SQLite's setting, FULL or NORMAL.
        owner: the name under which tasks are leased, ``host:pid:nonce``; made up by default.
        clock: the current time, aware.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        synchronous: str = "FULL",
        owner: str | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        try:
            address = make_url(url)
        except ArgumentError as exc:
            raise ConfigError(f"the ledger's URL cannot be read; give one like {_EXAMPLE}") from exc
        if address.get_backend_name() != "sqlite":
            raise ConfigError(f"no ledger on {address.get_backend_name()!r}; give a URL like {_EXAMPLE}")
        super().__init__()
        self.owner = owner or owners.new_owner()
        self._clock = clock
        self._database = self._sqlite = SQLite(address, synchronous=synchronous)

    async def open(self) -> None:
        """Connect, and create or upgrade the tables.

        Raises:
            LedgerError: the database cannot be opened or written, or is a newer release's.
        """
        await self._sqlite.open()
        try:
            while await self._sqlite.write(migrations.migrate_once):
                pass
            await self._sqlite.open_reader()
        except BaseException:
            await self._sqlite.close()
            raise
        owners.enter(self.owner)

    async def close(self) -> None:
        """Finish what was submitted and disconnect. Our leases are free from now on."""
        await self._sqlite.close()
        owners.leave(self.owner)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
