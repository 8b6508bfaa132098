"""The shape of the code (DESIGN section 4), read from its syntax trees: what no other test would notice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import omnimemory

PACKAGE = Path(omnimemory.__file__).parent

MOST_LINES = 400
MOST_FUNCTION_LINES = 60

TIERS = (
    ("core",),
    ("models", "stores", "ledger"),
    ("agents", "evolution", "recall"),
    (
        "engine",
        "worker",
        "projector",
        "ops",
        "ingest",
        "items",
        "synthesis",
        "summaries",
        "webhooks",
        "backfill",
        "signals",
        "pace",
        "settling",
        "budget",
        "vitals",
        "parts",
    ),
    ("wiring", "runtime", "attach", "facade", "sdk", ""),
    ("api", "ui", "mcp", "daemon", "cli", "demo"),
)
"""Lowest first; a part imports its own tier and those below. "" is the package itself."""

ANYWHERE = ("metrics", "metrics_http", "metrics_server", "tracing", "logs")
"""Imported from anywhere, importing only core."""

TESTING = "testing"
"""Imported by tests alone; may import everything."""

DRIVERS = {
    "chromadb": ("stores/chroma",),
    "fastembed": ("models/local",),
    "httpx": (
        "attach/line",
        "webhooks",
        "models",
        "stores/chroma_http",
        "stores/chroma_remote",
        "stores/qdrant_remote",
    ),
    "langchain_core": ("models",),
    "llama_index": ("models",),
    "opentelemetry": ("tracing",),
    "onnxruntime": ("models/local",),
    "openai": ("models",),
    "prometheus_client": ("metrics", "tracing"),
    "psycopg": ("stores/postgres", "ledger"),
    "asyncpg": ("stores/postgres", "ledger"),
    "pymongo": ("stores/mongodb",),
    "qdrant_client": ("stores/qdrant_remote",),
    "qdrant_edge": ("stores/qdrant_local",),
    "rich": ("cli", "demo"),
    "sqlalchemy": ("ledger",),
    "tiktoken": ("models",),
    "tokenizers": ("models/local",),
    "typer": ("cli",),
    "wordllama": ("models/local",),
}
"""Each driver with the beginnings of the paths that may import it."""


@dataclass(frozen=True, slots=True)
class Module:
    """A source file by its path below the package, such as ``stores/base.py``."""

    path: str
    source: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def part(self) -> str:
        first = self.path.split("/")[0].removesuffix(".py")
        return "" if first in ("__init__", "__main__") else first


def modules() -> list[Module]:
    return [
        Module(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of whatever is imported, anywhere in the module, type checking included."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in names)
            case ast.ImportFrom():
                yield node.lineno, "."
            case ast.Call(func=ast.Name(id="import_module"), args=[ast.Constant(value=str(name)), *_]):
                yield node.lineno, name


def tier(part: str) -> int:
    return next(level for level, parts in enumerate(TIERS) if part in parts)


def may_import(importer: str, part: str) -> bool:
    if importer in (part, TESTING):
        return True
    if part == TESTING:
        return False
    if part in ANYWHERE:
        return True
    return tier(part) <= (tier("core") if importer in ANYWHERE else tier(importer))


def upward_imports(module: Module) -> list[str]:
    found = []
    for line, name in imported(module.tree):
        if name == ".":
            found.append(f"{module.path}:{line} imports relatively")
            continue
        top, _, rest = name.partition(".")
        if top == "omnimemory":
            part = rest.split(".")[0]
            part = part if part in KNOWN else ""
            if not may_import(module.part, part):
                found.append(f"{module.path}:{line} imports {name}")
    return found


KNOWN = {part for parts in TIERS for part in parts} | {*ANYWHERE, TESTING}


def stray_drivers(module: Module) -> list[str]:
    return [
        f"{module.path}:{line} imports {name}"
        for line, name in imported(module.tree)
        if (homes := DRIVERS.get(name.split(".")[0])) and not module.path.startswith(homes)
    ]


def environment_reads(module: Module) -> list[str]:
    if module.path == "core/settings.py":
        return []
    found = []
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv" | "putenv"):
                found.append(f"{module.path}:{node.lineno} reads the environment")
            case ast.ImportFrom(module="os", names=names):
                read = {"environ", "environb", "getenv"} & {alias.name for alias in names}
                found += [f"{module.path}:{node.lineno} imports os.{name}" for name in sorted(read)]
            case ast.ImportFrom(module="pydantic_settings") | ast.Import(names=[ast.alias(name="dotenv")]):
                found.append(f"{module.path}:{node.lineno} reads settings of its own")
    return found


def too_long(module: Module) -> list[str]:
    lines = module.source.count("\n")
    found = [f"{module.path} has {lines} lines"] if lines > MOST_LINES else []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MOST_FUNCTION_LINES:
                found.append(f"{module.path}:{node.lineno} {node.name} has {length} lines")
    return found


def badly_named(module: Module) -> list[str]:
    words = {"util", "utils", "helper", "helpers", "manager", "managers", "handler", "handlers", "common"}
    return [module.path] if words & set(module.path.removesuffix(".py").replace("/", "_").split("_")) else []


CHECKS = [upward_imports, stray_drivers, environment_reads, too_long, badly_named]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_code_obeys(check: object) -> None:
    assert callable(check)
    assert [fault for module in modules() for fault in check(module)] == []


def test_every_part_has_a_tier() -> None:
    assert {module.part for module in modules()} <= KNOWN


def body(lines: int) -> str:
    return "def long():\n" + "    pass\n" * (lines - 1)


@pytest.mark.parametrize(
    ("check", "path", "source"),
    [
        (upward_imports, "core/text.py", "from omnimemory.models.base import Embedder"),
        (upward_imports, "stores/base.py", "import omnimemory.engine"),
        (upward_imports, "recall/recall.py", "def f():\n    from omnimemory.worker import Worker"),
        (upward_imports, "engine.py", "from omnimemory.wiring import engine_from"),
        (upward_imports, "engine.py", "from omnimemory import OmniMemorySDK"),
        (upward_imports, "runtime.py", "if TYPE_CHECKING:\n    from omnimemory.cli.app import main"),
        (upward_imports, "sdk.py", "from omnimemory.testing.scripted import HashEmbedder"),
        (upward_imports, "metrics.py", "from omnimemory.stores.base import VectorStore"),
        (upward_imports, "recall/legs.py", "from . import fuse"),
        (upward_imports, "stores/registry.py", 'import_module("omnimemory.engine")'),
        (stray_drivers, "engine.py", "import sqlalchemy"),
        (stray_drivers, "ledger/tasks.py", "from qdrant_edge import EdgeShard"),
        (stray_drivers, "stores/base.py", "import qdrant_edge as qe"),
        (stray_drivers, "agents/chat.py", "def f():\n    import openai.types"),
        (stray_drivers, "models/openai_compatible.py", "import onnxruntime"),
        (stray_drivers, "recall/legs.py", "import wordllama"),
        (stray_drivers, "demo/runner.py", "import typer"),
        (stray_drivers, "facade/reading.py", "from rich.console import Console"),
        (stray_drivers, "stores/chroma.py", "import httpx"),
        (environment_reads, "wiring.py", 'import os\nHOME = os.environ["HOME"]'),
        (environment_reads, "cli/app.py", "from os import getenv"),
        (environment_reads, "models/providers.py", 'import os\nos.getenv("KEY")'),
        (environment_reads, "engine.py", "from pydantic_settings import BaseSettings"),
        (too_long, "engine.py", "x = 1\n" * (MOST_LINES + 1)),
        (too_long, "engine.py", body(MOST_FUNCTION_LINES + 1)),
        (badly_named, "stores/memory_manager.py", ""),
        (badly_named, "utils/text.py", ""),
    ],
)
def test_each_check_fails_when_broken(check: object, path: str, source: str) -> None:
    assert callable(check)
    assert len(check(Module(path, source))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("engine.py", "from omnimemory.ledger.ledger import Ledger\nimport omnimemory.core.errors"),
        ("sdk.py", "from omnimemory.facade.reading import Reading"),
        ("core/settings.py", 'import os\nos.environ["HOME"]\nfrom pydantic_settings import BaseSettings'),
        ("stores/qdrant_local_points.py", "import qdrant_edge"),
        ("agents/chat.py", "from omnimemory.metrics import counted"),
        ("testing/scripted.py", "from omnimemory.sdk import OmniMemorySDK"),
        ("engine.py", "x = 1\n" * MOST_LINES),
        ("engine.py", body(MOST_FUNCTION_LINES)),
    ],
)
def test_no_check_fails_on_what_is_right(path: str, source: str) -> None:
    assert [fault for check in CHECKS for fault in check(Module(path, source))] == []
