"""The fields that the agents' outputs share: their descriptions, and what is made of careless answers.

Every field has a default that means nothing, so that a missing one is no error. ``N/A`` and its
kin are nothing. A single text where a list belongs is a list of one, and the other way round;
lists past their maximum are cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from omnimemory.agents.terms import dedupe
from omnimemory.agents.transcript import one_line
from omnimemory.core.notes import is_nothing
from omnimemory.core.proposals import MAX_FOLLOW_UPS, MAX_KEYWORDS, MAX_QUERIES, MAX_TAGS
from omnimemory.core.schemas import Depth

_NOT_AVAILABLE = re.compile(r"\W*n/a\b", re.IGNORECASE)
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
_DEPTHS = frozenset(Depth)


class Output(BaseModel):
    """What a model answers; fields that nobody asked for are dropped, and null is as good as missing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _null_is_missing(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {field: found for field, found in value.items() if found is not None}


def something(text: str) -> str:
    """``text`` trimmed, or "" when it says nothing ("N/A: no evidence" says nothing either)."""
    return "" if is_nothing(text) or _NOT_AVAILABLE.match(text) else text.strip()


def distinct(texts: Iterable[str], limit: int) -> tuple[str, ...]:
    """The first ``limit`` different texts; case does not make a difference."""
    found: dict[str, str] = {}
    for text in texts:
        found.setdefault(text.casefold(), text)
    return tuple(found.values())[:limit]


def bullets(lines: Iterable[str]) -> str:
    """A Markdown list; empty lines are left out."""
    return "\n".join(f"- {line}" for line in lines if line)


def labelled(label: str, text: str | Sequence[str]) -> str:
    """``**label:** text`` in one line, or "" when there is no text."""
    body = text if isinstance(text, str) else "; ".join(part.rstrip(".;") for part in text)
    return f"**{label}:** {one_line(body)}" if body else ""


def _parts(value: object) -> list[str] | None:
    """The texts of a list; None when it is no list of texts."""
    if not isinstance(value, (list, tuple)):
        return None
    texts = [item for item in value if item is not None]
    return [str(item) for item in texts] if all(isinstance(i, (str, int, float)) for i in texts) else None


def _as_text(value: object) -> object:
    parts = _parts(value)
    return value if parts is None else "; ".join(filter(None, map(something, parts)))


def _as_prose(value: object) -> object:
    parts = _parts(value)
    return _as_text(value) if parts is None else bullets(map(something, parts))


def _as_texts(value: object) -> object:
    parts = _parts([value] if isinstance(value, str) else value)
    return value if parts is None else [one_line(text) for part in parts if (text := something(part))]


def _as_depth(value: object) -> object:
    depth = value.strip().casefold() if isinstance(value, str) else "unknown"
    return depth if depth in _DEPTHS else "unknown"


def _without_headings(text: str) -> str:
    return _HEADING.sub("", text)


Text = Annotated[str, BeforeValidator(_as_text), AfterValidator(something)]
"""One text without line structure of its own."""

Prose = Annotated[
    str, BeforeValidator(_as_prose), AfterValidator(something), AfterValidator(_without_headings)
]
"""The body of a section: paragraphs or bullets. Headings are the note's own, so none inside."""

Texts = Annotated[tuple[str, ...], BeforeValidator(_as_texts)]

Tags = Annotated[
    Texts,
    AfterValidator(lambda texts: dedupe(texts, MAX_TAGS)),
    Field(description=f"up to {MAX_TAGS} broad topics, one to three words each"),
]
Keywords = Annotated[
    Texts,
    AfterValidator(lambda texts: dedupe(texts, MAX_KEYWORDS)),
    Field(description=f"up to {MAX_KEYWORDS} specific terms: names, products, places, techniques"),
]
Queries = Annotated[
    Texts,
    AfterValidator(lambda texts: distinct(texts, MAX_QUERIES)),
    Field(description=f"up to {MAX_QUERIES} questions a person might ask later that this note answers"),
]
FollowUps = Annotated[
    Texts,
    AfterValidator(lambda texts: distinct(texts, MAX_FOLLOW_UPS)),
    Field(description=f"up to {MAX_FOLLOW_UPS} open points worth coming back to"),
]
DepthOf = Annotated[
    Literal["high", "medium", "low", "unknown"],
    BeforeValidator(_as_depth),
    Field(description="how much there is to learn: high, medium, low; unknown when it cannot be told"),
]
