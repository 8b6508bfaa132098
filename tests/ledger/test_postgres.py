"""The ledger on PostgreSQL: the public suite, and what is particular to a server that many share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import pytest_asyncio

from omnimemory.core.errors import ConfigError, LedgerError, VersionConflict
from omnimemory.core.items import GetItem, Item, PutItem
from omnimemory.core.schemas import Scope, TaskKind, TaskStatus
from omnimemory.core.settings import Settings
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import Chance, NewTurn
from omnimemory.testing.ledger_records import ANN, Clock, Step, changed, note, said
from omnimemory.testing.ledger_suite import LedgerSuite
from omnimemory.wiring import ledger_from
from tests.ledger.conftest import PostgresServer

HELLO = NewTurn("user", "hello")
ELSEWHERE = "elsewhere:1:x"  # a worker whose process nobody here can look up
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'omnimemory'"


@pytest.fixture
def ledger_url(postgres_url: str) -> str:
    return postgres_url


class TestPostgresLedger(LedgerSuite):
    """The whole contract."""


@pytest_asyncio.fixture
async def two(ledger_url: str) -> AsyncIterator[tuple[Ledger, Ledger]]:
    """Two ledgers on one database, as in two processes."""
    async with Ledger(ledger_url) as one, Ledger(ledger_url, owner=ELSEWHERE) as other:
        yield one, other


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.02)


def statement(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as conn:
        found = conn.execute(sql.encode())
        return found.fetchall() if found.description else []


async def test_what_is_acknowledged_can_be_read_elsewhere_at_once(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    for n in range(1, 20):
        await one.append(ANN, [HELLO], mode="none")
        assert await other.count(ANN) == n
        assert len(await other.outbox_pending("app")) == n


async def test_a_users_turns_keep_the_order_of_asking(two: tuple[Ledger, Ledger]) -> None:
    one, _ = two
    await asyncio.gather(*(one.append(ANN, [said(str(n))], mode="none") for n in range(50)))
    assert [turn.text for turn in await one.session_tail(ANN, 50)] == [str(n) for n in range(50)]


async def test_of_two_steps_on_one_state_one_wins(two: tuple[Ledger, Ledger]) -> None:
    clock = Clock()
    old = note(clock)
    await two[0].apply(Step(created=[old]))
    steps = [ledger.apply(Step(changed=[changed(old, text=f"{n}")])) for n, ledger in enumerate(two * 4)]
    outcomes = await asyncio.gather(*steps, return_exceptions=True)
    assert [type(one) for one in outcomes if one is not None] == [VersionConflict] * 7
    assert len(await two[0].history("app", old.id)) == 2


async def test_one_message_or_request_from_several_is_stored_once(two: tuple[Ledger, Ledger]) -> None:
    calls = [ledger.append(ANN, [said("hi", "m1"), said("ho", "m2")], mode="task") for ledger in two * 5]
    appended = await asyncio.gather(*calls)
    assert sorted(one.stored for one in appended) == [(False, False)] * 9 + [(True, True)]
    assert len({one.task_id for one in appended}) == 1
    requests = [
        ledger.append(Scope(app_id="app", user_id=f"u{n}"), [HELLO], mode="task", idempotency=("key", "hash"))
        for n, ledger in enumerate(two * 5)
    ]
    answers = await asyncio.gather(*requests)
    assert len({one.turns[0].id for one in answers}) == 1
    assert await two[0].count(Scope(app_id="app")) == 3


async def test_an_unresolved_note_gets_one_second_pass(two: tuple[Ledger, Ledger]) -> None:
    clock = Clock()
    waiting = [note(clock).model_copy(update={"unresolved": True}) for _ in range(20)]
    await two[0].apply(Step(created=waiting))
    passes = [ledger.queue_resolutions(stored_before=datetime.now(UTC)) for ledger in two * 3]
    queued = [task_id for made in await asyncio.gather(*passes) for task_id in made]
    assert len(queued) == len(set(queued)) == 20


async def test_an_item_put_while_expired_ones_are_swept_stays(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    scope = Scope(app_id="app", user_id="ann")
    for n in range(15):
        short = PutItem(namespace=("a",), key="k", value={"n": -1}, ttl=1e-9)
        await one.items_batch(scope, [short])
        put = PutItem(namespace=("a",), key="k", value={"n": n})
        await asyncio.gather(one.items_batch(scope, [put]), other.sweep_items(), other.sweep_items())
        [item] = await other.items_batch(scope, [GetItem(namespace=("a",), key="k")])
        assert isinstance(item, Item)
        assert item.value == {"n": n}


async def test_a_users_tasks_go_to_one_worker_at_a_time(two: tuple[Ledger, Ledger]) -> None:
    users = [Scope(app_id="app", user_id=f"u{n}") for n in range(4)]
    made = {
        user.user_id: [(await two[0].add_task(user, TaskKind.SYNTHESIS)).task_id for _ in range(5)]
        for user in users
    }
    done: dict[str | None, list[str]] = {user.user_id: [] for user in users}
    at_work: set[str] = set()

    async def work(ledger: Ledger) -> None:
        while await ledger.unfinished():
            for task in await ledger.claim(2, lease_seconds=30):
                assert task.user_id not in at_work
                at_work.add(task.user_id)
                done[task.user_id].append(task.task_id)
                await ledger.heartbeat([task.task_id], 30)
                at_work.remove(task.user_id)
                await ledger.complete(task.task_id)

    await asyncio.gather(*(work(ledger) for ledger in two))
    assert done == made


async def test_a_retried_task_and_a_later_one_are_not_at_work_together(two: tuple[Ledger, Ledger]) -> None:
    for n in range(25):
        user = Scope(app_id="app", user_id=f"u{n}")
        first = await two[0].add_task(user, TaskKind.SYNTHESIS)
        await two[0].claim(1, lease_seconds=30)
        await two[0].park(first.task_id, "gave up")
        second = await two[0].add_task(user, TaskKind.SYNTHESIS)
        claims = [ledger.claim(2, lease_seconds=30) for ledger in two * 3]
        await asyncio.gather(*claims[:3], two[1].retry("app", first.task_id), *claims[3:])
        assert len(await two[0].tasks(user, statuses=[TaskStatus.RUNNING])) == 1, (first, second)


async def test_a_batch_flushed_by_several_is_one_task(two: tuple[Ledger, Ledger]) -> None:
    for n in range(5):
        await two[0].append(ANN, [said(f"{n}")], mode="buffer")
        flushed = await asyncio.gather(*(ledger.flush_buffer() for ledger in two * 3))
        assert sum(map(len, flushed)) == 1


async def test_one_calibration_is_kept(two: tuple[Ledger, Ledger]) -> None:
    measured = [Chance(mean=n / 10, deviation=0.1, documents=n) for n in range(8)]
    keeping = (
        ledger.keep_calibration("app", "e", one) for ledger, one in zip(two * 4, measured, strict=True)
    )
    await asyncio.gather(*keeping)
    assert await two[1].calibration("app", "e") in measured


async def test_a_lease_holds_while_the_servers_clock_jumps_by_a_minute(
    two: tuple[Ledger, Ledger], ledger_url: str
) -> None:
    one, other = two
    [task] = [await one.add_task(ANN, TaskKind.SYNTHESIS)]
    await other.claim(1, lease_seconds=30)
    shown = "UPDATE ledger_tasks SET lease_until = lease_until + {} * 1000000"
    for jump in (-59, +118, -59):  # the leases' ends move against the clock
        statement(ledger_url, shown.format(jump))
        assert await one.claim(1, lease_seconds=30) == []
        assert await other.heartbeat([task.task_id], 30) == {task.task_id}
    statement(ledger_url, shown.format(-91))
    assert [taken.task_id for taken in await one.claim(1, lease_seconds=30)] == [task.task_id]


async def test_this_machines_clock_has_no_say_in_leases(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Ledger(ledger_url) as one, Ledger(ledger_url, owner=ELSEWHERE) as other:
        await one.add_task(ANN, TaskKind.SYNTHESIS)
        monkeypatch.setattr("omnimemory.ledger.operation.datetime", Ahead)
        await other.claim(1, lease_seconds=30)
        [(left,)] = statement(
            ledger_url, "SELECT lease_until / 1000000 - extract(epoch FROM now()) FROM ledger_tasks"
        )
        assert 0 < float(str(left)) <= 31
        assert await one.claim(1, lease_seconds=30) == []


class Ahead(datetime):
    """A clock that is ten minutes ahead."""

    @classmethod
    def now(cls, tz: object = None) -> Ahead:
        return cls.fromtimestamp(datetime.now(UTC).timestamp() + 600, UTC)


async def test_a_silent_workers_task_is_taken_over_within_the_lease(two: tuple[Ledger, Ledger]) -> None:
    one, silent = two
    task = await one.add_task(ANN, TaskKind.SYNTHESIS)
    await silent.claim(1, lease_seconds=1)
    began = asyncio.get_running_loop().time()
    assert await one.claim(1, lease_seconds=1) == []

    async def taken() -> bool:
        return [found.task_id for found in await one.claim(1, lease_seconds=1)] == [task.task_id]

    await until(taken)
    assert 0.9 < asyncio.get_running_loop().time() - began < 3
    assert await silent.heartbeat([task.task_id], 1) == frozenset()


async def test_a_server_that_comes_back_is_used_again(postgres: PostgresServer, ledger_url: str) -> None:
    async with Ledger(ledger_url) as ledger:
        await asyncio.gather(*(ledger.append(ANN, [said("before")], mode="none") for _ in range(8)))
        await asyncio.to_thread(postgres.stop)
        try:
            for call in (ledger.append(ANN, [said("lost")], mode="none"), ledger.count(ANN)):
                with pytest.raises(LedgerError, match="cannot be reached") as caught:
                    await call
                assert caught.value.transient
        finally:
            await asyncio.to_thread(postgres.start)
        assert await ledger.count(ANN) == 8
        await ledger.append(ANN, [said("after")], mode="none")
        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(postgres.start)
        await ledger.append(ANN, [said("unnoticed")], mode="none")  # the connection it held was dead
        assert await ledger.count(ANN) == 10


async def test_connections_that_are_cut_lose_no_acknowledged_turn(ledger_url: str) -> None:
    stored, uncertain = 0, 0

    async def talk(ledger: Ledger, user: int) -> None:
        nonlocal stored, uncertain
        scope = Scope(app_id="app", user_id=f"u{user}")
        for n in range(20):
            try:
                await ledger.append(scope, [said(f"{n}")], mode="none")
                stored += 1
            except LedgerError:
                uncertain += 1

    async with Ledger(ledger_url) as ledger:
        talks = asyncio.gather(*(talk(ledger, user) for user in range(8)))
        while not talks.done():
            await asyncio.to_thread(statement, ledger_url, CUT)
            await asyncio.sleep(0.05)  # so that turns are stored between two cuts
        await talks
        assert stored <= await ledger.count(Scope(app_id="app")) <= stored + uncertain
        assert stored > 100


async def test_a_place_is_held_by_one(two: tuple[Ledger, Ledger]) -> None:
    inside = 0

    async def enter(ledger: Ledger) -> None:
        nonlocal inside
        async with ledger.exclusive("delivery", "app"):
            inside += 1
            assert inside == 1
            await ledger.count(ANN)
            inside -= 1

    await asyncio.gather(*(enter(ledger) for ledger in two * 3))
    async with two[0].exclusive("delivery", "app"), two[1].exclusive("delivery", "other"):
        waiting = asyncio.ensure_future(enter(two[1]))
        await two[1].count(ANN)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait([waiting])
    await enter(two[1])


async def test_a_commit_elsewhere_is_noticed_and_looking_for_work_is_not(two: tuple[Ledger, Ledger]) -> None:
    one, other = two
    noticed = 0

    async def listen() -> None:
        nonlocal noticed
        async for _ in one.changes(every=0.01):
            noticed += 1
            assert await one.claim(5, lease_seconds=30, kinds=[TaskKind.SUMMARY]) == []

    listening = asyncio.ensure_future(listen())

    async def heard() -> bool:
        return noticed > before

    for _ in range(3):
        before = noticed
        await other.append(ANN, [HELLO], mode="task")
        await until(heard)
    listening.cancel()
    await asyncio.wait([listening])
    assert noticed < 20  # a look for work that finds none is no change: it would be noticed for ever


async def test_errors_are_stored_whatever_they_say(two: tuple[Ledger, Ledger]) -> None:
    task = await two[0].add_task(ANN, TaskKind.SYNTHESIS)
    await two[0].claim(1, lease_seconds=30)
    await two[0].retry_later(task.task_id, "bad \x00 \ud800 byte", datetime.now(UTC) - timedelta(seconds=1))
    assert (await two[0].task(task.task_id)).error == "bad \N{REPLACEMENT CHARACTER} ? byte"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"username": "nobody"}, "cannot be reached: .*nobody.*; check its host, port, user and password"),
        ({"database": "no_such"}, "no_such at .* cannot be reached: .*does not exist"),
        ({"query": {"host": "/nowhere"}}, "postgres at /nowhere cannot be reached"),
        ({"query": {"ssl": "yes"}}, "cannot be used as its URL says: .*ssl"),
    ],
)
async def test_a_server_that_cannot_be_used_says_why(
    postgres: PostgresServer, changes: dict[str, object], message: str
) -> None:
    address = postgres.address.set(**changes)  # type: ignore[arg-type]
    with pytest.raises(LedgerError, match=message):
        await Ledger(address).open()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-c search_path=closed", "no schema that this user may use; grant it CREATE and USAGE"),
        ("-c search_path=public", "refuses this user; grant it CREATE and USAGE"),
        ("-c default_transaction_read_only=on", "name the primary server"),
    ],
)
async def test_missing_rights_are_named(postgres: PostgresServer, options: str, message: str) -> None:
    postgres.execute(
        "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN", "CREATE SCHEMA IF NOT EXISTS closed"
    )
    address = postgres.address.set(username="guest").update_query_dict({"options": options})
    with pytest.raises(LedgerError, match=message):
        await Ledger(address).open()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"])
async def test_any_usual_name_of_the_database_will_do(postgres: PostgresServer, scheme: str) -> None:
    address = postgres.address.set(drivername=scheme)
    async with Ledger(address.render_as_string(hide_password=False)) as ledger:
        await ledger.apps()


@pytest.mark.parametrize("variable", ["ledger_url", "postgres_uri"])
async def test_the_settings_name_the_ledger(postgres: PostgresServer, variable: str) -> None:
    url = postgres.new_schema()
    settings = Settings.load({variable: url, "provider": "postgres", "ledger_max_connections": 2})
    async with ledger_from(settings) as chosen, Ledger(url) as ledger:
        await chosen.append(ANN, [HELLO], mode="none")
        assert await ledger.count(ANN) == 1


def test_a_url_without_a_known_database_shows_both() -> None:
    with pytest.raises(ConfigError, match="postgresql://user:password@host"):
        Ledger("mysql://host/database")
