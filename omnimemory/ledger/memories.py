"""Reading memories: by id, by scope, as they are or as they were stored at a moment."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, select

from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Memory, MemoryKind, Scope, Status
from omnimemory.ledger.operation import Operations, reads
from omnimemory.ledger.rows import chunked, memory_of, micros, within
from omnimemory.ledger.schema import UNRESOLVED, memories, memory_versions
from omnimemory.ledger.values import Page

_m = memories.c
_v = memory_versions.c
_UNRESOLVED = (
    select(_m.seq, _m.document)
    .where(UNRESOLVED, _m.status == Status.ACTIVE)
    .order_by(_m.seq)
    .limit(bindparam("limit"))
)
_APPS = select(_m.app_id).distinct()

Found = dict[str, Memory]
Several = list[Memory]
Names = list[str]


def states(as_of: datetime | None) -> tuple[Select[int, str], ColumnElement[str]]:
    """A select of ``seq`` and ``document``, and the status column that goes with it.

    The state at ``as_of`` is the earliest one replaced after then, or the current one.
    """
    if as_of is None:
        return select(_m.seq, _m.document), _m.status
    at = micros(as_of)
    version = (
        select(func.min(_v.version))
        .where(_v.memory_id == _m.id, _v.replaced_at > at)
        .correlate(memories)
        .scalar_subquery()
    )
    joined = memories.outerjoin(memory_versions, and_(_v.memory_id == _m.id, _v.version == version))
    found = select(_m.seq, func.coalesce(_v.document, _m.document).label("document"))
    return found.select_from(joined).where(_m.created_at <= at), func.coalesce(_v.status, _m.status)


@functools.cache
def _by_ids(user: bool, session: bool) -> Select[int, str]:
    found = select(_m.seq, _m.document).where(
        _m.app_id == bindparam("app"), _m.id.in_(bindparam("ids", expanding=True))
    )
    if user:
        found = found.where(_m.user_id == bindparam("user"))
    if session:
        found = found.where(_m.session_id == bindparam("session"))
    return found


class Memories(Operations):
    """Memories of both kinds."""

    @reads
    def get(
        self,
        conn: Connection,
        app_id: str,
        memory_ids: Sequence[str],
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        as_of: datetime | None = None,
    ) -> Found:
        """The memories with these ids, by id. Unknown ids, and another scope's, are left out.

        With ``as_of``, in the state that was stored then; later memories are left out.
        """
        if as_of is None:
            found = _by_ids(user_id is not None, session_id is not None)
        else:
            scope = Scope(app_id=app_id, user_id=user_id, session_id=session_id)
            found = states(as_of)[0].where(
                *within(memories, scope), _m.id.in_(bindparam("ids", expanding=True))
            )
        values = {"app": app_id, "user": user_id, "session": session_id}
        given = {name: value for name, value in values.items() if as_of is None and value is not None}
        read = [
            memory_of(row)
            for part in chunked(memory_ids)
            for row in conn.execute(found, {**given, "ids": list(part)})
        ]
        return {memory.id: memory for memory in read}

    @reads
    def list(
        self,
        conn: Connection,
        scope: Scope,
        *,
        kinds: Collection[MemoryKind] | None = None,
        statuses: Collection[Status] | None = (Status.ACTIVE,),
        said_after: datetime | None = None,
        said_before: datetime | None = None,
        as_of: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        newest_first: bool = False,
    ) -> Page:
        """A page of the scope's memories in the order they were stored.

        ``statuses`` None means every status; ``said_after`` is inclusive, ``said_before`` exclusive.

        Raises:
            InvalidRequest: the cursor is none of ours.
        """
        found, status = states(as_of)
        found = found.where(*within(memories, scope), *_kinds(kinds))
        if statuses is not None:
            found = found.where(status.in_([item.value for item in statuses]))
        if said_after is not None:
            found = found.where(_m.occurred_at >= micros(said_after))
        if said_before is not None:
            found = found.where(_m.occurred_at < micros(said_before))
        if cursor is not None:
            at = _position(cursor)
            found = found.where(_m.seq < at if newest_first else _m.seq > at)
        order = _m.seq.desc() if newest_first else _m.seq
        rows = conn.execute(found.order_by(order).limit(limit + 1)).all()
        more = len(rows) > limit
        page = tuple(memory_of(row) for row in rows[:limit])
        return Page(page, str(page[-1].seq) if more and page else None)

    @reads
    def count(
        self,
        conn: Connection,
        scope: Scope,
        *,
        kinds: Collection[MemoryKind] | None = None,
        statuses: Collection[Status] | None = None,
    ) -> int:
        """How many memories of the scope there are, of every status unless ``statuses`` is given."""
        found = select(func.count()).select_from(memories).where(*within(memories, scope), *_kinds(kinds))
        if statuses is not None:
            found = found.where(_m.status.in_([item.value for item in statuses]))
        return conn.execute(found).scalar_one()

    @reads
    def apps(self, conn: Connection) -> Names:
        """The apps that hold a memory, sorted."""
        return sorted(conn.execute(_APPS).scalars())  # databases sort by language

    @reads
    def unresolved(self, conn: Connection, limit: int) -> Several:
        """Active notes whose conflicts nobody has resolved yet, of every app, oldest first."""
        return [memory_of(row) for row in conn.execute(_UNRESOLVED, {"limit": limit})]


def _kinds(kinds: Collection[MemoryKind] | None) -> Sequence[ColumnElement[bool]]:
    return () if kinds is None else (_m.kind.in_([kind.value for kind in kinds]),)


def _position(cursor: str) -> int:
    if not cursor.isdecimal() or not cursor.isascii() or len(cursor) > 18:
        raise InvalidRequest(f"unknown cursor {cursor[:40]!r}; pass the one that the page before came with")
    return int(cursor)
