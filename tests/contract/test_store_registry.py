from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from omnimemory.core.errors import ConfigError
from omnimemory.core.providers import canonical_provider
from omnimemory.stores import registry
from omnimemory.stores.qdrant_local import QdrantLocalStore

SHIPPED = (
    "qdrant-local",
    "qdrant-remote",
    "chromadb-local",
    "chromadb-remote",
    "postgresql",
    "mongodb",
)


@pytest.mark.parametrize("name", ["qdrant-local", "Qdrant_Local", " qdrant-local "])
def test_the_default_provider_is_found_however_it_is_typed(name: str) -> None:
    assert registry.store_class(name) is QdrantLocalStore


@pytest.mark.parametrize(
    "name",
    [*SHIPPED, "qdrant", "chroma", "chromadb", "pgvector", "postgres", "mongo", "mongodb-remote"],
)
def test_every_published_name_is_a_store_that_calls_itself_so(name: str) -> None:
    assert registry.store_class(name).provider == canonical_provider(name)


@pytest.mark.parametrize(
    ("name", "driver", "extra"),
    [
        ("qdrant-remote", "qdrant_client", "qdrant"),
        ("chromadb-local", "chromadb", "chroma"),
        ("chromadb-remote", "chromadb", "chroma"),
        ("postgresql", "asyncpg", "postgres"),
        ("mongodb", "pymongo", "mongodb"),
    ],
)
def test_a_missing_driver_is_named_with_the_command_that_installs_it(
    name: str, driver: str, extra: str
) -> None:
    program = (
        f"import sys; sys.modules[{driver!r}] = None\n"
        f"from omnimemory.stores.registry import store_class\n"
        f"try: store_class({name!r})\n"
        f"except Exception as exc: print(type(exc).__name__, exc)"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said.startswith("ConfigError")
    assert f"pip install 'omnimemory[{extra}]'" in said


def test_an_unknown_provider_names_the_variable_and_a_right_value() -> None:
    with pytest.raises(ConfigError, match=r"OMNI_MEMORY_PROVIDER='pinecone' names no store.*qdrant-local"):
        registry.store_class("pinecone")


def _third_party(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    entry = EntryPoint("shelf", target, registry.ENTRY_POINT_GROUP)

    def found(*, group: str, name: str | None = None) -> tuple[EntryPoint, ...]:
        return (entry,) if group == entry.group and name in (None, entry.name) else ()

    monkeypatch.setattr(registry, "entry_points", found)


def test_a_third_party_store_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    _third_party(monkeypatch, "omnimemory.stores.qdrant_local:QdrantLocalStore")
    assert registry.store_class("shelf") is QdrantLocalStore
    assert registry.available_providers() == (*SHIPPED, "shelf")


@pytest.mark.parametrize("target", ["no_such_package:Store", "omnimemory.stores.base:Nothing", "json:dumps"])
def test_a_broken_third_party_store_is_a_config_error(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    _third_party(monkeypatch, target)
    with pytest.raises(ConfigError, match="OMNI_MEMORY_PROVIDER='shelf'"):
        registry.store_class("shelf")


def test_the_registry_imports_no_driver() -> None:
    drivers = {"qdrant_edge", "qdrant_client", "chromadb", "asyncpg", "pymongo"}
    program = f"import sys, omnimemory.stores.registry; sys.exit(bool({drivers!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
