"""Standard output that fails, and help that can be read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from omnimemory.cli.app import app
from tests.cli.conftest import RUN, Shell

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", [("info",), ("memory", "list", "--app-id", "app"), ("--help",)])
def test_output_that_cannot_be_written_is_a_failure_with_a_word(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    home = () if arguments == ("--help",) else ("--home", str(shell.home))
    with FULL.open("w") as full:
        done = subprocess.run(
            [*RUN, *arguments, *home], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == "error: cannot write standard output: No space left on device\n"


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
def test_json_that_cannot_be_written_is_a_failure_in_json(shell: Shell) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [*RUN, "keys", "list", "--json", "--home", str(shell.home)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.startswith('{"error": "OutputFailed"')


def helps() -> list[tuple[str, ...]]:
    """Every command and group."""
    found: list[tuple[str, ...]] = []

    def walk(path: tuple[str, ...], group: object) -> None:
        found.append(path)
        for name, command in getattr(group, "commands", {}).items():
            walk((*path, name), command)

    walk((), typer.main.get_command(app))
    return found


@pytest.mark.parametrize("path", helps(), ids=" ".join)
def test_help_is_not_cut_and_speaks_no_python(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"]).output
    assert not re.search(r"\.\.\.$", shown.partition("Commands:")[2], re.MULTILINE)
    assert not re.findall(r"--.* <(?:str|int|float|list|path|datetime)\b.*", shown)


def test_the_commands_come_in_the_order_of_their_use() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output.partition("Commands:\n")[2]
    assert [line.split()[0] for line in shown.splitlines()[:3]] == ["memory", "agent", "tasks"]
    shown = CliRunner().invoke(app, ["memory", "--help"]).output.partition("Commands:\n")[2]
    assert [line.split()[0] for line in shown.splitlines()[:3]] == ["add", "query", "get"]
