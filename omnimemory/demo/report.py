"""What a run of the demo found: plain values, printed as a page or as one JSON document."""

from __future__ import annotations

from pydantic import Field

from omnimemory.core.base import Frozen
from omnimemory.core.schemas import Memory, Operation, ScoredMemory, Time


class UserNotes(Frozen):
    """The active notes of one user, oldest first."""

    user_id: str
    notes: tuple[Memory, ...]


class Change(Frozen):
    """One UPDATE, DELETE or SKIP: what it was about, what took its place, which statements ended."""

    operation: Operation
    user_id: str
    memory_id: str
    before: str
    after: str | None
    contradicted: tuple[str, ...]
    reasoning: str
    confidence: float | None
    said_at: Time | None


class Answer(Frozen):
    """What came back for a question; ``found`` says whether a result rests on a turn that answers it.

    None where the file does not say which turns do.
    """

    user_id: str
    question: str
    results: tuple[ScoredMemory, ...]
    found: bool | None = None


class TenancyCheck(Frozen):
    """One user asked for what only another one said.

    ``owner_found`` shows that the question does reach the fact when its owner asks; ``leaked`` holds
    the texts of the owner that came back to the other one, and must be empty.
    """

    asker: str
    owner: str
    question: str
    owner_found: bool
    returned: int
    leaked: tuple[str, ...]


class Timings(Frozen):
    """Seconds for whole stages, milliseconds for single calls.

    ``turns`` are those that were not stored by an earlier run. ``acknowledge_p50_ms`` is per session
    handed in, ``turns_per_second`` from the first message to the last note.
    """

    turns: int
    acknowledge_p50_ms: float
    synthesis_seconds: float
    turns_per_second: float
    recall_p50_ms: float
    recalls: int


class DemoReport(Frozen):
    """A whole run. ``gave_up`` are the errors of background work that was parked.

    ``home`` is the folder that keeps the data, None where it was temporary.
    """

    data: str
    app_id: str
    home: str | None
    agents: str
    embedder: str
    store: str
    conversations: int
    sessions: int
    turns: int
    notes: tuple[UserNotes, ...]
    evolution: tuple[Change, ...]
    chain: tuple[Memory, ...]
    recall: tuple[Answer, ...]
    tenancy: tuple[TenancyCheck, ...]
    timings: Timings
    gave_up: tuple[str, ...] = Field(default=())
    graph: str | None = None

    @property
    def sound(self) -> bool:
        """Whether all work was done and nobody saw another one's memories."""
        return not self.gave_up and not any(check.leaked for check in self.tenancy)
