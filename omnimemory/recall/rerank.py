"""Reranking: somebody else's order for the best memories of a recall."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextvars import copy_context

from omnimemory.core.errors import InvalidModelOutput, InvalidRequest, ModelError, ModelUnavailable
from omnimemory.core.schemas import ScoredMemory
from omnimemory.models.foreign import HomeLoop

Ordered = Sequence[ScoredMemory]
Reranker = Callable[[str, Ordered], Ordered | Awaitable[Ordered]]
"""Gets the query and the memories, best first; returns those to keep, in its own order.

It may drop memories, but neither add nor double any. A blocking one runs in a thread, several
calls at once in several.
"""

PASSED_OVER = "the reranker preferred others"
"""Why a memory that the scores alone would have returned is not among the results."""

_LEAST = 20
_STUCK = 16
"""Calls given up on that may still run; with as many, no new one is begun."""


def candidates_for(n_results: int) -> int:
    """How many of the best memories a reranker chooses ``n_results`` from."""
    return max(2 * n_results, _LEAST)


class Reranking:
    """A user's reranker, given ``timeout`` seconds for each call.

    What it returns to be awaited is awaited on the event loop on which this was built, for as long
    as that runs.

    Raises:
        InvalidRequest: the reranker cannot be called.
    """

    def __init__(self, reranker: Reranker, *, timeout: float) -> None:
        if not callable(reranker):
            raise InvalidRequest(
                f"reranker must be callable with a query and memories, got {type(reranker).__name__}; "
                "LangChainReranker and LlamaIndexReranker make one of the frameworks' own"
            )
        self._reranker = reranker
        self._name = getattr(reranker, "__qualname__", type(reranker).__qualname__)
        self._timeout = timeout
        self._home = HomeLoop()
        self._stuck: frozenset[threading.Thread] = frozenset()

    async def __call__(self, query: str, memories: Ordered) -> list[ScoredMemory]:
        """The memories it keeps, in its order, as they were but for their ranks.

        An explained one tells its earlier rank as ``reranked_from``.

        Raises:
            ModelUnavailable: it did not answer in time, or calls given up on take all the threads.
            InvalidModelOutput: it returned something else than some of the memories.
            ModelError: it failed.
        """
        try:
            async with asyncio.timeout(self._timeout):
                returned = await self._answer(query, memories)
        except TimeoutError as exc:
            raise ModelUnavailable(f"{self._name} did not answer in time") from exc
        except ModelError:
            raise
        except Exception as exc:  # it is not ours: it may raise anything
            raise ModelError(f"{self._name} failed with {type(exc).__name__}") from exc
        return [_ranked(rank, memory) for rank, memory in enumerate(self._known(returned, memories), 1)]

    async def _answer(self, query: str, memories: Ordered) -> Ordered:
        returned = await self._in_thread(query, memories)
        if inspect.isawaitable(returned):
            awaited: Awaitable[Ordered] = returned
            return await self._home.run(lambda: awaited)
        return returned

    async def _in_thread(self, query: str, memories: Ordered) -> Ordered | Awaitable[Ordered]:
        """The call in a thread of its own.

        An executor's threads would be shared with the embedder, which a stuck reranker must not
        hold up, or joined at exit, which it must not hold up either.
        """
        self._stuck = frozenset(thread for thread in self._stuck if thread.is_alive())
        if len(self._stuck) >= _STUCK:
            raise ModelUnavailable(f"{self._name} is stuck in {_STUCK} earlier calls")
        done: Future[Ordered | Awaitable[Ordered]] = Future()
        done.set_running_or_notify_cancel()
        context = copy_context()

        def call() -> None:
            try:
                done.set_result(context.run(self._reranker, query, memories))
            except BaseException as exc:  # noqa: BLE001  # even SystemExit: it would end the engine's loop
                failure = ModelError(f"{self._name} failed with {type(exc).__name__}")
                failure.__cause__ = exc
                done.set_exception(exc if isinstance(exc, ModelError) else failure)

        thread = threading.Thread(target=call, name="omnimemory-reranker", daemon=True)
        thread.start()
        try:
            return await asyncio.wrap_future(done)
        finally:
            if not done.done():
                self._stuck |= {thread}

    def _known(self, returned: Ordered, memories: Ordered) -> list[ScoredMemory]:
        if not isinstance(returned, Sequence):
            raise InvalidModelOutput(
                f"{self._name} returned {type(returned).__name__}; a list of memories is wanted"
            )
        left = {memory.memory_id: memory for memory in memories}
        kept = []
        for one in returned:
            memory = left.pop(one.memory_id, None) if isinstance(one, ScoredMemory) else None
            if memory is None:
                raise InvalidModelOutput(f"{self._name} returned what it was not given, or one memory twice")
            kept.append(memory)
        return kept


def _ranked(rank: int, memory: ScoredMemory) -> ScoredMemory:
    told = memory.explanation
    if told is not None:
        told = {**told, "reranked_from": memory.rank}
    return memory.model_copy(update={"rank": rank, "explanation": told})
