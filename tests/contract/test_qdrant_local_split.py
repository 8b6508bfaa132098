"""A collection that has grown is split by user, and nobody notices."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from omnimemory.core.ids import collection_name
from omnimemory.core.schemas import Status
from omnimemory.stores.base import VectorStore
from omnimemory.stores.qdrant_local import QdrantLocalStore
from omnimemory.stores.records import Filter, Record
from omnimemory.testing.store_records import APP, EVERYTHING, FINGERPRINT, Sample, filled, listed, toward

USERS = [f"user-{number}" for number in range(12)]
WORDS = ["tea", "coffee", "milk", "sugar", "lemon", "mint"]


def records(count: int) -> list[Record]:
    """Some of each user; every third says exactly what another one says."""
    rng = random.Random(count)
    samples = [
        Sample(
            user_id=USERS[number % len(USERS)],
            session_id=f"s{number % 5}",
            tokens=tuple(rng.choices(WORDS, [32, 16, 8, 4, 2, 1], k=1 + number % 3)),
            document=str(number),
        )
        for number in range(count)
    ]
    return [sample.turn(vector=toward(0, rng.choice((-0.5, 0.25, 0.75)))) for sample in samples]


def shards_of(folder: Path) -> int:
    shards = json.loads((folder / collection_name(APP) / "collection.json").read_text())["shards"]
    assert isinstance(shards, int)
    return shards


async def written_until_split(store: VectorStore, folder: Path, record: Record) -> None:
    """Write one record again and again: each write brings the split a little further."""
    for _ in range(200):
        if shards_of(folder) > 1:
            return
        await store.upsert(APP, [record])
    raise AssertionError("the collection was not split")


async def assert_alike(split: VectorStore, whole: VectorStore) -> None:
    """Every read answers the same from both."""
    assert await listed(split) == await listed(whole)
    ids = [record.id for record in await listed(whole)]
    assert await split.get(APP, ids) == await whole.get(APP, ids)
    near = await whole.similarities(APP, toward(0), ids)
    assert await split.similarities(APP, toward(0), ids) == pytest.approx(near)
    for user_id in (None, "user-3", "nobody"):
        for where in (Filter(user_id=user_id), Filter(user_id=user_id, session_id="s2")):
            assert await split.count(APP, where) == await whole.count(APP, where)
            assert await split.get(APP, ids, user_id=user_id) == await whole.get(APP, ids, user_id=user_id)
            for limit in (3, 1000):
                dense = [await store.dense(APP, toward(0), where, limit=limit) for store in (split, whole)]
                assert [hit.id for hit in dense[0]] == [hit.id for hit in dense[1]]
            for words in (["tea"], ["mint", "lemon", "unheard"], ["unheard"]):
                found = [await store.lexical(APP, words, where, limit=1000) for store in (split, whole)]
                scores = [{hit.id: hit.score for hit in hits} for hits in found]
                assert scores[0] == pytest.approx(scores[1], rel=1e-3)


async def test_a_split_collection_answers_as_the_whole_one_did(tmp_path: Path) -> None:
    given = records(240)
    async with (
        QdrantLocalStore(tmp_path / "a", split_at=200) as split,
        QdrantLocalStore(tmp_path / "b") as whole,
    ):
        for store in (split, whole):
            await filled(store, *given)
        await written_until_split(split, tmp_path / "a", given[0])
        await assert_alike(split, whole)
        changed = [replace(record, status=Status.DELETED, version=2) for record in given[30:40]]
        for store in (split, whole):
            await store.upsert(APP, changed)
        await assert_alike(split, whole)
    async with QdrantLocalStore(tmp_path / "a") as split, QdrantLocalStore(tmp_path / "b") as whole:
        await assert_alike(split, whole)
        assert {path.name for path in (tmp_path / "a" / collection_name(APP)).glob("*")} == {
            "collection.json",
            "shards",
        }


async def test_what_is_written_and_deleted_while_it_splits_counts(tmp_path: Path) -> None:
    given, late = records(240), records(60)
    async with QdrantLocalStore(tmp_path, split_at=200) as store:
        await filled(store, *given)
        for start, doomed in enumerate(given[:60]):
            await store.upsert(APP, [late[start]])
            await store.delete(APP, [doomed.id], user_id=doomed.user_id if start % 2 else None)
        await written_until_split(store, tmp_path, late[0])
        expected = {record.id for record in (*given[60:], *late)}
        assert {record.id for record in await listed(store)} == expected
        await store.delete(APP, [record.id for record in late])
        assert await store.count(APP, EVERYTHING) == len(given) - 60


def written_and_killed(folder: Path, *, writes: int) -> None:
    """A process stores the 240 records and one of them again, so many times; then it is killed."""
    program = f"""
        import asyncio, sys
        from tests.contract.test_qdrant_local_split import APP, QdrantLocalStore, filled, records

        async def main() -> None:
            store = await QdrantLocalStore({str(folder)!r}, split_at=200).open()
            given = records(240)
            await filled(store, *given)
            for _ in range({writes}):
                await store.upsert(APP, given[:1])
            print("ready", flush=True)
            sys.stdin.read()

        asyncio.run(main())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(("writes", "shards"), [(10, 1), (24, 1), (60, 16)], ids=["early", "late", "after"])
async def test_kill_9_while_splitting_loses_nothing(tmp_path: Path, writes: int, shards: int) -> None:
    written_and_killed(tmp_path, writes=writes)
    assert shards_of(tmp_path) == shards
    async with QdrantLocalStore(tmp_path, split_at=200) as store:
        assert {record.document for record in await listed(store)} == {str(n) for n in range(240)}
        assert len(await store.dense(APP, toward(0), Filter(user_id="user-1"), limit=100)) == 20
        assert len(await store.lexical(APP, WORDS, Filter(), limit=1000)) == 240


async def test_a_lone_users_collection_stays_whole(tmp_path: Path) -> None:
    async with QdrantLocalStore(tmp_path, split_at=50) as store:
        await store.prepare(APP, FINGERPRINT)
        for _ in range(20):
            await store.upsert(APP, [Sample().turn() for _ in range(20)])
        assert shards_of(tmp_path) == 1
        assert await store.count(APP, EVERYTHING) == 400


async def test_a_collection_from_before_splitting_is_read_as_it_is(tmp_path: Path) -> None:
    async with QdrantLocalStore(tmp_path) as store:
        await filled(store, Sample().turn())
    path = tmp_path / collection_name(APP) / "collection.json"
    described = json.loads(path.read_text())
    del described["shards"]
    path.write_text(json.dumps(described))
    async with QdrantLocalStore(tmp_path) as store:
        assert await store.count(APP, EVERYTHING) == 1
