"""Whether a new claim ends an old one. When in doubt, both stay.

A contradiction needs the same subject and one of: the old value named as replaced, the old state
named as over, the opposite polarity, another value of a relation that has one value at a time,
or the same measure with another number. What is planned, imagined, asked, quoted or past ends nothing.
"""

from __future__ import annotations

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.agents.extractive.claims import Claim
from omnimemory.agents.extractive.phrasing import Cue, Standing
from omnimemory.agents.extractive.predicates import DATED
from omnimemory.agents.extractive.values import TIMES, stems

ONE_VALUE = frozenset(
    {"place", "employer", "role", "marital", "diet", "age", "origin", "school", "name", "drive"}
)
_OPPOSITES = (
    {"open", "closed"}, {"enabled", "disabled"}, {"active", "inactive"}, {"online", "offline"},
    {"available", "unavailable"}, {"public", "private"}, {"free", "paid"}, {"locked", "unlocked"},
    {"paused", "running"}, {"paused", "active"},
)  # fmt: skip
_SENTIMENTS = frozenset({"like", "dislike"})
_TYPED = lex.wordset("colour diet marital tongue code editor database system browser drink clock address")
"""Kinds within which another value is an alternative, not an addition."""
_LOOSE = frozenset({"about", "of", "like", "without", "since", "until", "during", "per"})
"""Prepositions whose phrases add to each other."""
_PLACING = frozenset({"in", "at", "from", "outside", "near", "under", "inside"})
"""Prepositions of where something is done: the newer place takes over from the older."""


def contradiction(new: Claim, old: Claim) -> tuple[float, str] | None:
    """Confidence and reason when ``new`` ends ``old``."""
    if new.standing is not Standing.ASSERTED or old.standing in (Standing.UNREAL, Standing.SECONDHAND):
        return None
    if old.ended or (old.past and new.cue < Cue.ACTUALLY):
        return None
    told_of_past = new.past and not (old.past or new.verb == old.verb)
    if new.former and not (new.past and new.cue < Cue.CORRECTION):
        return None if told_of_past else _replaced(new, old)
    if not same_subject(new, old):
        return None
    if new.ended:
        return _over(new, old)
    acquired = old.negated and new.verb == old.verb == "have"
    if old.standing is Standing.PLANNED or (new.past and new.cue < Cue.ACTUALLY and not acquired):
        return None
    if new.negated != old.negated:
        return _opposite(new, old)
    if new.negated:
        return None
    return _sentiment(new, old) or _other_value(new, old) or _swapped(new, old)


def same_subject(new: Claim, old: Claim) -> bool:
    if sorted(_group(new.subject)) == sorted(_group(old.subject)):
        return True
    short, long = sorted((new.subject, old.subject), key=len)
    return (
        len(short) == 1 and len(long) == 2 and short == long[:1] and new.relation == old.relation == "called"
    )


def _group(subject: tuple[str, ...]) -> tuple[str, ...]:
    """``our office`` and ``the office`` are one, and so are ``we`` and ``the team``."""
    return (subject[1:] or ("team",)) if subject[:1] == ("we",) else subject


def _names(new: Claim, old: Claim) -> bool:
    """Whether what ``new`` names as replaced is the old claim's value, or where the same thing was had."""
    former = new.former
    verb = frozenset(stems([old.verb])) if old.verb else frozenset()
    everything = old.content | verb
    heads = frozenset(old.value.stems or tuple(verb))
    alike = new.relation == old.relation and (new.relation == "place" or new.value.stems == old.value.stems)
    if former and (new.rest & heads or alike) and former <= old.rest:
        return True
    if not former or not former & heads:
        return False
    return former <= everything or frozenset(old.value.stems) <= former


def _replaced(new: Claim, old: Claim) -> tuple[float, str] | None:
    if old.negated or (old.verb in lex.LASTING and new.verb != old.verb):
        return None
    if old.relation in ("origin", "name") and new.relation != old.relation:
        return None
    owner = new.subject == old.subject[: len(new.subject)]
    if not (same_subject(new, old) or (owner and new.relation != "place")) or not _names(new, old):
        return None
    if new.verb == "prefer" and old.verb != "prefer":
        return None
    if new.relation == "place" and new.cue < Cue.CORRECTION and not _left_behind(new, old):
        return None
    if new.content and old.content <= new.content:
        return None
    return 0.95, "it names what was so before and what replaced it"


def _left_behind(new: Claim, old: Claim) -> bool:
    """Whether moving away from a place or a company ends the old claim."""
    if old.relation in ("place", "be", "employer"):
        return True
    return old.relation.split()[-1] not in ("in", "at", "from", "to", "on") and old.value.stems == tuple(
        new.former
    )


def _over(new: Claim, old: Claim) -> tuple[float, str] | None:
    if old.negated:
        return None
    said, known = new.content, old.content
    if old.standing is Standing.PLANNED and new.verb not in ("cancel", old.verb):
        return None
    if new.verb not in ("", "cancel"):
        titles = new.verb == "be" and old.relation == "role"
        if new.verb != old.verb and new.relation != old.relation and not titles:
            return None
        if said <= known and (said & frozenset(old.value.stems) or not said):
            return 0.9, "it says that this is over"
        return None
    if old.verb in lex.LASTING or not said:
        return None
    verb = frozenset(stems([old.verb])) if old.verb else frozenset()
    heads = frozenset(old.value.stems) | (old.rest if old.relation == "marital" else frozenset())
    if said & (heads | verb) and (said <= known | verb | {"old"} or (heads and heads <= said)):
        return 0.88, "it says that this was given up"
    return None


def _opposite(new: Claim, old: Claim) -> tuple[float, str] | None:
    if new.relation != old.relation and not (new.verb == old.verb != "be"):
        return None
    general, special = (new, old) if new.negated else (old, new)
    if general.content:
        heads = frozenset(special.value.stems)
        if not (general.content <= special.content and general.content & heads):
            return None
    elif special.verb == "be":
        return None
    if special.negated is False and general is old and special.verb in lex.MANY and not general.content:
        return None
    return 0.88, "one says it is so, the other that it is not"


def _sentiment(new: Claim, old: Claim) -> tuple[float, str] | None:
    if {new.verb, old.verb} == _SENTIMENTS and new.content and new.content == old.content:
        return 0.85, "the liking turned into its opposite"
    return None


def _other_value(new: Claim, old: Claim) -> tuple[float, str] | None:
    left, right = frozenset(new.value.stems), frozenset(old.value.stems)
    if new.verb == old.verb == "prefer" and left == right and new.cue and len(new.rest) == len(old.rest) == 1:
        return (0.78, "the preference changed") if new.rest != old.rest else None
    if "frequency" in new.value.kinds & old.value.kinds and new.relation == old.relation:
        return (
            (0.85, "it happens at another rhythm now")
            if new.cue and new.value.words != old.value.words
            else None
        )
    if new.additive or not left or not right or left <= right or right <= left:
        return None
    if _opposed_states(new, old):
        return 0.85, "the state changed into its opposite"
    if new.relation != old.relation and not _same_measure(new, old):
        return None
    if new.relation == "when":
        return _other_time(new, old)
    if numbered := _other_number(new, old):
        return numbered
    if new.relation in ONE_VALUE:
        return _one_value(new, old)
    if new.verb == "be":
        return _other_description(new, old)
    return _other_object(new, old)


def _same_measure(new: Claim, old: Claim) -> bool:
    left, right = frozenset(new.value.frame), frozenset(old.value.frame)
    measured = left == right if old.verb != "be" else not (left and right) or bool(left & right)
    counted = bool(new.value.numbers and old.value.numbers)
    return counted and new.verb == "be" and measured and (old.verb == "be" or bool(left))


def _opposed_states(new: Claim, old: Claim) -> bool:
    pair = {next(iter(new.value.words & {w for p in _OPPOSITES for w in p}), ""),
            next(iter(old.value.words & {w for p in _OPPOSITES for w in p}), "")}  # fmt: skip
    return new.verb == old.verb == "be" and pair in _OPPOSITES and new.rest == old.rest


def _other_time(new: Claim, old: Claim) -> tuple[float, str] | None:
    shared = new.value.kinds & old.value.kinds & TIMES
    both = {"month", "date"} <= (new.value.kinds | old.value.kinds) and new.cue >= Cue.CHANGE
    if shared or both or new.cue >= Cue.CHANGE:
        return 0.85 if shared else 0.7, "the same thing has another time"
    return None


def _other_number(new: Claim, old: Claim) -> tuple[float, str] | None:
    if not new.value.numbers or not old.value.numbers or new.value.numbers == old.value.numbers:
        return None
    left, right = set(new.value.frame) | new.rest, set(old.value.frame) | old.rest
    grown = new.verb == "be" and new.cue and left == right and bool(left)
    if new.past or old.past or (new.verb != old.verb and not grown):
        return None
    if left == right or (new.cue and left and (left <= right or right <= left)):
        return 0.85, "the same measure has another number"
    return None


def _one_value(new: Claim, old: Claim) -> tuple[float, str] | None:
    if new.relation == "place":
        homes = {"live", "move", "settle", "base", "locate"}
        stays = new.verb == old.verb == "be" or (old.verb == "be" and new.verb == "move")
        if not stays and not {new.verb, old.verb} <= homes:
            return None
        if new.verb == old.verb == "be" and new.rest != old.rest and new.cue < Cue.ACTUALLY:
            return None
        named = "name" in new.value.kinds and "name" in old.value.kinds
        if ("land" in new.value.kinds) != ("land" in old.value.kinds) and not new.cue and new.verb != "move":
            return None
        definite = "the" in new.value.words & old.value.words
        if not named and new.cue < (Cue.ACTUALLY if new.verb == "be" and not definite else Cue.CHANGE):
            return None
    if (
        new.relation == "employer"
        and "join" in (new.verb, old.verb)
        and "name" not in new.value.kinds & old.value.kinds
    ):
        return None
    if new.relation == "origin" and "name" not in new.value.kinds & old.value.kinds:
        return None
    if new.relation == "marital" and "separated" in new.value.words | old.value.words and not new.cue:
        return None
    bonus = 0.07 if new.cue else 0.0
    return 0.8 + bonus, "the same subject has another value where only one holds at a time"


def _swapped(new: Claim, old: Claim) -> tuple[float, str] | None:
    """The same predicate with one chunk put in place of another, and a cue that says so."""
    left, right = dict(new.parts), dict(old.parts)
    if not (DATED in left and DATED in right):
        left.pop(DATED, None), right.pop(DATED, None)
    if new.cue < Cue.CHANGE or new.additive or new.verb != old.verb or left.keys() != right.keys():
        return None
    changed = [prep for prep in left if left[prep].stems != right[prep].stems]
    if len(changed) != 1 or ((new.past or old.past) and new.cue < Cue.ACTUALLY):
        return None
    prep = changed[0]
    now, before = left[prep], right[prep]
    if not set(now.stems) - set(before.stems) or not set(before.stems) - set(now.stems):
        return None
    mixed = now.is_time != before.is_time and not (now.numbers and before.numbers)
    adds = prep in _LOOSE or (prep == "" and new.verb in lex.MANY | {"be"})
    if mixed or adds:
        return None
    shared = any(left[p].stems for p in left if p != prep)
    alike = bool(now.kinds & before.kinds - {"name", "land"}) or now.stems[-1] == before.stems[-1]
    settled = new.verb not in lex.MANY | lex.LASTING | {"be"}
    placed = prep == "by" or (prep in _PLACING and settled)
    if shared or alike or placed or (prep and new.cue >= Cue.CORRECTION):
        return 0.8, "the same is said with one part replaced"
    return None


def _other_description(new: Claim, old: Claim) -> tuple[float, str] | None:
    attribute = bool(frozenset(old.subject) & frozenset(stems(sorted(lex.ATTRIBUTES))))
    if "role" in (new.relation, old.relation) and new.relation != old.relation:
        return None
    alike = new.value.kinds & old.value.kinds & (_TYPED | {"name", "frequency"})
    if "name" in alike and len(alike) == 1 and len(old.subject) < 2 and not attribute and not new.cue:
        return None
    seasonal = (DATED in dict(new.parts)) != (DATED in dict(old.parts))
    if (new.rest != old.rest or seasonal) and not new.cue:
        return None
    if attribute or alike or new.cue >= Cue.CORRECTION:
        return (0.87 if new.cue else 0.78), "the same attribute has another value"
    return None


def _other_object(new: Claim, old: Claim) -> tuple[float, str] | None:
    left, right = new.value.stems, old.value.stems
    same_head = left[-1] == right[-1] and len(left) > 1 and len(right) > 1
    typed = bool(new.value.kinds & old.value.kinds & _TYPED)
    proper = "name" in new.value.kinds and "name" in old.value.kinds
    apart = bool(new.rest and old.rest and new.rest != old.rest and not new.cue)
    if new.verb == "prefer" and not apart and (same_head or typed or (new.rest and new.rest == old.rest)):
        return 0.82 if new.cue else 0.76, "the preference changed"
    if new.cue >= Cue.CORRECTION and (typed or proper or same_head):
        return 0.85, "it corrects the value"
    prep = new.relation.split()[-1]
    if (
        (new.verb in lex.MANY and prep not in ("in", "at", "on") and not (prep == "to" and same_head))
        or new.past
        or old.past
    ):
        return None
    if new.rest and new.rest == old.rest and new.verb in ("use", "rely", "run", "deploy"):
        return 0.76, "the same purpose is served by something else"
    framed = len(left) == len(right) > 1 and sum(a != b for a, b in zip(left, right, strict=True)) == 1
    elsewhere = bool(new.rest and old.rest and new.rest != old.rest and new.cue < Cue.CORRECTION)
    if new.cue and not elsewhere and (typed or same_head or (framed and new.rest == old.rest)):
        return 0.8, "a cue of change comes with another value of the same kind"
    if new.cue >= Cue.ACTUALLY and proper and new.rest == old.rest:
        return 0.78, "it corrects the value"
    return None
