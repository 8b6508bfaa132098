"""The agents backed by a chat model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from omnimemory.agents import answer, composer, episodic, resolver, summarizer, summary
from omnimemory.agents.asking import Asker
from omnimemory.agents.transcript import Transcript
from omnimemory.core.proposals import Draft, Resolution, Summary
from omnimemory.core.schemas import Link, Memory, NoteSections, ScoredMemory
from omnimemory.metrics import SILENT, Observer
from omnimemory.models.base import ChatModel, Usage
from omnimemory.models.retrying import Retries


def _now() -> datetime:
    return datetime.now(UTC)


class ModelAgents:
    """``Agents`` over one chat model: two calls for a note, side by side, and one for everything else.

    An unusable answer is asked for once more; a transient failure is retried as ``retries`` says.
    ``max_tokens`` bounds each answer; ``clock`` dates the questions.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        max_tokens: int = 3000,
        retries: Retries = Retries(),  # noqa: B008  # frozen
        clock: Callable[[], datetime] = _now,
        observer: Observer = SILENT,
    ) -> None:
        self._asker = Asker(model, max_tokens, retries, observer)
        self._clock = clock

    @property
    def name(self) -> str:
        return f"model:{self._asker.model.name}"

    async def synthesize(self, turns: Sequence[Memory], *, instructions: str | None, usage: Usage) -> Draft:
        """See ``Agents``. A note needs both calls: the first failure ends the other one and is raised."""
        transcript = Transcript.of(turns)
        try:
            async with asyncio.TaskGroup() as calls:
                study = calls.create_task(
                    episodic.study(self._asker, transcript, instructions=instructions, usage=usage)
                )
                record = calls.create_task(
                    summarizer.record(self._asker, transcript, instructions=instructions, usage=usage)
                )
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        told = record.result()
        return summarizer.draft(told, transcript, episodic.sections(study.result(), told.narrative))

    async def compose(self, turns: Sequence[Memory], *, instructions: str | None, usage: Usage) -> Draft:
        transcript = Transcript.of(turns)
        told = await composer.compose(self._asker, transcript, instructions=instructions, usage=usage)
        return summarizer.draft(told, transcript, NoteSections(summary=told.narrative))

    async def resolve(self, note: Memory, links: Sequence[Link], *, usage: Usage) -> Resolution:
        return await resolver.resolve(self._asker, note, links, usage=usage)

    async def summarize(
        self, turns: Sequence[Memory], *, fast: bool, instructions: str | None, usage: Usage
    ) -> Summary:
        return await summary.summarize(
            self._asker, Transcript.of(turns), fast=fast, instructions=instructions, usage=usage
        )

    async def answer(self, query: str, memories: Sequence[ScoredMemory], *, usage: Usage) -> str:
        return await answer.answer(self._asker, query, memories, today=self._clock(), usage=usage)

    async def aclose(self) -> None:
        """Close the model."""
        await self._asker.model.aclose()
