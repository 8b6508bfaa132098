"""The agents for those without a model: sentences are chosen, never written.

What this mode does: it picks the sentences that state facts, preferences, changes, plans and
outcomes; retells a plain first-person sentence of its speaker ("I moved" as "Ann moved"), quotes
what it cannot retell safely, and resolves relative dates. A new statement supersedes an old one
with the same subject when it names what it replaces, says that the old state is over, negates it,
or gives another value where only one holds at a time. When in doubt both stay.

What it does not do: understand. It draws no conclusions, links no pronoun beyond the sentence
before, knows no synonyms beyond common verbs, and reads claims in English only: in other
languages sentences are kept verbatim, and only the same sentence counts as a repetition.
``instructions`` for notes need a model and have no effect here.
"""

# ruff: noqa: ARG002  (arguments of the protocol that only a model could use)

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from omnimemory.agents.extractive.describe import describe
from omnimemory.agents.extractive.resolve import resolve_links
from omnimemory.agents.extractive.retell import reply, summarise
from omnimemory.agents.extractive.statements import Chosen, choose, choose_all
from omnimemory.core.proposals import MAX_STATEMENTS, Draft, Resolution, Summary
from omnimemory.core.schemas import Link, Memory, NoteSections, ScoredMemory

if TYPE_CHECKING:  # it brings numpy along
    from omnimemory.models.base import Usage


class ExtractiveAgents:
    """All five agents without a model, a network or a key. Deterministic; spends no ``usage``."""

    name = "extractive"

    async def synthesize(self, turns: Sequence[Memory], *, instructions: str | None, usage: Usage) -> Draft:
        """A note of up to 12 chosen statements; without statements when nothing is worth remembering."""
        return _draft(choose(turns, MAX_STATEMENTS), turns)

    async def compose(self, turns: Sequence[Memory], *, instructions: str | None, usage: Usage) -> Draft:
        """A note of what an agent saved on purpose: its sentences verbatim, at least one."""
        return _draft(choose_all(turns, MAX_STATEMENTS), turns)

    async def resolve(self, note: Memory, links: Sequence[Link], *, usage: Usage) -> Resolution:
        """Verdicts by comparing statements; links without a tie are left out."""
        return resolve_links(note, links)

    async def summarize(
        self, turns: Sequence[Memory], *, fast: bool, instructions: str | None, usage: Usage
    ) -> Summary:
        """The most central sentences in order; the full form also by section."""
        return summarise(turns, fast=fast)

    async def answer(self, query: str, memories: Sequence[ScoredMemory], *, usage: Usage) -> str:
        """The best fitting sentences, quoted with their dates; says so when there is none."""
        return reply(query, memories)


def _draft(chosen: Sequence[Chosen], turns: Sequence[Memory]) -> Draft:
    if not chosen:
        return Draft(sections=NoteSections())
    about = describe([item.statement.text for item in chosen], turns)
    return Draft(
        sections=about.sections,
        statements=tuple(item.statement for item in chosen),
        tags=about.tags,
        keywords=about.keywords,
        queries=about.queries,
        follow_ups=about.follow_ups,
        depth=about.depth,
    )
