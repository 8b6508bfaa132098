"""The contract of a vector store, as tests. Inherit it to test a store of your own:

    class TestMyStore(VectorStoreSuite):
        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda: MyStore(tmp_path)

Needs pytest and pytest-asyncio with ``asyncio_mode = "auto"``.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from omnimemory.core.errors import DimensionMismatch, InvalidRequest, ScopeError, StoreError, StoreLocked
from omnimemory.core.schemas import Status
from omnimemory.stores.base import VectorStore
from omnimemory.stores.records import Filter, RecordKind, Stored
from omnimemory.testing.store_records import (
    APP,
    EVERYTHING,
    FINGERPRINT,
    HOSTILE,
    HOSTILE_TEXTS,
    UNKNOWN,
    Sample,
    filled,
    listed,
    toward,
)
from omnimemory.testing.store_search_suite import StoreSearchSuite

MakeStore = Callable[[], VectorStore]


class VectorStoreSuite(StoreSearchSuite):
    """``exclusive``: a store that one process may open at a time; it inherits ``EmbeddedStoreSuite``."""

    exclusive: ClassVar[bool] = False

    @pytest.fixture
    def make_store(self) -> MakeStore:
        """Override: returns a function that makes unopened stores, all over one place fresh for the test."""
        raise NotImplementedError("override the make_store fixture")

    @pytest.fixture
    async def store(self, make_store: MakeStore) -> AsyncIterator[VectorStore]:
        async with make_store() as opened:
            yield opened

    # Writing and reading back

    async def test_what_was_stored_comes_back(self, store: VectorStore) -> None:
        note = replace(Sample(document='{"a": "é"}').note(1)[0], version=3, status=Status.UPDATED)
        await filled(store, note)
        expected = Stored(note.id, note.id, RecordKind.NOTE, "ada", 3, Status.UPDATED, document='{"a": "é"}')
        assert await store.get(APP, [note.id]) == {note.id: expected}
        assert await listed(store) == [expected]

    async def test_get_gives_heads_only_and_leaves_out_unknown_ids(self, store: VectorStore) -> None:
        head, statement = Sample().note(1)
        await filled(store, head, statement)
        found = await store.get(APP, [head.id, UNKNOWN, "no-uuid", "' OR 1=1"])
        assert set(found) == {head.id}

    async def test_upsert_is_idempotent_and_replaces_the_whole_record(self, store: VectorStore) -> None:
        old = Sample(tokens=("tea", "green"), facets=("f",), session_id="s1").turn()
        new = replace(old, tokens=("coffee",), facets=(), session_id=None, document="new", version=2)
        await filled(store, old, Sample().turn())
        await store.upsert(APP, [old])
        assert [hit.version for hit in await store.lexical(APP, ["green"], Filter(), limit=5)] == [1]
        await store.upsert(APP, [new])
        await store.upsert(APP, [new])
        assert await store.count(APP, EVERYTHING) == 2
        assert (await store.get(APP, [old.id]))[old.id].document == "new"
        assert await store.lexical(APP, ["green"], Filter(), limit=5) == []
        assert await store.count(APP, Filter(facets=("f",))) == 0
        assert old.id not in {record.id for record in await listed(store, Filter(session_id="s1"))}
        (hit,) = await store.lexical(APP, ["coffee"], Filter(), limit=5)
        assert (hit.id, hit.version) == (old.id, 2)

    async def test_a_record_that_loses_its_words_is_no_longer_found_by_them(self, store: VectorStore) -> None:
        record = Sample(tokens=("tea",)).turn()
        await filled(store, record)
        await store.upsert(APP, [replace(record, tokens=())])
        assert await store.lexical(APP, ["tea"], Filter(), limit=5) == []
        assert [hit.id for hit in await store.dense(APP, toward(0), Filter(), limit=5)] == [record.id]

    async def test_delete_takes_a_memory_with_its_statements_and_may_be_repeated(
        self, store: VectorStore
    ) -> None:
        doomed, kept = Sample().note(2), Sample().note(2)
        await filled(store, *doomed, *kept)
        for _ in range(2):
            await store.delete(APP, [doomed[0].id, UNKNOWN])
        assert {record.id for record in await listed(store)} == {record.id for record in kept}

    async def test_documents_of_any_size_and_script_come_back_unchanged(self, store: VectorStore) -> None:
        documents = ("", "x" * 100_000, "\u4f60\u597d\N{GRINNING FACE}" * 12_000, *HOSTILE_TEXTS)
        records = [Sample(document=document).turn() for document in documents]
        await filled(store, *records)
        found = await store.get(APP, [record.id for record in records])
        assert [found[record.id].document for record in records] == list(documents)
        assert {record.id: record.document for record in await listed(store)} == {
            record.id: record.document for record in records
        }

    # Scope

    async def test_two_apps_never_see_each_other(self, store: VectorStore) -> None:
        mine, theirs = Sample().turn(), Sample().turn()
        await filled(store, mine)
        await filled(store, theirs, app_id="other-app")
        assert await store.get(APP, [theirs.id]) == {}
        assert await store.similarities(APP, toward(0), [theirs.id]) == {}
        assert [hit.id for hit in await store.dense(APP, toward(0), Filter(), limit=5)] == [mine.id]
        assert [hit.id for hit in await store.lexical(APP, ["tea"], Filter(), limit=5)] == [mine.id]
        assert [record.id for record in await listed(store)] == [mine.id]
        assert await store.count(APP, EVERYTHING) == 1
        await store.delete(APP, [theirs.id])
        await store.drop(APP)
        assert [record.id for record in await listed(store, app_id="other-app")] == [theirs.id]

    async def test_a_user_given_narrows_every_method(self, store: VectorStore) -> None:
        mine, theirs = Sample(user_id="ada").turn(), Sample(user_id="bob").turn()
        await filled(store, mine, theirs)
        where = Filter(user_id="ada")
        assert set(await store.get(APP, [mine.id, theirs.id], user_id="ada")) == {mine.id}
        assert [hit.id for hit in await store.dense(APP, toward(0), where, limit=5)] == [mine.id]
        assert [hit.id for hit in await store.lexical(APP, ["tea"], where, limit=5)] == [mine.id]
        assert [record.id for record in await listed(store, where)] == [mine.id]
        assert await store.count(APP, where) == 1
        await store.delete(APP, [mine.id, theirs.id], user_id="ada")
        assert [record.id for record in await listed(store)] == [theirs.id]

    async def test_without_a_user_the_whole_app_is_meant(self, store: VectorStore) -> None:
        await filled(store, Sample(user_id="ada").turn(), Sample(user_id="bob").turn())
        assert len(await store.dense(APP, toward(0), Filter(), limit=5)) == 2
        assert len(await store.lexical(APP, ["tea"], Filter(), limit=5)) == 2

    async def test_hostile_scope_ids_are_plain_data(self, store: VectorStore) -> None:
        records = {text: Sample(user_id=text, session_id=text).turn() for text in HOSTILE}
        await filled(store, *records.values())
        for text, record in records.items():
            where = Filter(user_id=text, session_id=text)
            assert [found.id for found in await listed(store, where)] == [record.id]
            assert [hit.id for hit in await store.dense(APP, toward(0), where, limit=99)] == [record.id]
            assert [hit.id for hit in await store.lexical(APP, ["tea"], where, limit=99)] == [record.id]

    async def test_hostile_app_ids_get_collections_of_their_own(self, store: VectorStore) -> None:
        apps = (HOSTILE[2], HOSTILE[5], HOSTILE[8], "A", "a", "\u00e9" * 256)
        records = {app_id: Sample().turn() for app_id in apps}
        for app_id, record in records.items():
            await filled(store, record, app_id=app_id)
        for app_id, record in records.items():
            assert [found.id for found in await listed(store, app_id=app_id)] == [record.id]
        assert await store.collections() == dict.fromkeys(apps, FINGERPRINT)

    # Collections

    @pytest.mark.parametrize(
        "change", [{"embedder": "other"}, {"dimensions": 9}, {"analyser": "words-2"}], ids=str
    )
    async def test_another_embedder_or_analyser_is_refused_by_name(
        self, store: VectorStore, change: dict[str, object]
    ) -> None:
        await filled(store, Sample().turn())
        other = replace(FINGERPRINT, **change)  # type: ignore[arg-type]
        with pytest.raises(DimensionMismatch, match=r"(?s)axes.*omnimemory reindex"):
            await store.prepare(APP, other)
        assert await store.count(APP, EVERYTHING) == 1

    async def test_vectors_of_other_dimensions_are_refused(self, store: VectorStore) -> None:
        await filled(store)
        wrong = np.eye(9, dtype=np.float32)[0]
        with pytest.raises(DimensionMismatch, match="9 dimensions"):
            await store.upsert(APP, [Sample().turn(), Sample().turn(vector=wrong)])
        with pytest.raises(DimensionMismatch):
            await store.dense(APP, wrong, Filter(), limit=5)
        assert await store.count(APP, EVERYTHING) == 0

    async def test_reads_create_no_collection_and_find_nothing(self, store: VectorStore) -> None:
        assert await store.get(APP, [UNKNOWN]) == {}
        assert await store.dense(APP, toward(0), Filter(), limit=5) == []
        assert await store.lexical(APP, ["tea"], Filter(), limit=5) == []
        assert await store.similarities(APP, toward(0), [UNKNOWN]) == {}
        assert await listed(store) == []
        assert await store.count(APP, EVERYTHING) == 0
        await store.delete(APP, [UNKNOWN])
        await store.drop(APP)
        with pytest.raises(StoreError, match="prepare"):
            await store.upsert(APP, [Sample().turn()])
        assert await store.collections() == {}

    async def test_a_dropped_app_is_gone_and_can_be_built_anew(self, store: VectorStore) -> None:
        await filled(store, Sample().turn())
        await store.drop(APP)
        assert await listed(store) == []
        assert await store.collections() == {}
        other = replace(FINGERPRINT, embedder="other")
        await store.prepare(APP, other)
        assert await store.collections() == {APP: other}

    # Refusals

    async def test_unusable_records_are_refused_and_nothing_is_stored(self, store: VectorStore) -> None:
        good = Sample().turn()
        statement = Sample().note(1)[1]
        unusable = [
            good,
            replace(statement, statement_id=None),
            replace(statement, id=statement.memory_id),
            replace(good, id="no-uuid"),
            replace(good, id=UNKNOWN, memory_id=good.id),
            Sample().turn(vector=toward(0) * 2),
            Sample().turn(vector=toward(0) * np.float32(math.nan)),
            Sample(said=math.inf).turn(),
            replace(Sample().turn(), version=0),
            Sample(user_id=" ").turn(),
            Sample(session_id="a\x00b").turn(),
            Sample(document="\ud800").turn(),
        ]
        await filled(store)
        for record in unusable:
            with pytest.raises(InvalidRequest):
                await store.upsert(APP, [good, record])
        assert await store.count(APP, EVERYTHING) == 0

    async def test_unusable_arguments_are_refused(self, store: VectorStore) -> None:
        await filled(store)
        for limit in (0, -1, 1_000_000, True):
            with pytest.raises(InvalidRequest, match="limit"):
                await store.dense(APP, toward(0), Filter(), limit=limit)
            with pytest.raises(InvalidRequest, match="limit"):
                await store.scan(APP, Filter(), limit=limit)
        for app_id in ("", "a" * 257, "a\x00b"):
            with pytest.raises(ScopeError):
                await store.count(app_id, Filter())
        with pytest.raises(ScopeError):
            await store.lexical(APP, ["tea"], Filter(user_id=""), limit=5)
        with pytest.raises(InvalidRequest, match="cursor"):
            await store.scan(APP, Filter(), limit=5, cursor="'")
        with pytest.raises(InvalidRequest):
            await store.count(APP, Filter(as_of=math.nan))

    # Lifetime

    async def test_what_was_stored_is_there_after_reopening(
        self, store: VectorStore, make_store: MakeStore
    ) -> None:
        record = Sample(tokens=("tea",), facets=("f",)).turn()
        await filled(store, record)
        await store.close()
        async with make_store() as again:
            assert await again.collections() == {APP: FINGERPRINT}
            assert [r.id for r in await listed(again, Filter(facets=("f",)))] == [record.id]
            assert [hit.id for hit in await again.lexical(APP, ["tea"], Filter(), limit=5)] == [record.id]
            assert [hit.id for hit in await again.dense(APP, toward(0), Filter(), limit=5)] == [record.id]

    async def test_a_second_opener_is_refused_clearly_or_shares(
        self, store: VectorStore, make_store: MakeStore
    ) -> None:
        record = Sample().turn()
        if self.exclusive:
            with pytest.raises(StoreLocked, match="open"):
                await make_store().open()
            await filled(store, record)  # the first one is none the worse
            assert await store.count(APP, EVERYTHING) == 1
        else:
            async with make_store() as second:
                await filled(store, record)
                assert await second.count(APP, EVERYTHING) == 1

    async def test_a_closed_store_says_so_and_opens_again(self, store: VectorStore) -> None:
        await filled(store, Sample().turn())
        with pytest.raises(StoreError, match="already open"):
            await store.open()
        await store.close()
        await store.close()
        with pytest.raises(StoreError, match="not open"):
            await store.count(APP, Filter())
        async with store:
            assert await store.count(APP, Filter()) == 1

    async def test_check_passes_and_the_pool_is_counted(self, store: VectorStore) -> None:
        await filled(store, Sample().turn())
        await store.check()
        stats = store.pool_stats()
        assert 0 <= stats.active <= stats.limit
        assert stats.available == stats.limit - stats.active

    async def test_a_cancelled_call_leaves_the_store_usable(self, store: VectorStore) -> None:
        records = [Sample().turn() for _ in range(600)]
        await filled(store)
        for turns in range(4):
            call = asyncio.create_task(store.upsert(APP, records))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call
        assert await store.count(APP, EVERYTHING) <= len(records)
        await store.upsert(APP, records)
        assert await store.count(APP, EVERYTHING) == len(records)

    async def test_concurrent_calls_do_not_disturb_each_other(self, store: VectorStore) -> None:
        users = [f"user-{number}" for number in range(8)]

        async def lives(user_id: str) -> int:
            await filled(store, *(Sample(user_id=user_id).turn() for _ in range(70)))
            await store.dense(APP, toward(0), Filter(user_id=user_id), limit=5)
            return await store.count(APP, Filter(user_id=user_id))

        assert await asyncio.gather(*map(lives, users)) == [70] * len(users)


class EmbeddedStoreSuite(VectorStoreSuite):
    """The contract of a store that the process itself opens, and no other one meanwhile."""

    exclusive = True

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
    def test_a_forked_child_is_refused(self, make_store: MakeStore) -> None:
        with asyncio.Runner() as runner:
            store = make_store()
            runner.run(store.open())
            runner.run(filled(store, Sample().turn()))
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    asyncio.run(store.count(APP, EVERYTHING))
                except StoreLocked:
                    code = 0
                finally:
                    os._exit(code)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            assert runner.run(store.count(APP, EVERYTHING)) == 1
            runner.run(store.close())
