"""What the demo asks: the file's own questions, or ones drawn from the notes; and what must not be found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice, zip_longest

from omnimemory.core.base import Frozen
from omnimemory.core.schemas import Memory
from omnimemory.core.text import tokens
from omnimemory.demo.conversations import Conversations

STRANGER = "somebody-else"
"""Asks the forbidden questions where a file has one user only."""

_LONGEST_PROBE = 300


class Asked(Frozen):
    """A question as one user asks it; ``gold`` are ids of the turns that answer it."""

    user_id: str
    question: str
    gold: tuple[str, ...] = ()


class Forbidden(Frozen):
    """A question whose answer only ``owner`` gave, put by ``asker``."""

    asker: str
    owner: str
    question: str


def questions_of(
    given: Conversations, notes: Mapping[str, Sequence[Memory]], *, limit: int = 8
) -> list[Asked]:
    """At most ``limit`` questions, taken in turns from each user's.

    They are the file's, where it has any that a user may ask; else what the notes say they answer,
    and their first statements where they do not say.
    """
    asked = [
        Asked(user_id=user, question=q.question, gold=q.gold)
        for q in given.questions
        if not q.owner and (user := given.user_of(q.conversation)) is not None
    ]
    if not asked:
        asked = [
            Asked(user_id=user, question=text) for user, own in notes.items() for text in _answered_by(own)
        ]
    return list(islice(_in_turns(asked), limit))


def _answered_by(notes: Sequence[Memory]) -> Iterator[str]:
    for note in notes:
        yield from note.queries[:1] or [statement.text for statement in note.statements[:1]]


def _in_turns(asked: Sequence[Asked]) -> Iterator[Asked]:
    by_user: dict[str, list[Asked]] = {}
    for item in asked:
        by_user.setdefault(item.user_id, []).append(item)
    return (item for item in chain.from_iterable(zip_longest(*by_user.values())) if item is not None)


def forbidden_of(given: Conversations, *, askers: int = 3) -> list[Forbidden]:
    """The file's own forbidden questions, then each user's most telling turn, put by ``askers`` others."""
    found = [
        Forbidden(asker=asker, owner=owner, question=q.question)
        for q in given.questions
        if q.owner
        and (asker := given.user_of(q.conversation)) is not None
        and (owner := given.user_of(q.owner)) is not None
        and asker != owner
    ]
    users = given.users
    for position, owner in enumerate(users):
        others = [*users[position + 1 :], *users[:position]][:askers] or [STRANGER]
        if probe := _most_telling(given, owner):
            found.extend(Forbidden(asker=asker, owner=owner, question=probe) for asker in others)
    return found


def own_words(given: Conversations, owner: str, *, beside: Sequence[str]) -> frozenset[str]:
    """The words that ``owner`` has in some turn and none of the users ``beside`` has in any."""
    theirs = {word for user in beside for turn in given.turns_of(user) for word in tokens(turn.text)}
    return frozenset(word for turn in given.turns_of(owner) for word in tokens(turn.text)) - theirs


def _most_telling(given: Conversations, owner: str) -> str | None:
    """The owner's turn with the most words that nobody else uses; None where each word is shared."""
    words = own_words(given, owner, beside=[user for user in given.users if user != owner])
    said = [turn.text for turn in given.turns_of(owner) if turn.role == "user"]
    best = max(
        (text for text in said if len(text) <= _LONGEST_PROBE),
        key=lambda text: len(words & set(tokens(text))),
        default=None,
    )
    return best if best is not None and words & set(tokens(best)) else None
