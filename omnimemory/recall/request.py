"""What a caller asks of recall, checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Memory, MemoryKind, Scope, Status

MAX_RESULTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallRequest:
    """One recall. Thresholds of None are ``auto``; ``as_of`` asks what was stored at that moment.

    ``shown`` holds texts and message ids that the reader sees anyway: turns that are just that are
    left out.
    """

    scope: Scope
    query: str
    n_results: int
    kinds: frozenset[MemoryKind] = frozenset(MemoryKind)
    statuses: frozenset[Status] = frozenset({Status.ACTIVE})
    facets: tuple[str, ...] = ()
    said_after: datetime | None = None
    said_before: datetime | None = None
    as_of: datetime | None = None
    recall_threshold: float | None = None
    composite_threshold: float | None = None
    shown: frozenset[str] = frozenset()
    explain: bool = False

    def shows(self, memory: Memory) -> bool:
        """Whether the reader sees this turn anyway."""
        return memory.kind is MemoryKind.TURN and (
            memory.text in self.shown or memory.message_id in self.shown
        )

    def __post_init__(self) -> None:
        if not isinstance(self.query, str) or not self.query.strip():
            raise InvalidRequest("the query is blank; ask something")
        try:
            self.query.encode("utf-8")
        except UnicodeEncodeError as exc:
            raise InvalidRequest("the query holds a lone surrogate; decode it as UTF-8 first") from exc
        if isinstance(self.n_results, bool) or not isinstance(self.n_results, int):
            raise InvalidRequest(f"n_results must be a whole number, got {self.n_results!r}")
        if not 1 <= self.n_results <= MAX_RESULTS:
            raise InvalidRequest(f"n_results must be 1 to {MAX_RESULTS}, got {self.n_results}")
        _check_threshold("similarity_threshold", self.recall_threshold, least=-1.0, most=1.0)
        _check_threshold("composite_threshold", self.composite_threshold, least=0.0, most=2.0)
        for name in ("said_after", "said_before", "as_of"):
            check_moment(name, getattr(self, name))


def check_moment(name: str, moment: object) -> None:
    """A time that a caller asks for has a time zone, or is not given at all."""
    if moment is not None and (not isinstance(moment, datetime) or moment.tzinfo is None):
        raise InvalidRequest(f"{name} must be a datetime with a time zone, as datetime.now(UTC)")


def _check_threshold(name: str, value: float | None, *, least: float, most: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InvalidRequest(f"{name} must be a number from {least:g} to {most:g}, got {value!r}")
