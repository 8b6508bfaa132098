"""The text form of a note: four Markdown sections, then a footer with tags and keywords."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omnimemory.core.schemas import NoteSections
from omnimemory.core.text import sentences

_TITLES = {
    "summary": "Summary",
    "behavioral_patterns": "Behavioral Patterns",
    "experience_learnings": "Experience Learnings",
    "guidance": "Guidance",
}
_NOTHING = frozenset(
    {"", "n/a", "na", "none", "null", "nil", "unknown", "not available", "not applicable", "-"}
)


def is_nothing(text: str) -> bool:
    """Whether a model's field says nothing: empty, ``N/A`` and the like."""
    return text.strip().strip(".\"'`*_()[] ").casefold() in _NOTHING


def render_note(
    sections: NoteSections,
    statements: Iterable[str],
    *,
    tags: Sequence[str] = (),
    keywords: Sequence[str] = (),
) -> str:
    """The note as Markdown. The statements stand as a list under Summary, so the text loses nothing;
    a narrative that only says them again is left out.
    """
    told = list(statements)
    facts = [f"- {statement}" for statement in told]
    blocks = []
    for field, title in _TITLES.items():
        body = getattr(sections, field).strip()
        parts = [] if is_nothing(body) else [body]
        if field == "summary" and facts:
            again = set(sentences(body)) <= set(told)
            parts = ["\n".join(facts)] if again else [*parts, "\n".join(facts)]
        if parts:
            blocks.append(f"## {title}\n\n" + "\n\n".join(parts))
    footer = [
        f"**{label}:** {', '.join(terms)}"
        for label, terms in (("Tags", tags), ("Keywords", keywords))
        if terms
    ]
    if footer:
        blocks.append("---\n" + "  \n".join(footer))
    return "\n\n".join(blocks)
