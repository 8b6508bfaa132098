"""The Summarizer agent: what was said, as a narrative, retrieval fields and single statements."""

from __future__ import annotations

from pydantic import Field, model_validator

from omnimemory.agents.asking import Asker, instructed
from omnimemory.agents.fields import (
    DepthOf,
    FollowUps,
    Keywords,
    Output,
    Prose,
    Queries,
    Tags,
    Text,
    Texts,
)
from omnimemory.agents.transcript import DATA_NOTICE, Transcript, one_line
from omnimemory.core.proposals import MAX_STATEMENTS, Draft, DraftStatement
from omnimemory.core.schemas import Depth, NoteSections
from omnimemory.models.base import Prompt, Usage

_AGENT = "summarizer"

STATEMENT_RULES = f"""\
Rules for statements (at most {MAX_STATEMENTS}; what matters most first)
- One fact each, in one sentence that can be understood alone: name the subject, no "he", "it", "there".
- Resolve "yesterday" or "next month" to a date, counting from the date of the turn that says it.
- Keep names, numbers, units and titles exactly as they were written.
- Say who stands behind a fact where it matters: a wish, a plan, a doubt or hearsay stays one.
- Only what the turns say. Small talk, thanks and an assistant's general knowledge are not worth one.
- Cite the labels of the turns a statement comes from, such as T2."""

_SYSTEM = f"""\
You write the record of a part of a conversation, so that it can be found and used months later.

{DATA_NOTICE}

The narrative: two to six sentences on what happened, what was decided and what stayed open, with
names and dates. It is read without the conversation.

{STATEMENT_RULES}

A field with nothing to say stays empty: "" or []. Never write "N/A".
Write in the language of the conversation."""


class CitedStatement(Output):
    """One fact and the turns it comes from."""

    text: Text = Field("", description="one self-contained sentence")
    turns: Texts = Field((), description="labels of the turns it comes from, such as T2")

    @model_validator(mode="before")
    @classmethod
    def _bare_sentence(cls, value: object) -> object:
        return {"text": value} if isinstance(value, str) else value


class Narrative(Output):
    """The record of a conversation."""

    narrative: Prose = Field("", description="what happened, in two to six sentences")
    statements: tuple[CitedStatement, ...] = Field((), description=f"up to {MAX_STATEMENTS} single facts")
    tags: Tags = ()
    keywords: Keywords = ()
    queries: Queries = ()
    follow_ups: FollowUps = ()
    depth: DepthOf = "unknown"


async def record(
    asker: Asker, transcript: Transcript, *, instructions: str | None, usage: Usage
) -> Narrative:
    """One call. Raises ``ModelError`` when there is no usable answer."""
    prompt = Prompt(system=instructed(_SYSTEM, instructions), user=str(transcript))
    return await asker.ask(prompt, Narrative, agent=_AGENT, usage=usage, check=emptiness)


def emptiness(told: Narrative) -> str | None:
    """The complaint about a record that records nothing."""
    if told.narrative or any(statement.text for statement in told.statements):
        return None
    return "narrative and statements are both empty; write at least the narrative"


def draft(told: Narrative, transcript: Transcript, sections: NoteSections) -> Draft:
    """The note as proposed. Turn labels become ids; labels that were never shown name nothing.

    A statement that comes twice is kept once, with the turns of both. Its ``occurred_at`` is the
    time of the latest turn it cites, None when it cites none.
    """
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for statement in told.statements:
        if not statement.text:
            continue
        text = one_line(statement.text)
        first, labels = found.get(text.casefold(), (text, ()))
        found[text.casefold()] = (first, labels + statement.turns)
    return Draft(
        sections=sections,
        statements=tuple(_statement(text, labels, transcript) for text, labels in found.values())[
            :MAX_STATEMENTS
        ],
        tags=told.tags,
        keywords=told.keywords,
        queries=told.queries,
        follow_ups=told.follow_ups,
        depth=Depth(told.depth),
    )


def _statement(text: str, labels: tuple[str, ...], transcript: Transcript) -> DraftStatement:
    turns = transcript.cited(labels)
    return DraftStatement(
        text=text,
        sources=tuple(turn.id for turn in turns),
        occurred_at=max((turn.occurred_at for turn in turns if turn.occurred_at), default=None),
    )
