"""Where a home folder's daemon is met: its socket, its token, and what it says about itself."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from pathlib import Path

from pydantic import ValidationError

from omnimemory.core.base import Frozen
from omnimemory.core.errors import ConfigError
from omnimemory.core.ids import content_hash
from omnimemory.core.scope import Time
from omnimemory.core.settings import Settings

_LONGEST_SOCKET_PATH = 100
"""Bytes that fit in a socket's address on every system we run on."""

_APART = "omnimemory-"
"""How the folder of a socket begins whose own path would be too long."""


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

    def prepare(self) -> None:
        """Make the folder, and a token where there is none.

        Raises:
            ConfigError: the folder cannot be made private, or written to.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            if not self._token.exists():
                self._write(self._token, secrets.token_urlsafe(32))
        except OSError as exc:
            raise ConfigError(
                f"OMNIMEMORY_HOME: {self.folder} cannot be used ({exc.strerror}); name a folder of your own"
            ) from exc

    def token(self) -> str | None:
        """The secret that opens the daemon; None where no daemon ever ran."""
        try:
            return self._token.read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise ConfigError(
                f"the daemon's token {self._token} cannot be read ({exc.strerror}); "
                "use the daemon as the user who started it"
            ) from exc

    def state(self) -> DaemonState | None:
        """What the last daemon wrote down, whether or not it still runs."""
        try:
            return DaemonState.model_validate_json(self._state.read_bytes())
        except (OSError, ValidationError):
            return None

    def running(self) -> DaemonState | None:
        """The daemon that answers at its socket now, if one does."""
        state = self.state()
        return state if state is not None and _answers(state.socket) else None

    def announce(self, state: DaemonState) -> None:
        self._write(self._state, state.model_dump_json())

    def bind(self) -> socket.socket:
        """A socket that only this user can connect to; what a dead daemon left there is removed."""
        path = self.folder / "daemon.sock"
        if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
            path = Path(tempfile.mkdtemp(prefix=_APART)) / "daemon.sock"
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
        self._state.unlink(missing_ok=True)
        if state is None:
            return
        state.socket.unlink(missing_ok=True)
        if state.socket.parent != self.folder and state.socket.parent.name.startswith(_APART):
            state.socket.parent.rmdir()

    def _write(self, path: Path, text: str) -> None:
        """As a whole or not at all, readable by this user alone."""
        fresh = path.with_suffix(f".{os.getpid()}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
