"""One process per folder: a lock file that says who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from omnimemory.core.errors import StoreError, StoreLocked

LOCK_FILE = "store.lock"


class FolderLock:
    """Holds a folder until released or until the process ends, however it ends.

    The operating system's lock counts (``flock``), not the file's existence: what a dead process
    left behind does not block. The file's text only tells the next one who holds it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_FILE
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the folder, creating it when missing.

        Raises:
            StoreLocked: another process, or another store of this one, holds it.
            StoreError: the folder cannot be used.
        """
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise StoreError(
                f"the store's folder {folder} cannot be used ({exc.strerror}); give a folder that this "
                "process may write to, for instance with OMNIMEMORY_HOME"
            ) from exc
        try:
            self._take(descriptor)
        except BaseException:  # a descriptor that nothing refers to is never closed
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _take(self, descriptor: int) -> None:
        folder = self.path.parent
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            owner = {
                "pid": os.getpid(),
                "host": platform.node(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(owner).encode(), 0)
        except BlockingIOError as exc:
            raise StoreLocked(_held(folder, os.pread(descriptor, 4096, 0))) from exc
        except OSError as exc:
            raise StoreError(
                f"the store's folder {folder} cannot be locked ({exc.strerror}); free some space, or use a "
                "local disk that supports file locks"
            ) from exc


def _held(folder: Path, owner: bytes) -> str:
    try:
        held = json.loads(owner)
        pid, who = held["pid"], f"process {held['pid']} on {held['host']} since {held['since']}"
    except (ValueError, KeyError, TypeError):  # it is being written right now
        pid, who = None, "another process"
    if pid == os.getpid():
        return f"this process ({pid}) already has the store in {folder} open; share the opened store"
    return (
        f"the store in {folder} is in use by {who}; stop that process, use another folder "
        "(OMNIMEMORY_HOME), or choose a store that several processes can share"
    )
