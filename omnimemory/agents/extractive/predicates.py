"""The predicate of a clause: the head, then chunks by preposition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.agents.extractive.heads import PARTICLES, Head, read_head
from omnimemory.agents.extractive.phrasing import Cue
from omnimemory.agents.extractive.values import TIMES, Value, stems, value_of

_Chunk = tuple[str, list[str]]

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
DATED = "dated"
"""The part that holds a date at the end of the clause, beside those named by prepositions."""
_WHEN = frozenset({"since", "until"})
_EXCHANGING = frozenset({"replace", "swap", "trade", "ditch", "drop", "leave", "", "cancel"})
_DIRECTIONS = frozenset({"back", "over", "up", "down", "away", "house"})
_TURNING = frozenset({"", "to", "into", "with", "from", "onto"})
_MOVING = frozenset({"move", "relocate"})
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
    parts: tuple[tuple[str, Value], ...] = ()
    former: frozenset[str] = frozenset()
    topic: tuple[str, ...] = ()
    negated: bool = False
    ended: bool = False
    past: bool = False
    passive: bool = False
    additive: bool = False
    cue: Cue = Cue.NONE


def read_predicate(words: Sequence[str]) -> Predicate | None:
    """The predicate that starts at ``words[0]``; None where no main verb is found."""
    head, tail = read_head(words)
    if not (head.verb or tail):
        return None
    text, dated = " ".join(tail), ""
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
        dated = match[0] if re.match(r"\s+(?:in|on) ", match[0]) else dated
        text = shorter
    found = _with_chunks(head, text.split(), tuple(tail))
    if found is None or not dated:
        return found
    return replace(found, parts=(*found.parts, (DATED, value_of(dated.split()[1:]))))


def _chunks(words: Sequence[str]) -> list[_Chunk]:
    found: list[_Chunk] = [("", [])]
    for i, word in enumerate(words):
        inside = word.lower() == "of" and bool(found[-1][1])
        if word.lower() in lex.PREPOSITIONS and not inside:
            if found[-1][0] and not found[-1][1] and i:
                continue
            found.append((word.lower(), []))
        else:
            found[-1][1].append(word)
    return [chunk for chunk in found if chunk[1] or chunk[0]]


def _with_chunks(head: Head, words: Sequence[str], tail: tuple[str, ...]) -> Predicate | None:
    chunks = _chunks(words)
    head.additive |= any(w.lower() in ("another", "also", "too", "both") for w in words)
    change = _change(head, chunks, tail)
    if change is not None or (head.progressive and head.verb in lex.CHANGING):
        return change
    verb = lex.SAME_VERB.get(head.verb, head.verb)
    if not chunks:
        return _stated(head, Predicate(verb, "", Value(), tail))
    if len(chunks) > 1 and chunks[0][1] and all(w.lower() in PARTICLES for w in chunks[0][1]):
        chunks = chunks[1:]
    prep, first = chunks[0]
    if head.past and any(p == "until" for p, _ in chunks[1:]):
        head.ended, head.past = True, False
    chunks = [chunks[0], *(chunk for chunk in chunks[1:] if chunk[0] not in _WHEN)]
    rest = frozenset(s for p, ws in chunks[1:] for s in stems(ws))
    if len(chunks) > 1 and not first:
        first, rest = chunks[1][1], frozenset(s for p, ws in chunks[2:] for s in stems(ws))
    if head.perfect and (verb, prep) == ("be", "to"):
        verb = "visit"
    parts = tuple((p, value_of(ws)) for p, ws in chunks if ws)
    return _stated(head, Predicate(verb, prep, value_of(first), tail, rest=rest, parts=parts))


def _change(head: Head, chunks: Sequence[_Chunk], tail: tuple[str, ...]) -> Predicate | None:
    """``switched from A to B``, ``replaced A with B``, ``rose to 5``: what it was and what it is now."""
    if head.negated or head.progressive:
        return None
    by_prep = {prep: words for prep, words in reversed(chunks) if words}
    direct = by_prep.get("", [])
    if direct and head.verb in _EXCHANGING:
        put = by_prep.get("with") if head.verb == "replace" else by_prep.get("for")
        if put:
            return _changed(head, verb="", prep="", now=put, former=direct, topic=(), tail=tail)
    if direct and head.verb == "rename" and head.passive and "to" not in by_prep:
        return _changed(head, verb="", prep="", now=direct, former=[], topic=(), tail=tail)
    came = by_prep.get("to") or by_prep.get("into") or by_prep.get("with") or by_prep.get("onto")
    if not came or head.verb not in lex.CHANGING:
        return None
    counted = "number" in value_of(came).kinds
    up = bool({"up", "down"} & {w.lower() for w in direct})
    went = head.verb == "go" and (up or (counted and "from" in by_prep))
    measured = went or (counted and head.verb in lex.MEASURING)
    if head.verb in lex.MEASURING | {"go"} and not measured:
        return None
    topic = tuple(w for w in direct if w.lower() not in _DIRECTIONS)
    former = by_prep.get("from", [])
    if not former and direct[:1] in (["off"], ["out"]):
        former, topic = direct[1:], ()
    stated = head.passive or measured or (not topic and head.verb not in ("move", "switch", "migrate"))
    moved = "move" if head.verb in _MOVING and not direct[:1] and not head.passive else "be" if stated else ""
    others = [*topic, *(w for p, ws in chunks if p not in _TURNING for w in ws)]
    found = _changed(head, verb=moved, prep="to", now=came, former=former, topic=topic, tail=tail)
    return replace(found, rest=frozenset(stems(others)))


def _changed(
    head: Head,
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
    elif head.verb == "rename":
        verb, prep = "call", ""
    elif verb == "be":
        prep = "" if not value.kinds & TIMES else "at"
    return Predicate(
        verb, prep if verb != "use" else "", value, tail, former=frozenset(stems(former)), topic=topic,
        passive=head.verb == "rename", cue=max(head.cue, Cue.CHANGE), additive=head.additive,
    )  # fmt: skip


def _stated(head: Head, predicate: Predicate) -> Predicate:
    return replace(
        predicate,
        negated=head.negated,
        ended=head.ended,
        past=head.past,
        passive=head.passive,
        additive=head.additive,
        cue=head.cue,
    )
