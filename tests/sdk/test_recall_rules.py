"""The rules that decide what a recall returns and in which order, each through the SDK.

Talks stand in noise, so that what a rule brings up would not come up by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.models.base import Vectors
from omnimemory.testing.scripted import HashEmbedder

from .conversations import APP, USER, documents, remembered, said

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
THINGS = ("bridge", "ladder", "pepper", "window", "saddle", "violin", "kettle", "garden", "candle", "mirror")
DEEDS = ("painted", "measured", "carried", "polished", "counted", "borrowed", "cleaned", "sketched")


def remarks(count: int) -> list[str]:
    """Different remarks about everyday things, none about what the tests ask for."""
    return [
        f"We {DEEDS[n % 8]} the {THINGS[n % 10]} number {n} before the {THINGS[(n * 3 + 1) % 10]} was done."
        for n in range(count)
    ]


def at(moment: datetime, text: str, *, name: str | None = None, id: str | None = None) -> Message:
    return Message(role="user", content=text, timestamp=moment, name=name, id=id)


def talk(*texts: str, session: str | None = None, start: datetime = MONDAY) -> UserMessages:
    """The texts, a minute apart; message ids are their places."""
    messages = [at(start + timedelta(minutes=n), text, id=f"m{n}") for n, text in enumerate(texts)]
    return UserMessages(app_id=APP, user_id=USER, session_id=session, messages=messages)


async def stored(sdk: OmniMemorySDK, *conversations: UserMessages) -> None:
    """Accepted and indexed, without notes."""
    for conversation in conversations:
        await sdk.add_memory(conversation, infer=False)
    await sdk.flush()


async def found(sdk: OmniMemorySDK, query: str, **more: Any) -> list[str]:
    return documents(await sdk.recall(APP, query, USER, **more))


# Who speaks


class NameEmbedder:
    """A name outshouts everything else in a vector, as in short turns; a cat is a feline."""

    name = "names"
    dimensions = 5

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return np.array([self._row(text.casefold()) for text in texts], dtype=np.float32)

    def _row(self, text: str) -> list[float]:
        said = text.partition(":")[2] or text
        row = [3.0 * ("ann" in said), 3.0 * ("bob" in said), float("cat " in text or "feline" in text)]
        row += [0.0 if any(row) else 1.0, 0.1]
        return [value / float(np.linalg.norm(row)) for value in row]

    async def aclose(self) -> None:
        """Nothing to close."""


async def test_a_question_by_name_is_answered_by_meaning_though_the_name_is_everywhere() -> None:
    answer = "The cat sleeps on the stove."
    ann = [at(MONDAY, text, name="Ann") for text in ("Ann here.", "Call me Ann.", answer, "Ann again.")]
    bob = [at(MONDAY, f"Bob to Ann: {text}", name="Bob") for text in remarks(20)]
    async with OmniMemorySDK(embedder=NameEmbedder(), embedding_cache_size=0, dense_weight=1) as sdk:
        messages = UserMessages(app_id=APP, user_id=USER, messages=[*bob[:10], *ann, *bob[10:]])
        for indexed in (False, True):
            if indexed:
                await sdk.flush()
            else:
                await sdk.add_memory(messages, infer=False)
            best = (await sdk.recall(APP, "Does Ann's feline sleep?", USER, n_results=1))[0]
            assert best.document == answer
            assert best.similarity_score == pytest.approx(1.0, abs=0.01)


async def test_a_question_about_nobody_but_a_speaker_is_asked_by_the_name(sdk: OmniMemorySDK) -> None:
    await stored(
        sdk, UserMessages(app_id=APP, user_id=USER, messages=[at(MONDAY, "I like plums.", name="Zoltan")])
    )
    assert await found(sdk, "Zoltan?") == ["I like plums."]


async def test_the_names_of_one_user_are_words_to_another(sdk: OmniMemorySDK) -> None:
    await stored(
        sdk,
        UserMessages(app_id=APP, user_id="bob", messages=[at(MONDAY, "Hello there.", name="Summer")]),
        said("In summer we swim.", "Winter is for skiing."),
    )
    best = (await sdk.recall(APP, "What about summer and swimming?", USER, explain=True))[0]
    assert best.document == "In summer we swim."
    assert best.lexical_score > 0


# What stands beside


async def test_a_short_answer_is_found_by_the_question_before_it(sdk: OmniMemorySDK) -> None:
    noise = remarks(60)
    await stored(sdk, talk(*noise[:30], "When did you adopt the puppy?", "In June.", *noise[30:]))
    best = await sdk.recall(APP, "When was the puppy adopted?", USER, n_results=3)
    assert "In June." in documents(best)
    answer = next(memory for memory in best if memory.document == "In June.")
    assert answer.similarity_score is not None
    assert answer.similarity_score > 0.6
    assert answer.lexical_score > 0


async def test_an_answer_in_another_talk_has_nothing_of_the_question(sdk: OmniMemorySDK) -> None:
    noise = remarks(20)
    await stored(
        sdk,
        talk("When did you adopt the puppy?", session="one"),
        talk("In June.", *noise, session="two", start=MONDAY + timedelta(minutes=1)),
    )
    assert "In June." not in await found(sdk, "When was the puppy adopted?", n_results=1)
    assert "In June." not in await holding(sdk, "puppy")


async def test_turns_hours_apart_do_not_stand_beside_each_other(sdk: OmniMemorySDK) -> None:
    later = MONDAY + timedelta(hours=5)
    await stored(sdk, said(at(MONDAY, "My puppy barks."), at(later, "In June."), at(later, "Why not?")))
    assert await holding(sdk, "puppy") == {"My puppy barks."}


async def holding(sdk: OmniMemorySDK, word: str) -> set[str]:
    """The indexed turns that have the word, said or beside."""
    recalled = await sdk.recall(APP, word, USER, n_results=100, kinds=["turn"])
    return {memory.document for memory in recalled if memory.lexical_score > 0}


@pytest.fixture
async def quiet() -> AsyncIterator[OmniMemorySDK]:
    """An SDK whose vectors find nothing, so that only words decide."""
    async with OmniMemorySDK(embedder=HashEmbedder(1024), synthesis=False) as opened:
        yield opened


PLACES = ("zero", "alpha", "bravo", "delta", "gamma", "kappa", "omega")


async def test_a_new_turn_is_told_to_the_two_before_it(quiet: OmniMemorySDK) -> None:
    await stored(quiet, talk("alpha", "bravo", "delta"))
    assert await holding(quiet, "walrus") == set()
    await stored(quiet, talk("alpha", "bravo", "delta", "walrus"))
    assert await holding(quiet, "walrus") == {"bravo", "delta", "walrus"}
    await stored(quiet, talk("alpha", "bravo", "delta", "walrus", "gamma", "kappa", "omega"))
    assert await holding(quiet, "walrus") == {"bravo", "delta", "walrus", "gamma", "kappa"}


async def test_a_change_in_the_middle_is_told_to_two_on_each_side(quiet: OmniMemorySDK) -> None:
    await quiet.ingest_transcript(talk(*PLACES))
    await quiet.flush()
    assert await holding(quiet, "delta") == {"alpha", "bravo", "delta", "gamma", "kappa"}
    edited = ["walrus" if place == "delta" else place for place in PLACES]
    await quiet.ingest_transcript(talk(*edited))
    for _ in ("not yet indexed", "indexed"):
        assert await holding(quiet, "walrus") == {"alpha", "bravo", "walrus", "gamma", "kappa"}
        assert await holding(quiet, "delta") == set()
        await quiet.flush()


async def test_a_deleted_turn_is_told_to_those_that_stood_beside_it(quiet: OmniMemorySDK) -> None:
    await stored(quiet, talk(*PLACES))
    await quiet.delete_memory(APP, await id_of(quiet, "delta"), USER)
    for _ in ("not yet indexed", "indexed"):
        assert await holding(quiet, "delta") == set()
        assert await holding(quiet, "gamma") == {"alpha", "bravo", "gamma", "kappa", "omega"}
        await quiet.flush()


async def test_a_restored_turn_stands_at_the_end_and_is_told_to_the_two_before_it(
    quiet: OmniMemorySDK,
) -> None:
    await stored(quiet, talk(*PLACES))
    delta = await id_of(quiet, "delta")
    await quiet.delete_memory(APP, delta, USER)
    await quiet.flush()
    await quiet.restore_memory(delta, APP, USER)
    for _ in ("not yet indexed", "indexed"):
        assert await holding(quiet, "delta") == {"kappa", "omega", "delta"}
        await quiet.flush()


async def test_what_was_edited_away_stands_beside_nobody(quiet: OmniMemorySDK) -> None:
    await stored(quiet, talk(*PLACES))
    await quiet.update_memory(await id_of(quiet, "delta"), APP, text="walrus", user_id=USER)
    for _ in ("not yet indexed", "indexed"):
        assert await holding(quiet, "delta") == set()
        await quiet.flush()


async def test_what_was_contradicted_stands_beside_nobody(sdk: OmniMemorySDK) -> None:
    moved = "I moved from Oslo to Bergen."
    await remembered(sdk, talk("I live in Oslo.", "Fine.", session="one"))
    await remembered(sdk, talk(moved, session="two", start=MONDAY + timedelta(days=9)))
    for _ in ("not yet indexed", "indexed"):
        assert await holding(sdk, "Oslo") == {moved}
        await sdk.flush()


async def id_of(sdk: OmniMemorySDK, text: str) -> str:
    (memory,) = [memory for memory in await sdk.list_memories(APP, USER) if memory.text == text]
    return memory.id


async def test_a_bare_question_mark_stops_nothing(sdk: OmniMemorySDK) -> None:
    await sdk.add_memory(said("?", "I like plums.", "??", "I like pears."), infer=False)
    for _ in ("not yet indexed", "indexed"):
        assert set(await found(sdk, "plums and pears", n_results=4)) >= {"I like plums.", "I like pears."}
        await sdk.flush()


# How much a turn says


ASKED, SHORT = "Did you adopt a puppy?", "Yes!"
FULL = "We adopted a little brown puppy called Rex from the animal shelter near our old house."
ABOUT_THE_PUPPY = ("Did they adopt a puppy?", "Which puppy did they adopt?")


async def test_a_yes_loses_to_the_turn_that_says_it(sdk: OmniMemorySDK) -> None:
    noise = remarks(30)
    await stored(sdk, talk(*noise[:15], ASKED, SHORT, FULL, *noise[15:]))
    for question in ABOUT_THE_PUPPY:
        best = await sdk.recall(APP, question, USER, n_results=3, explain=True)
        texts = documents(best)
        assert texts.index(FULL) < texts.index(SHORT)
        shares = {memory.document: part(memory, "substance") for memory in best}
        assert shares[FULL]["value"] > 0.5
        assert shares[SHORT]["value"] <= 0.05
        assert shares[ASKED]["value"] == 0.0
        assert shares[FULL]["contribution"] == shares[FULL]["value"] * shares[FULL]["weight"]


async def test_without_weight_on_substance_the_yes_wins() -> None:
    async with OmniMemorySDK(substance_weight=0, synthesis=False) as sdk:
        noise = remarks(30)
        await stored(sdk, talk(*noise[:15], ASKED, SHORT, FULL, *noise[15:]))
        for question in ABOUT_THE_PUPPY:
            texts = await found(sdk, question, n_results=3)
            assert texts.index(SHORT) < texts.index(FULL)


# Dates


async def test_the_days_that_a_question_names_pull_their_turns_up(sdk: OmniMemorySDK) -> None:
    noise = remarks(30)
    visits = [
        at(datetime(2024, month, 14, 10, tzinfo=UTC), f"The dentist looked at my {tooth} and found nothing.")
        for month, tooth in enumerate(("molar", "canine", "incisor", "crown", "bridge", "filling"), start=1)
    ]
    await stored(sdk, said(*[at(MONDAY, text) for text in noise]), said(*visits, session_id="dentist"))
    for question, best in (
        ("What did the dentist look at on 2024-03-14?", 2),
        ("What did the dentist look at in February 2024?", 1),
        ("What did the dentist look at in May 2024?", 4),
    ):
        top = (await sdk.recall(APP, question, USER, explain=True, n_results=3))[0]
        assert top.document == visits[best].content, question
        assert part(top, "date")["value"] == 1.0
    undated = await sdk.recall(APP, "What did the dentist look at?", USER, explain=True)
    nothing = {"value": 0.0, "weight": 0.0, "contribution": 0.0}
    assert all(part(memory, "date") == nothing for memory in undated)


async def test_relative_days_are_counted_from_now(quiet: OmniMemorySDK) -> None:
    now = datetime.now(UTC)
    ago = {days: f"Breakfast was {dish}." for days, dish in ((1, "porridge"), (8, "cereal"), (70, "toast"))}
    await stored(quiet, talk(*remarks(30)))
    for days, text in ago.items():
        await stored(quiet, said(at(now - timedelta(days=days), text), session_id=str(days)))
    assert (await found(quiet, "What was breakfast yesterday?"))[0] == ago[1]
    assert (await found(quiet, "What was breakfast 8 days ago?"))[0] == ago[8]
    assert (await found(quiet, "What was breakfast 70 days ago?"))[0] == ago[70]


# The auto floor


NEVER_SAID = "Which submarine engine oil does the astronaut recommend?"


async def test_of_many_memories_none_comes_back_for_what_was_never_said(sdk: OmniMemorySDK) -> None:
    await stored(sdk, talk(*remarks(130)))
    nothing = await sdk.recall(APP, NEVER_SAID, USER, explain=True)
    assert documents(nothing) == []
    assert 0 < len(nothing.near_misses) <= 5
    for miss in nothing.near_misses:
        assert "auto floor" in miss.reason
        assert 0.0 <= miss.match < 0.34
    scores = [miss.composite_score for miss in nothing.near_misses]
    assert scores == sorted(scores, reverse=True)
    assert not (await sdk.recall(APP, NEVER_SAID, USER)).near_misses
    assert await found(sdk, "Who polished the window number 3?")


async def test_of_few_memories_the_nearest_come_back(sdk: OmniMemorySDK) -> None:
    await stored(sdk, talk(*remarks(90)))
    assert len(await found(sdk, NEVER_SAID)) == 5


async def test_a_threshold_of_zero_switches_the_auto_floor_off(sdk: OmniMemorySDK) -> None:
    await stored(sdk, talk(*remarks(130)))
    assert len(await found(sdk, NEVER_SAID, composite_threshold=0)) == 5
    assert await found(sdk, NEVER_SAID) == []


async def test_a_setting_of_zero_switches_the_auto_floor_off() -> None:
    async with OmniMemorySDK(composite_threshold=0) as sdk:
        await stored(sdk, talk(*remarks(130)))
        assert len(await found(sdk, NEVER_SAID)) == 5


async def test_one_users_memories_do_not_judge_for_another(sdk: OmniMemorySDK) -> None:
    await stored(sdk, talk(*remarks(130)))
    await sdk.add_memory(said("I like plums.", user_id="bob"), infer=False)
    await sdk.flush()
    assert documents(await sdk.recall(APP, "Which fruit is liked?", "bob")) == ["I like plums."]


@pytest.mark.parametrize("place", [0, 1000, 1999])
async def test_a_long_text_as_a_query_finds_what_it_holds(sdk: OmniMemorySDK, place: int) -> None:
    topic = "The lighthouse keeper of Skagen collects meteorites."
    noise = remarks(130)
    await stored(sdk, talk(*noise[:65], topic, *noise[65:]))
    filler = [f"{syllable}{n}" for n in range(400) for syllable in ("tro", "vex", "mul", "bin", "qua")]
    filler[place:place] = ["the", "lighthouse", "keeper", "of", "Skagen", "collects", "meteorites"]
    assert topic in await found(sdk, " ".join(filler))


# What nearly came


async def test_near_misses_are_the_next_best(sdk: OmniMemorySDK) -> None:
    await stored(sdk, talk(*[f"Skis number {n} are red." for n in range(30)]))
    wide = await sdk.recall(APP, "skis number 7", USER, n_results=10)
    narrow = await sdk.recall(APP, "skis number 7", USER, n_results=5, explain=True)
    assert documents(narrow) == documents(wide)[:5]
    assert [miss.memory_id for miss in narrow.near_misses] == [one.memory_id for one in wide][5:]
    assert {miss.reason for miss in narrow.near_misses} == {"better ones fill the 5 places"}
    scores = [miss.composite_score for miss in narrow.near_misses]
    assert scores == pytest.approx([one.composite_score for one in wide][5:])


async def test_near_misses_say_why(sdk: OmniMemorySDK) -> None:
    await stored(sdk, talk("I keep my skis in the cellar.", "i keep my  SKIS in the cellar", "Skis are red."))
    again = await reasons(sdk, "skis in the cellar")
    assert again == {"i keep my  SKIS in the cellar": "a better result reads the same"} or again == {
        "I keep my skis in the cellar.": "a better result reads the same"
    }
    seen = await reasons(sdk, "skis in the cellar", shown=["Skis are red."])
    assert seen["Skis are red."] == "the reader sees it anyway"
    strict = await reasons(sdk, "skis in the cellar", composite_threshold=2)
    assert len(strict) == 3
    assert all("below the composite threshold of 2" in reason for reason in strict.values())
    near = await reasons(sdk, "skis in the cellar", similarity_threshold=1)
    assert all("below the recall threshold of 1" in reason for reason in near.values())
    assert len(near) == 3


async def reasons(sdk: OmniMemorySDK, query: str, **more: Any) -> dict[str, str]:
    """Why what was not returned was not returned, by its text."""
    recalled = await sdk.recall(APP, query, USER, explain=True, **more)
    texts = {memory.id: memory.text for memory in await sdk.list_memories(APP, USER)}
    assert not {miss.memory_id for miss in recalled.near_misses} & {one.memory_id for one in recalled}
    return {texts[miss.memory_id]: miss.reason for miss in recalled.near_misses}


# Numbers


def part(memory: Any, name: str) -> dict[str, Any]:
    explanation: dict[str, Any] = memory.explanation
    return dict(explanation[name])


@pytest.mark.parametrize(
    "query",
    ["Where are my skis?", "my skis in January 2026", "skis", "What was it yesterday?", "skis skis?!"],
)
async def test_an_explanation_adds_up_exactly(sdk: OmniMemorySDK, query: str) -> None:
    await remembered(sdk, talk("I keep my skis in the cellar.", "Where?", "Yes!", "My skis are red.", "Ok."))
    await sdk.add_memory(said(at(datetime(2026, 1, 9, tzinfo=UTC), "I sold the old skis.")), infer=False)
    for _ in ("not yet indexed", "indexed"):
        explained = await sdk.recall(APP, query, USER, explain=True, n_results=20)
        assert explained
        for memory in explained:
            why: Any = memory.explanation
            parts = ("dense", "lexical", "substance", "date")
            assert sum(why[name]["contribution"] for name in parts) == memory.relevance == why["relevance"]
            boosts = why["recency"]["boost"] + why["importance"]["boost"]
            assert memory.relevance * (1 + boosts) == memory.composite_score == why["composite"]
            assert why["match"] == memory.match
            assert 0.0 <= why["coverage"] <= memory.match + 1e-12 <= 1.0 + 1e-12
            assert 0.0 <= memory.relevance <= 1.0 + 1e-12
        await sdk.flush()


# Notes beside turns


FACT = "I keep my skis in the cellar."
KEPT = "Where are the skis kept in the cellar?"


async def test_of_notes_that_only_repeat_turns_among_the_results_one_is_enough(sdk: OmniMemorySDK) -> None:
    for session in ("one", "two", "three"):
        await remembered(sdk, talk(f"{FACT[:-1]}, number {session}.", session=session))
    await stored(sdk, talk(*remarks(8), session="noise"))
    recalled = await sdk.recall(APP, KEPT, USER, n_results=5)
    kinds = [memory.memory.kind.value for memory in recalled]
    assert kinds.count("note") == 1
    assert sum(FACT[:-1] in memory.document for memory in recalled if memory.memory.kind.value == "turn") == 3
    scores = [memory.composite_score for memory in recalled]
    assert scores == sorted(scores, reverse=True)


async def test_near_misses_are_not_among_the_results(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, talk(FACT))
    await stored(sdk, talk(*remarks(8), session="noise"))
    for wanted in (1, 2, 3, 5, 20):
        recalled = await sdk.recall(APP, KEPT, USER, n_results=wanted, explain=True)
        returned = {memory.memory_id for memory in recalled}
        assert not returned & {miss.memory_id for miss in recalled.near_misses}


async def test_a_note_that_covers_the_query_stands_where_its_score_puts_it(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, talk("I moved to Lisbon in May and I keep bees."))
    await sdk.flush()
    scores = [memory.composite_score for memory in await sdk.recall(APP, "bees", USER)]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)


async def test_a_note_stands_for_its_turns_when_only_notes_are_asked_for(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, talk(FACT))
    await sdk.flush()
    (note,) = await sdk.recall(APP, "Where are the skis?", USER, kinds=["note"])
    assert note.matched_statement is not None
    assert "cellar" in note.matched_statement.text


# Order


async def test_one_result_is_the_best_of_many(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, talk(FACT, "My red skis need wax.", "Skis!", "The cellar is cold."))
    await sdk.flush()
    for query in ("skis", "skis in the cellar", "cold", "Where are my skis?", "wax"):
        many = await sdk.recall(APP, query, USER, kinds=["turn"], n_results=10)
        (one,) = await sdk.recall(APP, query, USER, kinds=["turn"], n_results=1)
        assert one.memory_id == many[0].memory_id
        assert one.composite_score == pytest.approx(many[0].composite_score)


async def test_equal_memories_come_in_one_order_every_time(quiet: OmniMemorySDK) -> None:
    orders = [" ".join(words) for words in permutations(("red", "skis", "cellar", "wax"))]
    await stored(quiet, *[talk(text, session=text) for text in orders])
    first = await quiet.recall(APP, "red skis", USER, n_results=24)
    assert len({memory.composite_score for memory in first}) == 1
    ids = [memory.memory_id for memory in first]
    assert ids == sorted(ids)
    for wanted in (24, 24, 7, 1):
        again = await quiet.recall(APP, "red skis", USER, n_results=wanted)
        assert [memory.memory_id for memory in again] == ids[:wanted]


async def test_of_two_alike_the_newer_comes_first(quiet: OmniMemorySDK) -> None:
    for day, text in enumerate(("red skis", "skis red")):
        await stored(quiet, talk(text, session=text, start=MONDAY + timedelta(days=day)))
    assert await found(quiet, "red skis") == ["skis red", "red skis"]


# What ended


async def test_what_was_deleted_or_contradicted_does_not_come_back(sdk: OmniMemorySDK) -> None:
    await remembered(sdk, talk("I live in Oslo.", session="one"))
    await remembered(
        sdk, talk("I moved from Oslo to Bergen.", session="two", start=MONDAY + timedelta(days=9))
    )
    await stored(sdk, talk("Oslo is a fine town.", session="three"))
    town = next(m for m in await sdk.list_memories(APP, USER) if m.text == "Oslo is a fine town.")
    await sdk.delete_memory(APP, town.id, USER)
    ended = {"I live in Oslo.", "Oslo is a fine town."}
    for _ in ("not yet indexed", "indexed"):
        for query in ("Where do I live?", "I live in Oslo.", "Oslo", "Oslo is a fine town."):
            recalled = await sdk.recall(APP, query, USER, n_results=50, explain=True)
            assert not ended & set(documents(recalled)), query
            assert all(memory.memory.is_active for memory in recalled)
            assert not any("lives in Oslo" in text for text in statements(recalled))
        await sdk.flush()
    again = await sdk.recall(APP, "Oslo", USER, statuses=["deleted", "superseded"], n_results=50)
    assert ended <= set(documents(again))


def statements(memories: Iterable[Any]) -> list[str]:
    return [each.text for memory in memories for each in memory.memory.statements]
