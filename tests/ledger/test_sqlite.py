"""The ledger on SQLite: the public suite, and what is particular to a file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from omnimemory.core.errors import ConfigError, LedgerError
from omnimemory.core.schemas import Scope
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import NewTurn
from omnimemory.metrics import Carrier, Observer
from omnimemory.testing.ledger_suite import LedgerSuite

ANN = Scope(app_id="app", user_id="ann", session_id="s1")
HELLO = NewTurn("user", "hello")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger_url(file: Path) -> str:
    return f"sqlite:///{file}"


class TestSQLiteLedger(LedgerSuite):
    """The whole contract."""


async def test_what_is_acknowledged_is_committed(file: Path, ledger_url: str) -> None:
    async with Ledger(ledger_url) as ledger:
        with sqlite3.connect(file) as bystander:
            for n in range(1, 30):
                await ledger.append(ANN, [HELLO], mode="none")
                # no await between the answer and this look from another connection
                assert bystander.execute("SELECT count(*) FROM ledger_memories").fetchone() == (n,)
        bystander.close()


async def test_writes_are_flushed_to_disk_by_default(file: Path, ledger_url: str) -> None:
    async with Ledger(ledger_url):
        reader = sqlite3.connect(file)
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        reader.close()
    with pytest.raises(ConfigError, match="FULL or NORMAL"):
        Ledger(ledger_url, synchronous="OFF")


async def test_a_reader_does_not_wait_for_a_writer(file: Path, ledger_url: str) -> None:
    async with Ledger(ledger_url) as ledger:
        await ledger.append(ANN, [HELLO], mode="none")
        blocker = sqlite3.connect(file)
        blocker.execute("BEGIN IMMEDIATE")
        write = asyncio.ensure_future(ledger.append(ANN, [HELLO], mode="none"))
        assert await ledger.count(ANN) == 1
        assert not write.done()
        blocker.execute("ROLLBACK")
        blocker.close()
        await write
        assert await ledger.count(ANN) == 2


async def test_a_cancelled_caller_harms_nobody(ledger_url: str) -> None:
    async with Ledger(ledger_url) as ledger:
        writes = [asyncio.ensure_future(ledger.append(ANN, [HELLO], mode="none")) for _ in range(6)]
        await asyncio.sleep(0)
        writes[0].cancel()
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert sum(isinstance(one, asyncio.CancelledError) for one in outcomes) == 1
        assert await ledger.count(ANN) >= 5


def test_one_ledger_serves_several_event_loops(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    asyncio.run(ledger.open())
    for n in range(1, 4):
        asyncio.run(ledger.append(ANN, [HELLO], mode="none"))
        assert asyncio.run(ledger.count(ANN)) == n
    asyncio.run(ledger.close())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_fork_is_told_to_open_its_own(ledger_url: str) -> None:
    script = """
import asyncio, os, sys
from omnimemory.core.errors import LedgerError
from omnimemory.ledger.ledger import Ledger
ledger = Ledger(sys.argv[1])
asyncio.run(ledger.open())
if os.fork() == 0:
    try:
        asyncio.run(ledger.apps())
    except LedgerError as exc:
        os._exit(7 if "fork" in str(exc) else 1)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    command = [sys.executable, "-c", script, ledger_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "7\n"


def test_a_file_that_is_no_database_is_left_as_it_is(file: Path, ledger_url: str) -> None:
    file.write_bytes(b"meeting notes\n" * 1000)
    with pytest.raises(LedgerError, match="is not a ledger") as caught:
        asyncio.run(Ledger(ledger_url).open())
    assert isinstance(caught.value.__cause__, Exception)
    assert file.read_bytes() == b"meeting notes\n" * 1000


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"no_such_folder/ledger\.db cannot be opened; create its folder"):
        await Ledger(f"sqlite:///{tmp_path}/no_such_folder/ledger.db").open()


async def test_a_read_only_ledger_is_refused_at_once(file: Path, ledger_url: str) -> None:
    async with Ledger(ledger_url) as ledger:
        await ledger.append(ANN, [HELLO], mode="none")
    with pytest.raises(LedgerError, match="read-only"):
        await Ledger(f"sqlite:///file:{file}?mode=ro&uri=true").open()


def test_a_full_disk_loses_nothing_acknowledged(ledger_url: str) -> None:
    # a limit on the size of files stands in for the disk's
    script = """
import asyncio, resource, signal, sys
from omnimemory.core.errors import LedgerError
from omnimemory.core.schemas import Scope
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import NewTurn
scope = Scope(app_id="app", user_id="ann", session_id="s1")
async def main():
    async with Ledger(sys.argv[1]) as ledger:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        stored = 0
        try:
            while True:
                await ledger.append(scope, [NewTurn("user", "x" * 20_000)], mode="none")
                stored += 1
        except LedgerError:
            print(stored)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", script, ledger_url], capture_output=True, text=True, timeout=60, check=True
    )

    async def recover() -> int:
        async with Ledger(ledger_url) as ledger:
            await ledger.append(ANN, [HELLO], mode="none")
            return await ledger.count(ANN)

    assert int(done.stdout) > 0
    assert asyncio.run(recover()) == int(done.stdout) + 1


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "nonsense", "mysql://h/db"])
def test_a_url_that_cannot_hold_a_ledger_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:////absolute/path"):
        Ledger(url)


def test_the_package_alone_imports_no_database_library() -> None:
    script = "import sys, omnimemory.ledger, omnimemory.ledger.values; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


class _Reads(Observer):
    """Counts the reads of a ledger."""

    def __init__(self) -> None:
        self.count = 0

    def operation(self, name: str, *, parent: Carrier | None = None) -> AbstractContextManager[None]:
        self.count += name == "ledger.read"
        return super().operation(name, parent=parent)


async def test_recall_reads_nothing_anew_while_no_row_was_changed(ledger_url: str) -> None:
    async with Ledger(ledger_url) as ledger:
        ledger.observer = reads = _Reads()

        async def asked() -> int:
            before = reads.count
            assert await ledger.outbox_pending("app", user_id="ann") == []
            await ledger.speakers("app", frozenset({"ann"}), user_id="ann")
            return reads.count - before

        assert await asked() == 2
        await ledger.flush_buffer(None)  # as the lane does every few seconds; there is nothing to flush
        assert await asked() == 0
        await ledger.append(ANN, [NewTurn("user", "I moved to Lyon.", name="Ann")], mode="none")
        assert await ledger.speakers("app", frozenset({"ann"}), user_id="ann") == {"ann"}
