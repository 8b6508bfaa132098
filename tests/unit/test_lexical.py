"""BM25 and the lexical text of a turn."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from omnimemory.core.lexical import AVERAGE_LENGTH, K1, B, Bm25, date_words, idf, term_id, turn_text, weights
from omnimemory.core.text import query_tokens, tokens


def test_a_term_has_the_same_number_in_every_process() -> None:
    assert term_id("omnimemory") == 4004151121
    assert 0 <= term_id("猫") < 2**32


def test_a_single_word_in_a_document_of_average_length_weighs_one() -> None:
    document = ["cat"] + [f"other{i}" for i in range(int(AVERAGE_LENGTH) - 1)]
    assert weights(document)[term_id("cat")] == pytest.approx(1.0)


def test_weights_follow_the_formula() -> None:
    found = weights(["cat", "cat", "dog"], average_length=6)
    damping = K1 * (1 - B + B * 3 / 6)
    assert found == {
        term_id("cat"): pytest.approx(2 * (K1 + 1) / (2 + damping)),
        term_id("dog"): pytest.approx((K1 + 1) / (1 + damping)),
    }


def test_repetition_saturates_and_length_counts_against_a_document() -> None:
    cat = term_id("cat")
    assert weights(["cat"] * 100)[cat] < K1 + 1
    assert weights(["cat"])[cat] > weights(["cat"] + ["dog"] * 50)[cat]
    assert weights([]) == {}


def test_idf_is_positive_and_falls_with_frequency() -> None:
    assert idf(100, 1) == pytest.approx(math.log(1 + 99.5 / 1.5))
    assert idf(100, 1) > idf(100, 50) > idf(100, 100) > 0


def test_bm25_ranks_the_document_with_the_rarer_words_first() -> None:
    documents = ["the cat sleeps", "the dog barks at the cat", "cat and parrot", "nothing of note"]
    scores = Bm25(tokens(text) for text in documents).scores(query_tokens("a cat or a parrot?"))
    assert max(scores) == scores[2]
    assert scores[0] > 0
    assert scores[1] > 0
    assert scores[3] == 0


def test_bm25_over_one_document_scores_like_a_store_with_memories() -> None:
    [score] = Bm25([tokens("My sister lives in Lisbon")]).scores(query_tokens("Lisbon"))
    assert score > 3


def test_bm25_counts_a_repeated_query_word_once() -> None:
    bm25 = Bm25([("cat",)])
    assert bm25.scores(["cat", "cat"]) == bm25.scores(["cat"])
    assert Bm25([]).scores(["cat"]) == []


def test_a_date_is_in_english_words() -> None:
    assert date_words(datetime(2023, 5, 8, tzinfo=UTC)) == "8 May 2023"


def test_a_turn_is_found_by_speaker_date_text_and_neighbours() -> None:
    said = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    text = turn_text(
        "Melanie", said, "Yes, in June!", before="Did you adopt the puppy?", after="Congratulations"
    )
    found = tokens(text)
    for query in ("Melanie", "May 8th", "2023", "June", "puppies", "congratulation"):
        assert set(tokens(query)) <= set(found)


def test_words_repeated_by_a_neighbour_count() -> None:
    text = turn_text("Ana", None, "The puppy!", before="Which puppy?", after=None)
    assert tokens(text).count("puppi") == 2


def test_a_turn_alone_has_no_empty_lines() -> None:
    assert turn_text("Ana", None, "Hi") == "Ana\nHi"
