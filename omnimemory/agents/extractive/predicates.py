"""The predicate of a clause: auxiliaries, main verb, then chunks by preposition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.agents.extractive.phrasing import Cue
from omnimemory.agents.extractive.values import TIMES, Value, stems, value_of

_ENDING_PHRASES = (
    "give up on", "give up", "get rid of", "break up with", "split up with", "move out of", "drop out of",
    "part with", "part ways with", "do away with", "fall out of love with", "grow out of",
    "move away from", "go off",
    "unsubscribe from", "step down from", "step down as", "get over",
)  # fmt: skip
_CANCELLING = ("call off", "back out of")
_OF_CHANGE = frozenset(
    (
        "now",
        "anymore",
        "these days",
        "nowadays",
        "again",
        "instead",
        "after all",
        "from now on",
        "going forward",
    )
)
_PARTICLES = frozenset(["up", "down", "out", "off", "in", "on", "over", "away", "back", "around"])
_SAME_PAST = frozenset({"cut", "put", "set"})
_RESULTING = frozenset({"join", "hire", "marry"})
"""Verbs whose past says what holds now."""
_WHEN = frozenset({"since", "until"})
_AUXILIARY = lex.BE | lex.HAVE | lex.DO | lex.MODALS
_SUPPORT = _AUXILIARY - {"being", "having"}
_TRAILING = re.compile(
    r"\s+(?:yesterday|today|tonight|this morning|(?:last|this|earlier this|next) (?:week|month|year|spring|"
    r"summer|autumn|"
    r"fall|winter|weekend|night|quarter|\w+day)|(?:a|an|one|two|three|few|a few|several|\d+|a couple of) "
    r"(?:days?|weeks?|months?|years?|hours?) ago|(?:in|since|as of|from) (?:the )?(?:january|february|"
    r"march|april|may|"
    r"june|july|august|september|october|november|december|spring|summer|autumn|fall|winter|(?:19|"
    r"20)\d\d)(?: \d{4})?|"
    r"for (?:\w+ )?\w+ (?:days?|weeks?|months?|years?)(?: now)?|for a while|for (?:now|good|years|months)|"
    r"recently|"
    r"these days|now|anymore|nowadays|currently|again|too|as well|instead|after all|at the moment|already|"
    r"lately|"
    r"from now on|going forward|at present|finally|permanently|of late|by now)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Predicate:
    verb: str
    prep: str
    value: Value
    tail: tuple[str, ...]
    rest: frozenset[str] = frozenset()
    former: frozenset[str] = frozenset()
    topic: tuple[str, ...] = ()
    negated: bool = False
    ended: bool = False
    past: bool = False
    passive: bool = False
    additive: bool = False
    cue: Cue = Cue.NONE


@dataclass(slots=True)
class _Head:
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
            or before in lex.ADVERBS | lex.NEGATIONS
            or (before.endswith("s") and not before.endswith("ss") and before not in lex.VERB_FORMS)
        )
    return True


def read_predicate(words: Sequence[str]) -> Predicate | None:
    """The predicate that starts at ``words[0]``; None where no main verb is found."""
    head = _head(words)
    if not head.verb:
        return None
    tail = list(words[head.at :])
    tail = _inner_verb(head, tail)
    _phrasal(head, tail)
    text = " ".join(tail)
    for _ in range(3):
        if not (match := _TRAILING.search(" " + text)):
            break
        shorter = (" " + text)[: match.start()].strip()
        if not shorter and not head.ended and match[0].strip()[:3].lower() in ("in ", "sin", "as "):
            break
        if match[0].strip().lower() in _OF_CHANGE:
            head.cue = max(head.cue, Cue.CHANGE)
        if match[0].strip().lower() == "anymore" and head.negated:
            head.ended, head.negated = True, False
        head.additive |= match[0].strip().lower() in ("too", "as well")
        text = shorter
    return _with_chunks(head, text.split(), tuple(tail))


def _head(words: Sequence[str]) -> _Head:
    """Auxiliaries, negation and adverbs, then the main verb."""
    head = _Head()
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
        elif word in lex.MODALS or (word in lex.DO and not head.be):
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
    return head


def _main_verb(head: _Head, words: Sequence[str]) -> None:
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
        head.verb, head.at = word, i + 1
    if head.perfect or head.verb in _RESULTING:
        head.past = False


def _perfect(after: Sequence[str]) -> bool:
    for word in after[:4]:
        lowered = word.lower()
        if lowered == "been":
            return True
        if lowered in lex.ADVERBS | lex.NEGATIONS or lowered.endswith("ly") or lowered in ("no", "longer"):
            continue
        return lex.VERB_FORMS.get(lowered, ("", ""))[1] in (lex.PAST, lex.PARTICIPLE)
    return False


def _inner_verb(head: _Head, tail: list[str]) -> list[str]:
    """``started working`` is working, ``stopped smoking`` is no more smoking, ``decided to use`` is using."""
    for _ in range(2):
        first = tail[0].lower() if tail else ""
        lemma, form = lex.VERB_FORMS.get(first, ("", ""))
        second, second_form = lex.VERB_FORMS.get(tail[1].lower(), ("", "")) if len(tail) > 1 else ("", "")
        if form == lex.GERUND and head.verb in ("stop", "quit", "finish"):
            head.ended, head.past, head.verb, tail = True, False, lemma, tail[1:]
        elif head.verb == "give" and first == "up" and second_form == lex.GERUND:
            head.ended, head.past, head.verb, tail = True, False, second, tail[2:]
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


def _phrasal(head: _Head, tail: list[str]) -> None:
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
    direct = bool(tail) and tail[0].lower() not in lex.PREPOSITIONS | _PARTICLES
    replaced = any(w.lower() in ("for", "from") for w in tail[1:]) and head.verb in ("drop", "ditch", "leave")
    object_ends = direct and not replaced and not head.be and tail[0].lower() not in lex.VERB_FORMS
    if head.verb in lex.ENDING and object_ends and (head.past or head.perfect) and not head.negated:
        head.verb, head.ended, head.past = "cancel" if head.verb == "cancel" else "", True, False
    if head.verb == "retire" and not head.negated:
        head.verb, head.ended, head.past = "work", True, False


def _chunks(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = [("", [])]
    for i, word in enumerate(words):
        inside = word.lower() == "of" and bool(found[-1][1])
        if word.lower() in lex.PREPOSITIONS and not inside:
            if found[-1][0] and not found[-1][1] and i:
                continue
            found.append((word.lower(), []))
        else:
            found[-1][1].append(word)
    return [chunk for chunk in found if chunk[1] or chunk[0]]


def _with_chunks(head: _Head, words: Sequence[str], tail: tuple[str, ...]) -> Predicate | None:
    chunks = _chunks(words)
    by_prep = {prep: words for prep, words in reversed(chunks) if words}
    head.additive |= any(w.lower() in ("another", "also", "too", "both") for w in words)
    verb = lex.SAME_VERB.get(head.verb, head.verb)
    changing = head.verb in lex.CHANGING
    came = by_prep.get("to") or by_prep.get("into") or by_prep.get("with") or by_prep.get("onto")
    direct = by_prep.get("", [])
    if (
        head.verb in ("replace", "swap", "trade", "ditch", "drop", "leave") or head.verb in ("", "cancel")
    ) and direct:
        put = by_prep.get("with") if head.verb == "replace" else by_prep.get("for")
        if put and not head.negated and not head.progressive:
            return _changed(head, verb="", prep="", now=put, former=direct, topic=(), tail=tail)
    if changing and came and not head.negated and not head.progressive:
        moved = verb if verb == "move" and not direct and not head.passive else ""
        topic = tuple(
            w for w in direct if w.lower() not in ("back", "over", "up", "down", "away", "out", "house")
        )
        intransitive = not topic and head.verb != "move"
        measured = head.verb == "go" and bool({"up", "down"} & {w.lower() for w in direct})
        stated = head.passive or measured or (intransitive and head.verb not in ("switch", "go", "migrate"))
        if head.verb == "go" and not measured:
            return _stated(head, Predicate(verb, "to", value_of(came), tail))
        moved = "be" if not moved and stated else moved
        former = by_prep.get("from", [])
        others = [
            *topic,
            *(w for p, ws in chunks if p not in ("", "to", "into", "with", "from", "onto") for w in ws),
        ]
        found = _changed(head, verb=moved, prep="to", now=came, former=former, topic=topic, tail=tail)
        return replace(found, rest=frozenset(stems(others)))
    if not chunks:
        return _stated(head, Predicate(verb, "", Value(), tail))
    if len(chunks) > 1 and chunks[0][1] and all(w.lower() in _PARTICLES for w in chunks[0][1]):
        chunks = chunks[1:]
    prep, first = chunks[0]
    if head.past and any(p == "until" for p, _ in chunks[1:]):
        head.ended, head.past = True, False
    chunks = [chunks[0], *(chunk for chunk in chunks[1:] if chunk[0] not in _WHEN)]
    rest = frozenset(s for p, ws in chunks[1:] for s in stems(ws))
    if len(chunks) > 1 and not first:
        first, rest = chunks[1][1], frozenset(s for p, ws in chunks[2:] for s in stems(ws))
    if head.progressive and changing:
        return None
    return _stated(head, Predicate(verb, prep, value_of(first), tail, rest=rest))


def _changed(
    head: _Head,
    *,
    verb: str,
    prep: str,
    now: list[str],
    former: list[str],
    topic: tuple[str, ...],
    tail: tuple[str, ...],
) -> Predicate:
    value = value_of(now)
    verb = verb or ("use" if not head.passive else "be")
    if head.verb == "promote":
        verb, prep = "promote", "to"
    elif verb == "be":
        prep = "" if not value.kinds & TIMES else "at"
    return Predicate(
        verb, prep if verb != "use" else "", value, tail, former=frozenset(stems(former)), topic=topic,
        cue=max(head.cue, Cue.CHANGE), additive=head.additive,
    )  # fmt: skip


def _stated(head: _Head, predicate: Predicate) -> Predicate:
    return replace(
        predicate,
        negated=head.negated,
        ended=head.ended,
        past=head.past,
        passive=head.passive,
        additive=head.additive,
        cue=head.cue,
    )
