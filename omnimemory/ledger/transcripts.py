"""Transcripts: a session's chat exactly as a framework holds it; no memories, nobody recalls them.

A row holds the entries of one call, so that they stay together and in order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, delete, func, insert, select

from omnimemory.core.errors import ScopeError
from omnimemory.core.schemas import Scope
from omnimemory.ledger import locks
from omnimemory.ledger.operation import Operations, reads, writes
from omnimemory.ledger.rows import opaque, session_key
from omnimemory.ledger.schema import transcripts
from omnimemory.ledger.values import Entries, Payload

_t = transcripts.c
_SESSION = (
    _t.app_id == bindparam("app"),
    _t.user_id == bindparam("user"),
    _t.session_id == bindparam("session"),
)
_NEWEST_FIRST = select(_t.entries, _t.size).where(*_SESSION).order_by(_t.seq.desc())
_SIZE = select(func.coalesce(func.sum(_t.size), 0)).where(*_SESSION)
_CLEAR = delete(transcripts).where(*_SESSION)
_INSERT = insert(transcripts)

Entry = dict[str, JsonValue]


def session_of(scope: Scope) -> dict[str, str]:
    """The statement parameters that name a session; without a session id, the one that has none.

    Raises:
        ScopeError: the scope names no user.
    """
    if scope.user_id is None:
        raise ScopeError("user_id is missing; turns and transcripts belong to a user")
    return {"app": scope.app_id, "user": scope.user_id, "session": session_key(scope.session_id)}


def write(conn: Connection, session: Mapping[str, str], given: Entries) -> None:
    """Extend or replace the session's transcript; to be called with the user's lock."""
    if given.replaces:
        conn.execute(_CLEAR, dict(session))
    if given.entries:
        conn.execute(
            _INSERT,
            {
                "app_id": session["app"],
                "user_id": session["user"],
                "session_id": session["session"],
                "size": len(given.entries),
                "entries": opaque([dict(entry) for entry in given.entries]),
            },
        )


def _locked(conn: Connection, scope: Scope) -> dict[str, str]:
    session = session_of(scope)
    locks.take(conn, locks.of_user(session["app"], session["user"]))
    return session


class Transcripts(Operations):
    """What a session's chat looked like to the framework that had it."""

    @writes
    def append_transcript(self, conn: Connection, scope: Scope, entries: Sequence[Payload]) -> None:
        """Add entries at the end of the session's transcript."""
        write(conn, _locked(conn, scope), Entries(entries))

    @writes
    def replace_transcript(self, conn: Connection, scope: Scope, entries: Sequence[Payload]) -> None:
        """Put entries in the place of the session's transcript."""
        write(conn, _locked(conn, scope), Entries(entries, replaces=True))

    @writes
    def clear_transcript(self, conn: Connection, scope: Scope) -> int:
        """Forget the session's transcript, and no memory. Returns how many entries it had."""
        session = _locked(conn, scope)
        count: int = conn.execute(_SIZE, session).scalar_one()
        conn.execute(_CLEAR, session)
        return count

    @reads
    def transcript(self, conn: Connection, scope: Scope, *, last: int | None = None) -> list[Entry]:
        """The session's entries in order, or the ``last`` ones."""
        calls: list[list[Entry]] = []
        missing = last
        with conn.execute(_NEWEST_FIRST, session_of(scope)) as rows:
            for row in rows:
                if missing is not None and missing <= 0:
                    break
                calls.append(json.loads(row.entries))
                missing = None if missing is None else missing - row.size
        entries = [entry for call in reversed(calls) for entry in call]
        return entries if last is None else entries[max(0, len(entries) - last) :]
