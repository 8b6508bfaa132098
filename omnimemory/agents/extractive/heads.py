"""The head of a predicate: auxiliaries, negation, adverbs and the main verb they lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.agents.extractive.phrasing import Cue
from omnimemory.agents.extractive.values import stems

_ENDING_PHRASES = (
    "give up on", "give up", "get rid of", "break up with", "split up with", "move out of", "drop out of",
    "part with", "part ways with", "do away with", "fall out of love with", "grow out of",
    "move away from", "go off",
    "unsubscribe from", "step down from", "step down as", "get over",
)  # fmt: skip
_CANCELLING = ("call off", "back out of")
PARTICLES = frozenset(["up", "down", "out", "off", "in", "on", "over", "away", "back", "around"])
_SAME_PAST = frozenset({"cut", "put", "set"})
_RESULTING = frozenset({"join", "hire", "marry"})
"""Verbs whose past says what holds now."""
_AUXILIARY = lex.BE | lex.HAVE | lex.DO | lex.MODALS
_SUPPORT = _AUXILIARY - {"being", "having"}


@dataclass(slots=True)
class Head:
    """What stands before the main verb, as it is read from left to right."""

    verb: str = ""
    negated: bool = False
    ended: bool = False
    past: bool = False
    perfect: bool = False
    be: bool = False
    passive: bool = False
    progressive: bool = False
    additive: bool = False
    cue: Cue = Cue.NONE
    at: int = 0


def verb_at(words: Sequence[str], i: int) -> bool:
    """Whether a finite verb, or what introduces one, stands at ``i`` after a subject."""
    word, before = words[i].lower(), words[i - 1].lower()
    following = words[i + 1].lower() if i + 1 < len(words) else ""
    if word in _SUPPORT or (word == "used" and following == "to"):
        return True
    lemma, form = lex.VERB_FORMS.get(word, ("", ""))
    if not lemma and before in ("i", "we", "they") and words[i].isalpha() and words[i].islower():
        return word not in lex.ADVERBS | lex.NEGATIONS | lex.PREPOSITIONS | {"and", "or"}
    if not lemma or words[i][:1].isupper() or form in (lex.GERUND, lex.PARTICIPLE):
        return False
    attributive = before in lex.DETERMINERS or before.endswith(("'s", "'")) or before in lex.TOPICLESS
    if attributive or before in lex.PREPOSITIONS or following in _SUPPORT:
        return False
    if form == lex.BASE:
        return (
            before in ("i", "we", "you", "they", "longer")
            or "and" in words[1:i]
            or before in lex.ADVERBS | lex.NEGATIONS
            or (before.endswith("s") and not before.endswith("ss") and before not in lex.VERB_FORMS)
        )
    return True


def read_head(words: Sequence[str]) -> tuple[Head, list[str]]:
    """The head and the words after it; a head without a verb where none is found."""
    head = Head()
    i = 0
    while i < len(words):
        word = words[i].lower()
        following = words[i + 1].lower() if i + 1 < len(words) else ""
        lemma = lex.VERB_FORMS.get(word, ("", ""))[0]
        if word == "no" and following == "longer":
            head.ended, i = True, i + 2
            continue
        if word == "used" and following == "to" and not head.be:
            head.ended, head.past, i = True, False, i + 2
            continue
        if word in lex.NEGATIONS:
            head.negated = True
        elif word in lex.ADVERBS or (word.endswith("ly") and not lemma and word not in lex.KINDS):
            head.cue = max(head.cue, Cue.CHANGE if word in ("now", "nowadays", "instead") else Cue.NONE)
            head.additive |= word in lex.ADDITIVE
        elif word in lex.MODALS or (word in lex.DO and not head.be and _supports(following)):
            head.past |= word == "did"
        elif word in lex.BE:
            head.be = True
            head.past |= word in ("was", "were")
        elif word in lex.HAVE and _perfect(words[i + 1 :]):
            head.perfect = True
        else:
            break
        i += 1
    head.at = i
    _main_verb(head, words)
    if not head.verb:
        return head, []
    tail = _inner_verb(head, list(words[head.at :]))
    _phrasal(head, tail)
    return head, tail


def _main_verb(head: Head, words: Sequence[str]) -> None:
    """The verb that the auxiliaries lead to; ``be`` itself where an adjective or a noun follows."""
    i = head.at
    word = words[i].lower() if i < len(words) else ""
    lemma, form = lex.VERB_FORMS.get(word, ("", ""))
    adjective = word in lex.KINDS or word in ("married", "engaged", "closed")
    if (
        head.be
        and not adjective
        and lemma
        and (form in (lex.GERUND, lex.PAST, lex.PARTICIPLE) or lemma in _SAME_PAST)
    ):
        head.verb, head.at = lemma, i + 1
        head.progressive, head.passive = form == lex.GERUND, form != lex.GERUND
    elif head.be:
        head.verb = "be"
    elif lemma:
        head.verb, head.at = lemma, i + 1
        head.past |= form == lex.PAST and not head.perfect
    elif word.isalpha() and words[i].islower():
        head.verb, head.at = (stems([word]) or (word,))[0], i + 1
        head.past |= word.endswith("ed") and not head.perfect
    if head.perfect or head.verb in _RESULTING:
        head.past = False


def _supports(following: str) -> bool:
    """Whether ``do`` before this word is an auxiliary (``does not use``), not a verb (``does yoga``)."""
    form = lex.VERB_FORMS.get(following, ("", ""))[1]
    return form == lex.BASE or following in lex.NEGATIONS | lex.ADVERBS | {"no"} or following == ""


def _perfect(after: Sequence[str]) -> bool:
    for word in after[:4]:
        lowered = word.lower()
        if lowered == "been":
            return True
        if lowered in lex.ADVERBS | lex.NEGATIONS or lowered.endswith("ly") or lowered in ("no", "longer"):
            continue
        form = lex.VERB_FORMS.get(lowered, ("", ""))[1]
        return form in (lex.PAST, lex.PARTICIPLE) or (not form and lowered.endswith("ed"))
    return False


def _inner_verb(head: Head, tail: list[str]) -> list[str]:
    """``started working`` is working, ``stopped smoking`` is no more smoking, ``decided to use`` is using."""
    for _ in range(2):
        first = tail[0].lower() if tail else ""
        lemma, form = _form(first)
        second, second_form = _form(tail[1].lower()) if len(tail) > 1 else ("", "")
        if form == lex.GERUND and head.verb in ("stop", "quit", "finish"):
            _give_up(head, lemma)
            tail = tail[1:]
        elif head.verb == "give" and first == "up" and second_form == lex.GERUND:
            _give_up(head, second)
            tail = tail[2:]
        elif form == lex.GERUND and head.verb in ("start", "begin", "keep", "go", "like", "prefer"):
            sentiment = head.verb in ("like", "prefer")
            head.cue = max(head.cue, Cue.CHANGE if head.verb in ("start", "begin") else Cue.NONE)
            head.past &= head.verb not in ("start", "begin")
            if sentiment:
                break
            head.verb, tail = lemma, tail[1:]
        elif (
            first == "to"
            and second
            and head.verb in ("decide", "choose", "begin", "start", "continue", "learn")
        ):
            head.past, head.verb, tail = False, second, tail[2:]
        elif (
            head.verb in ("get", "become", "go", "turn")
            and first
            and (
                first in lex.KINDS
                or first.isdigit()
                or first in lex.NUMBERS
                or head.verb == "become"
                or lex.KINDS.get(first) == "diet"
            )
        ) or (head.verb == "get" and first in ("promoted", "hired")):
            if first in ("promoted", "hired"):
                head.verb, head.passive, tail = lemma, True, tail[1:]
            else:
                head.verb = "be"
                if (first.isdigit() or first in lex.NUMBERS) and "years" not in tail:
                    tail = [first, "years", "old", *tail[1:]]
            head.past, head.cue = False, max(head.cue, Cue.CHANGE)
        else:
            break
    return tail


def _give_up(head: Head, verb: str) -> None:
    """``stopped smoking`` ends it; ``has not stopped smoking`` says that it goes on."""
    head.verb, head.ended, head.negated, head.past = verb, not head.negated, False, False


def _form(word: str) -> tuple[str, str]:
    """Lemma and form; an unknown word in -ing counts as a gerund, its stem as the lemma."""
    known = lex.VERB_FORMS.get(word)
    if known is None and word.endswith("ing") and len(word) > 5 and word.isalpha():
        return (stems([word]) or (word,))[0], lex.GERUND
    return known or ("", "")


def _phrasal(head: Head, tail: list[str]) -> None:
    """Mark what is over: ``gave up``, ``sold``, ``left``; the object stays in ``tail``."""
    if head.verb == "take" and tail[:1] == ["place"]:
        head.verb = "be"
        del tail[0]
    said = " ".join([head.verb, *(w.lower() for w in tail[:3])]) + " "
    for phrase in (*_ENDING_PHRASES, *_CANCELLING):
        if said.startswith(phrase + " "):
            del tail[: len(phrase.split()) - 1]
            head.verb, head.ended, head.past = "cancel" if phrase in _CANCELLING else "", True, False
            return
    direct = bool(tail) and tail[0].lower() not in lex.PREPOSITIONS | PARTICLES
    replaced = any(w.lower() in ("for", "from") for w in tail[1:]) and head.verb in ("drop", "ditch", "leave")
    direct = (
        direct
        and tail[0].lower() not in ("a", "an", "some", "another")
        and tail[0].lower() not in lex.NUMBERS
    )
    object_ends = direct and not replaced and not head.be and tail[0].lower() not in lex.VERB_FORMS
    if head.verb in lex.ENDING and object_ends and (head.past or head.perfect) and not head.negated:
        head.verb, head.ended, head.past = "cancel" if head.verb == "cancel" else "", True, False
    if head.verb == "retire" and not head.negated:
        head.verb, head.ended, head.past = "work", True, False
