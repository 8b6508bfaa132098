"""Labelled statement pairs of our own: what a later statement means for an earlier one."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from omnimemory.agents.extractive.compare import RelationKind, relation

PAIRS = json.loads(Path(__file__).with_name("pairs.json").read_text(encoding="utf-8"))
KEPT_KINDS = ("elaboration", "hypothetical", "quotation", "other_subject", "unrelated")


def found(pair: dict[str, str]) -> RelationKind:
    return relation(pair["new"], pair["old"]).kind


def test_there_are_enough_pairs_of_every_kind() -> None:
    kinds = Counter(pair["kind"] for pair in PAIRS)
    assert len(PAIRS) >= 140
    assert min(kinds.values()) >= 12


def test_supersedes_is_precise_and_finds_most_of_what_ended(record_property: pytest.RecordProperty) -> None:
    said = [pair for pair in PAIRS if found(pair) is RelationKind.SUPERSEDES]
    right = [pair for pair in said if pair["expect"] == "supersedes"]
    meant = [pair for pair in PAIRS if pair["expect"] == "supersedes"]
    precision, recall = len(right) / len(said), len(right) / len(meant)
    record_property("precision", precision)
    record_property("recall", recall)
    assert precision >= 0.95, [pair for pair in said if pair not in right]
    assert recall >= 0.85, [pair for pair in meant if pair not in right]


@pytest.mark.parametrize("kind", KEPT_KINDS)
def test_what_ends_nothing_never_supersedes(kind: str) -> None:
    wrong = [p for p in PAIRS if p["kind"] == kind and found(p) is RelationKind.SUPERSEDES]
    assert wrong == []


def test_only_repetitions_repeat() -> None:
    said = [pair for pair in PAIRS if found(pair) is RelationKind.REPEATS]
    assert [pair for pair in said if pair["expect"] != "repeats"] == []
    assert len(said) >= 0.8 * sum(pair["expect"] == "repeats" for pair in PAIRS)


@pytest.mark.parametrize(
    "pair", [p for p in PAIRS if p["expect"] == "supersedes"][::6], ids=lambda p: p["new"]
)
def test_the_reverse_of_a_repetition_or_a_pair_with_itself_supersedes_nothing(pair: dict[str, str]) -> None:
    assert relation(pair["old"], pair["old"]).kind is RelationKind.REPEATS
    assert relation(pair["new"], pair["new"]).kind is RelationKind.REPEATS


@pytest.mark.parametrize("names", [("Xochitl", "Zamora"), ("Nguyen", "Quillby"), ("Ümit", "Żabka")])
def test_other_names_give_the_same_relation(names: tuple[str, str]) -> None:
    person, place = names
    assert (
        relation(f"{person} moved to {place}.", f"{person} lives in Lisbon.").kind is RelationKind.SUPERSEDES
    )
    assert (
        relation(f"{person} visited {place}.", f"{person} lives in Lisbon.").kind
        is not RelationKind.SUPERSEDES
    )


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("Ich wohne jetzt in Hamburg.", "Ich wohne in Berlin."),
        ("Je travaille maintenant à Lyon.", "Je travaille à Paris."),
        ("我现在住在上海。", "我住在北京。"),
        ("Я больше не курю.", "Я курю."),
    ],
)
def test_in_other_languages_both_stay(new: str, old: str) -> None:
    assert relation(new, old).kind is RelationKind.UNRELATED
    assert relation(old, old).kind is RelationKind.REPEATS


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "?!",
        "\u200b",
        "a" * 5000,
        "I",
        "I I I am was not",
        '"',
        "no longer",
        "(" * 300,
        'I said: "' * 60,
        "I say I " * 5000,
    ],
)
def test_any_text_can_be_compared(text: str) -> None:
    assert relation(text, "Ann lives in Rome.").kind is not RelationKind.SUPERSEDES
    assert relation("Ann lives in Rome.", text).kind is not RelationKind.SUPERSEDES
