"""Who has stopped renewing leases, seen without a clock that can be set.

A worker renews its leases every third of their length. Another process sees the renewals, and by
its own steady clock how long they have failed to come: wall clocks may jump, here and there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

MARGIN_SECONDS = 60
"""A lease nobody has watched is over this long after its end, so that clocks may differ as much."""


class Watch:
    """What this process has seen of the other workers' renewals. May be used from several threads."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._seen: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._patience = float("inf")

    def silent(self, renewals: Mapping[str, int], *, lease_seconds: float | None = None) -> set[str]:
        """The owners that have not renewed their leases for as long as a lease lasts.

        Args:
            renewals: the latest end of each owner's leases; another value than before is a renewal.
            lease_seconds: how long a lease lasts, for this call and for later ones without it.
        """
        with self._lock:
            if lease_seconds is not None:
                self._patience = lease_seconds
            now = self._steady()
            before = self._seen
            self._seen = {
                owner: before[owner] if owner in before and before[owner][0] == until else (until, now)
                for owner, until in renewals.items()
            }
            return {owner for owner, (_, since) in self._seen.items() if now - since >= self._patience}
