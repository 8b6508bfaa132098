"""The searching half of a store's contract: filters, scores, order, paging."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import ClassVar

import pytest

from omnimemory.core.lexical import Frequencies, idf, term_id, weights
from omnimemory.core.schemas import Status
from omnimemory.stores.base import VectorStore
from omnimemory.stores.records import Filter, RecordKind
from omnimemory.testing.conformance import ConformanceSuite
from omnimemory.testing.store_records import (
    APP,
    EVERYTHING,
    HOSTILE_TEXTS,
    UNKNOWN,
    Sample,
    filled,
    listed,
    toward,
)


class StoreSearchSuite(ConformanceSuite):
    """Part of ``VectorStoreSuite``, which supplies the ``store`` fixture.

    ``paged``: the records of the long paging test; fewer than the usual 10,000 only where a slow stand-in
    takes the server's place.
    """

    paged: ClassVar[int] = 10_000

    # Filters

    async def test_facets_match_exactly_and_all_of_them(self, store: VectorStore) -> None:
        facets = (*HOSTILE_TEXTS, "x" * 2_000)
        records = {text: Sample(facets=(text, "shared")).turn() for text in facets}
        await filled(store, *records.values())
        for text, record in records.items():
            assert [found.id for found in await listed(store, Filter(facets=(text, "shared")))] == [record.id]
        assert await store.count(APP, Filter(facets=("shared",))) == len(facets)
        assert await store.count(APP, Filter(facets=("plain", "*"))) == 0
        assert await store.count(APP, Filter(facets=("Plain",))) == 0

    async def test_status_kind_and_session_narrow_both_legs(self, store: VectorStore) -> None:
        turn = replace(Sample(session_id=None).turn(), status=Status.DELETED)
        head, statement = Sample(session_id="s2").note(1)
        await filled(store, turn, head, statement)
        cases = {
            Filter(): {head.id, statement.id},
            Filter(statuses=frozenset({Status.DELETED})): {turn.id},
            EVERYTHING: {turn.id, head.id, statement.id},
            Filter(kinds=frozenset({RecordKind.STATEMENT})): {statement.id},
            Filter(kinds=frozenset({RecordKind.TURN})): set(),
            replace(EVERYTHING, session_id="s2"): {head.id, statement.id},
            Filter(kinds=frozenset()): set(),
            Filter(statuses=frozenset()): set(),
        }
        for where, expected in cases.items():
            assert {record.id for record in await listed(store, where)} == expected
            assert {hit.id for hit in await store.dense(APP, toward(0), where, limit=9)} == expected
            assert {hit.id for hit in await store.lexical(APP, ["tea"], where, limit=9)} == expected
            assert await store.count(APP, where) == len(expected)

    async def test_said_after_is_inclusive_and_said_before_exclusive(self, store: VectorStore) -> None:
        early, late = Sample(said=-1_000.5).turn(), Sample(said=2_000.25).turn()
        await filled(store, early, late)
        assert [r.id for r in await listed(store, Filter(said_after=2_000.25))] == [late.id]
        assert [r.id for r in await listed(store, Filter(said_before=2_000.25))] == [early.id]
        assert await listed(store, Filter(said_after=0.0, said_before=2_000.0)) == []

    async def test_times_and_kinds_narrow_both_legs_alike(self, store: VectorStore) -> None:
        turns = [Sample(said=float(said)).turn() for said in (100, 200, 300)]
        head, statement = Sample(said=200.0).note(1)
        ended = replace(Sample(said=150.0).turn(), status=Status.SUPERSEDED, ended_at=250.0)
        await filled(store, *turns, head, statement, ended)
        only_turns = frozenset({RecordKind.TURN})
        cases = {
            Filter(said_after=200.0, kinds=only_turns): {turns[1].id, turns[2].id},
            Filter(said_after=200.0, said_before=300.0): {turns[1].id, head.id, statement.id},
            Filter(said_before=200.0, user_id="ada", session_id="s1"): {turns[0].id},
            replace(EVERYTHING, as_of=249.5, kinds=only_turns): {turns[0].id, turns[1].id, ended.id},
            replace(EVERYTHING, as_of=250.0, said_after=150.0): {turns[1].id, head.id, statement.id},
            Filter(said_after=300.5): set(),
        }
        for where, expected in cases.items():
            assert {hit.id for hit in await store.dense(APP, toward(0), where, limit=9)} == expected
            assert {hit.id for hit in await store.lexical(APP, ["tea"], where, limit=9)} == expected
            assert await store.count(APP, where) == len(expected)

    async def test_as_of_shows_what_was_stored_and_not_yet_ended_then(self, store: VectorStore) -> None:
        ended = replace(Sample(said=100.0).turn(), status=Status.UPDATED, ended_at=200.0)
        current = Sample(said=200.0).turn()
        await filled(store, ended, current)
        for moment, expected in ((99.0, []), (100.0, [ended.id]), (199.0, [ended.id]), (200.0, [current.id])):
            found = await listed(store, replace(EVERYTHING, as_of=moment))
            assert [record.id for record in found] == expected

    # Scores

    async def test_dense_scores_are_cosines_best_first(self, store: VectorStore) -> None:
        cosines = (0.2, 1.0, -0.5, 0.0, 0.9)
        await filled(store, *(Sample().turn(vector=toward(0, cosine)) for cosine in cosines))
        hits = await store.dense(APP, toward(0), Filter(), limit=10)
        assert [hit.score for hit in hits] == pytest.approx(sorted(cosines, reverse=True), abs=1e-3)
        assert hits[:2] == await store.dense(APP, toward(0), Filter(), limit=2)

    async def test_lexical_scores_are_bm25_over_the_users_records(self, store: VectorStore) -> None:
        texts = (("tea", "green", "tea"), ("tea", "black"), ("coffee",), ("tea", *["milk"] * 30))
        mine = [Sample(tokens=tokens).turn() for tokens in texts]
        others = [Sample(user_id="bob", tokens=("green", "coffee")).turn() for _ in range(20)]
        await filled(store, *mine, *others)
        frequency = {"tea": 3, "green": 1}
        expected = {
            record.id: sum(
                idf(len(mine), frequency[word]) * weights(record.tokens).get(term_id(word), 0.0)
                for word in ("tea", "green")
            )
            for record in mine
            if "tea" in record.tokens
        }
        hits = await store.lexical(APP, ["tea", "green", "tea", "unheard"], Filter(user_id="ada"), limit=10)
        assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, rel=1e-3)
        assert [hit.id for hit in hits] == sorted(expected, key=lambda key: -expected[key])

    async def test_rarity_counts_every_kind_and_status_whatever_the_filter(self, store: VectorStore) -> None:
        turn = Sample(tokens=("tea", "green")).turn()
        head, statement = Sample(tokens=("tea",)).note(1)
        ended = replace(Sample(tokens=("green", "black")).turn(), status=Status.DELETED, ended_at=5_000.0)
        await filled(store, turn, head, statement, ended, Sample(tokens=()).turn())
        (hit,) = await store.lexical(APP, ["green"], Filter(kinds=frozenset({RecordKind.TURN})), limit=5)
        assert hit.id == turn.id
        assert hit.score == pytest.approx(idf(4, 2) * weights(turn.tokens)[term_id("green")], rel=1e-3)

    async def test_without_a_user_rarity_is_counted_over_the_app(self, store: VectorStore) -> None:
        tea = Sample(tokens=("tea",)).turn()
        others = [Sample(user_id=f"user-{n}", tokens=("tea", "milk")).turn() for n in range(6)]
        await filled(store, tea, *others)
        expected = {
            record.id: idf(7, 7) * weights(record.tokens)[term_id("tea")] for record in (tea, *others)
        }
        hits = await store.lexical(APP, ["tea"], Filter(), limit=10)
        assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, rel=1e-3)

    async def test_the_words_around_a_record_count_too_and_less(self, store: VectorStore) -> None:
        said = Sample(tokens=("tea", "time")).turn()
        near = replace(Sample(tokens=("milk",)).turn(), context=("tea", "tea", "milk"))
        mute = replace(Sample(tokens=()).turn(), context=("tea",))
        await filled(store, said, near, mute, Sample(tokens=("sugar",)).turn())
        expected = {record.id: idf(4, 3) * record.words[term_id("tea")] for record in (said, near, mute)}
        hits = await store.lexical(APP, ["tea"], Filter(user_id="ada"), limit=10)
        assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, rel=1e-3)
        found = await store.frequencies(APP, ["tea", "milk"], user_id="ada")
        assert (found.documents, dict(found.counts)) == (4, {"tea": 3, "milk": 1})

    async def test_frequencies_are_what_counting_by_hand_gives(self, store: VectorStore) -> None:
        texts = (("tea", "green", "tea"), ("tea", "black"), ("coffee",), ())
        mine = [Sample(tokens=tokens).turn() for tokens in texts]
        note = [replace(record, status=Status.DELETED) for record in Sample(tokens=("tea", "milk")).note(2)]
        others = [Sample(user_id="bob", tokens=("green", "sugar")).turn() for _ in range(3)]
        await filled(store, *mine, *note, *others)
        words = ["tea", "green", "black", "coffee", "milk", "sugar", "unheard", "tea"]
        for user_id, records in (("ada", [*mine, *note]), ("bob", others), (None, [*mine, *note, *others])):
            held = Counter(word for record in records for word in set(record.tokens))
            found = await store.frequencies(APP, words, user_id=user_id)
            assert found.documents == sum(bool(record.tokens) for record in records)
            assert {word: found.counts.get(word, 0) for word in words} == {word: held[word] for word in words}

    async def test_frequencies_of_nothing_are_none(self, store: VectorStore) -> None:
        assert await store.frequencies(APP, ["tea"]) == Frequencies()
        await filled(store, Sample().turn())
        assert await store.frequencies(APP, []) == Frequencies()
        nobody = await store.frequencies(APP, ["tea"], user_id="nobody")
        assert (nobody.documents, nobody.counts.get("tea", 0)) == (0, 0)

    async def test_frequencies_follow_what_is_written_and_deleted(self, store: VectorStore) -> None:
        first, second = Sample(tokens=("tea",)).turn(), Sample(tokens=("tea", "milk")).turn()
        await filled(store, first)
        assert (await store.frequencies(APP, ["tea"], user_id="ada")).documents == 1
        await store.upsert(APP, [second])
        found = await store.frequencies(APP, ["tea", "milk"], user_id="ada")
        assert (found.documents, dict(found.counts)) == (2, {"tea": 2, "milk": 1})
        await store.upsert(APP, [replace(second, tokens=("milk",))])
        await store.delete(APP, [first.id])
        found = await store.frequencies(APP, ["tea", "milk"], user_id="ada")
        assert (found.documents, found.counts.get("tea", 0), found.counts["milk"]) == (1, 0, 1)

    async def test_hostile_words_are_plain_words(self, store: VectorStore) -> None:
        records = {text: Sample(tokens=(text, "shared")).turn() for text in HOSTILE_TEXTS}
        await filled(store, *records.values())
        for text, record in records.items():
            assert [hit.id for hit in await store.lexical(APP, [text], Filter(), limit=99)] == [record.id]
        counted = await store.frequencies(APP, [*HOSTILE_TEXTS, "shared"])
        assert dict(counted.counts) == {**dict.fromkeys(HOSTILE_TEXTS, 1), "shared": len(HOSTILE_TEXTS)}

    async def test_a_text_of_100_kb_is_found_by_each_of_its_words(self, store: VectorStore) -> None:
        words = tuple(f"word{number}" for number in range(10_000))
        long, short = Sample(tokens=words).turn(), Sample(tokens=("word7",)).turn()
        await filled(store, long, short)
        for word in (words[0], words[5_000], words[-1]):
            assert [hit.id for hit in await store.lexical(APP, [word], Filter(), limit=5)] == [long.id]
        both = await store.lexical(APP, ["word7"], Filter(), limit=5)
        assert [hit.id for hit in both] == [short.id, long.id]

    async def test_equal_scores_come_by_record_id_also_where_the_limit_cuts(self, store: VectorStore) -> None:
        records = [Sample().turn() for _ in range(30)]
        await filled(store, *records)
        first = sorted(record.id for record in records)[:7]
        assert [hit.id for hit in await store.dense(APP, toward(0), Filter(), limit=7)] == first
        assert [hit.id for hit in await store.lexical(APP, ["tea"], Filter(), limit=7)] == first

    async def test_what_only_words_or_only_meaning_can_find_is_found(self, store: VectorStore) -> None:
        by_words = Sample(tokens=("zx-81",)).turn(vector=toward(1))
        by_meaning = Sample(tokens=()).turn(vector=toward(0))
        noise = [Sample(tokens=("noise",)).turn(vector=toward(0, 0.5)) for _ in range(20)]
        await filled(store, by_words, by_meaning, *noise)
        assert [hit.id for hit in await store.lexical(APP, ["zx-81"], Filter(), limit=1)] == [by_words.id]
        assert [hit.id for hit in await store.dense(APP, toward(0), Filter(), limit=1)] == [by_meaning.id]
        assert await store.lexical(APP, ["unheard"], Filter(), limit=5) == []
        assert await store.lexical(APP, [], Filter(), limit=5) == []

    async def test_a_hit_tells_what_ranking_needs(self, store: VectorStore) -> None:
        head, statement = Sample(said=5.0).note(1, version=2)
        statement = replace(statement, evidence_at=7.5, importance=0.25, substance=0.375)
        await filled(store, head, statement)
        for search in (
            store.dense(APP, toward(0), Filter(), limit=5),
            store.lexical(APP, ["tea"], Filter(), limit=5),
        ):
            hits = {hit.id: hit for hit in await search}
            hit = hits[statement.id]
            assert (hit.memory_id, hit.kind, hit.statement_id) == (head.id, RecordKind.STATEMENT, "s1")
            assert (hit.version, hit.evidence_at, hit.importance) == (2, 7.5, 0.25)
            assert (hit.substance, hits[head.id].substance) == (0.375, 1.0)
            assert hits[head.id].statement_id is None

    async def test_similarities_are_exact_for_the_records_asked_for(self, store: VectorStore) -> None:
        near, far = Sample().turn(vector=toward(0, 0.75)), Sample().turn(vector=toward(0, -0.25))
        await filled(store, near, far, Sample().turn())
        found = await store.similarities(APP, toward(0), [near.id, far.id, UNKNOWN, "no-uuid"])
        assert found == pytest.approx({near.id: 0.75, far.id: -0.25}, abs=1e-3)

    # Paging

    @pytest.mark.parametrize("size", [1, 3, 100])
    async def test_paging_gives_every_record_once_also_while_others_write(
        self, store: VectorStore, size: int
    ) -> None:
        records = [Sample().turn() for _ in range(7)]
        await filled(store, *records)
        expected = sorted(record.id for record in records)
        assert [record.id for record in await listed(store)] == expected
        seen: list[str] = []
        cursor = None
        while True:
            page = await store.scan(APP, EVERYTHING, limit=size, cursor=cursor)
            assert len(page.records) <= size
            seen += [record.id for record in page.records]
            await store.upsert(APP, [records[0]])
            await store.delete(APP, seen[-1:])
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == expected

    async def test_thousands_of_records_are_paged_through_in_order(self, store: VectorStore) -> None:
        users = ("ada", "bob", "cy")
        records = [Sample(user_id=users[number % 3]).turn() for number in range(self.paged)]
        await filled(store)
        for start in range(0, len(records), 1_000):
            await store.upsert(APP, records[start : start + 1_000])
        for where, expected in (
            (EVERYTHING, records),
            (replace(EVERYTHING, user_id="bob"), records[1::3]),
        ):
            assert await store.count(APP, where) == len(expected)
            seen: list[str] = []
            cursor = None
            while True:
                page = await store.scan(APP, where, limit=997, cursor=cursor)
                seen += [record.id for record in page.records]
                cursor = page.cursor
                if cursor is None:
                    break
            assert seen == sorted(record.id for record in expected)
        assert len((await store.scan(APP, EVERYTHING, limit=self.paged)).records) == self.paged
