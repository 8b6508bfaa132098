"""Names of the vector stores, and the aliases people type."""

from __future__ import annotations

import re

_ALIASES = {
    "qdrant": "qdrant-remote",
    "chroma": "chromadb-remote",
    "chromadb": "chromadb-remote",
    "postgres": "postgresql",
    "pgvector": "postgresql",
    "mongo": "mongodb",
    "mongodb-remote": "mongodb",
}


def canonical_provider(name: object) -> str:
    """The canonical name for what a person typed; an unknown name comes back as it is, in lower case.

    Unknown names may belong to a third-party store, so the registry judges them.
    """
    if not isinstance(name, str):
        raise ValueError(f"a store's name is text, got {type(name).__name__}")
    plain = re.sub(r"[\s_]+", "-", name.strip().lower())
    return _ALIASES.get(plain, plain)
