"""What a new statement means for an old one. Pure; when in doubt, both stay."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.agents.extractive.claims import LONGEST, Claim, is_english, read
from omnimemory.agents.extractive.contradict import ONE_VALUE, contradiction, same_subject
from omnimemory.agents.extractive.phrasing import Standing, body
from omnimemory.agents.extractive.values import stems
from omnimemory.core.text import normalised

_DIGITS = re.compile(r"\d+")
_IDLE = frozenset(stems(sorted(lex.ADVERBS | {"called", "name", "home", "based"})))


class RelationKind(StrEnum):
    REPEATS = "repeats"
    SUPERSEDES = "supersedes"
    ELABORATES = "elaborates"
    UNRELATED = "unrelated"


@dataclass(frozen=True, slots=True)
class Relation:
    """How a new statement relates to an old one; ``confidence`` (0..1) is how strong the rule is."""

    kind: RelationKind
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Reading:
    """Everything of one statement that comparing needs, computed once."""

    key: str
    english: bool
    claims: tuple[Claim, ...]
    stems: tuple[str, ...]
    verbs: frozenset[str]
    digits: frozenset[str]


@lru_cache(maxsize=1 << 10)
def _reading(text: str) -> _Reading:
    if len(text) > LONGEST:
        return _Reading(normalised(text), False, (), (), frozenset(), frozenset())
    claims = read(text)
    return _Reading(
        key=normalised(text),
        english=is_english(text),
        claims=claims,
        stems=stems(body(text).split()),
        verbs=frozenset(stems([claim.verb for claim in claims if claim.verb])),
        digits=frozenset(_DIGITS.findall(text)),
    )


def relation(new: str, old: str) -> Relation:
    """Compare two statements; ``new`` is the later one."""
    left, right = _reading(new), _reading(old)
    if left.key == right.key:
        return Relation(RelationKind.REPEATS, 1.0, "it says the same in the same words")
    if not (left.english and right.english):
        return Relation(RelationKind.UNRELATED, 0.0, "only short English statements are compared by meaning")
    ending = None if _about_earlier(left, right) else _superseded(left.claims, right.claims)
    return ending or _overlap(left, right)


def _about_earlier(new: _Reading, old: _Reading) -> bool:
    """Whether both name years and the new statement's lie before the old one's: history, not news."""
    years, known = ({d for d in each.digits if re.fullmatch(r"(?:19|20)\d\d", d)} for each in (new, old))
    return bool(years and known) and max(years) < max(known)


def _superseded(news: tuple[Claim, ...], olds: tuple[Claim, ...]) -> Relation | None:
    stated = [claim for claim in olds if claim.standing is not Standing.UNREAL]
    best: tuple[float, str] | None = None
    hit: Claim | None = None
    for old in stated:
        if any(_agrees(new, old) for new in news):
            continue
        for new in news:
            found = contradiction(new, old)
            if found is not None and (best is None or found[0] > best[0]):
                best, hit = found, old
    if best is None or hit is None:
        return None
    others = [
        claim for claim in stated if claim.relation != "name" and hit.relation != "name" and claim is not hit
    ]
    if any(all(contradiction(new, claim) is None for new in news) for claim in others):
        return None
    return Relation(RelationKind.SUPERSEDES, *best)


def _agrees(new: Claim, old: Claim) -> bool:
    """The new claim holds and says what the old one says: nothing of it has ended."""
    return (
        new.holds and old.holds and new.subject == old.subject and new.relation == old.relation
        and bool(old.content) and old.content <= new.content and not new.former
        and not _other_rhythm(new, old)
    )  # fmt: skip


def _overlap(new: _Reading, old: _Reading) -> Relation:
    """Repetition and elaboration, by claims where both could be read, else by words in order."""
    news, olds, left, right = new.claims, old.claims, new.stems, old.stems
    novel = set(left) - set(right) - _IDLE - new.verbs
    dated = new.digits - old.digits - set(right)
    if (
        news
        and olds
        and not novel
        and not dated
        and all(any(_repeats(claim, known) for known in olds) for claim in news)
    ):
        return Relation(RelationKind.REPEATS, 0.9, "everything it says was known")
    if not news and not olds and left and left == right and not dated:
        return Relation(RelationKind.REPEATS, 0.85, "it says the same in the same order")
    for claim in news:
        for known in olds:
            if _elaborates(claim, known):
                return Relation(RelationKind.ELABORATES, 0.8, "it says the same with more detail")
    if news and olds and any(n.subject == o.subject for n in news for o in olds):
        shared = len((set(left) & set(right)) - set(news[0].subject))
        if shared >= 2 or any(n.relation == o.relation for n in news for o in olds):
            return Relation(RelationKind.ELABORATES, 0.4, "it speaks of the same subject and matter")
    return Relation(RelationKind.UNRELATED, 0.0, "it speaks of something else")


def _same_footing(new: Claim, old: Claim) -> bool:
    return (
        same_subject(new, old) and new.standing is old.standing
        and (new.negated, new.ended, new.past) == (old.negated, old.ended, old.past)
    )  # fmt: skip


def _repeats(new: Claim, old: Claim) -> bool:
    if not _same_footing(new, old) or new.relation != old.relation or new.former - old.former:
        return False
    if new.verb != old.verb and new.relation not in ONE_VALUE | {"when"}:
        return False
    if new.additive and new.content != old.content:
        return False
    if not new.content:
        return not old.content
    if _other_rhythm(new, old):
        return False
    return new.content <= old.content and bool(frozenset(new.value.stems) & frozenset(old.value.stems))


def _elaborates(new: Claim, old: Claim) -> bool:
    if not _same_footing(new, old) or new.relation != old.relation or not old.content:
        return False
    return old.content < new.content and not _other_rhythm(new, old)


def _other_rhythm(new: Claim, old: Claim) -> bool:
    return "frequency" in new.value.kinds & old.value.kinds and new.value.words != old.value.words
