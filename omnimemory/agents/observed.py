"""Agents that report what they do."""

from __future__ import annotations

from collections.abc import Sequence

from omnimemory.agents.base import Agents
from omnimemory.core.proposals import Draft, Resolution, Summary
from omnimemory.core.schemas import Link, Memory, ScoredMemory
from omnimemory.metrics import Observer, observed
from omnimemory.models.base import Usage


class ObservedAgents:
    """Agents whose every piece of work is an operation, such as ``agents.resolve``."""

    def __init__(self, agents: Agents, observer: Observer) -> None:
        self._agents = agents
        self.observer = observer

    @property
    def name(self) -> str:
        return self._agents.name

    @observed("agents.synthesize")
    async def synthesize(self, turns: Sequence[Memory], *, instructions: str | None, usage: Usage) -> Draft:
        return await self._agents.synthesize(turns, instructions=instructions, usage=usage)

    @observed("agents.compose")
    async def compose(self, turns: Sequence[Memory], *, instructions: str | None, usage: Usage) -> Draft:
        return await self._agents.compose(turns, instructions=instructions, usage=usage)

    @observed("agents.resolve")
    async def resolve(self, note: Memory, links: Sequence[Link], *, usage: Usage) -> Resolution:
        return await self._agents.resolve(note, links, usage=usage)

    @observed("agents.summarize")
    async def summarize(
        self, turns: Sequence[Memory], *, fast: bool, instructions: str | None, usage: Usage
    ) -> Summary:
        return await self._agents.summarize(turns, fast=fast, instructions=instructions, usage=usage)

    @observed("agents.answer")
    async def answer(self, query: str, memories: Sequence[ScoredMemory], *, usage: Usage) -> str:
        return await self._agents.answer(query, memories, usage=usage)
