"""The command as tests run it: in this process where that shows the same, else as a process."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from omnimemory import logs
from omnimemory.attach.place import Place
from omnimemory.cli.app import app
from omnimemory.daemon import process

RUN = (sys.executable, "-c", "from omnimemory.cli.app import main; main()")


class Shell:
    """Runs commands over one home."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        """In this process."""
        return CliRunner().invoke(app, [*arguments, "--home", str(self.home)], input=stdin)

    def process(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """In a process of its own, as a person runs it."""
        return subprocess.run(
            [*RUN, *arguments, "--home", str(self.home)],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """The same, not waited for."""
        return subprocess.Popen(
            [*RUN, *arguments, "--home", str(self.home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    """A command sets up the logs of its process, which here is the tests'."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for added in set(root.handlers) - set(before):
        root.removeHandler(added)
        added.close()
    root.setLevel(level)
    for name in logs.OURS:
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Commands over a home of the test's own; a daemon that still runs there at the end is stopped."""
    folder = tmp_path / "shell"
    yield Shell(folder)
    process.stop(Place(folder))


@pytest.fixture(scope="module", params=["alone", "daemon"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Commands over a home, once without a daemon and once with one."""
    folder = tmp_path_factory.mktemp(str(request.param))
    shell = Shell(folder)
    if request.param == "daemon":
        started = shell.process("daemon", "start")
        assert started.returncode == 0, started.stderr
    yield shell
    process.stop(Place(folder))
