"""The part of the ledger's contract that is about its end: closed, left open at exit, or killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from omnimemory.core.errors import LedgerError
from omnimemory.ledger.ledger import Ledger
from omnimemory.testing.ledger_records import ANN, said

_SAY_AND_DIE = """
import asyncio, os, signal, sys
from omnimemory.core.schemas import Scope
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import NewTurn

async def main():
    ledger = Ledger(sys.argv[1])
    await ledger.open()
    scope = Scope(app_id="app", user_id="ann", session_id="s1")
    first = await ledger.append(scope, [NewTurn("user", "I moved to Lyon")], mode="task")
    await ledger.claim(1, lease_seconds=3600)
    for n in range(4):
        await ledger.append(scope, [NewTurn("user", f"waiting {n}")], mode="buffer")
    print(first.turns[0].id, flush=True)
    # much to commit, and death with the answer in hand: an answer before the commit would be a lie
    await ledger.append(scope, [NewTurn("user", "last words " * 300)] * 1000, mode="none")
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""

_OPEN_AND_EXIT = """
import asyncio, sys
from omnimemory.ledger.ledger import Ledger
ledger = Ledger(sys.argv[1])
asyncio.run(ledger.open())
print("open")
"""


class LedgerLifetimeSuite:
    """Tests of how a ledger ends; part of ``LedgerSuite``."""

    async def test_an_acknowledged_turn_survives_kill_9_and_its_task_goes_on(self, ledger_url: str) -> None:
        command = [sys.executable, "-c", _SAY_AND_DIE, ledger_url]
        child = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert child.returncode == -9, child.stderr
        first = child.stdout.strip()
        async with Ledger(ledger_url) as reopened:
            assert (await reopened.get("app", [first]))[first].text == "I moved to Lyon"
            assert await reopened.count(ANN) == 1 + 4 + 1000
            assert await reopened.pending(ANN) == 4
            [task] = await reopened.claim(5, lease_seconds=60)
            assert task.attempts == 2
            assert [turn.id for turn in await reopened.turns_of_task(task.task_id)] == [first]
            assert len({row.memory_id for row in await reopened.outbox(2000)}) == 1005

    async def test_close_finishes_what_was_submitted(self, ledger_url: str) -> None:
        ledger = Ledger(ledger_url)
        await ledger.open()
        writes = [asyncio.ensure_future(ledger.append(ANN, [said("hello")], mode="none")) for _ in range(5)]
        await asyncio.sleep(0)
        await ledger.close()
        await ledger.close()
        assert all(appended.stored == (True,) for appended in await asyncio.gather(*writes))
        with pytest.raises(LedgerError, match="closed"):
            await ledger.count(ANN)

    def test_exit_without_close_does_not_hang(self, ledger_url: str) -> None:
        command = [sys.executable, "-c", _OPEN_AND_EXIT, ledger_url]
        done = subprocess.run(  # noqa: S603 - this interpreter and the script above
            command, capture_output=True, text=True, timeout=30, check=True
        )
        assert (done.stdout, done.stderr) == ("open\n", "")
