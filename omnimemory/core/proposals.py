"""What the agents propose. A model fills these in; only the engine acts on them."""

from __future__ import annotations

from omnimemory.core.base import Frozen
from omnimemory.core.schemas import Depth, NoteSections, Operation, Time

MAX_STATEMENTS = 12
MAX_CONSOLIDATED_STATEMENTS = 24
MAX_TAGS = 8
MAX_KEYWORDS = 10
MAX_QUERIES = 4
MAX_FOLLOW_UPS = 2


class DraftStatement(Frozen):
    """A statement before it has an id. ``sources`` are ids of turns of the window."""

    text: str
    sources: tuple[str, ...] = ()
    occurred_at: Time | None = None


class Draft(Frozen):
    """A note as the agents propose it; empty fields mean "nothing to say"."""

    sections: NoteSections
    statements: tuple[DraftStatement, ...] = ()
    tags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()
    depth: Depth = Depth.UNKNOWN


class Verdict(Frozen):
    """A decision about one linked note, by id. ``contradicted`` holds ids of its statements."""

    memory_id: str
    operation: Operation
    confidence: float
    reasoning: str
    contradicted: tuple[str, ...] = ()


class MergedStatement(Frozen):
    """A statement of the consolidated note.

    ``origins`` are the statements it carries on, each as (memory id, statement id).
    """

    text: str
    origins: tuple[tuple[str, str], ...]


class Merge(Frozen):
    """The consolidated note: what the new note and every UPDATE target become."""

    sections: NoteSections
    statements: tuple[MergedStatement, ...]
    tags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()
    depth: Depth = Depth.UNKNOWN


class Resolution(Frozen):
    """Verdicts over the linked notes, and the consolidated note where one is an UPDATE.

    ``ignored`` counts labels the model made up; they have no effect.
    """

    verdicts: tuple[Verdict, ...]
    merge: Merge | None = None
    ignored: int = 0


class Summary(Frozen):
    """A summary of a conversation; ``structured`` holds the sections of the full form."""

    content: str
    structured: dict[str, str] | None = None
