"""Which store a provider name means. Imports no driver: the one chosen is imported when asked for.

A third party registers a ``VectorStore`` subclass under the entry point group
``omnimemory.stores``; its name is what ``OMNI_MEMORY_PROVIDER`` then accepts.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from omnimemory.core.errors import ConfigError
from omnimemory.core.providers import canonical_provider
from omnimemory.stores.base import VectorStore

ENTRY_POINT_GROUP = "omnimemory.stores"

_SHIPPED = {
    "qdrant-local": ("omnimemory.stores.qdrant_local", "QdrantLocalStore", "qdrant_edge", ""),
    "qdrant-remote": ("omnimemory.stores.qdrant_remote", "QdrantRemoteStore", "qdrant_client", "[qdrant]"),
    "chromadb-local": ("omnimemory.stores.chroma_local", "ChromaLocalStore", "chromadb", "[chroma]"),
    "chromadb-remote": ("omnimemory.stores.chroma_remote", "ChromaRemoteStore", "chromadb", "[chroma]"),
    "postgresql": ("omnimemory.stores.postgres", "PostgresStore", "asyncpg", "[postgres]"),
    "mongodb": ("omnimemory.stores.mongodb", "MongoDBStore", "pymongo", "[mongodb]"),
}
"""Module, class, driver and extra by provider."""


def store_class(provider: str) -> type[VectorStore]:
    """The class behind a provider's name or alias.

    Raises:
        ConfigError: the name is unknown, or what its store needs is not installed.
    """
    name = canonical_provider(provider)
    if name in _SHIPPED:
        return _shipped(name)
    for entry in entry_points(group=ENTRY_POINT_GROUP, name=name):
        return _loaded(entry)
    raise ConfigError(
        f"OMNI_MEMORY_PROVIDER={provider!r} names no store; set it to {' or '.join(available_providers())}"
    )


def available_providers() -> tuple[str, ...]:
    """The names that work here: shipped first, then what other packages registered."""
    others = sorted({entry.name for entry in entry_points(group=ENTRY_POINT_GROUP)} - set(_SHIPPED))
    return (*_SHIPPED, *others)


def _shipped(name: str) -> type[VectorStore]:
    module, attribute, driver, extra = _SHIPPED[name]
    try:
        import_module(driver)
        return _store_type(getattr(import_module(module), attribute), name)
    except ImportError as exc:
        raise ConfigError(
            f"OMNI_MEMORY_PROVIDER={name} needs a package that is not installed ({exc}); "
            f"run: pip install 'omnimemory{extra}'"
        ) from exc


def _loaded(entry: EntryPoint) -> type[VectorStore]:
    try:
        return _store_type(entry.load(), entry.name)
    except (ImportError, AttributeError) as exc:
        raise ConfigError(
            f"OMNI_MEMORY_PROVIDER={entry.name!r}: {entry.value} cannot be imported ({exc}); "
            "install or repair the package that provides it"
        ) from exc


def _store_type(found: object, name: str) -> type[VectorStore]:
    if not (isinstance(found, type) and issubclass(found, VectorStore)):
        raise ConfigError(f"OMNI_MEMORY_PROVIDER={name!r}: {found!r} is no VectorStore subclass")
    return found
