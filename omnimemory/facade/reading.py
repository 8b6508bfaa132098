"""Calls that find and list memories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from omnimemory.core.errors import InvalidRequest, NotFound
from omnimemory.core.results import MemoryList
from omnimemory.core.schemas import Memory, MemoryKind, MemoryPage, Recalled, Scope, ScoredMemory, Status
from omnimemory.facade.arguments import identifier, instance, members, optional_text, whole_number
from omnimemory.facade.connection import Connection
from omnimemory.recall.request import RecallRequest, check_moment

if TYPE_CHECKING:
    from pydantic import JsonValue

BUDGET_RESULTS = 50
"""Memories recalled to fill a token budget: 2,000 tokens hold about forty short turns."""


class Reading(Connection):
    """Reads change nothing; a failure is an error, never an empty list."""

    async def query_memory(
        self,
        app_id: str,
        query: str,
        user_id: str | None = None,
        session_id: str | None = None,
        n_results: int | None = None,
        similarity_threshold: float | None = None,
        filters: Mapping[str, JsonValue] | None = None,
    ) -> list[ScoredMemory]:
        """The most useful memories, best first, by relevance x (1 + recency + importance).

        ``similarity_threshold`` is a least cosine and overrides ``OMNIMEMORY_RECALL_THRESHOLD``.
        Each result reads as a dict: ``document`` (= ``memory_note``), ``composite_score``, ...
        """
        request = self._request(
            Scope(app_id=app_id, user_id=user_id, session_id=session_id),
            query,
            n_results=n_results,
            similarity_threshold=similarity_threshold,
            filters=filters,
        )
        recalled = await self.run(lambda engine: engine.recall(request))
        return MemoryList(recalled.memories)

    async def recall(
        self,
        app_id: str,
        query: str,
        user_id: str | None = None,
        session_id: str | None = None,
        n_results: int | None = None,
        *,
        kinds: Iterable[str] = ("turn", "note"),
        statuses: Iterable[str] = ("active",),
        filters: Mapping[str, JsonValue] | None = None,
        said_after: datetime | None = None,
        said_before: datetime | None = None,
        as_of: datetime | None = None,
        similarity_threshold: float | None = None,
        composite_threshold: float | None = None,
        token_budget: int | None = None,
        group_by_session: bool = False,
        shown: Iterable[str] = (),
        explain: bool = False,
    ) -> Recalled:
        """The typed form of ``query_memory``.

        ``said_after`` (inclusive) and ``said_before`` look at when things were said; ``as_of`` asks
        what was stored at that moment. ``filters`` must all match the user metadata. With
        ``token_budget`` the result's ``block`` is a text for a prompt of at most that many tokens. It
        frames as data what of the results serves the prompt best, none cut in half: a note that has
        no room stands by the statements that matched. The budget is then the limit: without
        ``n_results`` up to 50 memories are recalled to fill it. The block has the best first, or with
        ``group_by_session`` sessions under their dates, all in the order of time. ``shown`` are texts
        and message ids that the prompt holds anyway: turns that are just that are left out.
        ``explain`` adds every number that made each score.
        """
        budget = None if token_budget is None else whole_number(token_budget, "token_budget", most=None)
        grouped = instance(group_by_session, bool, "group_by_session")
        if grouped and budget is None:
            raise InvalidRequest("group_by_session arranges the block for a prompt; give token_budget too")
        if budget is not None and n_results is None:
            n_results = max(self.settings.n_results, BUDGET_RESULTS)
        request = self._request(
            Scope(app_id=app_id, user_id=user_id, session_id=session_id),
            query,
            n_results=n_results,
            similarity_threshold=similarity_threshold,
            composite_threshold=composite_threshold,
            filters=filters,
            kinds=kinds,
            statuses=statuses,
            said_after=said_after,
            said_before=said_before,
            as_of=as_of,
            shown=shown,
            explain=explain,
        )
        if budget is None:
            return await self.run(lambda engine: engine.recall(request))
        return await self.run(lambda engine: engine.recall_packed(request, budget, group_by_session=grouped))

    async def get_memory(self, memory_id: str, app_id: str, user_id: str | None = None) -> Memory | None:
        """One memory by its id, whatever its status; None when the scope has none."""
        scope = Scope(app_id=app_id, user_id=user_id)
        known = identifier(memory_id, "memory_id")
        try:
            return await self.run(lambda engine: engine.get(scope, known))
        except NotFound:
            return None

    async def list_memories(
        self,
        app_id: str,
        user_id: str | None = None,
        session_id: str | None = None,
        *,
        kinds: Iterable[str] = ("turn", "note"),
        statuses: Iterable[str] = ("active",),
        said_after: datetime | None = None,
        said_before: datetime | None = None,
        as_of: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        newest_first: bool = False,
    ) -> MemoryPage:
        """A page of the scope's memories in the order they were stored."""
        most, start = whole_number(limit, "limit"), optional_text(cursor, "cursor")
        for name, moment in (("said_after", said_after), ("said_before", said_before), ("as_of", as_of)):
            check_moment(name, moment)
        scope = Scope(app_id=app_id, user_id=user_id, session_id=session_id)
        wanted_kinds, wanted_statuses = members(MemoryKind, kinds), members(Status, statuses)
        page = await self.run(
            lambda engine: engine.ledger.list(
                scope,
                kinds=wanted_kinds,
                statuses=wanted_statuses,
                said_after=said_after,
                said_before=said_before,
                as_of=as_of,
                limit=most,
                cursor=start,
                newest_first=newest_first,
            )
        )
        return MemoryPage(memories=page.memories, next_cursor=page.cursor)

    def _request(
        self,
        scope: Scope,
        query: str,
        *,
        n_results: int | None = None,
        similarity_threshold: float | None = None,
        composite_threshold: float | None = None,
        filters: Mapping[str, JsonValue] | None = None,
        kinds: Iterable[str] = tuple(MemoryKind),
        statuses: Iterable[str] = (Status.ACTIVE,),
        said_after: datetime | None = None,
        said_before: datetime | None = None,
        as_of: datetime | None = None,
        shown: Iterable[str] = (),
        explain: bool = False,
    ) -> RecallRequest:
        from omnimemory.core.facets import wanted_facets

        defaults = self.settings
        if not isinstance(query, str):
            raise InvalidRequest(f"the query must be text, got {type(query).__name__}")
        if len(query) > defaults.max_query_chars:
            raise InvalidRequest(f"the query has {len(query)} characters, at most {defaults.max_query_chars}")
        return RecallRequest(
            scope=scope,
            query=query,
            n_results=defaults.n_results if n_results is None else n_results,
            kinds=members(MemoryKind, kinds),
            statuses=members(Status, statuses),
            facets=wanted_facets(filters),
            said_after=said_after,
            said_before=said_before,
            as_of=as_of,
            recall_threshold=defaults.recall_threshold
            if similarity_threshold is None
            else similarity_threshold,
            composite_threshold=defaults.composite_threshold
            if composite_threshold is None
            else composite_threshold,
            shown=frozenset(shown),
            explain=explain,
        )
