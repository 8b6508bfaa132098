"""The published facade: long-term memory in a few async calls, and their blocking twins.

``OmniMemorySDK`` may be used from any event loop, from several in a row, and from notebooks: the
engine runs on a loop of its own (``runtime``). ``SyncOmniMemorySDK`` has the same methods, blocking.
"""

from __future__ import annotations

from typing import Any, Self

from omnimemory.core.schemas import ScoredMemory
from omnimemory.facade.blocking import blocking, without_loop
from omnimemory.facade.connection import CLOSE_SECONDS, Response
from omnimemory.facade.evolving import Evolving
from omnimemory.facade.keeping import Keeping
from omnimemory.facade.reading import Reading
from omnimemory.facade.working import Working
from omnimemory.facade.writing import Writing

__all__ = ["AgentMemorySDK", "OmniMemorySDK", "SyncOmniMemorySDK"]


class OmniMemorySDK(Writing, Reading, Evolving, Keeping, Working):
    """Memory for an application, its users and their sessions.

    Settings come from keyword arguments (the fields of ``core.settings.Settings``), the environment
    and ``.env``. Without any, everything is local: no key, no server, no network. ``chat_model``,
    ``embedder``, ``agents`` and ``store`` take the place of what the settings name. A ``reranker``, a
    function that gets a query and the best memories, returns those to keep in its order.

    Facades with equal settings share one engine; ``close`` gives it back. Every method raises
    ``InvalidRequest`` for arguments it cannot use and another ``OmniMemoryError`` when a part fails.
    """


class AgentMemorySDK:
    """Answers questions from stored memories: recall, then one call of the chat model.

    Uses ``memory`` when one is given, else opens its own from the same keyword arguments.
    """

    def __init__(self, memory: OmniMemorySDK | None = None, **settings: Any) -> None:
        self._memory = memory or OmniMemorySDK(**settings)
        self._owned = memory is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the memory, if it was opened here."""
        if self._owned:
            await self._memory.close()

    async def answer_query(
        self,
        app_id: str,
        query: str,
        user_id: str | None = None,
        session_id: str | None = None,
        n_results: int | None = None,
        similarity_threshold: float | None = None,
    ) -> Response:
        """``answer``: grounded in the memories, or saying that they do not hold it. ``memories``: those
        it was given, best first.
        """
        memories: list[ScoredMemory] = await self._memory.query_memory(
            app_id,
            query,
            user_id=user_id,
            session_id=session_id,
            n_results=n_results,
            similarity_threshold=similarity_threshold,
        )
        return {"answer": await self._memory.answer(query, memories), "memories": memories}


class SyncOmniMemorySDK:
    """``OmniMemorySDK`` for code that has no loop or must not await: the same methods, blocking."""

    def __init__(self, memory: OmniMemorySDK | None = None, **settings: Any) -> None:
        self._twin = memory or without_loop(lambda: OmniMemorySDK(**settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self, *, drain: bool = True, timeout: float = CLOSE_SECONDS) -> None:
        """See ``OmniMemorySDK.close``."""
        self._twin.close_blocking(drain=drain, timeout=timeout)

    warm_up = blocking(OmniMemorySDK.warm_up)
    add_memory = blocking(OmniMemorySDK.add_memory)
    add_agent_memory = blocking(OmniMemorySDK.add_agent_memory)
    memory_batcher_add_message = blocking(OmniMemorySDK.memory_batcher_add_message)
    ingest = blocking(OmniMemorySDK.ingest)
    ingest_transcript = blocking(OmniMemorySDK.ingest_transcript)
    add_many = blocking(OmniMemorySDK.add_many)
    flush = blocking(OmniMemorySDK.flush)
    query_memory = blocking(OmniMemorySDK.query_memory)
    recall = blocking(OmniMemorySDK.recall)
    get_memory = blocking(OmniMemorySDK.get_memory)
    list_memories = blocking(OmniMemorySDK.list_memories)
    update_memory = blocking(OmniMemorySDK.update_memory)
    delete_memory = blocking(OmniMemorySDK.delete_memory)
    restore_memory = blocking(OmniMemorySDK.restore_memory)
    traverse_memory_evolution_chain = blocking(OmniMemorySDK.traverse_memory_evolution_chain)
    list_decisions = blocking(OmniMemorySDK.list_decisions)
    summarize_conversation = blocking(OmniMemorySDK.summarize_conversation)
    answer = blocking(OmniMemorySDK.answer)
    append_transcript = blocking(OmniMemorySDK.append_transcript)
    get_transcript = blocking(OmniMemorySDK.get_transcript)
    replace_transcript = blocking(OmniMemorySDK.replace_transcript)
    clear_transcript = blocking(OmniMemorySDK.clear_transcript)
    items_batch = blocking(OmniMemorySDK.items_batch)
    get_task = blocking(OmniMemorySDK.get_task)
    wait_for_task = blocking(OmniMemorySDK.wait_for_task)
    list_tasks = blocking(OmniMemorySDK.list_tasks)
    retry_task = blocking(OmniMemorySDK.retry_task)
    describe = blocking(OmniMemorySDK.describe)
    get_connection_pool_stats = blocking(OmniMemorySDK.get_connection_pool_stats)
    generate_evolution_graph = staticmethod(OmniMemorySDK.generate_evolution_graph)
    generate_evolution_report = staticmethod(OmniMemorySDK.generate_evolution_report)
