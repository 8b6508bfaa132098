"""Calls that change memories and show how they changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omnimemory.core.errors import NotFound
from omnimemory.core.results import MemoryList
from omnimemory.core.schemas import Decision, Memory, Scope
from omnimemory.facade.arguments import (
    identifier,
    instance,
    instances,
    optional_metadata,
    optional_text,
    whole_number,
)
from omnimemory.facade.connection import Connection

if TYPE_CHECKING:
    from pydantic import JsonValue


class Evolving(Connection):
    """Every change appends: it can be read back, explained and undone."""

    async def update_memory(
        self,
        memory_id: str,
        app_id: str,
        *,
        text: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        user_id: str | None = None,
    ) -> Memory:
        """Put another text, other user metadata, or both in place. A new text makes a new memory,
        which is returned; the old one stays in the chain. Raises ``NotFound``.
        """
        scope = Scope(app_id=app_id, user_id=user_id)
        known = identifier(memory_id, "memory_id")
        words = optional_text(text, "text")
        values = optional_metadata(metadata, "metadata")
        return await self.run(lambda engine: engine.update(scope, known, text=words, metadata=values))

    async def delete_memory(
        self, app_id: str, doc_id: str, user_id: str | None = None, *, cascade: bool = True
    ) -> bool:
        """End a memory; False when the scope has no such active one. ``restore_memory`` brings it back.

        Deleting a note also ends the turns that no other active note cites; deleting a turn also ends
        what active notes know from it alone; ``cascade=False`` leaves both.
        """
        scope = Scope(app_id=app_id, user_id=user_id)
        known = identifier(doc_id, "doc_id")
        along = instance(cascade, bool, "cascade")
        try:
            await self.run(lambda engine: engine.delete(scope, known, cascade=along))
        except NotFound:
            return False
        return True

    async def restore_memory(self, memory_id: str, app_id: str, user_id: str | None = None) -> Memory:
        """Bring back what an ended memory said, as a new memory of its chain.

        Raises ``NotFound``, or ``Conflict`` naming the later memories that were built on its end.
        """
        scope = Scope(app_id=app_id, user_id=user_id)
        known = identifier(memory_id, "memory_id")
        return await self.run(lambda engine: engine.restore(scope, known))

    async def traverse_memory_evolution_chain(
        self, app_id: str, memory_id: str, user_id: str | None = None
    ) -> list[Memory]:
        """How a memory evolved, in chronological order, from any member of its chain.

        Empty when the scope has no such memory.
        """
        scope = Scope(app_id=app_id, user_id=user_id)
        known = identifier(memory_id, "memory_id")
        try:
            return MemoryList(await self.run(lambda engine: engine.chain(scope, known)))
        except NotFound:
            return MemoryList()

    async def list_decisions(
        self,
        app_id: str,
        user_id: str | None = None,
        *,
        memory_ids: Sequence[str] | None = None,
        limit: int = 1000,
    ) -> list[Decision]:
        """What was decided about memories, and why."""
        scope = Scope(app_id=app_id, user_id=user_id)
        ids = None if memory_ids is None else instances(memory_ids, str, "memory_ids")
        most = whole_number(limit, "limit")
        return list(await self.run(lambda engine: engine.ledger.decisions(scope, memory_ids=ids, limit=most)))

    @staticmethod
    def generate_evolution_graph(
        chain: Sequence[Memory | dict[str, Any]],
        format: str = "mermaid",
        *,
        decisions: Sequence[Decision] = (),
    ) -> str:
        """The chain as ``mermaid``, ``dot`` or a self-contained ``html`` page.

        With ``decisions`` (``list_decisions``) the steps carry their operations and reasons.
        """
        from omnimemory.evolution.graph import render_graph

        return render_graph(chain, format=format, decisions=decisions)

    @staticmethod
    def generate_evolution_report(
        chain: Sequence[Memory | dict[str, Any]],
        format: str = "markdown",
        *,
        decisions: Sequence[Decision] = (),
    ) -> str:
        """The chain's counts, timeline, changes and insights as ``markdown``, ``text`` or ``json``."""
        from omnimemory.evolution.report import render_report

        return render_report(chain, format=format, decisions=decisions)
