"""The Composer agent: a note in one call, from what an agent wants remembered."""

from __future__ import annotations

from omnimemory.agents.asking import Asker, instructed
from omnimemory.agents.summarizer import STATEMENT_RULES, Narrative, emptiness
from omnimemory.agents.transcript import DATA_NOTICE, Transcript
from omnimemory.models.base import Prompt, Usage

_AGENT = "composer"

_SYSTEM = f"""\
An agent hands you something it wants remembered: a finding, a preference, an outcome, or a few messages.
You turn it into one record that can be found and used months later.

{DATA_NOTICE}

The narrative: one to four sentences that keep everything of substance, with names and dates.
It is read without the original.

{STATEMENT_RULES}

A field with nothing to say stays empty: "" or []. Never write "N/A".
Write in the language of the material."""


async def compose(
    asker: Asker, transcript: Transcript, *, instructions: str | None, usage: Usage
) -> Narrative:
    """One call. Raises ``ModelError`` when there is no usable answer."""
    prompt = Prompt(system=instructed(_SYSTEM, instructions), user=str(transcript))
    return await asker.ask(prompt, Narrative, agent=_AGENT, usage=usage, check=emptiness)
