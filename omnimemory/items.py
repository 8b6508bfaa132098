"""Key-value items: batches with search by meaning, and the lane that ends what has expired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from omnimemory.core.item_memory import item_facets, text_key
from omnimemory.core.items import APP_USER, ItemOp, ItemResult, PutItem, SearchItems
from omnimemory.core.schemas import Scope
from omnimemory.ledger.items import Scores
from omnimemory.ledger.ledger import Ledger
from omnimemory.recall.recall import Recall
from omnimemory.recall.request import MAX_RESULTS, RecallRequest
from omnimemory.signals import Doorbell

SWEEP = 500
"""Expired items deleted in one transaction, so that appends do not wait behind them."""


class ItemBatches:
    """Carries out batches. ``run`` deletes expired items for as long as the engine is open.

    ``changed`` is told when memories of items wait to be delivered to the store.
    """

    def __init__(self, ledger: Ledger, recall: Recall, *, changed: Callable[[], None]) -> None:
        self._ledger = ledger
        self._recall = recall
        self._changed = changed
        self._bell = Doorbell()

    async def batch(self, scope: Scope, ops: Sequence[ItemOp]) -> list[ItemResult]:
        """The results of the operations, in their order; see ``Ledger.items_batch``.

        Raises:
            StoreError: a search by meaning found no working store; nothing of the batch is done.
        """
        scores = {
            at: await self._scores(scope, op, op.query)
            for at, op in enumerate(ops)
            if isinstance(op, SearchItems) and op.query is not None and op.query.strip()
        }
        results = await self._ledger.items_batch(scope, ops, scores=scores)
        puts = [op for op in ops if isinstance(op, PutItem)]
        if puts:
            self._changed()
        if any(put.ttl is not None for put in puts):
            self._bell.ring()
        return list(results)

    async def run(self) -> None:
        """Delete what expires, soon after it does."""
        while True:
            self._bell.quiet()
            due = await self._ledger.items_next_expiry()
            if due is None or due > datetime.now(UTC):
                await self._bell.wait(due)
            elif await self._ledger.sweep_items(limit=SWEEP):
                self._changed()

    async def _scores(self, scope: Scope, op: SearchItems, query: str) -> Scores:
        page = max(1, op.offset + op.limit)
        request = RecallRequest(
            scope=Scope(app_id=scope.app_id, user_id=scope.user_id or APP_USER),
            query=query,
            n_results=MAX_RESULTS if op.filter else min(MAX_RESULTS, page),
            facets=item_facets(op.prefix, op.filter),
        )
        return {text_key(found.document): found.composite_score for found in await self._recall(request)}
