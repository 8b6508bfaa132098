"""Relative dates in English sentences, resolved against the day they were said."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "a couple of": 2}
_COUNT = r"(?P<n>\d{1,3}|a couple of|an?|one|two|three|four|five|six)"
_RELATIVE = re.compile(
    rf"\b(?:(?P<day>yesterday|today|tonight|tomorrow|this morning|this afternoon|this evening|last night)|"
    rf"(?P<which>last|next|this) (?P<unit>week|weekend|month|year|{'|'.join(_DAYS)})|"
    rf"{_COUNT} (?P<span>day|week|month|year)s? ago|in {_COUNT.replace('<n>', '<m>')} (?P<ahead>day|week|"
    rf"month|year)s?)\b"
    r"(?!\s*\()",
    re.IGNORECASE,
)


def with_dates(text: str, said: datetime | None) -> str:
    """The text with each relative date followed by the calendar date in parentheses.

    Days as ``2025-03-04``, weeks as ``week of`` their Monday, months as ``March 2025``.
    Unchanged when it is not known when the text was said.
    """
    if said is None:
        return text
    return _RELATIVE.sub(lambda match: f"{match[0]} ({_resolved(match, said)})", text)


def _resolved(match: re.Match[str], said: datetime) -> str:
    if match["day"]:
        word = match["day"].lower()
        shift = -1 if word in ("yesterday", "last night") else 1 if word == "tomorrow" else 0
        return _day(said + timedelta(days=shift))
    if match["which"]:
        sign = {"last": -1, "this": 0, "next": 1}[match["which"].lower()]
        unit = match["unit"].lower()
        return _weekday(said, sign, unit) if unit in _DAYS else _shifted(said, sign, unit)
    count, unit, sign = (match["n"], match["span"], -1) if match["span"] else (match["m"], match["ahead"], 1)
    number = int(count) if count.isdigit() else _COUNTS[count.lower()]
    return _shifted(said, sign * number, unit.lower())


def _weekday(said: datetime, sign: int, name: str) -> str:
    ahead = (_DAYS.index(name) - said.weekday()) % 7
    if sign < 0:
        return _day(said + timedelta(days=ahead - 7))
    return _day(said + timedelta(days=ahead or 7 if sign else ahead))


def _shifted(said: datetime, count: int, unit: str) -> str:
    shapes: dict[str, Callable[[], str]] = {
        "day": lambda: _day(said + timedelta(days=count)),
        "week": lambda: "week of " + _day(_monday(said) + timedelta(weeks=count)),
        "weekend": lambda: "weekend of " + _day(_monday(said) + timedelta(weeks=count, days=5)),
        "month": lambda: _month(said, count),
        "year": lambda: str(said.year + count),
    }
    return shapes[unit]()


def _monday(said: datetime) -> datetime:
    return said - timedelta(days=said.weekday())


def _month(said: datetime, count: int) -> str:
    years, month = divmod(said.month - 1 + count, 12)
    return f"{datetime(2000, month + 1, 1, tzinfo=said.tzinfo):%B} {said.year + years}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
