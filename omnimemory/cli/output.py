"""What every command prints with: text for people, one JSON document for programs.

Colour and width follow the terminal; piped output is plain. Memory text is shown as it is: no
markup is read in it, and control characters cannot reach the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from omnimemory.core.display import one_line
from omnimemory.core.notes import is_nothing
from omnimemory.core.schemas import Memory, ScoredMemory

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

_PIPED_WIDTH = 140
_NEVER_SAID = "-"


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
        soft_wrap=False,
    )


def bars(console: Console) -> Progress:
    """Progress bars for long work: shown while ``console`` is a terminal, gone when the work is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description:<18}", markup=False), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def print_json(document: object) -> None:
    """One JSON document on stdout, and nothing else."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")


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


def scores_table(results: Sequence[ScoredMemory], *, parts: bool = True) -> Table:
    """Recalled memories, best first; with ``parts`` every number that ranked them."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("#", justify="right")
    table.add_column("score", justify="right", style="bold")
    for name in ("relevance", "match", "cosine", "words", "recency", "importance") if parts else ():
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("kind")
    table.add_column("said", no_wrap=True)
    table.add_column("memory", ratio=1)
    for result in results:
        table.add_row(
            str(result.rank),
            f"{result.composite_score:.3f}",
            *(_parts(result) if parts else ()),
            result.memory.kind.value,
            said_on(result.memory),
            _recalled(result),
        )
    return table


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


def _recalled(result: ScoredMemory) -> str:
    """The statement that matched stands for its note."""
    if result.matched_statement is not None:
        return one_line(result.matched_statement.text)
    return headline(result.memory)


def explained(result: ScoredMemory) -> list[str]:
    """The explanation of one result as ``name: value`` lines, nested names joined by dots."""
    return [f"{name}: {value}" for name, value in _flat("", result.explanation or {})]


def _flat(prefix: str, node: Mapping[str, object]) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, value in node.items():
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Mapping):
            lines.extend(_flat(path, value))
        else:
            lines.append((path, f"{value:.4f}" if isinstance(value, float) else one_line(str(value))))
    return lines
