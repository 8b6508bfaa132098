"""What chance is in a collection: measured on its own texts once there are enough of them.

The cosines of unrelated texts depend on the embedder and on what people talk about, so the shipped
numbers are replaced by measured ones at 200 memories, at 2,000, and so on. They are kept in the
ledger by app and embedder, and outlive a rebuilt store.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from cachetools import TTLCache

from omnimemory.core.errors import ModelError
from omnimemory.core.schemas import Scope
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import Chance
from omnimemory.models.base import Embedder, Vectors
from omnimemory.recall.floor import Calibration, shipped_calibration
from omnimemory.stores.projection import parts_of

logger = logging.getLogger(__name__)

FIRST = 200
"""Memories of an app from which its own calibration is measured; again at ten times as many."""
_SAMPLE = 200
_READ_AGAIN_SECONDS = 60.0
_LEAST_DEVIATION = 0.02
_ENOUGH_PAIRS = 500


class Calibrations:
    """The calibration of each app, for the embedder in use."""

    def __init__(self, ledger: Ledger, embedder: Embedder) -> None:
        self._ledger = ledger
        self._embedder = embedder
        self._shipped = shipped_calibration(embedder.name)
        self._known: TTLCache[str, Calibration] = TTLCache(maxsize=4096, ttl=_READ_AGAIN_SECONDS)
        self._measured: dict[str, int] = {}
        self._wanted: dict[str, int] = {}

    async def of(self, app_id: str) -> Calibration:
        """The app's own, or the shipped one."""
        known = self._known.get(app_id)
        if known is None:
            stored = await self._ledger.calibration(app_id, self._embedder.name)
            known = Calibration(stored.mean, stored.deviation) if stored else self._shipped
            self._known[app_id] = known
        return known

    async def refine(self, app_id: str, delivered: int) -> None:
        """Measure anew if the app has grown past the next milestone; a failing embedder puts it off.

        ``delivered`` is how many memories may have come since the last call. The ledger is not asked
        before as many have come as it said were wanting.
        """
        wanted = self._wanted.get(app_id, 0) - delivered
        if wanted > 0:
            self._wanted[app_id] = wanted
            return
        milestone = 10 * self._measured.get(app_id, FIRST // 10)
        sample = await self._ledger.sample(app_id, of=milestone, size=_SAMPLE)
        if not sample:
            self._wanted[app_id] = milestone - await self._ledger.count(Scope(app_id=app_id))
            return
        kept = await self._ledger.calibration(app_id, self._embedder.name)
        if kept is None or kept.documents < milestone:
            texts = [parts_of(memory)[0].dense for memory in sample]
            try:
                vectors = await self._embedder.embed(texts)
            except ModelError as exc:
                logger.warning("the calibration of recall waits for the embedder: %s", exc)
                return
            cosines = _cosines(vectors, [memory.user_id for memory in sample])
            deviation = max(float(cosines.std()), _LEAST_DEVIATION)
            kept = Chance(float(cosines.mean()), deviation, milestone)
            await self._ledger.keep_calibration(app_id, self._embedder.name, kept)
            self._known[app_id] = Calibration(kept.mean, kept.deviation)
        self._measured[app_id] = kept.documents
        self._wanted.pop(app_id, None)


def _cosines(vectors: Vectors, users: Sequence[str]) -> Vectors:
    """Of the pairs of one user each, as recall compares within a user; of all where these are few."""
    cosines: Vectors = vectors @ vectors.T
    pairs = np.triu(np.ones_like(cosines, dtype=bool), 1)
    of_one = pairs & (np.array(users)[:, np.newaxis] == np.array(users))
    chosen: Vectors = cosines[of_one if of_one.sum() >= _ENOUGH_PAIRS else pairs]
    return chosen
