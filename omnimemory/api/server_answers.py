"""What the calls about the server answer, for the schema."""

from __future__ import annotations

from typing import Literal

from omnimemory.api import examples
from omnimemory.api.answers import Answered, shown_as


class PoolStats(Answered):
    """The store's connections and the background's backlog."""

    model_config = shown_as(examples.POOL_STATS)

    provider: str
    """The vector store."""
    active_handlers: int
    """Connections in use; shards that are open, where the store is embedded."""
    max_connections: int
    """How many there may be."""
    available_handlers: int
    """How many are free."""
    embedder: str
    """The embedder's name."""
    agents: str
    """Who writes the notes."""
    unfinished_tasks: int
    """Tasks queued or running."""
    not_yet_indexed: int
    """Changes that the store has yet to hear about."""
    held: str | None
    """Why queued tasks wait, as for the daily cap."""


class Alive(Answered):
    """One word."""

    status: Literal["alive", "ready"]
    """The word."""


class Check(Answered):
    """How one part does."""

    status: Literal["ok", "failing"]
    """Whether it works."""
    name: str
    """What it is."""


class Health(Answered):
    """How the parts do."""

    model_config = shown_as(examples.HEALTH)

    status: Literal["ok", "failing"]
    """Whether all work."""
    version: str
    """OmniMemory's."""
    checks: dict[str, Check]
    """`ledger`, `store`, `embedder` and `model`."""


class Root(Answered):
    """What this is and where to go on."""

    model_config = shown_as(examples.ROOT)

    name: str
    """OmniMemory."""
    version: str
    """Its version."""
    docs: str
    """The page to try the calls out."""
    health: str
    """How it does."""
