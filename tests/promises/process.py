"""Starts a ``victim`` and kills it with SIGKILL."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .checks import Acknowledged
from .talk import APP, USER


class Victim:
    """The process behind ``with``; on leaving it is killed, if it was not before."""

    def __init__(
        self, home: Path, messages: Sequence[tuple[str, str]], *, call: str = "add", **how: Any
    ) -> None:
        orders = {"home": str(home), "app": APP, "user": USER, "call": call, "messages": messages, **how}
        self._arguments = [sys.executable, str(Path(__file__).with_name("victim.py")), json.dumps(orders)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._process.communicate()

    def hear(self) -> dict[str, Any]:
        """The next thing it says."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process ended by itself"
        told: dict[str, Any] = json.loads(line)
        return told

    def acknowledged(self, count: int) -> list[Acknowledged]:
        """The next acknowledgements."""
        told = [self.hear() for _ in range(count)]
        return [Acknowledged(one["text"], one["task_id"]) for one in told]

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        self._process.kill()
        self._process.wait()
