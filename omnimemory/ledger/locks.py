"""What writers keep from each other. SQLite has one writer at a time; on Postgres they take locks.

A lock is held until the transaction ends. What is taken in turn is taken in this order: a
request's key, users, rows. Behind its user's lock a transaction sees what the one before it has
committed, so that a user's ``seq`` numbers become visible in order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from sqlalchemy import BigInteger, Connection, bindparam, func, select

Place = tuple[str, ...]

SCHEMA: Place = ("schema",)
CLAIMS: Place = ("claims",)

_KEY = bindparam("key", type_=BigInteger)
_TAKE = select(func.pg_advisory_xact_lock(_KEY))
_TRY = select(func.pg_try_advisory_xact_lock(_KEY))


def of_user(app_id: str, user_id: str) -> Place:
    """Everything that belongs to a user."""
    return ("user", app_id, user_id)


def take(conn: Connection, *places: Place) -> None:
    """Wait until nobody else holds these places; several are taken in an order that all share."""
    if shared(conn):
        for key in _keys(places):
            conn.execute(_TAKE, {"key": key})


def try_take(conn: Connection, place: Place) -> bool:
    """Take a place that nobody else holds; whether it was free."""
    return not shared(conn) or all(conn.execute(_TRY, {"key": key}).scalar_one() for key in _keys([place]))


def shared(conn: Connection) -> bool:
    """Whether several transactions can write at the same time."""
    return conn.dialect.name == "postgresql"


def _keys(places: Iterable[Place]) -> list[int]:
    texts = {json.dumps(["omnimemory", *place]).encode() for place in places}
    digests = [hashlib.blake2b(text, digest_size=8).digest() for text in texts]
    return sorted(int.from_bytes(digest, "big", signed=True) for digest in digests)
