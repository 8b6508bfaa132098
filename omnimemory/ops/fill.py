"""Fill a store from the ledger until it holds exactly what the ledger says, and prove it.

The store itself shows how far the work is: a memory is done when its head record is there with the
ledger's version and status, as heads are written last. So it can be interrupted at any moment, and
what is stored meanwhile is only one more difference.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import partial

from omnimemory.core.base import Frozen
from omnimemory.core.errors import DimensionMismatch, StoreError
from omnimemory.core.schemas import Memory, MemoryKind, Scope, Status
from omnimemory.ledger.ledger import Ledger
from omnimemory.models.base import Embedder
from omnimemory.ops.tally import Tally, mark_of, marks_of
from omnimemory.projector import BATCH, Projector
from omnimemory.recall.calibration import Calibrations
from omnimemory.signals import Signal
from omnimemory.stores.base import VectorStore
from omnimemory.stores.records import Filter, RecordKind, Stored

logger = logging.getLogger(__name__)

PAGE = 256
SCAN_PAGE = 1000
ROUNDS = 5
"""How often a store is compared with the ledger before it is given up: each round mends what differed."""
CLOCKS_DIFFER = timedelta(minutes=1)

_EVERY_STATUS = frozenset(Status)
_EVERYTHING = Filter(statuses=_EVERY_STATUS)
_HEADS = Filter(kinds=frozenset({RecordKind.TURN, RecordKind.NOTE}), statuses=_EVERY_STATUS)

OnProgress = Callable[[str, int, int], None]
"""Gets the step's name, the memories it is through with, and the memories in all."""


class FilledApp(Frozen):
    """An app's collection, equal to the ledger when it was verified.

    ``records`` and ``checksum`` are over record id, version and status. ``written`` memories were
    missing or out of date, or are beside such; ``removed`` ones are none of the ledger's.
    """

    app_id: str
    memories: int
    records: int
    checksum: str
    written: int
    removed: int


class Filling:
    """Three steps, in order: ``prepare``, ``fill``, ``verify``. ``store`` and ``ledger`` are open.

    The ledger stays in use meanwhile; only what is written while ``verify`` runs may be missed.
    Every step raises ``StoreError`` or ``ModelError`` when a part does not work now; the same steps
    again go on where it was.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: VectorStore,
        embedder: Embedder,
        *,
        apps: Sequence[str],
        on_progress: OnProgress | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._apps = {app_id: _App(ledger, store, embedder, app_id) for app_id in apps}
        self._on_progress = on_progress
        self._total = 0

    async def prepare(self, *, replace: bool = False) -> tuple[int, int]:
        """Make the collections. How many memories they hold, and how many the ledger holds.

        ``replace`` drops the collections that another embedder or analyser has built.

        Raises:
            DimensionMismatch: there is such a collection, and it is not to be replaced.
        """
        held = 0
        for app_id, app in self._apps.items():
            await app.prepare(replace=replace)
            held += await self._store.count(app_id, _HEADS)
            self._total += await self._ledger.count(Scope(app_id=app_id))
        return held, self._total

    async def fill(self) -> None:
        """Write what is missing or out of date."""
        done = 0
        for app in self._apps.values():
            async for count in app.fill():
                self._tell("Filling", done, count)
                done += count

    async def verify(self) -> list[FilledApp]:
        """Compare everything by counts and checksums; what differs is mended and compared again.

        Raises:
            StoreError: a store still differs after ``ROUNDS`` comparisons.
        """
        verified: list[FilledApp] = []
        for app in self._apps.values():
            before = sum(one.memories for one in verified)
            verified.append(await app.settle(partial(self._tell, "Verifying", before)))
        return verified

    def _tell(self, step: str, before: int, count: int) -> None:
        if self._on_progress is not None:
            self._on_progress(step, min(before + count, self._total), self._total)


class _App:
    """One app's part of the work."""

    def __init__(self, ledger: Ledger, store: VectorStore, embedder: Embedder, app_id: str) -> None:
        self._ledger = ledger
        self._store = store
        self._app_id = app_id
        self._calibrations = Calibrations(ledger, embedder)
        self._projector = Projector(ledger, store, embedder, self._calibrations, changed=Signal())
        self._wanted = Tally()
        self._memories = 0
        self._written = 0
        self._removed = 0

    async def prepare(self, *, replace: bool) -> None:
        fingerprint = self._projector.fingerprint
        try:
            await self._store.prepare(self._app_id, fingerprint)
        except DimensionMismatch as exc:
            if not replace:
                raise
            logger.info("made anew: %s", exc)
            async with self._alone():
                await self._store.drop(self._app_id)
            await self._store.prepare(self._app_id, fingerprint)

    async def fill(self) -> AsyncIterator[int]:
        """Go through the ledger once; yields how many memories each step is through with."""
        started = datetime.now(UTC) - CLOCKS_DIFFER
        delivered: set[str] = set()
        self._wanted, self._memories = Tally(), 0
        async for memories in self._pages():
            held = await self._store.get(self._app_id, [memory.id for memory in memories])
            missing = [memory for memory in memories if not _is_current(memory, held.get(memory.id))]
            if missing:
                ids = [memory.id for memory in missing]
                ids += await self._beside(missing, delivered, since=started)
                await self._deliver(ids)
                delivered.update(ids)
            self._memories += len(memories)
            self._wanted = self._wanted.plus(mark for memory in memories for mark in marks_of(memory))
            yield len(memories)
        self._written += len(delivered)

    async def settle(self, tell: Callable[[int], None]) -> FilledApp:
        for _ in range(ROUNDS):
            before = self._written
            async for _ in self.fill():
                pass
            held = await self._held(tell)
            if held == self._wanted:
                return FilledApp(
                    app_id=self._app_id,
                    memories=self._memories,
                    records=held.records,
                    checksum=held.checksum,
                    written=self._written,
                    removed=self._removed,
                )
            if self._written == before:  # what heads do not show
                await self._clear_differences()
        raise StoreError(
            f"{self._store.provider} does not hold what the ledger says of app {self._app_id!r}, after "
            f"{ROUNDS} tries: {held.records} records with checksum {held.checksum} instead of "
            f"{self._wanted.records} with {self._wanted.checksum}; stop the processes that write, and run "
            "this again"
        )

    async def _beside(self, missing: Sequence[Memory], delivered: set[str], *, since: datetime) -> list[str]:
        """The turns whose words may lack those of a missing one beside them."""
        turns = {memory.id: memory for memory in missing if memory.kind is MemoryKind.TURN}
        around = await self._ledger.neighbours(list(turns), app_id=self._app_id)
        earlier = await self._ledger.get(self._app_id, list(turns), as_of=since)
        found: dict[str, None] = {}
        for turn_id, (before, after) in around.items():
            then = earlier.get(turn_id)
            is_new = then is None or then.version != turns[turn_id].version
            found |= dict.fromkeys(one.id for one in (*before, *after) if is_new or one.id not in delivered)
        return [one for one in found if one not in turns]

    async def _deliver(self, memory_ids: Sequence[str]) -> None:
        for start in range(0, len(memory_ids), BATCH):
            async with self._alone():
                memories = await self._ledger.get(self._app_id, memory_ids[start : start + BATCH])
                records = await self._projector.records(list(memories.values()))
                statements = [one for one in records if one.kind is RecordKind.STATEMENT]
                heads = [one for one in records if one.kind is not RecordKind.STATEMENT]
                await self._store.upsert(self._app_id, statements)
                await self._store.upsert(self._app_id, heads)
            await self._calibrations.refine(self._app_id, len(memories))

    def _alone(self) -> AbstractAsyncContextManager[None]:
        """Where the store is in use, its index lanes wait: what they write is never older than ours."""
        return self._ledger.exclusive("delivery", self._app_id)

    async def _held(self, tell: Callable[[int], None]) -> Tally:
        held, heads = Tally(), 0
        async for records in self._scan():
            held = held.plus(map(mark_of, records))
            heads += sum(record.kind is not RecordKind.STATEMENT for record in records)
            tell(heads)
        return held

    async def _clear_differences(self) -> None:
        """Delete every memory of which a record is lost or too many; the next pass writes the ledger's."""
        held: dict[int, str] = {}
        async for records in self._scan():
            held |= {mark_of(record): record.memory_id for record in records}
        wrong: set[str] = set()
        async for memories in self._pages():
            for memory in memories:
                if None in [held.pop(mark, None) for mark in marks_of(memory)]:
                    wrong.add(memory.id)
        wrong.update(held.values())
        ids = sorted(wrong)
        for start in range(0, len(ids), SCAN_PAGE):
            part = ids[start : start + SCAN_PAGE]
            async with self._alone():
                await self._store.delete(self._app_id, part)
            self._removed += len(part) - len(await self._ledger.get(self._app_id, part))

    async def _pages(self) -> AsyncIterator[tuple[Memory, ...]]:
        cursor: str | None = None
        while True:
            page = await self._ledger.list(
                Scope(app_id=self._app_id), statuses=None, limit=PAGE, cursor=cursor
            )
            if page.memories:
                yield page.memories
            if (cursor := page.cursor) is None:
                return

    async def _scan(self) -> AsyncIterator[tuple[Stored, ...]]:
        cursor: str | None = None
        while True:
            page = await self._store.scan(self._app_id, _EVERYTHING, limit=SCAN_PAGE, cursor=cursor)
            yield page.records
            if (cursor := page.cursor) is None:
                return


def _is_current(memory: Memory, held: Stored | None) -> bool:
    return held is not None and (held.version, held.status) == (memory.version, memory.status)
