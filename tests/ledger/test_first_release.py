"""A ledger of the first released schema, opened by today's code.

``version_1.json`` is that schema as the release made it, with the rows of a small conversation.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    Inspector,
    MetaData,
    Table,
    create_engine,
    insert,
    inspect,
    make_url,
    text,
)

from omnimemory.core.items import GetItem, Item
from omnimemory.core.schemas import Scope, Status, TaskStatus
from omnimemory.ledger import schema
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.migrations import stored_version
from omnimemory.ledger.values import NewTurn
from omnimemory.testing.ledger_records import ANN, BOB
from tests.ledger.conftest import PostgresServer

VERSION_1: dict[str, Any] = json.loads(Path(__file__).with_name("version_1.json").read_text())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_schema()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    address = make_url(url)
    made = create_engine(
        address if url.startswith("sqlite") else address.set(drivername="postgresql+psycopg")
    )
    yield made
    made.dispose()


@pytest.fixture
def old(engine: Engine, url: str) -> str:
    """The URL of a version 1 ledger with data."""
    with engine.begin() as conn:
        for statement in VERSION_1[conn.dialect.name]:
            conn.exec_driver_sql(statement)
        tables = MetaData()
        tables.reflect(conn)
        for table in tables.sorted_tables:
            fill(conn, table, VERSION_1["rows"][table.name])
    return url


def fill(conn: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        conn.execute(insert(table), rows)
    if rows and "seq" in table.c and conn.dialect.name == "postgresql":
        last = max(row["seq"] for row in rows)
        conn.execute(
            text("SELECT setval(pg_get_serial_sequence(:t, 'seq'), :n)"), {"t": table.name, "n": last}
        )


def shape(found: Inspector) -> dict[str, object]:
    """Tables with their columns, keys and indexes."""
    return {
        table: (
            {
                column["name"]: (str(column["type"]), column["nullable"])
                for column in found.get_columns(table)
            },
            found.get_pk_constraint(table)["constrained_columns"],
            sorted((str(index["name"]), str(index["column_names"])) for index in found.get_indexes(table)),
            sorted(str(key["constrained_columns"]) for key in found.get_foreign_keys(table)),
        )
        for table in found.get_table_names()
    }


async def test_nothing_of_it_is_lost_and_work_goes_on(old: str) -> None:
    async with Ledger(old) as ledger:
        assert await ledger.apps() == ["app", "other"]
        page = await ledger.list(ANN, statuses=None)
        assert [memory.text for memory in page.memories] == [
            "I live in Rome.",
            "Noted.",
            "Lives in Rome.",
            "Lives in Lyon.",
            "I moved to Lyon.",
        ]
        assert page.memories[0].metadata == {"k": [1, None]}
        history = await ledger.history("app", page.memories[2].id)
        assert [state.status for state in history] == [Status.ACTIVE, Status.SUPERSEDED]
        assert [why.reasoning for why in await ledger.decisions(ANN)] == ["because"]
        assert await ledger.pending(BOB) == 1
        assert await ledger.outbox_size() == len(VERSION_1["rows"]["ledger_outbox"])
        assert await ledger.transcript(ANN) == [{"role": "user", "content": "I live in Rome."}]
        [item] = await ledger.items_batch(
            Scope(app_id="app", user_id="ann"), [GetItem(namespace=("a", "ü"), key="k")]
        )
        assert isinstance(item, Item)
        assert item.value == {"text": "green tea"}
        [unfinished] = await ledger.claim(5, lease_seconds=30)
        assert [turn.text for turn in await ledger.turns_of_task(unfinished.task_id)] == ["I moved to Lyon."]


async def test_what_came_before_still_counts(old: str) -> None:
    async with Ledger(old) as ledger:
        known = NewTurn("user", "I live in Rome.", "Ann Lee", "m1")
        assert (await ledger.append(ANN, [known], mode="none")).stored == (False,)
        said = [NewTurn("user", "I live in Rome.", "Ann Lee", "m1"), NewTurn("assistant", "Noted.", "bot")]
        again = await ledger.append(ANN, said, mode="task", idempotency=("key", "hash"))
        assert again.task_id is not None
        assert (await ledger.task(again.task_id)).status is TaskStatus.DONE
        [turn] = (await ledger.append(ANN, [NewTurn("user", "New.")], mode="none")).turns
        assert turn.seq is not None
        assert turn.seq > max(row["seq"] for row in VERSION_1["rows"]["ledger_memories"])


async def test_the_names_in_it_are_known(old: str) -> None:
    async with Ledger(old) as ledger:
        assert await ledger.speakers("app", frozenset({"ann", "lee", "bob", "rome"})) == {"ann", "lee", "bob"}
        assert await ledger.speakers("app", frozenset({"ann", "bob"}), user_id="bob") == {"bob"}


async def test_it_becomes_like_a_new_one(
    old: str, engine: Engine, postgres: PostgresServer, tmp_path: Path
) -> None:
    fresh = f"sqlite:///{tmp_path}/fresh.db" if old.startswith("sqlite") else postgres.new_schema()
    async with Ledger(old), Ledger(fresh):
        pass
    address = make_url(fresh)
    driver = address if fresh.startswith("sqlite") else address.set(drivername="postgresql+psycopg")
    other = create_engine(driver)
    assert shape(inspect(engine)) == shape(inspect(other))
    other.dispose()


async def test_several_processes_may_open_it_at_once(old: str, engine: Engine) -> None:
    ledgers = [Ledger(old) for _ in range(4)]
    await asyncio.gather(*(ledger.open() for ledger in ledgers))
    assert {await ledger.count(ANN) for ledger in ledgers} == {5}
    await asyncio.gather(*(ledger.close() for ledger in ledgers))
    with engine.connect() as conn:
        assert stored_version(conn) == schema.VERSION
