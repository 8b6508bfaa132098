"""The engine's speed beside its baselines.

``python -m benchmarks.engine [--quick] [--json] [--only PART]``
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import engine_import, engine_recall, engine_synthesis, engine_writes
from benchmarks.measure import Bench, Figure, as_json, show

Part = Callable[[Bench], AsyncIterator[Figure]]

PARTS: dict[str, Part] = {
    "import": engine_import.measure,
    "writes": engine_writes.measure,
    "synthesis": engine_synthesis.measure,
    "recall": engine_recall.measure,
}


async def run(names: list[str], *, quick: bool, progress: Progress) -> list[Figure]:
    """The figures of these parts, each measured in a folder of its own that is removed afterwards."""
    figures: list[Figure] = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="omnimemory-bench-", ignore_cleanup_errors=True) as folder:
            bench = Bench(Path(folder), quick, progress)
            figures += [figure async for figure in PARTS[name](bench)]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the engine beside its baselines.")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer: under a minute")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        figures = asyncio.run(run(given.only or list(PARTS), quick=given.quick, progress=progress))
    if given.json:
        print(as_json(figures))
    else:
        piped = Console()
        show(figures, piped if piped.is_terminal else Console(width=140))


if __name__ == "__main__":
    main()
