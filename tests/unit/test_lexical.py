"""BM25: what documents weigh, how rare words are, and what a text that is in no store yet scores."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from omnimemory.core.lexical import (
    AVERAGE_LENGTH,
    CONTEXT_WEIGHT,
    K1,
    B,
    Frequencies,
    date_words,
    idf,
    scores,
    term_id,
    weights,
)
from omnimemory.core.text import query_tokens, tokens

CAT = term_id("cat")


def test_a_term_has_the_same_number_in_every_process() -> None:
    assert term_id("omnimemory") == 4004151121
    assert 0 <= term_id("猫") < 2**32


# What a document weighs


def test_a_single_word_in_a_document_of_average_length_weighs_one() -> None:
    document = ["cat"] + [f"other{i}" for i in range(int(AVERAGE_LENGTH) - 1)]
    assert weights(document)[CAT] == pytest.approx(1.0)


def test_weights_follow_the_formula() -> None:
    found = weights(["cat", "cat", "dog"], average_length=6)
    damping = K1 * (1 - B + B * 3 / 6)
    assert found == {
        CAT: pytest.approx(2 * (K1 + 1) / (2 + damping)),
        term_id("dog"): pytest.approx((K1 + 1) / (1 + damping)),
    }


def test_a_word_of_the_context_counts_a_little_less_in_frequency_and_length() -> None:
    found = weights(["cat"], ["cat", "dog"], average_length=6)
    damping = K1 * (1 - B + B * (1 + 2 * CONTEXT_WEIGHT) / 6)
    assert found == {
        CAT: pytest.approx((1 + CONTEXT_WEIGHT) * (K1 + 1) / (1 + CONTEXT_WEIGHT + damping)),
        term_id("dog"): pytest.approx(CONTEXT_WEIGHT * (K1 + 1) / (CONTEXT_WEIGHT + damping)),
    }


def test_who_says_it_weighs_more_than_who_stands_beside() -> None:
    said, beside = weights(["cat"], ["dog"]), weights(["dog"], ["cat"])
    assert said[CAT] > beside[CAT] > 0


def test_repetition_saturates_and_length_counts_against_a_document() -> None:
    assert weights(["cat"] * 100)[CAT] < K1 + 1
    assert weights(["cat"])[CAT] > weights(["cat"] + ["dog"] * 50)[CAT]
    assert weights(["cat"])[CAT] > weights(["cat"], ["dog"] * 50)[CAT]
    assert weights([]) == weights((), ()) == {}


# How rare a word is


def test_idf_is_positive_and_falls_with_frequency() -> None:
    assert idf(100, 1) == pytest.approx(math.log(1 + 99.5 / 1.5))
    assert idf(100, 1) > idf(100, 50) > idf(100, 100) > 0


def test_rarity_is_the_idf_among_the_documents_that_are_counted() -> None:
    counted = Frequencies(100, {"cat": 7})
    assert counted.rarity("cat") == idf(100, 7)
    assert counted.rarity("unheard") == idf(100, 0)
    assert Frequencies(1, {"cat": 1}).rarity("cat") == idf(1, 1)


def test_while_nothing_is_counted_a_word_is_as_rare_as_one_in_a_hundred() -> None:
    assert Frequencies().rarity("cat") == idf(100, 1)


@pytest.mark.parametrize("documents", [1, 99, 100, 5000])
def test_a_rarer_word_is_never_worth_less(documents: int) -> None:
    rarities = [Frequencies(documents, {"cat": held}).rarity("cat") for held in range(0, documents + 1, 11)]
    assert rarities == sorted(rarities, reverse=True)
    assert rarities[-1] > 0


# Scores


def test_the_document_with_the_rarer_words_scores_best() -> None:
    documents = ["the cat sleeps", "the dog barks at the cat", "cat and parrot", "nothing of note"]
    found = scores([weights(tokens(text)) for text in documents], query_tokens("a cat or a parrot?"))
    assert max(found) == found[2]
    assert found[0] > 0
    assert found[1] > 0
    assert found[3] == 0


def test_a_score_is_the_sum_of_rarity_times_weight() -> None:
    document = weights(["cat", "dog"])
    stored = Frequencies(200, {"cat": 20})
    (found,) = scores([document], ["cat", "dog", "owl"], stored)
    assert found == pytest.approx(idf(200, 20) * document[CAT] + idf(200, 0) * document[term_id("dog")])


@pytest.mark.parametrize("stored", [1, 20, 99, 100, 5000])
def test_a_new_document_scores_as_the_same_one_does_in_the_store(stored: int) -> None:
    document = weights(["cat"])
    for held in (1, stored // 2 + 1, stored):
        (found,) = scores([document], ["cat"], Frequencies(stored, {"cat": held}))
        assert found == pytest.approx(idf(stored, held) * document[CAT])


def test_while_the_store_is_empty_new_documents_are_counted_among_themselves() -> None:
    documents = [weights(["cat", "owl"]), weights(["cat"]), weights(["dog"], ["cat"])]
    found = scores(documents, ["cat", "owl"])
    assert found[0] == pytest.approx(
        idf(103, 4) * documents[0][CAT] + idf(103, 2) * documents[0][term_id("owl")]
    )
    assert found[2] == pytest.approx(idf(103, 4) * documents[2][CAT])


def test_one_new_document_scores_like_one_among_a_users_memories() -> None:
    (found,) = scores([weights(tokens("My sister lives in Lisbon"))], query_tokens("Lisbon"))
    assert found > 3


def test_what_the_store_holds_often_is_worth_less() -> None:
    document = [weights(["cat"])]
    rare, common = (scores(document, ["cat"], Frequencies(1000, {"cat": held}))[0] for held in (1, 900))
    assert rare > common > 0


def test_a_repeated_query_word_counts_once() -> None:
    documents = [weights(["cat"])]
    assert scores(documents, ["cat", "cat"]) == scores(documents, ["cat"])
    assert scores([], ["cat"]) == []
    assert scores(documents, []) == [0]


def test_a_date_is_in_english_words() -> None:
    assert date_words(datetime(2023, 5, 8, tzinfo=UTC)) == "8 May 2023"
