"""How much a sentence tells that lasts: facts, preferences and changes weigh, passing moments do not."""

from __future__ import annotations

import re
from collections.abc import Sequence

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.agents.extractive.claims import Claim
from omnimemory.agents.extractive.phrasing import Cue, Standing
from omnimemory.agents.extractive.values import stems

_ATTRIBUTES = frozenset(stems(sorted(lex.ATTRIBUTES)))
_ANNOUNCING = lex.wordset(
    "update news question idea request favour thing stuff thought word story joke surprise point look chat "
    "bit luck rush hurry feeling confession announcement"
)
_EMPTY = frozenset(stems(sorted(_ANNOUNCING)))
"""Nouns that announce talk and tell nothing by themselves."""
_INDEFINITE = frozenset({"something", "anything", "nothing", "everything", "someone", "somewhere"})
_PASSING = lex.wordset("come go arrive return wake eat drink sit walk sleep stand look wait call hear")
"""Activities: once past, they left nothing behind."""
_SPECIFIC = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+|\d")
_MOMENT = re.compile(
    r"\b(?:so|too) \w+\W*$|\bbe (?:right )?(?:back|there)\b|\b(?:got|came|went) (?:back|home|here)\b|"
    r"\b(?:have|need|got) to (?:run|go|leave|hurry)\b|\bright now\b|"
    r"\bin (?:a|one|two) (?:minute|moment|second|sec)s?\b|\bfor a (?:minute|moment|second|sec)\b|"
    r"\b(?:have|has|got|in) (?:only |about |just )?(?:a few|a couple of|[a-z]+|\d+) (?:more )?"
    r"(?:minutes|seconds|moments)\b(?! (?:a|per|each|every)\b)|"
    r"^(?:the|this|that|these|those|it|there)\b[a-z' ]*\b(?:is|are|'re) (?:\w+ly |still |just )?[a-z]{2,}ing"
    r"\b(?! (?:\w+ ){0,3}[A-Z0-9])",
    re.IGNORECASE,
)


def substance(part: str, claims: Sequence[Claim]) -> int:
    """Weight of what a sentence claims: 0 when it is empty talk, up to 6 for a change with names or numbers.

    A claim counts 2, the end or change of a state 2 more, a name, number, time or the value of an
    attribute 1. What is said of the passing moment loses 2.
    """
    told = [claim for claim in claims if claim.standing in (Standing.ASSERTED, Standing.PLANNED)]
    weight = 2 * any((claim.content or claim.ended) and not _is_empty(claim) for claim in told)
    momentary = bool(_MOMENT.search(part)) or (bool(told) and all(_is_passing(claim) for claim in told))
    weight += 2 * (not momentary and any(changes(claim) for claim in told))
    weight += bool(_SPECIFIC.search(part)) or any(_is_telling(claim) for claim in told)
    return weight - 2 * momentary


def changes(claim: Claim) -> bool:
    """Whether a claim says that something is otherwise than before."""
    return claim.ended or bool(claim.former) or claim.cue >= Cue.CHANGE


def _is_empty(claim: Claim) -> bool:
    """Whether the value only announces (``a question``) or points (``something``)."""
    values = [value for _, value in claim.parts] or [claim.value]
    if any(value.words & _INDEFINITE for value in values):
        return True
    return bool(claim.value.stems) and claim.value.stems[-1] in _EMPTY


def _is_telling(claim: Claim) -> bool:
    """A number, time, name or kind, or any value of an attribute, that holds now."""
    if claim.past or not claim.content:
        return False
    kinds = claim.value.kinds.union(*(value.kinds for _, value in claim.parts))
    return bool(kinds - {"state"}) or bool(_ATTRIBUTES & set(claim.subject))


def _is_passing(claim: Claim) -> bool:
    return claim.past and claim.verb in _PASSING and not _has_name(claim)


def _has_name(claim: Claim) -> bool:
    return any("name" in value.kinds or value.numbers for _, value in claim.parts)
