"""Recency and importance put the right one first where relevance cannot tell, and what is over is gone.

``composite.json`` holds memories, each a talk of its own, and questions of three sorts. Each names
what comes ``first`` and what it comes before (``over``): the state that took the place of another
(``superseded``, over does not come back), the newer of two alike (``recent``), and the note with
more to it of two alike (``important``). In the last two sorts the other one is a little more
relevant, so without the two weights they are the wrong way round.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.agents.extractive.agents import ExtractiveAgents
from omnimemory.core.base import Frozen
from omnimemory.core.proposals import Draft
from omnimemory.core.schemas import Depth, Memory, ScoredMemory
from omnimemory.models.base import Usage

from .conversations import APP, USER, documents

ENDED = ("superseded", "updated", "deleted")


class NoteFields(Frozen):
    """What a note has besides its statements; the defaults are a note with nothing to it."""

    depth: Depth = Depth.LOW
    follow_ups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()


class Said(Frozen):
    """A memory: a turn said some days ago, and the fields of the note about it if there is one."""

    days_ago: float
    text: str
    note: NoteFields | None = None


class Question(Frozen):
    sort: Literal["superseded", "recent", "important"]
    query: str
    first: str
    over: str


class CompositeSet(Frozen):
    memories: tuple[Said, ...]
    questions: tuple[Question, ...]

    def of(self, *sorts: str) -> list[Question]:
        return [question for question in self.questions if question.sort in sorts]


SET = CompositeSet.model_validate(
    json.loads(Path(__file__).with_name("composite.json").read_text(encoding="utf-8"))
)
NOTES = {memory.text: memory.note for memory in SET.memories}


class AnnotatingAgents(ExtractiveAgents):
    """The extractive agents, with the retrieval fields that the set gives."""

    async def synthesize(self, turns: Sequence[Memory], *, instructions: str | None, usage: Usage) -> Draft:
        draft = await super().synthesize(turns, instructions=instructions, usage=usage)
        fields = NOTES[turns[0].text] or NoteFields()
        return draft.model_copy(update={name: getattr(fields, name) for name in NoteFields.model_fields})


@asynccontextmanager
async def remembering(**settings: Any) -> AsyncIterator[OmniMemorySDK]:
    """The set in a memory, indexed."""
    async with OmniMemorySDK(agents=AnnotatingAgents(), **settings) as sdk:
        now = datetime.now(UTC)
        for place, memory in enumerate(SET.memories):
            message = Message(
                role="user", content=memory.text, timestamp=now - timedelta(days=memory.days_ago)
            )
            talk = UserMessages(app_id=APP, user_id=USER, session_id=str(place), messages=[message])
            accepted = await sdk.add_memory(talk, infer=memory.note is not None)
            if accepted["task_id"] is not None:
                task = await sdk.wait_for_task(accepted["task_id"], APP, timeout=30)
                assert task.status == "done"
        await sdk.flush()
        yield sdk


async def answers(sdk: OmniMemorySDK, question: Question) -> list[str]:
    """What comes back, best first: turns, or for importance the turns that the notes are about."""
    if question.sort != "important":
        return documents(await sdk.recall(APP, question.query, USER, kinds=["turn"], n_results=10))
    turns = {turn.id: turn.text for turn in await sdk.list_memories(APP, USER, kinds=["turn"], limit=100)}
    notes = await sdk.recall(APP, question.query, USER, kinds=["note"], n_results=10)
    return [turns[note.memory.sources[0]] for note in notes]


async def rightly_first(sdk: OmniMemorySDK, questions: Sequence[Question]) -> list[Question]:
    """The questions whose ``first`` comes first, and before ``over``."""
    return [question for question in questions if (await answers(sdk, question))[0] == question.first]


def test_the_set_is_sound() -> None:
    assert len(SET.memories) >= 25
    assert len(SET.questions) >= 15
    assert {(question.first in NOTES, question.over in NOTES) for question in SET.questions} == {(True, True)}


async def test_with_the_default_weights_all_are_in_the_right_order() -> None:
    async with remembering() as sdk:
        wrong = [question.query for question in SET.questions]
        for question in await rightly_first(sdk, SET.questions):
            wrong.remove(question.query)
        assert wrong == []
        for question in SET.of("recent", "important"):
            assert (await answers(sdk, question))[1] == question.over


async def test_what_was_superseded_does_not_come_back_unless_asked_for() -> None:
    async with remembering() as sdk:
        for question in SET.of("superseded"):
            for query in (question.query, question.over):
                found = await sdk.recall(APP, query, USER, n_results=50)
                assert question.over not in documents(found)
                assert all(memory.memory.is_active for memory in found)
            past = await sdk.recall(APP, question.over, USER, kinds=["turn"], statuses=ENDED, n_results=1)
            assert documents(past) == [question.over]


async def test_without_the_weights_they_are_the_wrong_way_round() -> None:
    async with remembering(recency_weight=0, importance_weight=0) as sdk:
        assert await rightly_first(sdk, SET.of("recent", "important")) == []
        assert await rightly_first(sdk, SET.of("superseded")) == SET.of("superseded")


@pytest.mark.parametrize(
    ("right", "wrong", "without"),
    [("recent", "important", "importance_weight"), ("important", "recent", "recency_weight")],
)
async def test_each_weight_orders_its_own_sort_only(right: str, wrong: str, without: str) -> None:
    async with remembering(**{without: 0}) as sdk:
        assert await rightly_first(sdk, SET.of(right)) == SET.of(right)
        assert await rightly_first(sdk, SET.of(wrong)) == []


async def test_the_pairs_are_as_relevant_as_each_other() -> None:
    async with remembering() as sdk:
        for question in SET.of("recent", "important"):
            kinds = ["note"] if question.sort == "important" else ["turn"]
            first, second = (await sdk.recall(APP, question.query, USER, kinds=kinds, n_results=2)).memories
            assert relevance_gap(first, second) < 0.03


def relevance_gap(first: ScoredMemory, second: ScoredMemory) -> float:
    return abs(first.relevance - second.relevance)
