"""An evolution chain as a picture: Mermaid or DOT text, or one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Decision, Memory, Status
from omnimemory.evolution.chain import Chain, Step, marked, members_of, names_of, shown, steps
from omnimemory.evolution.page import render_page

FORMATS = ("mermaid", "dot", "html")

_LABEL = 80
_LINES = 3
_TOOLTIP = 2000
_SIGNS = {"added": "+ ", "gone": "- ", "same": ""}

# fill, border, text: the same families as on the page
_COLOURS = {
    Status.ACTIVE: ("#e3f6ec", "#16915a", "#0d3b27"),
    Status.UPDATED: ("#e8edfd", "#4a63d3", "#1c2860"),
    Status.SUPERSEDED: ("#fdf1dc", "#c07d0c", "#573a06"),
    Status.DELETED: ("#fde8ea", "#cf3d52", "#641520"),
}


def render_graph(chain: Chain, *, format: str, decisions: Iterable[Decision] = ()) -> str:
    """Draw a chain from left to right, originals first.

    ``chain`` holds memories or their dict forms, in any order, of one chain or several; an empty
    one gives a picture that says so. ``decisions`` put their operation on the arrows and, in HTML,
    their reasons below. ``html`` is a whole document that loads nothing and runs no script.

    Raises:
        InvalidRequest: an unknown format, or something in the chain is not a memory.
    """
    if format not in FORMATS:
        raise InvalidRequest(f"unknown graph format {format!r}; use one of: {', '.join(FORMATS)}")
    members = members_of(chain)
    changes = steps(members, decisions)
    if format == "html":
        return render_page(members, changes)
    return _mermaid(members, changes) if format == "mermaid" else _dot(members, changes)


def _mermaid(members: Sequence[Memory], changes: Sequence[Step]) -> str:
    names = names_of(members)
    lines = ["flowchart LR"]
    if not members:
        lines.append('    none["no memories"]')
    for memory in members:
        label = "<br/>".join(map(_mermaid_text, _label(names[memory.id], memory, changes)))
        lines.append(f'    {names[memory.id]}["{label}"]:::{memory.status}')
    for source, target, operation in _arrows(changes):
        lines.append(f"    {names[source]} -->|{operation}| {names[target]}")
    for status in dict.fromkeys(memory.status for memory in members):
        fill, border, text = _COLOURS[status]
        lines.append(f"    classDef {status} fill:{fill},stroke:{border},color:{text}")
    return "\n".join(lines) + "\n"


def _dot(members: Sequence[Memory], changes: Sequence[Step]) -> str:
    names = names_of(members)
    lines = [
        "digraph evolution {",
        "    rankdir=LR;",
        '    node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];',
        '    edge [fontname="Helvetica", fontsize=9, color="#7a8190"];',
    ]
    if not members:
        lines.append('    none [label="no memories"];')
    for memory in members:
        fill, border, text = _COLOURS[memory.status]
        label = "\\n".join(map(_dot_text, _label(names[memory.id], memory, changes)))
        tooltip = _dot_text(memory.text[:_TOOLTIP])
        lines.append(
            f'    {names[memory.id]} [label="{label}", tooltip="{tooltip}", '
            f'fillcolor="{fill}", color="{border}", fontcolor="{text}"];'
        )
    for source, target, operation in _arrows(changes):
        lines.append(f'    {names[source]} -> {names[target]} [label="{operation}"];')
    return "\n".join([*lines, "}"]) + "\n"


def _label(name: str, memory: Memory, changes: Sequence[Step]) -> list[str]:
    """Which memory it is; what it says, and first what sets it off from its neighbours; its id."""
    said = memory.occurred_at or memory.created_at
    texts = [_SIGNS[mark] + shown(text, _LABEL) for mark, text in marked(memory, changes)[:_LINES]]
    return [f"{name} · {memory.status} · {said:%Y-%m-%d}", *texts, memory.id]


def _arrows(changes: Sequence[Step]) -> list[tuple[str, str, str]]:
    return [
        (source, step.to_id, str(step.operation))
        for step in changes
        for source in step.from_ids
        if step.to_id is not None and step.to_id != source
    ]


def _mermaid_text(text: str) -> str:
    """Everything but letters, digits and harmless signs as a character code, so that nothing is syntax."""
    return "".join(c if c.isalnum() or c in " .,:!?'-·…" else f"#{ord(c)};" for c in text)


def _dot_text(text: str) -> str:
    """Quotes, backslashes and the HTML entities that Graphviz decodes are escaped, controls left out."""
    clean = "".join(c for c in text if c.isprintable() or c == "\n")
    for raw, safe in (("\\", "\\\\"), ('"', '\\"'), ("&", "&amp;"), ("\n", "\\n")):
        clean = clean.replace(raw, safe)
    return clean
