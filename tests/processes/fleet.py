"""Starts ``worker`` processes, kills each at the point it says it has reached, and starts it again."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Death = tuple[str, int]
"""A point of ``worker.POINTS`` and at which pass of it."""


class Killed(Exception):
    """The worker died before it answered; what it was asked may be done or not."""


class Worker:
    """One place in the fleet: a process that lives once for each of its deaths, and then for good."""

    def __init__(self, url: str, app: str, deaths: Sequence[Death]) -> None:
        self._orders = {"url": url, "app": app}
        self._deaths = deaths
        self._died: list[str] = []
        self._alive = asyncio.Event()
        self._asked: dict[str, asyncio.Future[str]] = {}
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        self._life = asyncio.create_task(self._live())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._life.cancel()
        await asyncio.wait([self._life])
        await self._kill()

    @property
    def died_at(self) -> list[str]:
        """The points at which it was killed so far."""
        if self._life.done():
            self._life.result()
        return self._died

    async def add(self, user: str, message_id: str, text: str) -> str:
        """Have it add a turn; the task's id, once that is acknowledged.

        Raises:
            Killed: it was not.
        """
        await self._alive.wait()
        assert self._process is not None
        assert self._process.stdin is not None
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[message_id] = answer
        line = json.dumps({"user": user, "id": message_id, "text": text}) + "\n"
        self._process.stdin.write(line.encode())
        return await answer

    async def _live(self) -> None:
        for point, passes in self._deaths:
            await self._start(point=point, passes=passes)
            self._died.append(await self._listen())
            await self._kill()
        await self._start()
        await self._listen()

    async def _start(self, **fate: object) -> None:
        program = str(Path(__file__).with_name("worker.py"))
        orders = json.dumps(self._orders | fate)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, program, orders, stdin=PIPE, stdout=PIPE
        )

    async def _listen(self) -> str:
        """Until it has reached its point."""
        while True:
            told = await self._hear()
            if "ready" in told:
                self._alive.set()
            elif "added" in told:
                self._asked.pop(told["added"]).set_result(told["task_id"])
            else:
                return str(told["reached"])

    async def _hear(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "a worker ended by itself"
        told: dict[str, Any] = json.loads(line)
        return told

    async def _kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        self._alive.clear()
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.communicate()
            self._process = None
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Killed())
        self._asked.clear()
