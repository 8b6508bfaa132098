"""How well recall finds the turns that answer a question, beside a stock retriever and BM25.

``python benchmarks/recall.py --data FILE [--embedder minilm] [--json]``

Everything goes through the public SDK: each conversation is a user, its sessions are handed in with
their real times, and the ten best memories for each question are held against the turns that answer
it. First turns alone (``infer=False``), then with notes by the extractive agents competing for the
same ten places. Quality figures are the same on every run.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

DATA = """\
The data is yours to bring; none comes with OmniMemory. FILE is JSON:

  {"name": ...,
   "conversations": [{"id": ..., "turns": [
       {"id": ..., "session": ..., "time": ISO 8601 or null, "speaker": ..., "role": ..., "text": ...}]}],
   "questions": [{"conversation": ..., "question": ..., "gold": [turn ids], "category": ...}]}

Ids, sessions and categories are text or numbers. Category "adversarial" (questions with a false
premise) is reported apart and is not in "overall". Sets that convert to this form:
  LoCoMo       github.com/snap-research/locomo: CC BY-NC 4.0, so not for commercial use and not to be
               redistributed within a product; a dialogue's dia_id is the turn's id, evidence the gold
  LongMemEval  github.com/xiaowu0162/LongMemEval: MIT; turns with has_answer are the gold
A tiny set of our own: tests/benchmarks/tiny_recall.json
"""


def main(arguments: list[str] | None = None) -> int:
    """The exit code, as the ``omnimemory`` command documents it: 2 for a file or setting that is wrong."""
    given = _parser().parse_args(arguments)
    from omnimemory.cli.failures import exit_code
    from omnimemory.core.errors import OmniMemoryError

    logging.basicConfig(level=logging.WARNING)
    try:
        _run(given)
    except OmniMemoryError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return exit_code(exc)
    return 0


def _run(given: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from benchmarks.measure import Bench
    from benchmarks.recall_set import read_recall_set

    recall_set = read_recall_set(given.data)
    from benchmarks.recall_contest import contest
    from benchmarks.recall_ours import Setup
    from benchmarks.recall_report import show

    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        tempfile.TemporaryDirectory(prefix="omnimemory-bench-", ignore_cleanup_errors=True) as folder,
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
    ):
        report = asyncio.run(
            contest(
                recall_set,
                given.data,
                Bench(Path(folder), quick=given.limit is not None, progress=progress),
                setup=Setup(given.embedder, given.backend),
                limit=given.limit,
                notes=given.notes,
                foreign=given.foreign,
            )
        )
    if given.json:
        print(report.as_json())
    else:
        piped = Console()
        show(report, piped if piped.is_terminal else Console(width=160))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Measure how well recall finds the turns that answer a question.",
        epilog=DATA,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="the recall set, see below")
    parser.add_argument("--embedder", help="EMBEDDING_PROVIDER: wordllama (default), minilm, ...")
    parser.add_argument("--backend", help="OMNI_MEMORY_PROVIDER: qdrant-local (default), ...")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--no-notes", dest="notes", action="store_false", help="leave the run with notes out")
    parser.add_argument(
        "--foreign", action="store_true", help="also ask each conversation the questions of the next one"
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="ask N questions only, evenly spread")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    if not __package__:  # run by its path: the package it belongs to is found from the folder above
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    sys.exit(main())
