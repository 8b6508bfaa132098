"""One client of a MongoDB server: built from a URI, bounded in time, its errors translated here alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pymongo
from bson.errors import BSONError
from dns.exception import DNSException
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
)
from pymongo.monitoring import (
    ConnectionCheckedInEvent,
    ConnectionCheckedOutEvent,
    ConnectionPoolListener,
)

from omnimemory.core.errors import ConfigError, StoreError, StoreUnavailable
from omnimemory.stores.mongodb_documents import Document

DEFAULT_DATABASE = "omnimemory"
_EXAMPLE = "mongodb://user:password@localhost:27017/omnimemory"
_SHOWN = 200  # characters of the driver's own words in a message

# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
_UNAUTHORIZED = 13
_REFUSED = frozenset({18, 8000})  # AuthenticationFailed, AtlasError
_FULL = frozenset({14031})  # OutOfDiskSpace
_TRANSIENT = frozenset(
    {
        6, 7, 43, 50, 64, 89, 91, 112, 175, 189, 202, 262, 290, 9001, 10107, 11000, 11600, 11602,
        13388, 13435, 13436,
    }
)  # fmt: skip
"""Unreachable hosts, time limits, elections, shutdowns, lost cursors, write conflicts, and two writers
that inserted one id at once."""


class Connection:
    """The client behind a URI, not yet connected: the first call connects, and so does each later
    one while the server is away.

    Raises:
        ConfigError: the URI cannot be used. It is not shown, as it holds a password.
    """

    def __init__(self, uri: str, *, max_connections: int, timeout: float) -> None:
        self._timeout = timeout
        self._pool = _PoolCount()
        try:
            client: AsyncMongoClient[Document] = AsyncMongoClient(
                uri,
                maxPoolSize=max_connections,
                appname="omnimemory",
                event_listeners=[self._pool],
            )
            durable = WriteConcern("majority", j=True)
            found = client.get_default_database(
                DEFAULT_DATABASE, read_preference=ReadPreference.PRIMARY, write_concern=durable
            )
        except (PyMongoError, ValueError, TypeError):
            raise ConfigError(
                f"MONGO_URI cannot be read; a right value is MONGO_URI={_EXAMPLE}, with special characters "
                "of user and password percent-encoded"
            ) from None  # the driver's message may quote the password
        self._client = client
        self.database: AsyncDatabase[Document] = found
        self._place = f"MongoDB at {_hosts(uri)}, database {found.name!r},"

    @property
    def active(self) -> int:
        """Connections that a call is using now."""
        return self._pool.active

    def collection(self, name: str) -> AsyncCollection[Document]:
        return self.database[name]

    async def close(self) -> None:
        await self._client.close()

    async def has_vector_search(self, collection: AsyncCollection[Document]) -> bool:
        """Ask the server. To be called inside ``calling``."""
        try:
            async with await collection.list_search_indexes() as cursor:
                await cursor.to_list()
        except OperationFailure as exc:  # each version says no with another code
            if _codes(exc) & _TRANSIENT:
                raise
            return False
        return True

    @contextmanager
    def calling(self, doing: str) -> Iterator[None]:
        """Bounds what is done inside in time, all of it together, and translates the driver's errors."""
        try:
            with pymongo.timeout(self._timeout):
                yield
        except (PyMongoError, BSONError) as exc:
            raise self._translated(exc, doing) from exc

    def _translated(self, error: PyMongoError | BSONError, doing: str) -> StoreError | ConfigError:
        what = f"{self._place} could not {doing}"
        if isinstance(error, PyMongoError) and error.timeout:
            reason = "" if not isinstance(error, ConnectionFailure) else f" ({str(error)[:_SHOWN]})"
            return StoreUnavailable(f"{what} within {self._timeout:g} s{reason}; check that it runs there")
        if isinstance(error, ConnectionFailure) or isinstance(error.__cause__, DNSException):
            return StoreUnavailable(f"{what}: {str(error)[:_SHOWN]}; check that it runs there")
        if isinstance(error, OperationFailure):
            return _of_server(error, what)
        if isinstance(error, DocumentTooLarge):
            return StoreError(f"{what}: a record is larger than the 16 MB that MongoDB takes")
        if isinstance(error, ConfigurationError):
            return ConfigError(f"{what}: {str(error)[:_SHOWN]}; check MONGO_URI and the server's version")
        return StoreError(f"{what}: {type(error).__name__}: {str(error)[:_SHOWN]}")


def _of_server(error: OperationFailure, what: str) -> StoreError | ConfigError:
    """For an error that the server itself answered with."""
    codes = _codes(error)
    # The writes of a bulk error quote values of records; the code says what is wrong.
    said = f"error {min(codes, default=0)}" if isinstance(error, BulkWriteError) else str(error)[:_SHOWN]
    if codes & _REFUSED:
        return ConfigError(
            f"{what}: the server refused the user or the password of MONGO_URI ({said}); correct them, "
            "and add ?authSource=admin where the user is defined in the database admin"
        )
    if _UNAUTHORIZED in codes:
        return ConfigError(
            f"{what}: the right is missing ({said}); name a user in MONGO_URI who has the role readWrite "
            'there: db.grantRolesToUser("NAME", ["readWrite"])'
        )
    if codes & _FULL:
        return StoreError(f"{what}: the server's disk is full ({said}); free some space there")
    if codes & _TRANSIENT or error.has_error_label("RetryableWriteError"):
        return StoreUnavailable(f"{what} now: {said}")
    return StoreError(f"{what}: {said}")


def _codes(error: OperationFailure) -> set[int]:
    if not isinstance(error, BulkWriteError):
        return {error.code} if error.code is not None else set()
    details = error.details
    parts = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
    return {part["code"] for part in parts if "code" in part}


def _hosts(uri: str) -> str:
    """The hosts a URI names, without user and password."""
    authority = uri.partition("?")[0].rpartition("://")[2]
    return authority.rpartition("@")[2].partition("/")[0]


class _PoolCount(ConnectionPoolListener):
    """Counts the connections in use, as the driver tells."""

    def __init__(self) -> None:
        self.active = 0

    def connection_checked_out(self, event: ConnectionCheckedOutEvent) -> None:  # noqa: ARG002
        self.active += 1

    def connection_checked_in(self, event: ConnectionCheckedInEvent) -> None:  # noqa: ARG002
        self.active -= 1

    def _ignore(self, event: object) -> None:
        """The other events do not change how many are in use."""

    pool_created = pool_ready = pool_cleared = pool_closed = _ignore
    connection_created = connection_ready = connection_closed = _ignore
    connection_check_out_started = connection_check_out_failed = _ignore
