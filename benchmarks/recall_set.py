"""A recall set: conversations, and questions with the turns that answer them. Read from a JSON file.

    {"name": "my-set",
     "conversations": [{"id": "c1", "turns": [
         {"id": "t1", "session": 1, "time": "2023-05-08T13:56:00Z", "speaker": "Ann", "role": "user",
          "text": "I keep bees."}]}],
     "questions": [
         {"conversation": "c1", "question": "What does Ann keep?", "gold": ["t1"], "category": "single-hop"}]}

Ids, sessions and categories are text or numbers; ``session``, ``time``, ``speaker``, ``role`` and
``category`` may be missing or null; fields not named here are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from omnimemory.core.errors import InvalidRequest

ADVERSARIAL = "adversarial"
"""Questions whose premise is false: reported apart, as finding their turns is no use to a reader."""
_SHOWN_ERRORS = 5
_LONGEST_NAME = 256


class RecallSetError(InvalidRequest):
    """The file is not a recall set; the message names the place."""


def _as_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"must be text or a number, got {type(value).__name__}")
    if not str(value).strip():
        raise ValueError("is blank")
    return str(value)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | int | float) else value


def _none_if_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Identifier = Annotated[str, BeforeValidator(_as_text)]
Label = Annotated[Identifier | None, BeforeValidator(_none_if_blank)]
Name = Annotated[str | None, BeforeValidator(_none_if_blank)]
Moment = Annotated[Annotated[datetime, AfterValidator(_in_utc)] | None, BeforeValidator(_none_if_blank)]


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Turn(_Read):
    """One message. A time without a zone is taken for UTC."""

    id: Identifier
    text: str
    session: Label = None
    time: Moment = None
    speaker: Name = None
    role: Name = None

    @property
    def name(self) -> str | None:
        """The speaker's name on one line, no longer than a name may be."""
        return None if self.speaker is None else " ".join(self.speaker.split())[:_LONGEST_NAME]


class Conversation(_Read):
    id: Identifier
    turns: tuple[Turn, ...]

    @property
    def said(self) -> list[Turn]:
        """The turns that say something: a blank one is no message."""
        return [turn for turn in self.turns if turn.text.strip()]


class Question(_Read):
    conversation: Identifier
    question: Identifier
    gold: Annotated[tuple[Identifier, ...], BeforeValidator(_as_list)]
    category: Label = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that can be scored: at least one turn that answers it is there."""

    conversation: str
    text: str
    gold: frozenset[str]
    category: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of the file could not be used."""

    blank_turns: int
    unknown_gold: int
    questions: int


class RecallSet(_Read):
    name: str = "recall set"
    conversations: tuple[Conversation, ...] = Field(min_length=1)
    questions: tuple[Question, ...]

    def asked(self, *, limit: int | None = None) -> list[Asked]:
        """The questions to ask, in the file's order; ``limit`` picks so many, evenly spread."""
        usable = [asked for question in self.questions if (asked := self._asked(question)).gold]
        return usable if limit is None else spread(usable, limit)

    def left_out(self) -> LeftOut:
        asked = [(question, self._asked(question)) for question in self.questions]
        return LeftOut(
            blank_turns=sum(len(each.turns) - len(each.said) for each in self.conversations),
            unknown_gold=sum(len(set(question.gold)) - len(usable.gold) for question, usable in asked),
            questions=sum(not usable.gold for _, usable in asked),
        )

    def _asked(self, question: Question) -> Asked:
        known: frozenset[str] = self._known.get(question.conversation, frozenset())
        return Asked(
            conversation=question.conversation,
            text=question.question,
            gold=known & set(question.gold),
            category=question.category or "uncategorised",
        )

    @cached_property
    def _known(self) -> dict[str, frozenset[str]]:
        return {each.id: frozenset(turn.id for turn in each.said) for each in self.conversations}


def read_recall_set(path: Path) -> RecallSet:
    """The set in a file.

    Raises:
        RecallSetError: the file cannot be read, is not JSON, lacks a field, repeats an id, or holds no
            question whose gold exists; the message names the place.
    """
    try:
        found = RecallSet.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise RecallSetError(f"{path}: cannot be read ({exc.strerror})") from exc
    except ValidationError as exc:
        raise RecallSetError(f"{path}: {_explained(exc)}") from exc
    if repeated := next(_repeated(found), None):
        raise RecallSetError(f"{path}: {repeated}")
    if not found.asked():
        raise RecallSetError(f"{path}: questions: none has a gold turn that exists in its conversation")
    return found


def spread(items: Sequence[Asked], most: int) -> list[Asked]:
    """At most so many of ``items``, at even distances."""
    if len(items) <= most:
        return list(items)
    return [items[number * len(items) // most] for number in range(most)]


def _explained(error: ValidationError) -> str:
    found = error.errors(include_url=False)
    shown = [f"{_place(item['loc'])}: {item['msg'].removeprefix('Value error, ')}" for item in found]
    rest = [f"and {len(found) - _SHOWN_ERRORS} more"] if len(found) > _SHOWN_ERRORS else []
    return "; ".join([*shown[:_SHOWN_ERRORS], *rest])


def _place(steps: Sequence[int | str]) -> str:
    """``conversations[0].turns[3].text``."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return place.removeprefix(".") or "the file"


def _repeated(given: RecallSet) -> Iterator[str]:
    seen: set[str] = set()
    for number, conversation in enumerate(given.conversations):
        place = f"conversations[{number}]"
        if conversation.id in seen:
            yield f"{place}.id: {conversation.id!r} stands there twice"
        seen.add(conversation.id)
        turns: set[str] = set()
        for position, turn in enumerate(conversation.turns):
            if turn.id in turns:
                yield f"{place}.turns[{position}].id: {turn.id!r} stands in the conversation twice"
            turns.add(turn.id)
