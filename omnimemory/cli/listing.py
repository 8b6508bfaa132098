"""Records in the form that fits: a table, paragraphs on a narrow terminal, plain lines where piped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from omnimemory.core.display import one_line

_GAP = "  "
_TABLE_GAP = 3
"""Columns between two of a table: a space on each side of where a line would be."""
_PROSE_WIDTH = 50
"""Columns that long text needs; with fewer, a table is harder to read than paragraphs."""
_PROSE_SHOWN = 160


class Column(NamedTuple):
    """``lead`` goes before a value that has no heading above it; ``prose`` is for a last, long column."""

    name: str
    lead: str = ""
    style: str = ""
    right: bool = False
    prose: bool = False


def identified(name: str = "id") -> Column:
    """A column of ids, there to be copied rather than read."""
    return Column(name, style="dim")


class Listing:
    """Rows of one-line cells, a cell for each column. To be printed.

    On a terminal long text is cut, and rows that would not fit as a table become paragraphs: what is
    known of each, then its text. Where piped, each is one whole line, its columns aligned by spaces;
    ``headed`` puts the names of the columns above. The last row stands out where it is a ``total``.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str]],
        *,
        headed: bool = False,
        total: bool = False,
    ) -> None:
        self._columns = columns
        self._rows = rows
        self._headed = headed
        self._total = total

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not console.is_terminal:
            yield from self._lines()
        elif self._table_width() <= options.max_width:
            yield self._table()
        else:
            yield from self._paragraphs()

    def _lines(self) -> Iterator[Text]:
        names = [tuple(column.name for column in self._columns)] if self._headed else []
        rows = [*names, *self._rows]
        widths = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
        for row in rows:
            yield Text(_GAP.join(self._aligned(row, widths)).rstrip(), no_wrap=True, overflow="ignore")

    def _aligned(self, row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
        for column, cell, width in zip(self._columns, row, widths, strict=True):
            padding = " " * (width - cell_len(cell))
            yield padding + cell if column.right else cell + padding

    def _table_width(self) -> int:
        width = _TABLE_GAP * (len(self._columns) - 1)
        for column, cells in zip(self._columns, zip(*self._rows, strict=True), strict=True):
            longest = max(map(cell_len, (column.name, *cells)))
            width += min(longest, _PROSE_WIDTH) if column.prose else longest
        return width

    def _table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in self._columns:
            table.add_column(
                column.name,
                style=column.style,
                justify="right" if column.right else "left",
                no_wrap=not column.prose,
            )
        for number, row in enumerate(self._rows, 1):
            bold = self._total and number == len(self._rows)
            table.add_row(*map(self._shortened, row), style="bold" if bold else None)
        return table

    def _paragraphs(self) -> Iterator[Text]:
        prose = self._columns[-1].prose
        for number, row in enumerate(self._rows):
            facts = list(zip(self._columns, row, strict=True))
            text = facts.pop()[1] if prose else ""
            known = [(column.lead + cell, column.style) for column, cell in facts if cell]
            if number and prose:
                yield Text()
            yield Text(_GAP).join(Text(cell, style) for cell, style in known)
            if text:
                yield Text(self._shortened(text))

    @staticmethod
    def _shortened(cell: str) -> str:
        return one_line(cell, limit=_PROSE_SHOWN)
