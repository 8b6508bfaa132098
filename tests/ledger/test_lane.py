"""Group commit: many callers, one transaction, nobody answered too early."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from omnimemory.core.errors import LedgerError
from omnimemory.ledger.lane import Lane


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    url = f"sqlite:///{tmp_path}/lane.db"
    made = create_engine(
        url, poolclass=NullPool, connect_args={"isolation_level": None, "check_same_thread": False}
    )
    with made.begin() as conn:
        conn.execute(text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
        conn.execute(text("CREATE TABLE child (n INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"))
    event.listen(made, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = ON").close())
    return made


@pytest_asyncio.fixture
async def lane(engine: Engine) -> AsyncIterator[Lane]:
    opened = Lane(
        engine.connect,
        name="lane",
        begin="BEGIN IMMEDIATE",
        isolated=True,
        translate=lambda exc: LedgerError(type(exc).__name__),
        count_changes=lambda _: 0,
    )
    await opened.start()
    yield opened
    await opened.stop()


class Gate:
    """Work that keeps the lane busy until the gate is opened, so that others queue behind it."""

    def __init__(self, lane: Lane) -> None:
        self._reached, self._open = threading.Event(), threading.Event()
        self.passed = asyncio.ensure_future(lane.run(self._wait))

    def _wait(self, _: Connection) -> None:
        self._reached.set()
        self._open.wait(10)

    async def reached(self) -> None:
        await asyncio.to_thread(self._reached.wait, 10)

    def open(self) -> None:
        self._open.set()


def add_parent(conn: Connection) -> None:
    conn.execute(text("INSERT INTO parent DEFAULT VALUES"))


def add_orphan(conn: Connection) -> None:
    conn.execute(text("INSERT INTO child VALUES (404)"))


def add_parent_then_stumble(conn: Connection) -> None:
    add_parent(conn)
    raise ValueError("stumbled")


def parents(conn: Connection) -> int:
    return int(conn.execute(text("SELECT count(*) FROM parent")).scalar_one())


async def test_what_waits_together_is_committed_together(engine: Engine, lane: Lane) -> None:
    commits: list[Connection] = []
    event.listen(engine, "commit", commits.append)
    gate = Gate(lane)
    await gate.reached()
    writes = [asyncio.ensure_future(lane.run(add_parent)) for _ in range(20)]
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(gate.passed, *writes)
    assert len(commits) == 2
    assert await lane.run(parents) == 20


async def test_one_that_raises_is_undone_alone(lane: Lane) -> None:
    gate = Gate(lane)
    await gate.reached()
    group = (add_parent, add_parent_then_stumble, add_parent)
    writes = [asyncio.ensure_future(lane.run(work)) for work in group]
    await asyncio.sleep(0)
    gate.open()
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(one) for one in outcomes] == [type(None), ValueError, type(None)]
    assert await lane.run(parents) == 2


async def test_one_that_raises_by_itself_leaves_nothing(lane: Lane) -> None:
    with pytest.raises(ValueError, match="stumbled"):
        await lane.run(add_parent_then_stumble)
    assert await lane.run(parents) == 0


async def test_nobody_is_told_of_success_when_the_commit_fails(lane: Lane) -> None:
    gate = Gate(lane)
    await gate.reached()
    writes = [asyncio.ensure_future(lane.run(work)) for work in (add_parent, add_orphan, add_parent)]
    await asyncio.sleep(0)
    gate.open()
    for write in writes:
        with pytest.raises(LedgerError) as caught:
            await write
        assert isinstance(caught.value.__cause__, SQLAlchemyError)
    assert await lane.run(parents) == 0


async def test_work_that_ends_the_transaction_fails_its_group(lane: Lane) -> None:
    gate = Gate(lane)
    await gate.reached()

    def lose_transaction(conn: Connection) -> None:
        conn.exec_driver_sql("ROLLBACK")
        conn.exec_driver_sql("SELECT * FROM no_such_table")

    writes = [asyncio.ensure_future(lane.run(work)) for work in (add_parent, lose_transaction, add_parent)]
    await asyncio.sleep(0)
    gate.open()
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert all(isinstance(one, LedgerError) for one in outcomes)
    assert await lane.run(parents) == 0
