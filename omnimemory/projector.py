"""The index lane: from the ledger's outbox to the store, idempotent and repeatable at any time.

An outbox row names a memory; its records are made from its current state when the row is
delivered (``projection``), so a repeated delivery can only bring the store nearer to the ledger.
A late one could not: of the processes that share a ledger one at a time delivers for an app.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta

from omnimemory.core.errors import DimensionMismatch, LedgerError, LedgerUnavailable, OmniMemoryError
from omnimemory.core.schemas import Memory, MemoryKind
from omnimemory.core.text import ANALYSER
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import OutboxRow
from omnimemory.metrics import SILENT, Observer, observed
from omnimemory.models.base import Embedder
from omnimemory.models.vectors import directed
from omnimemory.pace import Pace
from omnimemory.recall.calibration import Calibrations
from omnimemory.signals import Doorbell, Outage, Signal, forever, outlasting
from omnimemory.stores.base import VectorStore
from omnimemory.stores.projection import parts_of_all, records_of
from omnimemory.stores.records import Fingerprint, Record

logger = logging.getLogger(__name__)

BATCH = 64
"""Changes delivered in one go: enough to share a commit, few enough to keep the loop responsive."""
GATHER_SECONDS = 0.1
"""Rest before what comes next: small changes share a batch."""
RETRY_SECONDS = (0.5, 30.0)
"""First and longest wait before a memory that was refused is tried again; it never gives up."""


class Projector:
    """Delivers outbox rows, oldest first. ``run`` goes on for ever; ``deliver`` does some now."""

    def __init__(
        self,
        ledger: Ledger,
        store: VectorStore,
        embedder: Embedder,
        calibrations: Calibrations,
        *,
        changed: Signal,
        pace: Pace | None = None,
        observer: Observer = SILENT,
    ) -> None:
        self.observer = observer
        self._pace = pace or Pace(1.0)
        self._calibrations = calibrations
        self._ledger = ledger
        self._store = store
        self._embedder = embedder
        self._changed = changed
        self._bell = Doorbell()
        self._one_at_a_time = asyncio.Lock()
        self._outage = Outage("the index lane")

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self._embedder.name, self._embedder.dimensions, ANALYSER)

    def wake(self) -> None:
        """New rows are in the outbox."""
        self._bell.ring()

    @property
    def stalled(self) -> bool:
        """Whether the store or the embedder did not answer when it was last asked."""
        return self._outage.lasts

    async def run(self) -> None:
        """Deliver what is due, for as long as the engine is open."""
        await forever("the index lane", self._step)

    async def _step(self) -> None:
        self._bell.quiet()
        delivered = await self._pace.piece(self.deliver_due())
        if self.stalled:
            self._changed.notify()
            await asyncio.sleep(self._outage.left)
        elif not delivered:
            await self._bell.wait(await self._ledger.outbox_next_due())
        if delivered < BATCH:
            await asyncio.sleep(GATHER_SECONDS)

    async def deliver_due(self) -> int:
        """Deliver one batch of due rows; how many there were. A failure is kept with its rows."""
        rows = await self._ledger.outbox(BATCH)
        if not rows:
            return 0
        by_app: dict[str, list[OutboxRow]] = {}
        for row in rows:
            by_app.setdefault(row.app_id, []).append(row)
        for app_id, group in by_app.items():
            await self._try(app_id, group)
        self._changed.notify()
        return len(rows)

    async def _try(self, app_id: str, rows: Sequence[OutboxRow]) -> None:
        """Deliver, or keep for later. One memory that cannot be delivered does not hold up the others."""
        try:
            await self._deliver(app_id, rows)
        except LedgerError:
            raise
        except OmniMemoryError as exc:
            if exc.transient:
                await self._put_off(rows, exc, self._outage.go_on(exc))
            elif isinstance(exc, DimensionMismatch) or len(rows) == 1:
                first, longest = RETRY_SECONDS
                delay = min(longest, first * 2 ** min(rows[0].attempts, 10))
                logger.warning("indexing %d memories failed, next try in %.1f s: %s", len(rows), delay, exc)
                await self._put_off(rows, exc, delay)
            else:
                for row in rows:
                    await self._try(app_id, [row])

    async def deliver_notes(self, app_id: str, user_id: str) -> None:
        """Deliver a user's undelivered notes now, so that the next link search sees them.

        Raises:
            StoreError, ModelError: the rows stay in the outbox.
        """
        while pending := await self._ledger.outbox_of(
            app_id, user_id=user_id, kind=MemoryKind.NOTE, limit=BATCH
        ):
            await self._deliver(app_id, pending)

    async def deliver_app(self, app_id: str) -> AsyncIterator[int]:
        """Deliver all that an app's store still misses; yields how many memories each step delivered.

        Raises:
            StoreError, ModelError: the rows stay in the outbox.
        """
        while pending := await self._ledger.outbox_of(app_id, limit=BATCH):
            yield len({row.memory_id for row in pending})
            await self._deliver(app_id, pending)

    async def start_over(self, app_id: str) -> None:
        """Empty an app's store and queue all of its memories again.

        Nothing is delivered in between: what reached the old collection would be gone with it.
        """
        async with self._one_at_a_time, self._ledger.exclusive("delivery", app_id):
            await self._ledger.requeue_all(app_id)
            await self._store.drop(app_id)

    @observed("index")
    async def _deliver(self, app_id: str, rows: Sequence[OutboxRow]) -> None:
        told: set[str] = set()
        async with self._one_at_a_time:
            try:
                async with self._ledger.exclusive("delivery", app_id):
                    left = await self._ledger.outbox_left([row.seq for row in rows])
                    told |= {row.memory_id for row in left}
                    await self._tell(app_id, told)
                    await self._ledger.outbox_done([row.seq for row in left])
            except LedgerUnavailable:
                # Another process may have told the store something newer, before we told it this.
                if told:
                    again = sorted(told)
                    await outlasting(self._outage, lambda: self._ledger.requeue(app_id, again))
                raise
        self._outage.end()
        await self._calibrations.refine(app_id, len(told))

    async def _tell(self, app_id: str, memory_ids: Collection[str]) -> None:
        if not memory_ids:
            return
        memories = await self._ledger.get(app_id, list(memory_ids))
        await self._store.prepare(app_id, self.fingerprint)
        await self._store.upsert(app_id, await self.records(list(memories.values())))
        if erased := set(memory_ids) - set(memories):
            await self._store.delete(app_id, sorted(erased))

    async def records(self, memories: Sequence[Memory]) -> list[Record]:
        """The store's records of ``memories``, embedded in one go."""
        turns = [m.id for m in memories if m.kind is MemoryKind.TURN]
        beside = await self._ledger.neighbours(turns) if turns else {}
        parts = parts_of_all(memories, beside)
        vectors = directed(await self._embedder.embed([part.dense for _, own in parts for part in own]))
        records: list[Record] = []
        start = 0
        for memory, own in parts:
            records += records_of(memory, own, vectors[start : start + len(own)])
            start += len(own)
        return records

    async def _put_off(self, rows: Sequence[OutboxRow], error: OmniMemoryError, seconds: float) -> None:
        not_before = datetime.now(UTC) + timedelta(seconds=seconds)
        await self._ledger.outbox_retry([row.seq for row in rows], str(error), not_before)
