"""Another store is filled from the ledger: all of it, exactly, whatever happens on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from omnimemory import OmniMemorySDK
from omnimemory.core.errors import DimensionMismatch, StoreError, StoreUnavailable
from omnimemory.core.schemas import Status
from omnimemory.core.text import tokens
from omnimemory.engine import Engine
from omnimemory.ops.fill import FilledApp, Filling
from omnimemory.stores.base import VectorStore
from omnimemory.stores.qdrant_local import QdrantLocalStore
from omnimemory.stores.records import Filter, Record, RecordKind, Stored
from omnimemory.testing.scripted import HashEmbedder

from .conversations import APP, remembered, said

EVERYTHING = Filter(statuses=frozenset(Status))
OSLO = "I live in Oslo and work as a carpenter."
LISBON = "I moved from Oslo to Lisbon. I like tea."


class FailingStore(QdrantLocalStore):
    """Does not answer any more after so many upserts, where ``answers`` is a number."""

    answers: int | None = None

    async def _upsert(self, app_id: str, records: Sequence[Record]) -> None:
        if self.answers is not None:
            self.answers -= 1
            if self.answers < 0:
                raise StoreUnavailable("the store does not answer")
        await super()._upsert(app_id, records)


class ForgetfulStore(QdrantLocalStore):
    """Acknowledges statements and keeps none."""

    async def _upsert(self, app_id: str, records: Sequence[Record]) -> None:
        await super()._upsert(app_id, [one for one in records if one.kind is not RecordKind.STATEMENT])


@pytest.fixture
async def sdk() -> AsyncIterator[OmniMemorySDK]:
    async with OmniMemorySDK(embedder=HashEmbedder()) as opened:
        yield opened


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[FailingStore]:
    async with FailingStore(tmp_path / "other") as store:
        yield store


async def filled(engine: Engine, store: VectorStore, *, replace: bool = False) -> list[FilledApp]:
    filling = Filling(engine.ledger, store, engine.embedder, apps=await engine.ledger.apps())
    await filling.prepare(replace=replace)
    await filling.fill()
    return await filling.verify()


async def records(store: VectorStore, app_id: str = APP) -> list[Stored]:
    return list((await store.scan(app_id, EVERYTHING, limit=10_000)).records)


async def test_it_holds_turns_notes_statements_and_what_has_ended(
    sdk: OmniMemorySDK, other: FailingStore
) -> None:
    await remembered(sdk, said(OSLO))
    await remembered(sdk, said(LISBON))
    await remembered(sdk, said("I keep bees.", app_id="second"))
    (bees, *_) = await sdk.list_memories("second", kinds=["turn"])
    await sdk.delete_memory("second", bees.id, cascade=False)
    await sdk.flush()

    async def check(engine: Engine) -> None:
        reports = await filled(engine, other)
        assert [one.app_id for one in reports] == [APP, "second"]
        for report in reports:
            expected = await records(engine.store, report.app_id)
            assert await records(other, report.app_id) == expected
            assert report.records == len(expected) > report.memories
            assert (report.written, report.removed) == (report.memories, 0)
        assert Status.DELETED in {one.status for one in await records(other, "second")}

    await sdk.run(check)


async def test_interrupted_it_goes_on_where_it_was(sdk: OmniMemorySDK, other: FailingStore) -> None:
    await sdk.add_memory(said(*(f"Page {number} of the diary." for number in range(700))), infer=False)
    other.answers = 5

    async def check(engine: Engine) -> None:
        with pytest.raises(StoreUnavailable):
            await filled(engine, other)
        other.answers = None
        done = await other.count(APP, EVERYTHING)
        assert 0 < done < 700
        filling = Filling(engine.ledger, other, engine.embedder, apps=[APP])
        assert await filling.prepare() == (done, 700)
        await filling.fill()
        (report,) = await filling.verify()
        assert (report.memories, report.records) == (700, 700)
        assert 700 - done <= report.written < 700 - done + 10  # and the turns beside the last one there

    await sdk.run(check)


async def test_what_is_stored_meanwhile_is_caught_up(sdk: OmniMemorySDK, other: FailingStore) -> None:
    await sdk.add_memory(said("Where did you put the spade?", session_id="s"), infer=False)

    async def begin(engine: Engine) -> Filling:
        filling = Filling(engine.ledger, other, engine.embedder, apps=[APP])
        await filling.prepare()
        await filling.fill()
        return filling

    filling = await sdk.run(begin)
    await sdk.add_memory(said("In the greenhouse.", session_id="s"), infer=False)
    await sdk.flush()

    async def check(engine: Engine) -> None:
        (report,) = await filling.verify()
        assert report.memories == 2
        asked = tokens("greenhouse")
        by_words = [await store.lexical(APP, asked, Filter(), limit=9) for store in (engine.store, other)]
        assert len(by_words[0]) == 2  # the answer, and the question beside it
        assert by_words[0] == by_words[1]

    await sdk.run(check)


async def test_what_was_lost_or_is_none_of_the_ledgers_is_put_right(
    sdk: OmniMemorySDK, other: FailingStore, tmp_path: Path
) -> None:
    await remembered(sdk, said(OSLO, LISBON))

    async def check(engine: Engine) -> None:
        async with ForgetfulStore(tmp_path / "forgetful") as store:
            with pytest.raises(StoreError, match="does not hold what the ledger says of app"):
                await filled(engine, store)
        stranger = OmniMemorySDK(embedder=HashEmbedder(), home=tmp_path / "stranger")
        async with stranger, QdrantLocalStore(tmp_path / "forgetful") as store:
            await stranger.add_memory(said("I sail a ketch."), infer=False)
            (ketch,) = await stranger.list_memories(APP)
            (record,) = await stranger.run(lambda strange: strange.projector.records([ketch]))
            await store.upsert(APP, [record])
            (report,) = await filled(engine, store)
            assert report.removed == 1
            await filled(engine, other)
            assert await records(store) == await records(other)

    await sdk.run(check)


async def test_another_embedders_collection_is_made_anew_only_when_asked(
    sdk: OmniMemorySDK, other: FailingStore
) -> None:
    await sdk.add_memory(said(OSLO), infer=False)

    async def check(engine: Engine) -> None:
        await filled(engine, other)
        engine.embedder = HashEmbedder(32)
        with pytest.raises(DimensionMismatch, match="omnimemory reindex"):
            await filled(engine, other)
        (report,) = await filled(engine, other, replace=True)
        assert report.written == 1
        assert {one.dimensions for one in (await other.collections()).values()} == {32}

    await sdk.run(check)
