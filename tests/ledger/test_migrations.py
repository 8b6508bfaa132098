"""How a ledger reaches this release's schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from omnimemory.core.errors import LedgerError
from omnimemory.ledger import schema
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.migrations import STEPS, migrate_once, stored_version


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{tmp_path}/ledger.db")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def add_colour(conn: Connection) -> None:
    conn.execute(text("ALTER TABLE ledger_memories ADD COLUMN colour TEXT"))


def test_a_new_ledger_is_made_whole(conn: Connection) -> None:
    assert stored_version(conn) == 0
    assert migrate_once(conn)
    assert not migrate_once(conn)
    assert stored_version(conn) == schema.VERSION == len(STEPS) + 1
    assert set(inspect(conn).get_table_names()) == set(schema.metadata.tables)


def test_an_older_ledger_takes_each_missing_step_once(conn: Connection) -> None:
    migrate_once(conn)
    steps = (*STEPS, add_colour)
    assert migrate_once(conn, steps)
    assert stored_version(conn) == schema.VERSION + 1
    assert "colour" in {column["name"] for column in inspect(conn).get_columns("ledger_memories")}
    assert not migrate_once(conn, steps)


async def test_a_newer_releases_ledger_is_refused_untouched(tmp_path: Path, conn: Connection) -> None:
    migrate_once(conn)
    conn.execute(text("UPDATE ledger_meta SET value = '99'"))
    conn.commit()
    with pytest.raises(LedgerError, match="upgrade omnimemory"):
        await Ledger(f"sqlite:///{tmp_path}/ledger.db").open()
    assert stored_version(conn) == 99


async def test_two_processes_may_create_the_ledger_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    async with Ledger(url) as one, Ledger(url) as two:
        assert await one.apps() == await two.apps() == []
