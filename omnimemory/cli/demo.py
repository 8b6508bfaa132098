"""``omnimemory demo``: watch conversations become memories."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import Json
from omnimemory.core.errors import InvalidRequest

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from omnimemory.demo.conversations import Conversations
    from omnimemory.demo.report import DemoReport
    from omnimemory.demo.runner import Progress as Listener


def demo(
    data: Annotated[
        Path | None,
        typer.Option(metavar="<file>", help="A conversation file; the bundled conversations if left out."),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(help="A folder to keep the data in; a temporary one if left out.", file_okay=False),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="<file>", help="Where to write the evolution graph.")] = Path(
        "evolution.html"
    ),
    as_json: Json = False,
) -> None:
    """Turn conversations into memories, and show what became of them.

    Works with no key and no server; with LLM_* or EMBEDDING_* set, those models are used.
    """
    from omnimemory.cli.output import console, print_json
    from omnimemory.demo.conversations import BUNDLED, read_conversations

    given = read_conversations(data or BUNDLED)
    target = _graph_file(out)
    with _folder(home) as folder, _progress(console(errors=True)) as progress:
        report = asyncio.run(_run(given, folder, target, progress))
        report = report if home else report.model_copy(update={"home": None})
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        from omnimemory.demo.show import show

        show(report, console())
    if not report.sound:
        raise typer.Exit(1)


def _graph_file(out: Path) -> Path:
    """Refused before the work starts, not after."""
    target = out / "evolution.html" if out.is_dir() else out
    if not target.parent.is_dir():
        raise InvalidRequest(f"--out: there is no folder {target.parent}; make it, or name another")
    return target


async def _run(given: Conversations, home: Path, graph: Path, progress: Listener) -> DemoReport:
    from omnimemory.demo.runner import run_demo
    from omnimemory.sdk import OmniMemorySDK

    async with OmniMemorySDK(home=home, provider="qdrant-local", ledger_url=None, synthesis=True) as sdk:
        return await run_demo(sdk, given, graph=graph, progress=progress)


@contextmanager
def _folder(home: Path | None) -> Iterator[Path]:
    if home is not None:
        yield home
        return
    with TemporaryDirectory(prefix="omnimemory-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _progress(console: Console) -> Iterator[Listener]:
    from omnimemory.cli.output import bars

    with bars(console) as progress:
        yield _Bars(progress)


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._current = bars.add_task("Opening", total=None)

    def stage(self, title: str, steps: int) -> None:
        self._bars.remove_task(self._current)
        self._current = self._bars.add_task(title, total=steps)

    def step(self) -> None:
        self._bars.advance(self._current)
