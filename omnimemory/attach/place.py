"""Where a home folder's daemon is met: its socket, its token, and what it says about itself."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from stat import S_ISDIR
from typing import TextIO

from pydantic import ValidationError

from omnimemory.core.base import Frozen
from omnimemory.core.errors import ConfigError, NotFound
from omnimemory.core.ids import content_hash
from omnimemory.core.scope import Time
from omnimemory.core.settings import Settings
from omnimemory.stores.folder_lock import LOCK_FILE

ANSWER_SECONDS = 2.0
"""A daemon that is well answers sooner."""

_LONGEST_SOCKET_PATH = 100
"""Bytes that fit in a socket's address on every system we run on."""

_QUESTION = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 "


class Sign(Enum):
    """What comes back from a daemon's socket."""

    ANSWERS = auto()
    SILENT = auto()
    """It takes connections and says nothing: the daemon is stuck, or was stopped by a signal."""
    NOBODY = auto()


class DaemonState(Frozen):
    """What a daemon wrote down at its start. ``data`` tells which store and ledger it serves."""

    pid: int
    socket: Path
    data: str
    version: str
    started_at: Time


def data_identity(settings: Settings) -> str:
    """Equal for settings that name the same store and ledger; tells nothing about either."""
    places = (settings.postgres_uri, settings.mongo_uri)
    return content_hash(
        settings.provider,
        str(settings.home.expanduser().resolve()),
        str(settings.ledger_url),
        *(str(settings.qdrant_url or settings.qdrant_host), str(settings.qdrant_port)),
        *(str(settings.chroma_host), str(settings.chroma_port)),
        *("" if secret is None else secret.get_secret_value() for secret in places),
    )


class Place:
    """The folder ``daemon`` in a home: 0700, and everything in it 0600."""

    def __init__(self, home: Path) -> None:
        self.home = home.expanduser().resolve()
        self.folder = self.home / "daemon"
        self.log = self.folder / "daemon.log"
        self._token = self.folder / "token"
        self._state = self.folder / "daemon.json"
        self._lock = self.folder / LOCK_FILE
        # The folder of a socket whose path in the home would be too long: the same at each start.
        self._apart = f"omnimemory-{os.getuid()}-{content_hash(str(self.home))[:16]}"

    def prepare(self) -> None:
        """Make the folder, for this user alone.

        Raises:
            ConfigError: it cannot be made private, or written to.
        """
        with self._usable():
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self.folder.chmod(0o700)

    def token(self) -> str:
        """The secret that opens the daemon.

        Raises:
            ConfigError: there is none, or it is not this user's to read.
        """
        try:
            token = self._read_token()
        except OSError as exc:
            raise ConfigError(
                f"the daemon's token {self._token} cannot be read ({exc.strerror}); "
                "use the daemon as the user who started it"
            ) from exc
        if not token:
            raise ConfigError(
                f"the daemon's token {self._token} is gone; the daemon makes a new one as it starts: "
                "omnimemory daemon stop, then omnimemory daemon start"
            )
        return token

    def kept_token(self) -> str:
        """The token, made where there is none: for the daemon as it starts."""
        with self._usable():
            if not self._read_token():
                self._write(self._token, secrets.token_urlsafe(32))
        return self.token()

    def state(self) -> DaemonState | None:
        """What the last daemon wrote down, whether or not it still runs."""
        try:
            return DaemonState.model_validate_json(self._state.read_bytes())
        except (OSError, ValidationError):
            return None

    def running(self) -> DaemonState | None:
        """The daemon that answers at its socket now, if one does."""
        state = self.state()
        return state if state is not None and self.sign() is Sign.ANSWERS else None

    def sign(self, *, within: float = ANSWER_SECONDS) -> Sign:
        """Whether the daemon answers, within so many seconds."""
        state = self.state()
        if state is None or not (state.socket.parent == self.folder or _is_private(state.socket.parent)):
            return Sign.NOBODY
        return _sign_at(state.socket, within)

    def holder(self) -> int | None:
        """The living process that is the daemon, 0 where it is not known yet; None where there is none.

        The system's lock tells, not a number in a file, which may be another process's by now.

        Raises:
            ConfigError: the home is no folder that can be looked into.
        """
        with self._usable():
            try:
                lock = self._lock.open("rb")
            except FileNotFoundError:
                return None
            with lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # any number may look at once
                except BlockingIOError:
                    try:
                        return int(json.loads(lock.read())["pid"])
                    except (ValueError, KeyError, TypeError):  # it is being written right now
                        return 0
        return None

    def announce(self, state: DaemonState) -> None:
        with self._usable():
            self._write(self._state, state.model_dump_json())

    def bind(self) -> socket.socket:
        """A socket that only this user can connect to; what a dead daemon left there is removed.

        Raises:
            ConfigError: the folder for it is another user's, or cannot be written to.
        """
        path = self.folder / "daemon.sock"
        with self._usable():
            if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
                apart = Path(tempfile.gettempdir(), self._apart)
                apart.mkdir(mode=0o700, exist_ok=True)
                if not _is_private(apart):
                    raise ConfigError(
                        f"{apart} is open to others; remove it, or set TMPDIR to a folder of your own"
                    )
                path = apart / path.name
            path.unlink(missing_ok=True)
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            before = os.umask(0o177)
            try:
                listening.bind(str(path))
            finally:
                os.umask(before)
        return listening

    def clear(self) -> None:
        """Remove the socket and the state of a daemon that has ended. The token and the log stay."""
        state = self.state()
        with self._usable():
            self._state.unlink(missing_ok=True)
            if state is not None:
                state.socket.unlink(missing_ok=True)
        if state is not None and state.socket.parent.name == self._apart:
            with suppress(OSError):  # it was cleaned away
                state.socket.parent.rmdir()

    def open_log(self) -> TextIO:
        """The daemon's log, to be read.

        Raises:
            NotFound: no daemon ever ran here.
        """
        with self._usable():
            try:
                return self.log.open(encoding="utf-8", errors="replace")
            except FileNotFoundError as exc:
                raise NotFound(
                    f"no daemon ever ran here: there is no {self.log}; start one: omnimemory daemon start"
                ) from exc

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """The one place where the file system's refusals become ours."""
        try:
            yield
        except OSError as exc:
            raise ConfigError(
                f"OMNIMEMORY_HOME: {self.folder} cannot be used ({exc.strerror or exc}); "
                "name a folder of your own"
            ) from exc

    def _read_token(self) -> str | None:
        try:
            token = self._token.read_bytes().strip()
        except FileNotFoundError:
            return None
        return token.decode() if token.isascii() else None

    def _write(self, path: Path, text: str) -> None:
        """As a whole or not at all, readable by this user alone."""
        fresh = path.with_suffix(f".{os.getpid()}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)


def _is_private(folder: Path) -> bool:
    """Whether it is a folder, no link to one, that is this user's alone."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _sign_at(path: Path, seconds: float) -> Sign:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(seconds)
        try:
            probe.connect(str(path))
            probe.sendall(_QUESTION)
            answer = probe.recv(len(_ANSWER), socket.MSG_WAITALL)
        except (TimeoutError, BlockingIOError):  # the latter: nobody takes the connections that wait
            return Sign.SILENT
        except OSError:
            return Sign.NOBODY
    return Sign.ANSWERS if answer == _ANSWER else Sign.NOBODY
