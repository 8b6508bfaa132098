"""Who holds a lease, and whether that worker can still be alive."""

from __future__ import annotations

import os
import socket

from omnimemory.core.ids import new_id

_here: set[str] = set()  # the owners that this process has open


def new_owner() -> str:
    """``host:pid:nonce``: unique, and telling enough to see that its process has died."""
    return f"{socket.gethostname()}:{os.getpid()}:{new_id()}"


def enter(owner: str) -> None:
    """From now on this owner's leases are respected in this process."""
    _here.add(owner)


def leave(owner: str) -> None:
    """From now on this owner's leases are free."""
    _here.discard(owner)


def is_dead(owner: str) -> bool:
    """Whether the owner's process is gone for certain. Another host's owners never are."""
    if owner in _here:
        return False
    host, _, rest = owner.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or not rest.isdigit():
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
