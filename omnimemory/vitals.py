"""How an engine is doing: for people, for Prometheus, and on a port of its own."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Self

from pydantic import JsonValue

from omnimemory.budget import DailyTokens
from omnimemory.core.errors import OmniMemoryError
from omnimemory.core.settings import Settings
from omnimemory.ledger.ledger import Ledger
from omnimemory.metrics import Observer, State
from omnimemory.metrics_server import MetricsServer
from omnimemory.models.base import Embedder
from omnimemory.models.cache import CachedEmbedder
from omnimemory.stores.base import VectorStore

logger = logging.getLogger(__name__)


class Vitals:
    """Looks only when asked. While it is open, metrics are on their port, where the settings want that."""

    def __init__(
        self, ledger: Ledger, store: VectorStore, embedder: Embedder, settings: Settings, observer: Observer
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._embedder = embedder
        self._settings = settings
        self._observer = observer
        self._tokens = DailyTokens(ledger, settings.daily_token_cap)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(asyncio.to_thread, self._observer.close)
        if self._settings.metrics_server:
            token = self._settings.metrics_token
            server = MetricsServer(
                self.render,
                host=self._settings.metrics_host,
                port=self._settings.metrics_port,
                token=None if token is None else token.get_secret_value(),
            )
            await self._stack.enter_async_context(server)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def state(self) -> State:
        """The values of the gauges, now."""
        backlog, pool = await self._ledger.backlog(), self._store.pool_stats()
        cache = self._embedder.stats if isinstance(self._embedder, CachedEmbedder) else None
        return State(
            tasks=backlog.tasks,
            oldest_task_seconds=backlog.oldest_seconds,
            undelivered=await self._ledger.outbox_size(),
            pool_active=pool.active,
            pool_limit=pool.limit,
            pool_of="collections" if self._settings.provider.endswith("-local") else "connections",
            cache_hits=cache.hits if cache else 0,
            cache_misses=cache.misses if cache else 0,
            tokens_today=await self._tokens.today(),
            tokens_left=await self._tokens.left(),
        )

    async def render(self) -> tuple[bytes, str]:
        """The metrics and their content type. While the ledger fails, the gauges keep their last values."""
        try:
            self._observer.stands(await self.state())
        except OmniMemoryError as exc:
            logger.warning("the gauges could not be brought up to date: %s", exc)
        return self._observer.render()

    async def stats(self) -> dict[str, JsonValue]:
        """The store's connections and the background's backlog; ``held`` says why queued tasks wait."""
        pool = self._store.pool_stats()
        return {
            "provider": self._settings.provider,
            "embedder": self._embedder.name,
            "active_handlers": pool.active,
            "max_connections": pool.limit,
            "available_handlers": pool.available,
            "unfinished_tasks": await self._ledger.unfinished(),
            "not_yet_indexed": await self._ledger.outbox_size(),
            "held": self._ledger.held,
        }
