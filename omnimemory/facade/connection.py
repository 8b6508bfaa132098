"""What every group of calls stands on: settings, the shared engine, its opening and closing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from omnimemory.core.errors import InvalidRequest, OmniMemoryError
from omnimemory.core.schemas import Scope
from omnimemory.runtime import give_back, shared_runtime

if TYPE_CHECKING:
    from omnimemory.agents.base import Agents
    from omnimemory.core.settings import Settings
    from omnimemory.engine import Engine
    from omnimemory.models.base import ChatModel, Embedder
    from omnimemory.recall.rerank import Reranker
    from omnimemory.stores.base import VectorStore
    from omnimemory.wiring import Parts

logger = logging.getLogger(__name__)
T = TypeVar("T")
Response = dict[str, Any]

CLOSE_SECONDS = 30.0


class Connection:
    """A facade's share of an engine. Facades with equal settings and parts share one.

    Where a daemon serves the settings' home, it is the daemon's.
    """

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        chat_model: ChatModel | None = None,
        embedder: Embedder | None = None,
        agents: Agents | None = None,
        store: VectorStore | None = None,
        reranker: Reranker | None = None,
        **overrides: object,
    ) -> None:
        from omnimemory.core.settings import Settings

        chosen = settings or Settings.load(overrides)
        brought = (chat_model, embedder, agents, store, reranker)
        own_parts = any(part is not None for part in brought)
        # Here, on the caller's loop, as a client they built may belong to it.
        parts = _parts(chosen, *brought) if own_parts else None
        self.settings = chosen

        async def open_engine() -> Engine:
            from omnimemory.attach.remote import attached

            # A daemon has the models of its own settings, so who brings parts does not use it.
            if parts is None and (daemon := attached(chosen)) is not None:
                return daemon
            from omnimemory.wiring import engine_from

            return await (engine_from(chosen, parts) if parts else engine_from(chosen)).__aenter__()

        self._key = (chosen, *map(id, brought))
        self._runtime = shared_runtime(self._key, open_engine)
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self, *, drain: bool = True, timeout: float = CLOSE_SECONDS) -> None:
        """Give the engine back; the last facade closes it.

        ``drain`` first lets queued work finish, at most ``timeout`` seconds. What is left is safe in
        the ledger and goes on at the next start.
        """
        await asyncio.to_thread(self.close_blocking, drain=drain, timeout=timeout)

    def close_blocking(self, *, drain: bool = True, timeout: float = CLOSE_SECONDS) -> None:
        """``close`` for code without a loop."""
        if not self._closed:
            self._closed = True
            give_back(self._key, self._runtime, drain=drain, timeout=timeout)

    async def warm_up(self) -> bool:
        """Open everything and truly check ledger, store, embedder and, when configured, chat model.

        Optional: the first call opens what it needs. False, with the reason in the log, when a part
        does not work.
        """
        try:
            await self.run(lambda engine: engine.check())
        except OmniMemoryError as exc:
            logger.error("warm_up failed: %s: %s", type(exc).__name__, exc)
            return False
        return True

    async def run(self, call: Callable[[Engine], Awaitable[T]]) -> T:
        """Run ``call`` with the engine, on the engine's loop; what every method here is made of."""
        if self._closed:
            raise InvalidRequest("this SDK is closed; make a new one")
        return await self._runtime.call(call)

    def run_blocking(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run one of this facade's own coroutines on the engine's loop and wait for it."""
        if self._closed:
            raise InvalidRequest("this SDK is closed; make a new one")
        return self._runtime.run(lambda _engine: call())


def _parts(
    settings: Settings,
    chat_model: ChatModel | None,
    embedder: Embedder | None,
    agents: Agents | None,
    store: VectorStore | None,
    reranker: Reranker | None,
) -> Parts:
    from omnimemory.models.foreign import on_home_loop
    from omnimemory.recall.rerank import Reranking
    from omnimemory.wiring import Parts

    return Parts(
        chat_model=on_home_loop(chat_model, timeout=settings.llm_timeout) if chat_model else None,
        embedder=on_home_loop(embedder, timeout=settings.embedding_timeout) if embedder else None,
        agents=agents,
        store=store,
        reranker=None if reranker is None else Reranking(reranker, timeout=settings.query_embedding_timeout),
    )


class Scoped(Protocol):
    """A request that says whose memory it is about."""

    @property
    def app_id(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def session_id(self) -> str | None: ...


def scope_of(request: Scoped) -> Scope:
    return Scope(app_id=request.app_id, user_id=request.user_id, session_id=request.session_id)
