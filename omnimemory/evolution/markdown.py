"""Reading a note's Markdown back, as a person edits it."""

from __future__ import annotations

import re

from omnimemory.core.base import Frozen
from omnimemory.core.schemas import NoteSections
from omnimemory.core.text import sentences

_HEADING = re.compile(
    r"^##[ \t]+(Summary|Behavioral Patterns|Experience Learnings|Guidance)[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_FOOTER = re.compile(r"^\*\*(Tags|Keywords):\*\*(.*)$", re.MULTILINE)
_RULE = re.compile(r"^---[ \t]*$", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*[-*][ \t]+(.+?)[ \t]*$", re.MULTILINE)


class Reading(Frozen):
    """What a hand-written text says. ``tags`` and ``keywords`` are None where it does not list them."""

    sections: NoteSections
    statements: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    keywords: tuple[str, ...] | None = None


def read_note(text: str) -> Reading:
    """Read free text, or a note in the form of ``render_note``.

    Free text becomes the summary and its sentences the statements. In a note the list under
    Summary holds the statements; where there is no list, the summary's sentences do.
    """
    headings = list(_HEADING.finditer(text))
    if not headings:
        return Reading(sections=NoteSections(summary=text.strip()), statements=tuple(sentences(text)))
    body = text
    terms: dict[str, tuple[str, ...]] = {}
    if (rules := list(_RULE.finditer(text))) and _FOOTER.search(text, rules[-1].end()):
        body, footer = text[: rules[-1].start()], text[rules[-1].end() :]
        terms = {
            label.lower(): tuple(filter(None, map(str.strip, items.split(","))))
            for label, items in _FOOTER.findall(footer)
        }
    blocks = {"summary": body[: headings[0].start()].strip()}
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        field = heading[1].lower().replace(" ", "_")
        block = body[heading.end() : following.start() if following else len(body)].strip()
        blocks[field] = f"{blocks.get(field, '')}\n\n{block}".strip()
    items = tuple(item[1] for item in _ITEM.finditer(blocks["summary"]))
    narrative = re.sub(r"\n{3,}", "\n\n", _ITEM.sub("", blocks["summary"])).strip()
    return Reading(
        sections=NoteSections.model_validate({**blocks, "summary": narrative}),
        statements=items or tuple(sentences(narrative)),
        tags=terms.get("tags"),
        keywords=terms.get("keywords"),
    )
