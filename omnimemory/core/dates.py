"""The days that a question names, explicitly or from now. English and ISO dates; pure.

A library for dates in running text costs more than a whole recall, and takes "may" and "sun" for dates.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

_FADES_DAYS = 7.0

_MONTHS = {name.casefold(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name[:3]: number for name, number in list(_MONTHS.items())} | {"sept": 9}
_WEEKDAYS = {name.casefold(): number for number, name in enumerate(calendar.day_name)}
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "few": 3}
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_UNIT_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}

_MONTH = "(?P<month>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)\b"
_COUNT = "(?P<count>\\d{1,3}|" + "|".join(_COUNTS) + ")"
_UNIT = "(?P<unit>day|week|month|year)"


@dataclass(frozen=True, slots=True)
class Days:
    """From the first day to the last, both included."""

    first: date
    last: date

    def nearness(self, day: date) -> float:
        """1 within, exp(-weeks away) outside."""
        gap = max((self.first - day).days, (day - self.last).days, 0)
        return math.exp(-gap / _FADES_DAYS)


def named_days(question: str, today: date) -> Days | None:
    """The days a question asks about, None when it names none. A date without a year is the last such."""
    text = question.casefold()
    for pattern, read in _READERS:
        if found := pattern.search(text):
            try:
                return read(found, today)
            except (ValueError, OverflowError, StopIteration):  # 31 February; 9,000 years ago
                continue
    return None


def _day_of_month(found: re.Match[str], today: date) -> Days:
    month, day = _MONTHS[found["month"]], int(found["day"])
    if found["year"]:
        return _one(date(int(found["year"]), month, day))
    years = range(today.year, today.year - 9, -1)  # a leap day may be eight years past
    days = (date(year, month, day) for year in years if day <= calendar.monthrange(year, month)[1])
    return _one(next(named for named in days if named <= today))


def _month(found: re.Match[str], today: date) -> Days:
    month = _MONTHS[found["month"]]
    return _months(int(found["year"] or today.year - (month > today.month)), month, 1)


def _season(found: re.Match[str], today: date) -> Days:
    month = _SEASONS[found["season"]]
    return _months(int(found["year"] or today.year - (month > today.month)), month, 3)


def _ago(found: re.Match[str], today: date) -> Days:
    days = _UNIT_DAYS[found["unit"]]
    middle = today - timedelta(days=days * _count(found))
    return Days(middle - timedelta(days=days // 4), middle + timedelta(days=days // 4))


def _last_several(found: re.Match[str], today: date) -> Days:
    return Days(today - timedelta(days=_UNIT_DAYS[found["unit"]] * _count(found)), today)


def _period(found: re.Match[str], today: date) -> Days:
    back = int(found["which"] != "this")
    if found["unit"] == "year":
        return _months(today.year - back, 1, 12)
    if found["unit"] == "month":
        before = today.year * 12 + today.month - 1 - back
        return _months(before // 12, before % 12 + 1, 1)
    monday = today - timedelta(days=today.weekday() + 7 * back)
    return Days(monday + timedelta(days=5 * (found["unit"] == "weekend")), monday + timedelta(days=6))


def _weekday(found: re.Match[str], today: date) -> Days:
    back = (today.weekday() - _WEEKDAYS[found["weekday"]]) % 7
    return _one(today - timedelta(days=back or 7))


def _recent(found: re.Match[str], today: date) -> Days:
    back = 2 if found[0].startswith("the day") else 1 if found[0] in ("yesterday", "last night") else 0
    return _one(today - timedelta(days=back))


def _one(day: date) -> Days:
    return Days(day, day)


def _months(year: int, month: int, count: int) -> Days:
    end = year * 12 + month - 1 + count
    return Days(date(year, month, 1), date(end // 12, end % 12 + 1, 1) - timedelta(days=1))


def _count(found: re.Match[str]) -> int:
    return _COUNTS.get(found["count"]) or int(found["count"])


_Reader = Callable[[re.Match[str], date], Days]
_READERS: tuple[tuple[re.Pattern[str], _Reader], ...] = tuple(
    (re.compile(rf"\b{pattern}"), read)
    for pattern, read in (
        (r"(?P<iso>\d{4}-\d\d-\d\d)\b", lambda found, _: _one(date.fromisoformat(found["iso"]))),
        (rf"{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?", _day_of_month),
        (rf"{_MONTH}\s+(?:the\s+)?{_DAY}\b(?:,?\s+{_YEAR})?", _day_of_month),
        (rf"{_MONTH},?\s+(?:of\s+)?{_YEAR}", _month),
        (rf"(?:in|during|since|last|early|late)\s+{_MONTH}(?P<year>)", _month),
        (r"(?:the day before yesterday|yesterday|last night|today|tonight|this morning)\b", _recent),
        (rf"{_COUNT}\s+{_UNIT}s?\s+ago\b", _ago),
        (rf"(?:last|past)\s+{_COUNT}\s+{_UNIT}s?\b", _last_several),
        (r"(?P<which>this|last|past)\s+(?P<unit>weekend|week|month|year)\b", _period),
        (rf"(?:last|on|this)\s+(?P<weekday>{'|'.join(_WEEKDAYS)})\b", _weekday),
        (rf"(?P<season>{'|'.join(_SEASONS)})\s+(?:of\s+)?{_YEAR}", _season),
        (
            rf"(?:last|this|in|over the|during the|in the)\s+(?P<season>{'|'.join(_SEASONS)})\b(?P<year>)",
            _season,
        ),
        (_YEAR, lambda found, _: _months(int(found["year"]), 1, 12)),
    )
)
