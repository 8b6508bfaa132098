from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from omnimemory.core.errors import InvalidRequest, StoreError, StoreLocked
from omnimemory.core.ids import collection_name
from omnimemory.stores.qdrant_local import QdrantLocalStore
from omnimemory.stores.records import Filter
from omnimemory.testing.store_records import APP, EVERYTHING, FINGERPRINT, Sample, filled, listed, toward
from omnimemory.testing.store_suite import EmbeddedStoreSuite


class TestQdrantLocal(EmbeddedStoreSuite):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], QdrantLocalStore]:
        return lambda: QdrantLocalStore(tmp_path / "store")


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process that opens the store in ``tmp_path``, runs some lines, says so, and waits."""
    started: list[subprocess.Popen[str]] = []

    def start(lines: str = "") -> subprocess.Popen[str]:
        program = f"""
            import asyncio, sys
            from omnimemory.stores.qdrant_local import QdrantLocalStore
            from omnimemory.testing.store_records import APP, FINGERPRINT, Sample, filled

            async def main() -> None:
                store = await QdrantLocalStore({str(tmp_path)!r}).open()
                {lines}
                print("ready", flush=True)
                sys.stdin.read()

            asyncio.run(main())
        """
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


async def test_what_upsert_returned_from_survives_kill_9(
    tmp_path: Path, holder: Callable[..., subprocess.Popen[str]]
) -> None:
    process = holder("await filled(store, *(Sample(document=str(n)).turn() for n in range(500)))")
    process.send_signal(signal.SIGKILL)
    process.wait()
    async with QdrantLocalStore(tmp_path) as store:
        assert {record.document for record in await listed(store)} == {str(n) for n in range(500)}
        assert len(await store.dense(APP, toward(0), Filter(), limit=1000)) == 500
        assert len(await store.lexical(APP, ["tea"], Filter(), limit=1000)) == 500


async def test_another_process_is_refused_and_told_who_holds_the_folder(
    tmp_path: Path, holder: Callable[..., subprocess.Popen[str]]
) -> None:
    process = holder()
    with pytest.raises(StoreLocked, match=rf"process {process.pid} .*OMNIMEMORY_HOME"):
        await QdrantLocalStore(tmp_path).open()
    process.kill()
    process.wait()
    async with QdrantLocalStore(tmp_path) as store:  # what the dead one left does not block
        await store.check()


async def test_a_second_store_in_this_process_is_told_to_share(tmp_path: Path) -> None:
    async with QdrantLocalStore(tmp_path):
        with pytest.raises(StoreLocked, match=r"this process .* already"):
            await QdrantLocalStore(tmp_path).open()


async def test_the_least_recently_used_shard_is_closed_past_the_limit(tmp_path: Path) -> None:
    async with QdrantLocalStore(tmp_path, max_open=2) as store:
        for app_id in ("a", "b", "c", "d"):
            await filled(store, Sample().turn(), app_id=app_id)
            assert store.pool_stats().active <= 2
        for app_id in ("a", "b", "c", "d", "a"):
            assert await store.count(app_id, EVERYTHING) == 1
            assert len(await store.dense(app_id, toward(0), Filter(), limit=5)) == 1
        assert store.pool_stats().active == 2
        assert store.pool_stats().available == 0


def damage(path: Path) -> None:
    for file in [path] if path.is_file() else [below for below in path.rglob("*") if below.is_file()]:
        file.write_bytes(b"{garbage")


@pytest.mark.parametrize("victim", ["segments", "wal", "edge_config.json", "collection.json"])
async def test_a_corrupt_collection_is_an_error_that_says_what_to_do(tmp_path: Path, victim: str) -> None:
    async with QdrantLocalStore(tmp_path) as store:
        await filled(store, Sample().turn())
        await filled(store, Sample().turn(), app_id="other")
    damage(tmp_path / collection_name(APP) / victim)
    async with QdrantLocalStore(tmp_path) as store:
        with pytest.raises(StoreError, match="omnimemory rebuild"):
            await store.count(APP, EVERYTHING)
        assert await store.count("other", EVERYTHING) == 1


async def test_a_collection_that_lost_its_description_is_not_overwritten(tmp_path: Path) -> None:
    async with QdrantLocalStore(tmp_path) as store:
        await filled(store, Sample().turn())
    (tmp_path / collection_name(APP) / "collection.json").unlink()
    async with QdrantLocalStore(tmp_path) as store:
        with pytest.raises(StoreError, match="missing or damaged"):
            await store.prepare(APP, FINGERPRINT)


async def test_what_a_dead_process_left_half_built_is_cleared(tmp_path: Path) -> None:
    async with QdrantLocalStore(tmp_path) as store:
        await filled(store, Sample().turn())
    whole = tmp_path / collection_name(APP)
    shutil.copytree(whole, tmp_path / f"{collection_name('half')}.new")
    whole.rename(tmp_path / f"{whole.name}.dropped")
    async with QdrantLocalStore(tmp_path) as store:
        assert await store.collections() == {}
        await filled(store, Sample().turn(), app_id="half")
        assert await store.count("half", EVERYTHING) == 1
    left = os.listdir(tmp_path)  # noqa: PTH208  # pathlib's iterdir is refused in async functions
    assert sorted(left) == [collection_name("half"), "store.lock"]


@pytest.mark.parametrize("inside", ["", "below"])
async def test_a_file_in_the_folders_place_is_an_error_that_says_so(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot be used .*OMNIMEMORY_HOME"):
        await QdrantLocalStore(tmp_path / "file" / inside).open()


async def test_a_folder_where_nothing_can_be_written_is_an_error() -> None:
    with pytest.raises(StoreError, match=r"/proc/omnimemory cannot be used"):
        await QdrantLocalStore("/proc/omnimemory").open()


async def test_writing_is_refused_before_the_disk_is_full(tmp_path: Path) -> None:
    record = Sample().turn()
    async with QdrantLocalStore(tmp_path) as store:
        await filled(store, record)
    async with QdrantLocalStore(tmp_path, min_free_bytes=1 << 60) as store:
        with pytest.raises(StoreError, match="free some space"):
            await store.upsert(APP, [Sample().turn()])
        with pytest.raises(StoreError, match="free some space"):
            await store.prepare("other", FINGERPRINT)
        assert [found.id for found in await listed(store)] == [record.id]  # reading goes on


async def test_check_notices_that_the_folder_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store = await QdrantLocalStore(folder).open()
    shutil.rmtree(folder)
    with pytest.raises(StoreError, match="is gone"):
        await store.check()
    await store.close()


async def test_the_collections_folder_says_whose_it_is(tmp_path: Path) -> None:
    async with QdrantLocalStore(tmp_path) as store:
        await store.prepare("Ada's app", FINGERPRINT)
    manifest = json.loads((tmp_path / collection_name("Ada's app") / "collection.json").read_text())
    built_with = {"embedder": "axes", "dimensions": 8, "analyser": "words-1"}
    assert manifest == {"app_id": "Ada's app", **built_with, "shards": 1}


async def test_at_least_one_shard_must_be_allowed(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="max_open"):
        QdrantLocalStore(tmp_path, max_open=0)
    with pytest.raises(InvalidRequest, match="split_at"):
        QdrantLocalStore(tmp_path, split_at=0)
