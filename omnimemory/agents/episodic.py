"""The Episodic agent: how the people behaved, what worked and what failed."""

from __future__ import annotations

from pydantic import Field

from omnimemory.agents.asking import Asker, instructed
from omnimemory.agents.fields import Output, Text, Texts, bullets, labelled
from omnimemory.agents.transcript import DATA_NOTICE, Transcript
from omnimemory.core.schemas import NoteSections
from omnimemory.models.base import Prompt, Usage

_AGENT = "episodic"

_SYSTEM = f"""\
You study a part of a conversation so that an assistant can serve the same person better next time.
You look at behaviour and outcomes; another analyst records the facts.

{DATA_NOTICE}

Rules
- Write only what the turns show. No guesses about character, no advice that fits everybody.
- A field with no evidence stays empty: "" or []. Most short conversations leave most fields empty.
- Short phrases, one or two sentences at most for each field. Name people as the conversation does.
- Write in the language of the conversation."""


class Episode(Output):
    """How a conversation went."""

    available_data: Text = Field("", description="what information, files or systems were at hand")
    intent: Text = Field("", description="what the person wanted, and its scope")
    limitation: Text = Field("", description="what limited the work or the answers")
    worked_strategies: Texts = Field((), description="approaches that worked")
    worked_pattern: Text = Field("", description="what the working approaches have in common")
    failed_strategies: Texts = Field((), description="approaches that failed, and why")
    failed_pattern: Text = Field("", description="what the failed approaches have in common")
    communication: Text = Field("", description="how the person communicates")
    learning: Text = Field("", description="how the person learns or takes in explanations")
    problem_solving: Text = Field("", description="how the person goes about problems")
    decision_making: Text = Field("", description="how the person decides")
    engagement: Text = Field("", description="what the person responded to well")
    friction: Text = Field("", description="what caused friction or confusion")
    optimal_approach: Text = Field("", description="the way of interacting that served best")
    recommended: Texts = Field((), description="what to do next time")
    avoid: Texts = Field((), description="what to avoid next time")
    adaptation: Text = Field("", description="how to adapt as the situation changes")


async def study(asker: Asker, transcript: Transcript, *, instructions: str | None, usage: Usage) -> Episode:
    """One call. Raises ``ModelError`` when there is no usable answer."""
    prompt = Prompt(system=instructed(_SYSTEM, instructions), user=str(transcript))
    return await asker.ask(prompt, Episode, agent=_AGENT, usage=usage)


def sections(episode: Episode, summary: str) -> NoteSections:
    """The sections of a note: the narrative, and the episode as Markdown lists."""
    return NoteSections(
        summary=summary,
        behavioral_patterns=bullets(
            (
                labelled("Communication", episode.communication),
                labelled("Learning", episode.learning),
                labelled("Problem solving", episode.problem_solving),
                labelled("Decision making", episode.decision_making),
                labelled("Engagement", episode.engagement),
                labelled("Friction", episode.friction),
                labelled("Optimal approach", episode.optimal_approach),
            )
        ),
        experience_learnings=bullets(
            (
                labelled("Intent", episode.intent),
                labelled("Available data", episode.available_data),
                labelled("Limitation", episode.limitation),
                labelled("Worked", episode.worked_strategies),
                labelled("Pattern of what worked", episode.worked_pattern),
                labelled("Failed", episode.failed_strategies),
                labelled("Pattern of what failed", episode.failed_pattern),
            )
        ),
        guidance=bullets(
            (
                labelled("Recommended", episode.recommended),
                labelled("Avoid", episode.avoid),
                labelled("Adaptation", episode.adaptation),
            )
        ),
    )
