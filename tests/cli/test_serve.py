"""`omnimemory serve` as a process: how it ends, and what it says when it cannot start."""

from __future__ import annotations

import re
import signal
import socket

import pytest

from tests.cli.conftest import Shell


def test_a_home_that_the_daemon_holds_is_not_served(shell: Shell) -> None:
    assert shell.process("daemon", "start").returncode == 0
    done = shell.process("serve", "--port", "0")
    assert done.returncode == 4
    assert re.search(
        r"^error: the daemon .* stop it first: omnimemory daemon stop$", done.stderr, re.MULTILINE
    )
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named_before_anything_opens(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = shell.process("serve", "--port", port)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: port {port} of 127.0.0.1 cannot be used")
    assert "--port" in done.stderr
    assert not shell.home.exists()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_wrong_use(shell: Shell, host: str) -> None:
    done = shell.process("serve", "--host", host, "--port", "0")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {host} ")
    assert "--host" in done.stderr


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_ends_well(shell: Shell, end: signal.Signals) -> None:
    serving = shell.begin("serve", "--port", "0")
    assert serving.stderr is not None
    while "running on" not in (line := serving.stderr.readline()):
        assert line, "it ended by itself"
    serving.send_signal(end)
    _, told = serving.communicate(timeout=60)
    assert (serving.returncode, "Traceback" in told) == (0, False)
