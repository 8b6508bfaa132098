# ruff: noqa: RUF001  (question marks of other scripts are the content)
"""What a turn owes to the turns around it, and how much it says by itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from omnimemory.core.discourse import (
    SUBSTANTIAL_WORDS,
    WINDOW_WORDS,
    closing_question,
    substance,
    turn_meaning,
    turn_words,
)
from omnimemory.core.text import tokens

SAID = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)


def numbered(letter: str, count: int) -> str:
    """``count`` different index words."""
    return " ".join(f"{letter}{number}" for number in range(count))


# The words a turn is found by


def test_a_turn_is_found_by_speaker_date_text_and_neighbours() -> None:
    own, context = turn_words(
        "Nora", SAID, "Yes, in June!", before=["Did you adopt the puppy?"], after=["Congratulations"]
    )
    for query in ("Nora", "May 8th", "2023", "June"):
        assert set(tokens(query)) <= set(own)
    for query in ("puppies", "congratulation"):
        assert set(tokens(query)) <= set(context)


def test_what_the_neighbours_say_is_not_the_turns_own() -> None:
    own, context = turn_words("Ana", None, "The puppy!", before=["Which puppy?"])
    assert (own.count("puppi"), context.count("puppi")) == (1, 1)


def test_a_turn_alone_has_its_speaker_and_its_words() -> None:
    assert turn_words("Ana", None, "A lion, a tiger") == (("ana", "lion", "tiger"), ())


def test_the_nearest_neighbours_come_first() -> None:
    _, context = turn_words("Ana", None, "Hm", before=["near", "far"], after=["soon", "later"])
    assert context == ("near", "soon", "far", "later")


def test_neighbours_on_one_side_are_enough() -> None:
    assert turn_words("Ana", None, "Hm", before=["near", "far"])[1] == ("near", "far")
    assert turn_words("Ana", None, "Hm", after=["near", "far"])[1] == ("near", "far")


def test_a_long_turn_stands_by_itself() -> None:
    own, context = turn_words("Ana", SAID, numbered("w", WINDOW_WORDS), before=["tiger"], after=["lion"])
    assert len(own) == 1 + 3 + WINDOW_WORDS
    assert context == ()


def test_of_a_long_neighbour_the_words_next_to_the_turn_count() -> None:
    long_before, long_after = numbered("b", 500), numbered("a", 500)
    _, context = turn_words("Ana", None, "tiger", before=[long_before, "far"], after=[long_after, "later"])
    assert "b499" in context
    assert "a0" in context
    assert not {"b0", "a499", "far", "later"} & set(context)
    assert len(context) <= 2 * WINDOW_WORDS


def test_a_neighbour_with_no_word_takes_no_room() -> None:
    assert turn_words("Ana", None, "Hm", before=["", "tiger"], after=["...", "lion"])[1] == ("tiger", "lion")


def test_the_language_of_a_short_turn_is_that_of_its_talk() -> None:
    german = "Ich habe gestern mit den Kindern im Garten die Häuser der Vögel gebaut."
    alone, _ = turn_words("Ana", None, "Häusern")
    beside, _ = turn_words("Ana", None, "Häusern", before=[german], after=[german])
    assert beside[1:] == tokens("Häusern", language="de") != alone[1:]


# The meaning a turn is embedded by


def test_a_turn_is_embedded_with_its_speaker() -> None:
    assert turn_meaning("Ana", "In June.") == "Ana: In June."


def test_an_answer_is_embedded_with_its_question() -> None:
    before = "I saw the pictures. When did you adopt the puppy?"
    assert turn_meaning("Ana", "In June.", before=before) == "When did you adopt the puppy? Ana: In June."


def test_what_is_no_question_is_not_embedded_with_the_turn() -> None:
    assert turn_meaning("Ana", "In June.", before="Did you? I did not know that.") == "Ana: In June."


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("How are you?", "How are you?"),
        ("Fine. And you?", "And you?"),
        ('She asked "and you?"', 'She asked "and you?"'),
        ("(Really?)", "(Really?)"),
        ("**Really?**", "**Really?**"),
        ("Really?!", ""),
        ("Where?  \n", "Where?"),
        ("どこですか？", "どこですか？"),
        ("昨日は楽しかった。どこですか？", "どこですか？"),
        ("متى؟", "متى؟"),
        ("Is it? It is.", ""),
        ("", ""),
    ],
)
def test_the_question_that_a_text_ends_with(text: str, question: str) -> None:
    assert closing_question(text) == question


def test_a_question_too_long_for_one_is_none() -> None:
    assert closing_question("why " * 80 + "?") == ""
    assert closing_question("It rained. " * 5000 + "Why?") == "Why?"


@pytest.mark.parametrize("text", ["?", "??", "...?", "!?", "？", "🙂?", "\u200b?"])
def test_a_bare_question_mark_asks_nothing(text: str) -> None:
    assert closing_question(text) == ""
    assert turn_meaning("Ana", "In June.", before=text) == "Ana: In June."


# How much a turn says


def test_substance_grows_with_the_words_up_to_a_full_statement() -> None:
    assert substance("") == substance("?") == 0.0
    assert substance("tiger") == 1 / SUBSTANTIAL_WORDS
    assert substance(numbered("w", SUBSTANTIAL_WORDS // 2)) == 0.5
    assert substance(numbered("w", SUBSTANTIAL_WORDS)) == substance(numbered("w", 500)) == 1.0


def test_questions_say_nothing_themselves() -> None:
    assert substance("Did you adopt the brown puppy from the shelter in June?") == 0.0
    assert substance("どこですか？") == 0.0
    assert substance("متى؟") == 0.0


def test_what_is_said_beside_a_question_counts() -> None:
    said = "I adopted a brown puppy."
    assert substance(f"{said} And you, did you adopt a cat?") == substance(said) > 0
    assert substance(f"Did you? {said}") == substance(said)


def test_a_short_yes_says_less_than_the_turn_that_says_it() -> None:
    assert substance("Yes!") < substance("Yes, I adopted a brown puppy from the shelter last June.")
