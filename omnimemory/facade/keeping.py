"""Calls that keep what frameworks hold: a session's transcript, and key-value items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast, get_args

from omnimemory.core.errors import InvalidRequest, ScopeError
from omnimemory.core.items import ItemOp, ItemResult, SearchItems
from omnimemory.core.schemas import Scope
from omnimemory.facade.arguments import json_objects, whole_number
from omnimemory.facade.connection import Connection

if TYPE_CHECKING:
    from pydantic import JsonValue

Entries = Sequence[Mapping[str, "JsonValue"]]


class Keeping(Connection):
    """A transcript is kept exactly and is no memory; an item is found by its key and by its meaning."""

    async def append_transcript(
        self, app_id: str, user_id: str, session_id: str | None, entries: Entries
    ) -> None:
        """Add JSON objects at the end of a session's transcript; those of one call stay together.

        ``session_id`` None is the session without an id. ``ingest(..., transcript=...)`` remembers the
        turns in the same commit.
        """
        scope, given = _session(app_id, user_id, session_id), json_objects(entries, "entries")
        await self.run(lambda engine: engine.ledger.append_transcript(scope, given))

    async def get_transcript(
        self, app_id: str, user_id: str, session_id: str | None, *, last: int | None = None
    ) -> list[dict[str, JsonValue]]:
        """A session's transcript in order, or its ``last`` entries."""
        scope = _session(app_id, user_id, session_id)
        most = None if last is None else whole_number(last, "last", most=None)
        return await self.run(lambda engine: engine.ledger.transcript(scope, last=most))

    async def replace_transcript(
        self, app_id: str, user_id: str, session_id: str | None, entries: Entries
    ) -> None:
        """Put JSON objects in the place of a session's transcript, as one change."""
        scope, given = _session(app_id, user_id, session_id), json_objects(entries, "entries")
        await self.run(lambda engine: engine.ledger.replace_transcript(scope, given))

    async def clear_transcript(self, app_id: str, user_id: str, session_id: str | None) -> int:
        """Empty a session's transcript; how many entries it had. No memory is forgotten."""
        scope = _session(app_id, user_id, session_id)
        return await self.run(lambda engine: engine.ledger.clear_transcript(scope))

    async def items_batch(
        self, app_id: str, ops: Sequence[ItemOp], *, user_id: str | None = None
    ) -> list[ItemResult]:
        """Carry out operations on key-value items; their results, in their order.

        The operations (``GetItem``, ``SearchItems``, ``PutItem``, ``ListNamespaces`` of ``core.items``)
        are one transaction. Its reads see what was stored before it; of several puts of one key the
        last counts. Items belong to the user, or without one to the app itself. A search's ``query``
        ranks by composite score; recall finds the same items as memories.
        """
        scope = Scope(app_id=app_id, user_id=user_id)
        given = [self._checked(op) for op in ops]
        return await self.run(lambda engine: engine.items.batch(scope, given))

    def _checked(self, op: object) -> ItemOp:
        if not isinstance(op, get_args(ItemOp)):
            raise InvalidRequest(f"an operation on items is expected, got {type(op).__name__}")
        most = self.settings.max_query_chars
        if isinstance(op, SearchItems) and op.query is not None and len(op.query) > most:
            raise InvalidRequest(f"the query has {len(op.query)} characters, at most {most}")
        return cast("ItemOp", op)


def _session(app_id: str, user_id: str, session_id: str | None) -> Scope:
    scope = Scope(app_id=app_id, user_id=user_id, session_id=session_id)
    if scope.user_id is None:
        raise ScopeError("user_id is missing; a transcript belongs to a user's session")
    return scope
