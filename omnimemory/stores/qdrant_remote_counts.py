"""How many records hold a word, as the server last counted: remembered for a moment.

A recall asks for the frequencies of its words and then searches by them; a note's statements are
looked up one after another. Without this each word would be counted once more each time.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field

FRESH_SECONDS = 1.0
_SCOPES = 1024


@dataclass(slots=True)
class Counted:
    """Counts of one scope: its records with words, and those that hold each term."""

    since: float
    documents: int | None = None
    terms: dict[int, int] = field(default_factory=dict)


class Counts:
    """What was counted in the last second, by app and user. What this process writes counts at once, what
    others write within ``FRESH_SECONDS``."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str | None], Counted] = OrderedDict()

    def of(self, app_id: str, user_id: str | None) -> Counted:
        now = time.monotonic()
        counted = self._kept.get((app_id, user_id))
        if counted is None or now - counted.since > FRESH_SECONDS:
            counted = self._kept[app_id, user_id] = Counted(now)
            self._kept.move_to_end((app_id, user_id))
            while len(self._kept) > _SCOPES:
                self._kept.popitem(last=False)
        return counted

    def forget(self, app_id: str) -> None:
        """The app was written to. Counting that is still under way is not kept either."""
        for key in [key for key in self._kept if key[0] == app_id]:
            del self._kept[key]
