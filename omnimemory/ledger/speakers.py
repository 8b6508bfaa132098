"""Who speaks where: the words of the names that a user's turns carry."""

from __future__ import annotations

import json
from collections.abc import Iterable

from cachetools import LRUCache
from sqlalchemy import Connection, bindparam, select, text

from omnimemory.core.schemas import Memory, MemoryKind
from omnimemory.core.speakers import name_words
from omnimemory.ledger.operation import Operations, reads
from omnimemory.ledger.schema import memories, speakers

_MIGRATED = 1000
_USERS_KEPT = 10_000

_s = speakers.c
_OF_APP = select(_s.word).where(
    _s.app_id == bindparam("app"), _s.word.in_(bindparam("words", expanding=True))
)
_OF_USER = select(_s.word).where(_s.app_id == bindparam("app"), _s.user_id == bindparam("user"))
_ADD = text(  # both databases speak this, SQLAlchemy's core has no word for it
    "INSERT INTO ledger_speakers (app_id, word, user_id) VALUES (:app_id, :word, :user_id)"
    " ON CONFLICT DO NOTHING"
)


class Speakers(Operations):
    """Names, by their words."""

    def __init__(self) -> None:
        self._words_of: LRUCache[tuple[str, str], tuple[int, frozenset[str]]] = LRUCache(_USERS_KEPT)

    async def speakers(
        self, app_id: str, words: frozenset[str], *, user_id: str | None = None
    ) -> frozenset[str]:
        """Which of these words belong to the name of somebody who speaks in the user's (the app's) turns.

        A user's are read once for as long as nothing can have been written.
        """
        if user_id is None:
            return await self._among(app_id, words)
        written = self._database.written
        as_of, known = self._words_of.get((app_id, user_id), (None, frozenset()))
        if as_of != written:
            known = await self._of_user(app_id, user_id)
            self._words_of[app_id, user_id] = (written, known)
        return words & known

    @reads
    def _among(self, conn: Connection, app_id: str, words: frozenset[str]) -> frozenset[str]:
        return frozenset(conn.execute(_OF_APP, {"app": app_id, "words": sorted(words)}).scalars())

    @reads
    def _of_user(self, conn: Connection, app_id: str, user_id: str) -> frozenset[str]:
        return frozenset(conn.execute(_OF_USER, {"app": app_id, "user": user_id}).scalars())


def remember(conn: Connection, turns: Iterable[Memory]) -> None:
    """Keep the names that the turns carry."""
    rows = {
        (turn.app_id, word, turn.user_id)
        for turn in turns
        if turn.name is not None
        for word in name_words(turn.name)
    }
    if rows:
        keys = ("app_id", "word", "user_id")
        conn.execute(_ADD, [dict(zip(keys, row, strict=True)) for row in sorted(rows)])


def introduce(conn: Connection) -> None:
    """Make the table and fill it from the turns that are stored."""
    speakers.create(conn)
    turns = select(memories.c.seq, memories.c.app_id, memories.c.user_id, memories.c.document)
    turns = turns.where(memories.c.kind == MemoryKind.TURN.value).order_by(memories.c.seq).limit(_MIGRATED)
    last = 0
    while rows := conn.execute(turns.where(memories.c.seq > last)).all():
        last = rows[-1].seq
        found = {
            (row.app_id, word, row.user_id)
            for row in rows
            for word in name_words(json.loads(row.document).get("name") or "")
        }
        for app_id, word, user_id in sorted(found):
            conn.execute(_ADD, {"app_id": app_id, "word": word, "user_id": user_id})
