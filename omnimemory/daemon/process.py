"""Starting, stopping and looking at the daemon of a home folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from omnimemory.attach.place import DaemonState, Place, Sign
from omnimemory.core.base import Frozen
from omnimemory.core.errors import ConfigError, OmniMemoryError, StoreLocked, StoreUnavailable

FAILED, BUSY = 1, 4
"""Exit codes of the daemon's process: it did not start; it did not, as another process holds the data."""

START_SECONDS = 30.0
STOP_SECONDS = 60.0
_POLL_SECONDS = 0.02
_LOG_LINES = 5
_LOG_BYTES = 10_000_000
"""A log longer than that is put aside at the next start, in the place of the one before."""


class DaemonStatus(Frozen):
    """Whether a daemon runs in a home, and since when.

    ``running`` without ``ready``: it is starting, or stopping and finishing its work; when ``stuck``, it
    does not answer.
    """

    running: bool
    ready: bool = False
    stuck: bool = False
    pid: int | None = None
    socket: Path | None = None
    started_at: datetime | None = None
    home: Path
    log: Path


def status(place: Place) -> DaemonStatus:
    """What is known of the daemon; the leftovers of a dead one are removed."""
    state, holder = place.state(), place.holder()
    if holder is None:
        place.clear()
        return DaemonStatus(running=False, home=place.home, log=place.log)
    sign = place.sign()
    return DaemonStatus(
        running=True,
        ready=sign is Sign.ANSWERS,
        stuck=sign is Sign.SILENT,
        pid=holder or (None if state is None else state.pid),
        socket=None if state is None else state.socket,
        started_at=None if state is None else state.started_at,
        home=place.home,
        log=place.log,
    )


def start(place: Place) -> tuple[DaemonState, bool]:
    """The daemon that answers, and whether it was started here. Returns when it is ready.

    Raises:
        OmniMemoryError: it does not start; the message holds the reason it gave.
    """
    sign = place.sign()
    if sign is Sign.ANSWERS and (state := place.state()) is not None:
        place.token()  # without it nobody can use what runs
        return state, False
    if sign is Sign.SILENT:
        holder = place.holder()
        raise StoreUnavailable(f"the daemon (process {holder}) does not answer; {kill(holder)}")
    _require_server()
    place.prepare()
    if place.log.exists() and place.log.stat().st_size > _LOG_BYTES:
        place.log.replace(place.log.with_suffix(".old"))
    with os.fdopen(os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        before = log.seek(0, os.SEEK_END)
        child = subprocess.Popen(  # noqa: S603 - this interpreter and our own module
            [sys.executable, "-m", "omnimemory.daemon", str(place.home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if (state := place.running()) is not None:
            return state, state.pid == child.pid
        if child.poll() is not None:
            if place.holder() is not None:  # another one was quicker
                time.sleep(_POLL_SECONDS)
                continue
            raise _refusal(place, since=before, busy=child.returncode == BUSY)
        time.sleep(_POLL_SECONDS)
    raise StoreUnavailable(f"the daemon is not ready after {START_SECONDS:.0f} s; see {place.log}")


def stop(place: Place, *, timeout: float = STOP_SECONDS) -> bool:
    """End the daemon gracefully and wait for it; False when none runs.

    Raises:
        StoreUnavailable: it is still finishing its work after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    told: int | None = None
    found = False
    while (holder := place.holder()) is not None:
        found = True
        state = place.state()
        if told is None and state is not None and state.pid == holder:
            told = _told_to_end(holder)
        if time.monotonic() > deadline:
            raise StoreUnavailable(
                f"the daemon (process {holder}) still runs after {timeout:.0f} s: it finishes its work, or "
                f"is stuck; wait, or {kill(holder)}"
            )
        time.sleep(_POLL_SECONDS)
    place.clear()
    return found


def _told_to_end(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return pid  # it has just ended
    except PermissionError as exc:
        raise ConfigError(f"process {pid} is another user's; stop it as that user") from exc
    return pid


def kill(pid: int | None) -> str:
    """How to end a daemon that does not end by itself."""
    return f"end it with `kill -9 {pid}`: nothing acknowledged is lost"


def _require_server() -> None:
    from importlib.util import find_spec

    if missing := [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]:
        raise ConfigError(f'the daemon needs {" and ".join(missing)}: pip install "omnimemory[server]"')


def _refusal(place: Place, *, since: int, busy: bool) -> OmniMemoryError:
    with place.log.open("rb") as log:
        log.seek(since)
        lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
    reason = next(
        (line.removeprefix("error: ") for line in reversed(lines) if line.startswith("error: ")), None
    )
    told = reason or "\n".join(lines[-_LOG_LINES:]) or "it said nothing"
    kind = StoreLocked if busy else ConfigError
    return kind(f"the daemon did not start: {told}\nIts log: {place.log}")
