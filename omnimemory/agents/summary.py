"""The Summary agent: a conversation in a few sentences, or in full under fixed headings."""

from __future__ import annotations

from pydantic import Field

from omnimemory.agents.asking import Asker, instructed
from omnimemory.agents.fields import Output, Prose, Text, Texts, bullets
from omnimemory.agents.transcript import DATA_NOTICE, Transcript
from omnimemory.core.proposals import Summary
from omnimemory.models.base import Prompt, Usage

_AGENT = "summary"

_FAST = f"""\
You summarise a conversation in at most five sentences of plain text: what it was about, what was
decided or learned, what stays open. Keep names, numbers and dates as they were written. Add nothing.
No heading, no introduction. Write in the language of the conversation.

{DATA_NOTICE}"""

_FULL = f"""\
You summarise a conversation for somebody who was not there. Keep names, numbers and dates as they were
written, resolve "yesterday" against the date of its turn, and say who said or wants what. Add nothing.
A field with nothing to say stays empty: "" or []. Write in the language of the conversation.

{DATA_NOTICE}"""


class ConversationSummary(Output):
    """A conversation under fixed headings."""

    overview: Prose = Field("", description="what it was about and how it ended, two to five sentences")
    key_points: Texts = Field((), description="what was said that matters")
    decisions: Texts = Field((), description="what was decided, by whom")
    preferences: Texts = Field((), description="preferences, habits and constraints that came up")
    open_questions: Texts = Field((), description="what stayed open")
    next_steps: Texts = Field((), description="what is to be done, by whom, by when")
    tone: Text = Field("", description="the mood of the conversation, in a few words")


async def summarize(
    asker: Asker, transcript: Transcript, *, fast: bool, instructions: str | None, usage: Usage
) -> Summary:
    """One call: plain text when ``fast``, else Markdown with its sections in ``structured``.

    Raises:
        ModelError: there is no usable answer.
    """
    prompt = Prompt(system=instructed(_FAST if fast else _FULL, instructions), user=str(transcript))
    if fast:
        return Summary(content=await asker.write(prompt, agent=_AGENT, usage=usage))
    found = await asker.ask(prompt, ConversationSummary, agent=_AGENT, usage=usage, check=_emptiness)
    sections = _sections(found)
    return Summary(
        content="\n\n".join(
            f"## {name.replace('_', ' ').capitalize()}\n\n{body}" for name, body in sections.items() if body
        ),
        structured=sections,
    )


def _sections(summary: ConversationSummary) -> dict[str, str]:
    """Every field by its name, lists as Markdown; "" where there is nothing to say."""
    return {
        "overview": summary.overview,
        "key_points": bullets(summary.key_points),
        "decisions": bullets(summary.decisions),
        "preferences": bullets(summary.preferences),
        "open_questions": bullets(summary.open_questions),
        "next_steps": bullets(summary.next_steps),
        "tone": summary.tone,
    }


def _emptiness(summary: ConversationSummary) -> str | None:
    return None if summary.overview or summary.key_points else "overview and key_points are both empty"
