"""What the benchmarks share: figures with their baselines and targets, timing, the machine, the table."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

PACKAGES = (
    *("omnimemory", "qdrant-edge-py", "wordllama", "numpy", "sqlalchemy"),
    *("pydantic", "openai", "httpx", "tokenizers"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number. ``target`` is the most it may be, or the least with ``at_least``."""

    measure: str
    size: str = ""
    ours: float
    unit: str
    baseline: float | None = None
    baseline_unit: str = ""
    baseline_name: str = ""
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.ours >= self.target if self.at_least else self.ours <= self.target


@dataclass(frozen=True, slots=True)
class Bench:
    """What a part of the benchmark is given: a folder of its own, how much to do, where to show it."""

    folder: Path
    quick: bool
    progress: Progress = field(repr=False)

    def scaled(self, full: int, quick: int) -> int:
        """``full``, or ``quick`` in a quick run."""
        return quick if self.quick else full


def percentile(seconds: Sequence[float], share: float) -> float:
    """In milliseconds, so that the unit is the table's."""
    return float(np.percentile(np.array(seconds), share)) * 1e3


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def machine(packages: Sequence[str] = ()) -> dict[str, str]:
    """What a reader needs to compare: date, processors, how busy they were (1, 5, 15 minutes), versions.

    ``packages`` are named besides those that every benchmark runs on.
    """
    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPUs": str(os.cpu_count()),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "platform": platform.platform(),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }
    for package in (*PACKAGES, *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def as_json(figures: Sequence[Figure], packages: Sequence[str] = ()) -> str:
    rows: list[dict[str, Any]] = [{**asdict(figure), "met": figure.met} for figure in figures]
    return json.dumps({"machine": machine(packages), "figures": rows}, indent=2)


def show(
    figures: Sequence[Figure],
    console: Console,
    title: str = "OmniMemory, the engine",
    packages: Sequence[str] = (),
) -> None:
    """The table, and below it what it was measured on."""
    table = Table(title=title, title_justify="left")
    for heading in ("measure", "size"):
        table.add_column(heading)
    for heading in ("ours", "baseline"):
        table.add_column(heading, justify="right")
    for heading in ("which is", "target", "met"):
        table.add_column(heading)
    for figure in figures:
        table.add_row(
            figure.measure,
            figure.size,
            _number(figure.ours, figure.unit),
            "" if figure.baseline is None else _number(figure.baseline, figure.baseline_unit or figure.unit),
            figure.baseline_name,
            "" if figure.target is None else f"{'>=' if figure.at_least else '<='} {figure.target:,g}",
            {None: "", True: "[green]yes[/]", False: "[red]NO[/]"}[figure.met],
        )
    console.print(table)
    console.print(", ".join(f"{name} {value}" for name, value in machine(packages).items()), highlight=False)


def _number(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()
