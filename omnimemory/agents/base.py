"""What the agents take and give: one interface, filled by models or without any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from omnimemory.core.proposals import Draft, Resolution, Summary
from omnimemory.core.schemas import Link, Memory, ScoredMemory
from omnimemory.models.base import Usage


class Agents(Protocol):
    """The five agents as the engine sees them."""

    @property
    def name(self) -> str: ...

    async def synthesize(self, turns: Sequence[Memory], *, instructions: str | None, usage: Usage) -> Draft:
        """Write a note about a window of turns (memories of kind ``turn``, in order of saying).

        Raises:
            ModelError: no usable note; transient errors are the caller's to retry.
        """
        ...

    async def compose(self, turns: Sequence[Memory], *, instructions: str | None, usage: Usage) -> Draft:
        """Like ``synthesize``, in at most one model call; what ``add_agent_memory`` uses."""
        ...

    async def resolve(self, note: Memory, links: Sequence[Link], *, usage: Usage) -> Resolution:
        """Decide what a new note means for the old ones it is linked to."""
        ...

    async def summarize(
        self, turns: Sequence[Memory], *, fast: bool, instructions: str | None, usage: Usage
    ) -> Summary: ...

    async def answer(self, query: str, memories: Sequence[ScoredMemory], *, usage: Usage) -> str:
        """Answer from the memories, saying so when they do not hold the answer."""
        ...
