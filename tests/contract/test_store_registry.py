from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from omnimemory.core.errors import ConfigError
from omnimemory.core.providers import STORE_PROVIDERS
from omnimemory.stores import registry
from omnimemory.stores.qdrant_local import QdrantLocalStore


@pytest.mark.parametrize("name", ["qdrant-local", "Qdrant_Local", " qdrant-local "])
def test_the_default_provider_is_found_however_it_is_typed(name: str) -> None:
    assert registry.store_class(name) is QdrantLocalStore


@pytest.mark.parametrize(
    "name", [*(set(STORE_PROVIDERS) - {"qdrant-local"}), "qdrant", "chroma", "pgvector", "mongodb-remote"]
)
def test_a_provider_of_a_later_release_says_what_works_today(name: str) -> None:
    with pytest.raises(ConfigError, match=r"not part of this release; set OMNI_MEMORY_PROVIDER=qdrant-local"):
        registry.store_class(name)


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
    assert registry.available_providers() == ("qdrant-local", "shelf")


@pytest.mark.parametrize("target", ["no_such_package:Store", "omnimemory.stores.base:Nothing", "json:dumps"])
def test_a_broken_third_party_store_is_a_config_error(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    _third_party(monkeypatch, target)
    with pytest.raises(ConfigError, match="OMNI_MEMORY_PROVIDER='shelf'"):
        registry.store_class("shelf")


def test_the_registry_imports_no_driver() -> None:
    program = "import sys, omnimemory.stores.registry; sys.exit('qdrant_edge' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
