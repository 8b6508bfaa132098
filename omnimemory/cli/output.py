"""What every command prints with: text for people, one JSON document for programs.

Colour and width follow the terminal; piped output is plain and never wrapped. Memory text is shown as
it is: no markup is read in it, and control characters cannot reach the terminal.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from omnimemory.core.display import one_line, plain
from omnimemory.core.notes import is_nothing
from omnimemory.core.results import NearMiss
from omnimemory.core.schemas import Memory, ScoredMemory

if TYPE_CHECKING:
    from pydantic import JsonValue
    from rich.console import Console, RenderableType
    from rich.progress import Progress
    from rich.text import Text

    from omnimemory.cli.listing import Listing

_PIPED_WIDTH = 140
"""Of rules across a page; lines of text are as long as they are."""
_NEVER_SAID = "-"
_UNCUT = sys.maxsize


def console(*, errors: bool = False) -> Console:
    """A console on stdout, or stderr: no markup, no guessing of highlights."""
    from rich.console import Console

    stream = sys.stderr if errors else sys.stdout
    return Console(
        file=stream,
        width=None if stream.isatty() else _PIPED_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=not stream.isatty(),
    )


def bars(console: Console) -> Progress:
    """Progress bars for long work: shown while ``console`` is a terminal, gone when the work is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description:<18}", markup=False), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def print_json(document: object) -> None:
    """One JSON document on stdout, and nothing else."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")
    sys.stdout.flush()


def headline(memory: Memory, *, limit: int = 160) -> str:
    """What a memory says, on one line: a note's statements, or the text of a turn."""
    if memory.statements:
        text = " ".join(statement.text for statement in memory.statements)
    elif memory.sections is not None and not is_nothing(memory.sections.summary):
        text = memory.sections.summary
    else:
        text = memory.text
    return one_line(text, limit=limit)


def said_on(memory: Memory) -> str:
    """The day of what a memory rests on."""
    moment = memory.updated_at or memory.occurred_at
    return _NEVER_SAID if moment is None else f"{moment:%Y-%m-%d}"


def scores_listing(results: Sequence[ScoredMemory], *, parts: bool = True) -> Listing:
    """Recalled memories, best first; with ``parts`` every number that ranked them, else their ids."""
    from omnimemory.cli.listing import Column, Listing, identified

    numbers = ("relevance", "match", "cosine", "words", "recency", "importance") if parts else ()
    columns = (
        Column("#", lead="#", right=True),
        Column("score", style="bold", right=True),
        *(Column(name, lead=f"{name} ", right=True) for name in numbers),
        Column("kind"),
        Column("said", lead="said "),
        *(() if parts else (identified(),)),
        Column("memory", prose=True),
    )
    rows = [
        (
            str(result.rank),
            f"{result.composite_score:.3f}",
            *(_parts(result) if parts else ()),
            result.memory.kind.value,
            said_on(result.memory),
            *(() if parts else (plain(result.memory_id),)),
            _recalled(result, limit=_UNCUT),
        )
        for result in results
    ]
    return Listing(columns, rows)


def memories_listing(memories: Sequence[Memory]) -> Listing:
    """What each memory is, when it was said, and what it says."""
    from omnimemory.cli.listing import Column, Listing, identified

    columns = (
        identified(),
        Column("kind"),
        Column("status"),
        Column("said", lead="said "),
        Column("memory", prose=True),
    )
    rows = [
        (
            plain(memory.id),
            memory.kind.value,
            memory.status.value,
            said_on(memory),
            headline(memory, limit=_UNCUT),
        )
        for memory in memories
    ]
    return Listing(columns, rows)


def print_document(document: object, text: RenderableType, *, as_json: bool) -> None:
    """What a command has to say: the document for programs, the text for people."""
    if as_json:
        print_json(document)
    else:
        console().print(text, soft_wrap=True if isinstance(text, str) else None)


def _parts(result: ScoredMemory) -> list[str]:
    similarity = result.similarity_score
    return [
        f"{result.relevance:.3f}",
        f"{result.match:.3f}",
        _NEVER_SAID if similarity is None else f"{similarity:.3f}",
        f"{result.lexical_score:.2f}",
        f"{result.recency_score:.3f}",
        f"{result.importance_score:.3f}",
    ]


def _recalled(result: ScoredMemory, *, limit: int = 160) -> str:
    """The statement that matched stands for its note."""
    if result.matched_statement is not None:
        return one_line(result.matched_statement.text, limit=limit)
    return headline(result.memory, limit=limit)


def heading(result: ScoredMemory) -> Text:
    """Which result it is, on two lines: rank, score, kind, day and id; then what it says."""
    from rich.text import Text

    memory = result.memory
    score = f"#{result.rank}  {result.composite_score:.4f}"
    facts = f"  {memory.kind.value}  said {said_on(memory)}  {plain(memory.id)}\n"
    return Text.assemble((score, "bold"), (facts, "dim"), _recalled(result))


def explanation_parts(result: ScoredMemory) -> list[Listing | Text]:
    """The explanation of one result, to be added up by eye.

    What holds a ``contribution`` is a row of a table that sums them, what holds a ``boost`` one of a
    table that makes them a factor; every other value is listed. A name is the path to the value.
    """
    from rich.text import Text

    rows, others = _rows_and_others(result.explanation or {})
    added = {name: row for name, row in rows.items() if "contribution" in row}
    boosted = {name: row for name, row in rows.items() if "boost" in row}
    total = sum(_number(row["contribution"]) for row in added.values())
    factor = 1.0 + sum(_number(row["boost"]) for row in boosted.values())
    parts: list[Listing | Text] = []
    if added:
        sum_name = _take(others, total) or "sum"
        parts.append(_adding_up("evidence", added, "contribution", (sum_name, total)))
    if boosted:
        parts.append(_adding_up("boosts", boosted, "boost", ("1 + boosts", factor)))
    if added and boosted and math.isclose(total * factor, result.composite_score):
        product = _take(others, total * factor) or "score"
        parts.append(Text(f"{sum_name} {total:.4f} x {factor:.4f} = {total * factor:.4f} {product}"))
    said = result.matched_statement
    listed = [
        f"{name}: {_shown(value)}"
        for name, value in others.items()
        if value is not None and not (said is not None and value == said.text)  # the heading has it
    ]
    return [*parts, Text("\n".join(listed))] if listed else parts


def near_misses_listing(misses: Sequence[NearMiss]) -> Listing:
    """What nearly came back, best first, and why it did not."""
    from omnimemory.cli.listing import Column, Listing, identified

    columns = (
        *(Column(name, lead=f"{name} ", right=True) for name in ("score", "match", "cosine", "words")),
        identified("near miss"),
        Column("left out because", prose=True),
    )
    rows = [
        (
            f"{miss.composite_score:.3f}",
            f"{miss.match:.3f}",
            _NEVER_SAID if miss.similarity_score is None else f"{miss.similarity_score:.3f}",
            f"{miss.lexical_score:.2f}",
            plain(miss.memory_id),
            one_line(miss.reason, limit=_UNCUT),
        )
        for miss in misses
    ]
    return Listing(columns, rows, headed=True)


def _rows_and_others(
    tree: Mapping[str, JsonValue], prefix: str = ""
) -> tuple[dict[str, Mapping[str, JsonValue]], dict[str, JsonValue]]:
    """What takes part in a sum, and every other value, each by its path in the tree."""
    rows: dict[str, Mapping[str, JsonValue]] = {}
    others: dict[str, JsonValue] = {}
    for name, value in tree.items():
        path = prefix + name
        if not isinstance(value, Mapping):
            others[path] = value
        elif "contribution" in value or "boost" in value:
            rows[path] = value
        else:
            inner_rows, inner_others = _rows_and_others(value, f"{path}.")
            rows |= inner_rows
            others |= inner_others
    return rows, others


def _adding_up(
    title: str, rows: Mapping[str, Mapping[str, JsonValue]], last: str, total: tuple[str, float]
) -> Listing:
    """A row each, under the union of their names; the column ``last`` ends in the total."""
    from omnimemory.cli.listing import Column, Listing

    names = [name for name in dict.fromkeys(name for row in rows.values() for name in row) if name != last]
    columns = (
        Column(title),
        *(Column(name, lead=f"{name} ", right=True) for name in names),
        Column(last, right=True),
    )
    cells = []
    for path, row in rows.items():
        number = _number(row[last])
        shown = f"{'-' if number < 0 else '+'} {abs(number):.4f}"
        cells.append((path, *(_shown(row.get(name)) for name in names), shown))
    cells.append((total[0], *("" for _ in names), f"= {total[1]:.4f}"))
    return Listing(columns, cells, headed=True, total=True)


def _take(values: dict[str, JsonValue], wanted: float) -> str | None:
    """The name of the value that is the wanted number, which is then taken out."""
    for name, value in values.items():
        if isinstance(value, float) and math.isclose(value, wanted):
            del values[name]
            return name
    return None


def _number(value: JsonValue) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _shown(value: JsonValue) -> str:
    if value is None:
        return _NEVER_SAID
    if isinstance(value, float):
        return f"{value:.4f}"
    return one_line(", ".join(map(str, value)) if isinstance(value, list) else str(value))
