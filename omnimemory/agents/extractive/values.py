"""Values of claims: their stems and what kind of thing they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.core.text import tokens

TIMES = frozenset({"clock", "weekday", "month", "date", "year", "daypart"})
_ANCHOR = "zebra"
"""A content word put last, as a text of function words alone would keep them."""
_SPELLING = (
    (re.compile(r"(?<=[a-z]{2})our(s?|ed|ing|ite|ites)?\b"), r"or\1"),
    (re.compile(r"(?<=[a-z]{3})is(e|ed|es|ing)\b"), r"iz\1"),
    (re.compile(r"\bgrey\b"), "gray"),
)


_CLOCK = re.compile(
    r"\b(?P<h>\d{1,2})(?:[:.](?P<m>[0-5]\d))?\s?(?P<half>[ap]m)\b|\b(?P<H>\d{1,2}):(?P<M>[0-5]\d)\b"
)
_PAST_HOUR = re.compile(r"\b(?P<part>half|quarter) (?P<side>past|to) (?P<h>1[0-2]|[1-9])\b")


@dataclass(frozen=True, slots=True)
class Value:
    """What is said of a subject: ``stems`` in order, lower-case ``words``, and the kinds it belongs to."""

    stems: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    is_occupation: bool = False

    @staticmethod
    def of(value: Value, stem: tuple[str, ...]) -> Value:
        return replace(value, stems=stem)

    @property
    def is_time(self) -> bool:
        return bool(self.kinds & TIMES)

    @property
    def is_definite(self) -> bool:
        """Whether it may point at one thing: a name, or a noun with a determiner, but no time."""
        pointed = "name" in self.kinds or len(self.stems) > 1 or bool(self.words & lex.DETERMINERS)
        return pointed and not self.is_time

    @property
    def is_state(self) -> bool:
        return bool(self.kinds & {"state", "marital", "diet"})

    @property
    def frame(self) -> tuple[str, ...]:
        """The stems without numbers: what is counted."""
        return tuple(s for s in self.stems if not s[:1].isdigit())

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(s for s in self.stems if s[:1].isdigit())


def stems(words: Sequence[str]) -> tuple[str, ...]:
    """Index stems with one spelling for British and American words and digits for numerals."""
    shown = [lex.NUMBERS.get(word.lower(), word) for word in words]
    lowered = _CLOCK.sub(_hour, _PAST_HOUR.sub(_past_hour, " ".join(shown).lower()))
    for pattern, put in _SPELLING:
        lowered = pattern.sub(put, lowered)
    return tokens(f"{lowered} {_ANCHOR}", language="en")[:-1]


def _past_hour(match: re.Match[str]) -> str:
    """``half past 8`` as ``8:30``."""
    before = match["side"] == "to"
    minutes = {"half": 30, "quarter": 45 if before else 15}[match["part"]]
    return f"{(int(match['h']) - before) or 12}:{minutes}"


def _hour(match: re.Match[str]) -> str:
    """A time of day with its minutes as one word, by the twelve-hour clock: ``14:30`` as ``2h30 pm``."""
    hour, minutes = int(match["h"] or match["H"]), match["m"] or match["M"]
    half = match["half"] or ("pm" if hour > 12 else "")
    shown = str(hour - 12 if hour > 12 else hour)
    return f"{shown}h{minutes} {half}" if minutes and minutes != "00" else f"{shown} {half}"


def value_of(words: Sequence[str]) -> Value:
    """A value from the words of a chunk, as they stand in the sentence."""
    lowered = [w.lower().removesuffix("'s") for w in words]
    kinds = {lex.KINDS[w] for w in lowered if w in lex.KINDS and not (w == "may" and "May" not in words)}
    digits = [w for w in lowered if w[:1].isdigit() or w in lex.NUMBERS]
    noon = {"noon", "midnight"} & set(lowered)
    if (
        noon
        or (digits and {"past", "o'clock"} & set(lowered))
        or any(":" in w or (w.endswith(("am", "pm")) and w[:1].isdigit()) for w in lowered)
        or (digits and {"am", "pm", "o'clock", "a.m", "p.m"} & set(lowered))
    ):
        kinds.add("clock")
    elif any("@" in w or "://" in w for w in lowered):
        kinds.add("address")
    elif digits and "month" in kinds:
        kinds.add("date")
    elif any(re.fullmatch(r"(?:19|20)\d\d", w) for w in digits):
        kinds.add("year")
    elif digits:
        kinds.add("number")
    if {"every", "hourly", "weekly", "daily", "monthly", "yearly", "biweekly", "fortnightly"} & set(lowered):
        kinds.add("frequency")
    content = [w for w in words if w.lower() not in lex.DETERMINERS]
    if content and content[0][:1].isupper() and not kinds & TIMES:
        kinds.add("name")
    occupied = bool(content) and any(_is_occupation(w) for w in lowered[-3:])
    return Value(stems(words), frozenset(lowered), frozenset(kinds), occupied)


def _is_occupation(word: str) -> bool:
    last = word.rpartition("-")[2]
    return last in lex.OCCUPATIONS or (len(last) > 6 and last.endswith(("ologist", "ician", "grapher")))
