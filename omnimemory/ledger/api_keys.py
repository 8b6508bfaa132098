"""Keys of the REST API: who may call it, for which apps and users, and what they may do.

A key's secret is random, shown once and never stored; its SHA-256 is. (A slow hash protects what
people choose; 256 random bits need none.)
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection, Iterable
from enum import StrEnum

from pydantic import Field
from sqlalchemy import Connection, insert, select, update

from omnimemory.core.base import Frozen
from omnimemory.core.errors import InvalidRequest, NotFound
from omnimemory.core.ids import check_id
from omnimemory.core.scope import Time
from omnimemory.ledger.operation import Operations, reads, writes
from omnimemory.ledger.rows import AnyRow, moment
from omnimemory.ledger.schema import api_keys


class Right(StrEnum):
    """``read`` finds and asks, ``write`` stores and changes, ``monitor`` sees health and metrics."""

    READ = "read"
    WRITE = "write"
    MONITOR = "monitor"


class ApiKey(Frozen):
    """A key without its secret. ``apps`` and ``users`` of None: every one."""

    id: str
    label: str
    hash: str = Field(repr=False, exclude=True)
    apps: tuple[str, ...] | None = None
    users: tuple[str, ...] | None = None
    rights: frozenset[Right] = frozenset(Right)
    created_at: Time | None = None
    revoked_at: Time | None = None

    @property
    def is_active(self) -> bool:
        return self.revoked_at is None


def default_rights(apps: Collection[str] | None, users: Collection[str] | None) -> frozenset[Right]:
    """What a key may do that nobody gave rights. What one monitors is the whole server, so a key that is
    bound to apps or users has that right only where it is named.
    """
    bound = apps is not None or users is not None
    return frozenset({Right.READ, Right.WRITE}) if bound else frozenset(Right)


def secret_hash(secret: str) -> str:
    """What is stored and compared instead of a key's secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class ApiKeys(Operations):
    """Keys are made, listed and revoked; a revoked one stays listed."""

    @writes
    def create_api_key(
        self,
        conn: Connection,
        label: str,
        *,
        apps: Collection[str] | None = None,
        users: Collection[str] | None = None,
        rights: Collection[Right] | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key, and its secret, which nobody can read back later. See ``default_rights``.

        Raises:
            InvalidRequest: a blank label, an unusable id, or no app, user or right in a given list.
        """
        key_id = secrets.token_hex(4)
        allowed = default_rights(apps, users) if rights is None else rights
        secret = f"om_{key_id}_{secrets.token_urlsafe(32)}"
        values = {
            "id": key_id,
            "hash": secret_hash(secret),
            "label": check_id(label, "label"),
            "apps": _names("apps", apps, "app_id"),
            "users": _names("users", users, "user_id"),
            "rights": _text("rights", sorted(Right(right).value for right in allowed)),
            "created_at": self._now(),
            "revoked_at": None,
        }
        conn.execute(insert(api_keys).values(values))
        return _key(conn, key_id), secret

    @reads
    def api_keys(self, conn: Connection) -> list[ApiKey]:
        """All keys, the oldest first."""
        rows = conn.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))
        return [_key_of(row) for row in rows]

    @writes
    def revoke_api_key(self, conn: Connection, key_id: str) -> ApiKey:
        """End a key. To do it again changes nothing.

        Raises:
            NotFound: there is no such key.
        """
        active = (api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        conn.execute(update(api_keys).where(*active).values(revoked_at=self._now()))
        return _key(conn, key_id)


def _names(field: str, values: Collection[str] | None, of: str) -> str | None:
    return None if values is None else _text(field, [check_id(value, of) for value in values])


def _text(field: str, values: Iterable[str]) -> str:
    found = list(dict.fromkeys(values))
    if not found:
        raise InvalidRequest(f"{field} is empty: such a key could do nothing; leave it out to allow all")
    return json.dumps(found)


def _key(conn: Connection, key_id: str) -> ApiKey:
    row = conn.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
    if row is None:
        raise NotFound(f"no API key {key_id!r}")
    return _key_of(row)


def _key_of(row: AnyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        label=row.label,
        hash=row.hash,
        apps=None if row.apps is None else tuple(json.loads(row.apps)),
        users=None if row.users is None else tuple(json.loads(row.users)),
        rights=frozenset(Right(right) for right in json.loads(row.rights)),
        created_at=moment(row.created_at),
        revoked_at=None if row.revoked_at is None else moment(row.revoked_at),
    )
