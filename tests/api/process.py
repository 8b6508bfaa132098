"""The server as a process that can be told to stop, or killed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

SCRIPT = Path(__file__).parents[2] / "run_api_server.py"
_ADDRESS = re.compile(rb"running on (http://127\.0\.0\.1:\d+)")


class ServerProcess:
    """``run_api_server.py`` over a home folder, on a free port; killed on leaving."""

    def __init__(self, home: Path, **environment: str) -> None:
        self._environment = {
            "OMNIMEMORY_HOME": str(home),
            "OMNIMEMORY_API_PORT": "0",
            "OMNIMEMORY_ACCESS_LOG": "false",  # its log is read at the end, and a pipe holds little
            **environment,
        }

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            env=self._environment,
            cwd=self._environment["OMNIMEMORY_HOME"],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert self._process.stderr is not None
        said = b""
        while (found := _ADDRESS.search(said)) is None:
            line = self._process.stderr.readline()
            assert line, said.decode()
            said += line
        self.url = found[1].decode()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._process.communicate()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60)

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> str:
        """SIGTERM; the last words of its log once it is gone."""
        self._process.send_signal(signal.SIGTERM)
        _, said = self._process.communicate(timeout=60)
        return said.decode()
