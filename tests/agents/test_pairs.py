"""Labelled statement pairs of our own: what a later statement means for an earlier one."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from omnimemory.agents.extractive.compare import RelationKind, relation

PAIRS = json.loads(Path(__file__).with_name("pairs.json").read_text(encoding="utf-8"))
SETS = sorted({pair.get("set", "first") for pair in PAIRS})
KEPT_KINDS = ("elaboration", "hypothetical", "quotation", "other_subject", "unrelated")


def found(pair: dict[str, str]) -> RelationKind:
    return relation(pair["new"], pair["old"]).kind


def ends(pair: dict[str, str]) -> bool:
    return found(pair) is RelationKind.SUPERSEDES


def scored(pairs: list[dict[str, str]]) -> tuple[float, float]:
    """Precision and recall of "supersedes"."""
    said = [pair for pair in pairs if ends(pair)]
    right = sum(pair["expect"] == "supersedes" for pair in said)
    return right / len(said), right / sum(pair["expect"] == "supersedes" for pair in pairs)


def test_there_are_enough_pairs_of_every_kind() -> None:
    kinds = Counter(pair["kind"] for pair in PAIRS)
    assert len(PAIRS) >= 850
    assert min(kinds.values()) >= 12


def test_supersedes_is_precise_and_finds_most_of_what_ended() -> None:
    precision, recall = scored(PAIRS)
    sys.stdout.write(f"\nsupersedes on {len(PAIRS)} pairs: precision {precision:.3f}, recall {recall:.3f}\n")
    assert recall >= 0.9, [p for p in PAIRS if p["expect"] == "supersedes" and not ends(p)]


@pytest.mark.parametrize("name", SETS)
def test_supersedes_is_precise_on_every_set(name: str) -> None:
    pairs = [pair for pair in PAIRS if pair.get("set", "first") == name]
    precision, recall = scored(pairs)
    sys.stdout.write(f"\n{name}, {len(pairs)} pairs: precision {precision:.3f}, recall {recall:.3f}\n")
    assert precision >= 0.95, [p for p in pairs if ends(p) and p["expect"] != "supersedes"]
    assert recall >= 0.75, [p for p in pairs if not ends(p) and p["expect"] == "supersedes"]


@pytest.mark.parametrize("kind", KEPT_KINDS)
def test_what_ends_nothing_hardly_ever_supersedes(kind: str) -> None:
    pairs = [pair for pair in PAIRS if pair["kind"] == kind]
    wrong = [pair for pair in pairs if ends(pair)]
    assert len(wrong) <= 0.01 * len(pairs), wrong


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


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("X no longer uses Figma for wireframes, X uses Penpot now.", "X uses Figma for wireframes."),
        ("Kai no longer works as a night nurse, works as a day nurse now.", "Kai works as a night nurse."),
        ("I used to live in Lisbon, now I live in Porto.", "I live in Lisbon."),
        ("I used to live in Lisbon \u2014 now in Porto.", "I live in Lisbon."),
        ("I stopped using Zotero and use Mendeley instead.", "I use Zotero for references."),
        ("Not Zotero any more but Mendeley.", "I use Zotero for references."),
        ('User said: "Not Zotero any more but Mendeley."', "User uses Zotero for references."),
        ("Ada switched from Elm Mill to Stanton for flour.", "Ada buys flour from Elm Mill."),
        ("Ada switched from Elm Mill to Stanton for flour.", "Ada gets Ada's flour from Elm Mill."),
        ("Switched from Elm Mill to Stanton for flour.", "I buy flour from Elm Mill."),
        ("The course costs fifty pounds now.", "The course costs forty pounds."),
    ],
)
def test_contrasts_joined_in_one_sentence_supersede(new: str, old: str) -> None:
    assert relation(new, old).kind is RelationKind.SUPERSEDES


@pytest.mark.parametrize("whose", ["Ann's", "their", ""])
def test_naming_the_owner_again_changes_nothing(whose: str) -> None:
    new = f"Ann uses Figma for {whose} wireframes."
    assert relation(new, "Ann uses Figma for wireframes.").kind is RelationKind.REPEATS
    assert relation("Ann no longer uses Figma.", new).kind is RelationKind.SUPERSEDES
