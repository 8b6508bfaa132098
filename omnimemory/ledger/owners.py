"""Who holds a lease, and whether that worker can still be alive."""

from __future__ import annotations

import functools
import hashlib
import os
import socket
from pathlib import Path

from omnimemory.core.ids import new_id

_here: set[str] = set()  # the owners that this process has open


def new_owner() -> str:
    """``place:pid:nonce``: unique, and telling enough to see that its process has died."""
    return f"{place()}:{os.getpid()}:{new_id()}"


@functools.cache
def place() -> str:
    """Where process ids mean the same as here: the host by name, and which machine or container it is.

    Containers, and machines all called ``localhost``, share the name.
    """
    told = [_read(Path("/etc/machine-id")), _read_link(Path("/proc/self/ns/pid"))]
    return f"{socket.gethostname()}-{hashlib.blake2b(repr(told).encode(), digest_size=4).hexdigest()}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _read_link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def enter(owner: str) -> None:
    """From now on this owner's leases are respected in this process."""
    _here.add(owner)


def leave(owner: str) -> None:
    """From now on this owner's leases are free."""
    _here.discard(owner)


def is_dead(owner: str) -> bool:
    """Whether the owner's process is gone for certain. Owners elsewhere never are."""
    if owner in _here:
        return False
    where, _, rest = owner.rpartition(":")[0].rpartition(":")
    if where != place() or not rest.isdigit():
        return False
    pid = int(rest)
    # the same process id with an unknown nonce: an earlier process, or a closed ledger of ours
    return pid == os.getpid() or not _runs(pid)


def _runs(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 is Ctrl-C; the lease runs out instead
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
