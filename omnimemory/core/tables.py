"""How memories look: one table, as text in a terminal and as HTML in a notebook.

Memory text is shown as it is: HTML is escaped, and no control character reaches a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from omnimemory.core.display import one_line, plain

if TYPE_CHECKING:
    from omnimemory.core.memories import Memory
    from omnimemory.core.results import ScoredMemory

_WIDTH = 110
"""Columns of a text table."""

_TEXT_LINES = 3
_HTML_LINES = 5
_LINE = 280
"""Characters shown of one statement or turn."""

_ROWS = 50
_NONE = "No memories."
_NEVER_SAID = "-"

_FAINT = "opacity:.65"
_CELL = "padding:.3em .7em;vertical-align:top;border-bottom:1px solid rgba(128,128,128,.3)"
_NUMBER = f"text-align:right;font-variant-numeric:tabular-nums;{_CELL}"
_WORD = f"text-align:left;white-space:nowrap;{_CELL}"
_PROSE = f"text-align:left;max-width:40em;{_CELL}"


class Column(NamedTuple):
    """A heading. Numbers stand to the right; the strong one is what the rows are ordered by."""

    name: str
    number: bool = False
    strong: bool = False


class Row(NamedTuple):
    """The cells of all columns but the last, which tells what the memory says, one line each.

    With ``matched`` the first line is the statement that matched.
    """

    cells: tuple[str, ...]
    told: tuple[str, ...]
    matched: bool = False


class Table(NamedTuple):
    """Rows under headings; ``remark`` stands below."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    remark: str = ""

    def as_text(self) -> str:
        """At most 110 columns wide, without a line break at the end."""
        if not self.rows:
            return _NONE
        names = tuple(column.name for column in self.columns[:-1])
        widths = [
            max(map(len, cells)) for cells in zip(names, *(row.cells for row in self.rows), strict=True)
        ]
        rest = max(30, _WIDTH - sum(widths) - 2 * len(widths))
        lines = [self._text_line(names, self.columns[-1].name, widths)]
        for row in self.rows:
            told = wrap(" ".join(row.told), rest, max_lines=_TEXT_LINES, placeholder=" …") or [""]
            lines.append(self._text_line(row.cells, told[0], widths))
            lines += [self._text_line(("",) * len(widths), more, widths) for more in told[1:]]
        return "\n".join([*lines, *([self.remark] if self.remark else [])])

    def _text_line(self, cells: Sequence[str], last: str, widths: Sequence[int]) -> str:
        sized = (
            cell.rjust(width) if column.number else cell.ljust(width)
            for column, cell, width in zip(self.columns, cells, widths, strict=False)
        )
        return "  ".join((*sized, last)).rstrip()

    def as_html(self) -> str:
        """A table with inline styles that takes its colours from the page, light or dark."""
        if not self.rows:
            return f'<p style="{_FAINT}">{_NONE}</p>'
        heads = "".join(
            f'<th style="{_NUMBER if column.number else _WORD}">{escape(column.name)}</th>'
            for column in self.columns
        )
        body = "".join(f"<tr>{self._html_cells(row)}</tr>" for row in self.rows)
        remark = f'<p style="{_FAINT}">{escape(self.remark)}</p>' if self.remark else ""
        return (
            '<table style="border-collapse:collapse">'
            f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{remark}"
        )

    def _html_cells(self, row: Row) -> str:
        cells = "".join(
            f'<td style="{_NUMBER if column.number else _WORD}">'
            f"{f'<b>{escape(cell)}</b>' if column.strong else escape(cell)}</td>"
            for column, cell in zip(self.columns, row.cells, strict=False)
        )
        first, *others = row.told
        lines = [f"<div>{f'<b>{escape(first)}</b>' if row.matched else escape(first)}</div>"]
        faint = f' style="{_FAINT}"' if row.matched else ""
        lines += [f"<div{faint}>{escape(other)}</div>" for other in others[: _HTML_LINES - 1]]
        hidden = len(row.told) - _HTML_LINES
        if hidden > 0:
            lines.append(f'<div style="{_FAINT}">+{hidden} more</div>')
        return f'{cells}<td dir="auto" style="{_PROSE}">{"".join(lines)}</td>'


class Tabled:
    """Shows as a table: HTML in notebooks, text where it is printed."""

    __slots__ = ()

    def _table(self) -> Table:
        raise NotImplementedError

    def __str__(self) -> str:
        return self._table().as_text()

    def __repr__(self) -> str:
        return self._table().as_text()

    def _repr_html_(self) -> str:
        return self._table().as_html()


def results_table(results: Sequence[ScoredMemory], *, remark: str = "") -> Table:
    """Recalled memories with the numbers that ranked them; the matched statement comes first."""
    columns = (
        Column("#", number=True),
        Column("score", number=True, strong=True),
        Column("relevance", number=True),
        Column("recency", number=True),
        Column("importance", number=True),
        Column("kind"),
        Column("said"),
        Column("memory"),
    )
    return Table(columns, tuple(map(_result_row, results[:_ROWS])), _remarks(len(results), remark))


def memories_table(memories: Sequence[Memory], *, remark: str = "") -> Table:
    """Memories as they are stored, with their state and what brought it about."""
    columns = (
        Column("#", number=True),
        Column("kind"),
        Column("status"),
        Column("reason"),
        Column("said"),
        Column("memory"),
    )
    rows = tuple(_memory_row(place, memory) for place, memory in enumerate(memories[:_ROWS], start=1))
    return Table(columns, rows, _remarks(len(memories), remark))


def memory_text(memory: Memory) -> str:
    """One memory in full, under a line that says what it is."""
    facts = [memory.kind, memory.status, f"said {_said(memory)}", memory.id]
    return " · ".join(facts) + "\n" + "\n".join(plain(line) for line in memory.text.splitlines())


def memory_html(memory: Memory) -> str:
    """One memory as a table of one row, with its whole text below to unfold."""
    text = escape("\n".join(plain(line) for line in memory.text.splitlines()))
    return (
        f"{memories_table([memory]).as_html()}<details><summary>In full</summary>"
        f'<div dir="auto" style="white-space:pre-wrap;max-width:60em">{text}</div></details>'
    )


def memory_line(memory: Memory) -> str:
    return f"<Memory {memory.kind} {memory.status} {_said(memory)}: {_told(memory)[0]}>"


def result_text(result: ScoredMemory) -> str:
    """One result: its rank and scores, and below them what it says."""
    row = _result_row(result)
    rank, score, relevance, recency, importance, kind, said = row.cells
    parts = f"relevance {relevance}, recency {recency}, importance {importance}"
    return f"{rank}. {score} ({parts}) · {kind} · said {said}\n" + "\n".join(row.told)


def result_line(result: ScoredMemory) -> str:
    row = _result_row(result)
    return f"<ScoredMemory {row.cells[0]}. {row.cells[1]} {result.memory.kind}: {row.told[0]}>"


def _result_row(result: ScoredMemory) -> Row:
    scores = (
        result.composite_score,
        result.relevance,
        result.recency_score,
        result.importance_score,
    )
    memory, matched = result.memory, result.matched_statement
    told = _told(memory)
    if matched is not None:
        first = one_line(matched.text, limit=_LINE)
        told = (first, *(line for line in told if line != first))
    cells = (str(result.rank), *(f"{score:.3f}" for score in scores), memory.kind, _said(memory))
    return Row(cells, told, matched is not None)


def _memory_row(place: int, memory: Memory) -> Row:
    reason = memory.status_reason.replace("_", " ")
    return Row((str(place), memory.kind, memory.status, reason, _said(memory)), _told(memory))


def _told(memory: Memory) -> tuple[str, ...]:
    """What a memory says: the statements of a note, or its text without headings on one line."""
    if memory.statements:
        return tuple(one_line(statement.text, limit=_LINE) for statement in memory.statements)
    text = " ".join(line for line in memory.text.splitlines() if not line.startswith("## "))
    return (one_line(text, limit=_LINE),)


def _said(memory: Memory) -> str:
    """The day of the newest evidence. An ended memory's last evidence is against it: the day it was said."""
    moment = (memory.updated_at if memory.is_active else None) or memory.occurred_at
    return _NEVER_SAID if moment is None else f"{moment:%Y-%m-%d}"


def _remarks(rows: int, remark: str) -> str:
    hidden = f"{rows - _ROWS} more rows are not shown." if rows > _ROWS else ""
    return " ".join(filter(None, (hidden, remark)))
