# ruff: noqa: RUF001  (other alphabets are the content)
"""The days that questions name."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest

from omnimemory.core.dates import Days, named_days

TODAY = date(2023, 5, 10)
"""A Wednesday."""


def days(text: str) -> Days:
    """``2023-05-08``, or first and last day apart by `` to ``."""
    first, _, last = text.partition(" to ")
    return Days(date.fromisoformat(first), date.fromisoformat(last or first))


@pytest.mark.parametrize(
    ("question", "named"),
    [
        # ISO
        ("What happened on 2023-05-08?", "2023-05-08"),
        ("1999-12-31", "1999-12-31"),
        ("2024-02-29?", "2024-02-29"),
        # A day of a month
        ("What did I do on 8 May 2023?", "2023-05-08"),
        ("on 8 may, 2023", "2023-05-08"),
        ("on the 8th of May 2023", "2023-05-08"),
        ("on May 8th, 2023", "2023-05-08"),
        ("on MAY 8 2023", "2023-05-08"),
        ("on May the 8th", "2023-05-08"),
        ("Jan. 5, 2020", "2020-01-05"),
        ("on the 1st of Sept 2021", "2021-09-01"),
        ("on 22nd Dec 2021", "2021-12-22"),
        ("on 3rd February 2021", "2021-02-03"),
        ("29 February 2024", "2024-02-29"),
        # the last such day, when no year is told
        ("on 10 May", "2023-05-10"),
        ("on 11 May", "2022-05-11"),
        ("on December 24th", "2022-12-24"),
        # Months
        ("in May 2022", "2022-05-01 to 2022-05-31"),
        ("in February of 2024", "2024-02-01 to 2024-02-29"),
        ("December, 2021", "2021-12-01 to 2021-12-31"),
        ("in April", "2023-04-01 to 2023-04-30"),
        ("during May", "2023-05-01 to 2023-05-31"),
        ("since June", "2022-06-01 to 2022-06-30"),
        ("in late december", "2022-12-01 to 2022-12-31"),
        ("early March", "2023-03-01 to 2023-03-31"),
        # Near days
        ("today?", "2023-05-10"),
        ("this morning", "2023-05-10"),
        ("tonight", "2023-05-10"),
        ("What did I eat yesterday?", "2023-05-09"),
        ("Yesterday's dinner", "2023-05-09"),
        ("last night", "2023-05-09"),
        ("the day before yesterday", "2023-05-08"),
        # Ago, with a quarter of the unit to either side
        ("a day ago", "2023-05-09"),
        ("3 days ago", "2023-05-07"),
        ("a few days ago", "2023-05-07"),
        ("a week ago", "2023-05-02 to 2023-05-04"),
        ("two weeks ago", "2023-04-25 to 2023-04-27"),
        ("a month ago", "2023-04-03 to 2023-04-17"),
        ("one year ago", "2022-02-08 to 2022-08-09"),
        # The last several
        ("in the last 3 days", "2023-05-07 to 2023-05-10"),
        ("over the past two weeks", "2023-04-26 to 2023-05-10"),
        ("in the last few months", "2023-02-09 to 2023-05-10"),
        # Periods
        ("this week", "2023-05-08 to 2023-05-14"),
        ("last week", "2023-05-01 to 2023-05-07"),
        ("last weekend", "2023-05-06 to 2023-05-07"),
        ("this month", "2023-05-01 to 2023-05-31"),
        ("last month", "2023-04-01 to 2023-04-30"),
        ("this year", "2023-01-01 to 2023-12-31"),
        ("the past year", "2022-01-01 to 2022-12-31"),
        # Weekdays
        ("last Friday", "2023-05-05"),
        ("on Tuesday", "2023-05-09"),
        ("on wednesday", "2023-05-03"),
        # Seasons
        ("in the summer of 2021", "2021-06-01 to 2021-08-31"),
        ("winter 2021", "2021-12-01 to 2022-02-28"),
        ("last summer", "2022-06-01 to 2022-08-31"),
        ("over the winter", "2022-12-01 to 2023-02-28"),
        ("in spring", "2023-03-01 to 2023-05-31"),
        ("during the fall", "2022-09-01 to 2022-11-30"),
        # Years
        ("in 2019", "2019-01-01 to 2019-12-31"),
        ("the 1999 party", "1999-01-01 to 1999-12-31"),
        ("in 2099", "2099-01-01 to 2099-12-31"),
    ],
)
def test_a_question_names_days(question: str, named: str) -> None:
    assert named_days(question, TODAY) == days(named)


@pytest.mark.parametrize(
    ("today", "question", "named"),
    [
        (date(2024, 1, 5), "last month", "2023-12-01 to 2023-12-31"),
        (date(2024, 1, 5), "last week", "2023-12-25 to 2023-12-31"),
        (date(2024, 1, 5), "in December", "2023-12-01 to 2023-12-31"),
        (date(2024, 1, 5), "last winter", "2023-12-01 to 2024-02-29"),
        (date(2024, 1, 1), "yesterday", "2023-12-31"),
        (date(2024, 3, 1), "yesterday", "2024-02-29"),
        (date(2024, 2, 29), "a day ago", "2024-02-28"),
        (date(2024, 2, 29), "this month", "2024-02-01 to 2024-02-29"),
        (date(2024, 2, 29), "on 29 February", "2024-02-29"),
        (date(2023, 5, 8), "on Monday", "2023-05-01"),
        (date(2023, 5, 8), "last week", "2023-05-01 to 2023-05-07"),
        (date(2023, 5, 7), "this week", "2023-05-01 to 2023-05-07"),
    ],
)
def test_days_are_counted_from_today(today: date, question: str, named: str) -> None:
    assert named_days(question, today) == days(named)


@pytest.mark.parametrize("today", [date(2023, 5, 10), date(2024, 1, 5), date(2021, 3, 1)])
def test_a_leap_day_without_a_year_is_the_last_there_was(today: date) -> None:
    assert named_days("on February 29th", today) == days("2020-02-29")


@pytest.mark.parametrize(
    "question",
    [
        "",
        "?",
        "Where do I keep my skis?",
        # Months that are words
        "May I come in?",
        "What may be in the cellar?",
        "You may.",
        "Did we march on Washington?",
        "The march was long.",
        "Do you think this may help?",
        "an august person",
        "mark, mayor, decide, junk, septic, octopus, novel, apron, janitor",
        # Seasons and weekdays that are words
        "Did she fall off the horse?",
        "a spring in the mattress",
        "Friday is his cat",
        "the sun and the moon, my son's wedding",
        # Numbers
        "8 cats", "room 12", "flight 20230", "1234567890", "12/x", "1899", "2100", "v2.5",
        # Days that do not exist
        "on 31 February", "on June 31st", "on 0 May", "on May 45", "2100-02-29", "0000-00-00",
        # Other languages are asked by meaning and words alone
        "Was habe ich im August gemacht?",
        "¿Qué hice el 8 de mayo?",
        "Que m'est-il arrivé hier ?",
        "Что я делал вчера?",
        "昨天我做了什么？",
        "2023年5月8日に何をしましたか？",
        "어제 뭐 했어?",
        "ماذا فعلت أمس؟",
    ],
)  # fmt: skip
def test_a_question_without_days_names_none(question: str) -> None:
    assert named_days(question, TODAY) is None


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("on 31 February 2024", "2024-02-01 to 2024-02-29"),
        ("on 2023-13-45", "2023-01-01 to 2023-12-31"),
    ],
)
def test_of_a_day_that_does_not_exist_what_does_is_left(question: str, named: str) -> None:
    assert named_days(question, TODAY) == days(named)


@pytest.mark.parametrize("question", ["999 years ago", "the last 999 years", "999 months ago"])
def test_days_before_the_calendar_are_none(question: str) -> None:
    assert named_days(question, date(50, 1, 1)) is None


def test_far_years_are_days_like_others() -> None:
    assert named_days("900 years ago", TODAY) == days("1123-09-15 to 1124-03-15")
    assert named_days("9999-12-31", TODAY) == days("9999-12-31")


def test_a_long_text_is_read_in_no_time() -> None:
    assert named_days("may march fall in the hall " * 8000, TODAY) is None
    assert named_days("1 " * 100_000 + "yesterday", TODAY) == days("2023-05-09")


# How near a day is


def test_the_days_named_are_near_and_others_fade_with_the_weeks() -> None:
    may = Days(date(2023, 5, 1), date(2023, 5, 31))
    assert may.nearness(date(2023, 5, 1)) == may.nearness(date(2023, 5, 31)) == 1.0
    assert may.nearness(date(2023, 4, 24)) == may.nearness(date(2023, 6, 7)) == pytest.approx(math.exp(-1))
    assert 0.0 <= may.nearness(date(1, 1, 1)) < 1e-9
    assert 0.0 <= may.nearness(date(9999, 12, 31)) < 1e-9


def test_nearness_falls_day_by_day() -> None:
    one = days("2023-05-08")
    near = [one.nearness(one.last + timedelta(days=gap)) for gap in range(60)]
    assert near == sorted(near, reverse=True)
    assert len(set(near)) == 60
