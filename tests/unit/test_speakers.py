# ruff: noqa: RUF001  (typographic apostrophes and other alphabets are the content)
"""The names of who speaks, in questions."""

from __future__ import annotations

import pytest

from omnimemory.core.speakers import name_words, without_names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ann", {"ann"}),
        ("Mary Jane Watson-Parker", {"mary", "jane", "watson-parker"}),
        ("O'Brien", {"o'brien"}),
        ("Is that Ann's or James' bike?", {"is", "that", "ann", "or", "james", "bike"}),
        ("Ann’s", {"ann"}),
        ("ZOË Größe", {"zoë", "grösse"}),
        ("Анна и 佐藤", {"анна", "и", "佐藤"}),
        ("agent_007 R2-D2", {"agent", "r", "d"}),
        ("", set()),
        ("42 ?!", set()),
    ],
)
def test_a_text_gives_its_words_as_names_are_compared(text: str, words: set[str]) -> None:
    assert name_words(text) == words


def test_a_word_of_any_length_is_a_name_of_bounded_length() -> None:
    (word,) = name_words("x" * 100_000)
    assert len(word) == 64
    assert without_names(f"{'x' * 100_000} likes tea", {word}) == "likes tea"


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("What does Ann drink?", "What does drink?"),
        ("What is Ann's favourite tea?", "What is favourite tea?"),
        ("What is ANN’S favourite tea?", "What is favourite tea?"),
        ("Ann: where is Bob's bike?", ": where is bike?"),
        ("Where does Anna live?", "Where does Anna live?"),
        ("What does Joanne drink?", "What does Joanne drink?"),
    ],
)
def test_names_are_left_out_of_a_question(question: str, rest: str) -> None:
    assert without_names(question, {"ann", "bob"}) == rest


@pytest.mark.parametrize("question", ["Ann", "Who is Ann?", "Ann and Bob?", "What about Ann’s?"])
def test_a_question_about_nothing_but_names_stays_whole(question: str) -> None:
    assert without_names(question, {"ann", "bob"}) == question


def test_without_names_known_a_question_stays_as_it_was_typed() -> None:
    assert without_names("What  does\nAnn drink?", ()) == "What  does\nAnn drink?"


def test_a_hyphened_name_is_one_word() -> None:
    assert without_names("Where does Jean-Luc live?", name_words("Jean-Luc Picard")) == "Where does live?"
    assert without_names("Where does Jean live?", name_words("Jean-Luc Picard")) == "Where does Jean live?"
