"""The evolution page: one HTML document with inline style and SVG; it loads nothing and runs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

from omnimemory.core.schemas import Memory, MemoryKind, Operation, Status
from omnimemory.evolution.chain import Step, headline, marked, names_of
from omnimemory.evolution.layout import CARD_HEIGHT, CARD_WIDTH, Layout, lay_out
from omnimemory.evolution.style import CSS

_PAD = 32
"""Room around the cards, in pixels, for arrows that run along the edge."""

_LINES = 3
"""Statements on a card."""

_LEGEND = {
    Status.ACTIVE: "recalled",
    Status.UPDATED: "replaced",
    Status.SUPERSEDED: "contradicted",
    Status.DELETED: "ended",
}


def render_page(members: Sequence[Memory], changes: Sequence[Step]) -> str:
    """The whole document for ordered members and their steps."""
    names = names_of(members)
    body = _NONE
    if members:
        body = (
            _graph(members, changes, names)
            + _steps(changes, names)
            + f"<h2>In full</h2>{''.join(_full(memory, names) for memory in members)}"
        )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="'
        "default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Memory evolution</title><style>{CSS}</style></head>\n"
        f"<body><header><h1>Memory evolution</h1>{_overview(members, changes)}</header>\n"
        f"<main>{body}</main></body></html>\n"
    )


_NONE = '<p class="none">No memories: this chain is empty.</p>'


def _overview(members: Sequence[Memory], changes: Sequence[Step]) -> str:
    if not members:
        return ""
    first = min(memory.created_at for memory in members)
    last = max([*(step.at for step in changes), *(memory.created_at for memory in members)])
    facts = [_count(len(members), "memory", "memories"), _count(len(changes), "step", "steps")]
    facts.append(_date(first) if _date(first) == _date(last) else f"{_date(first)} to {_date(last)}")
    counts = Counter(memory.status for memory in members)
    chips = "".join(
        f'<li class="chip {status}{"" if counts[status] else " off"}" title="{meaning}">'
        f"{counts[status]} {status}</li>"
        for status, meaning in _LEGEND.items()
    )
    return f'<p class="sub">{" · ".join(facts)}</p><ul class="legend">{chips}</ul>'


def _graph(members: Sequence[Memory], changes: Sequence[Step], names: Mapping[str, str]) -> str:
    layout = lay_out(members)
    confirmed = Counter(step.to_id for step in changes if step.operation is Operation.SKIP)
    cards = "".join(
        _card(memory, layout, names, confirmed[memory.id], marked(memory, changes)) for memory in members
    )
    width, height = layout.width + 2 * _PAD, layout.height + 2 * _PAD
    return (
        f'<div class="scroll"><div class="canvas" style="width:{width:g}px;height:{height:g}px">'
        f"{_arrows(layout, changes, width, height)}{cards}</div></div>"
    )


def _arrows(layout: Layout, changes: Sequence[Step], width: float, height: float) -> str:
    operations = {
        source: step.operation for step in changes for source in step.from_ids if source != step.to_id
    }
    paths = "".join(f'<path class="arrow" d="{a.path}" marker-end="url(#head)"/>' for a in layout.arrows)
    labels = "".join(
        f'<span class="op" style="left:{arrow.x + _PAD:g}px;top:{arrow.y + _PAD:g}px">'
        f"{_operation(operations[arrow.source])}</span>"
        for arrow in layout.arrows
        if arrow.source in operations
    )
    return (
        f'<svg width="{width:g}" height="{height:g}" aria-hidden="true"><defs>'
        '<marker id="head" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="9" markerHeight="9" '
        'markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z"/></marker></defs>'
        f'<g transform="translate({_PAD},{_PAD})">{paths}</g></svg>{labels}'
    )


def _card(
    memory: Memory,
    layout: Layout,
    names: Mapping[str, str],
    confirmed: int,
    lines: Sequence[tuple[str, str]],
) -> str:
    x, y = layout.places[memory.id]
    ended = "" if memory.is_active else " ended"
    told = "".join(f'<li class="{mark}">{escape(text)}</li>' for mark, text in lines[:_LINES])
    hidden = len(lines) - _LINES
    if memory.kind is MemoryKind.TURN:
        about = f"turn · {memory.role}" if memory.role else "turn"
    else:
        about = _count(len(memory.statements), "statement", "statements")
    notes = [f"+{hidden} more"] if hidden > 0 else []
    if confirmed:
        notes.append(f"confirmed ×{confirmed}")  # noqa: RUF001  a multiplication sign is meant
    return (
        f'<a class="card {memory.status}{ended}" href="#{names[memory.id]}" title="{escape(memory.text)}" '
        f'style="left:{x + _PAD:g}px;top:{y + _PAD:g}px;width:{CARD_WIDTH}px;height:{CARD_HEIGHT}px">'
        f'<span class="top"><span class="name">{names[memory.id]}</span>'
        f'<span class="date">{_date(memory.occurred_at or memory.created_at)}</span>'
        f'<span class="chip">{memory.status}</span></span>'
        f'<ul>{told}</ul><span class="foot"><span>{about}</span>'
        f"<span>{' · '.join(notes) or _reason(memory)}</span></span></a>"
    )


def _steps(changes: Sequence[Step], names: Mapping[str, str]) -> str:
    if not changes:
        return ""
    return f'<h2>What changed</h2><ol class="steps">{"".join(_step(step, names) for step in changes)}</ol>'


def _step(step: Step, names: Mapping[str, str]) -> str:
    where = ", ".join(names.get(old, "a memory elsewhere") for old in step.from_ids)
    if step.to_id is None:
        where += " ended"
    elif step.operation is Operation.SKIP:
        where += " confirmed"
    else:
        where += f" → {names[step.to_id]}"
    sure = "" if step.confidence is None else f'<span class="date">confidence {step.confidence:.2f}</span>'
    why = f'<p class="why">{escape(step.reasoning)}</p>' if step.reasoning else ""
    facts = "".join(
        f'<li class="{mark}">{escape(text)}</li>'
        for mark, texts in (("gone", step.ended), ("added", step.added))
        for text in texts
    )
    if step.kept:
        facts += f'<li class="kept">{_count(len(step.kept), "statement", "statements")} carried on</li>'
    facts = f'<ul class="facts">{facts}</ul>' if facts else ""
    return (
        f'<li><div class="line"><span class="op">{_operation(step.operation)}</span>'
        f'<span class="name">{where}</span><span class="date">{_date(step.at)}</span>{sure}</div>'
        f"{why}{facts}</li>"
    )


def _full(memory: Memory, names: Mapping[str, str]) -> str:
    ended = "" if memory.ended_at is None else f", ended {_date(memory.ended_at)}"
    return (
        f'<details id="{names[memory.id]}" class="{memory.status}"><summary>'
        f'<span class="name">{names[memory.id]}</span><span class="chip">{memory.status}</span>'
        f"{escape(headline(memory))}</summary><pre>{escape(memory.text)}</pre>"
        f'<p class="date">{escape(memory.id)} · version {memory.version} · {_reason(memory)} · '
        f"stored {_date(memory.created_at)}{ended}</p></details>"
    )


def _operation(operation: Operation) -> str:
    return operation.replace("_", " ")


def _reason(memory: Memory) -> str:
    return memory.status_reason.replace("_", " ")


def _date(time: datetime) -> str:
    return f"{time.day} {time:%b %Y}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
