"""Connections to PostgreSQL: the pool, what each connection is told, and the driver's errors made ours."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

import asyncpg

from omnimemory.core.errors import ConfigError, DimensionMismatch, StoreError, StoreUnavailable
from omnimemory.stores.records import PoolStats

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Plain: TypeAlias = asyncpg.Connection[asyncpg.Record]

T = TypeVar("T")

EXAMPLE = "POSTGRES_URI=postgresql://user:password@host:5432/database"
_LOCK = 0x6F6D_6E69_6D65_6D6F
"""Key of the advisory lock under which something is made that several processes may make at once."""
_LEAST_VERSION = (0, 8)
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    ConnectionError,
)


class Connections:
    """Up to ``limit`` connections, made when needed; each use of one takes at most ``timeout`` seconds.

    A server that is down makes a use fail and nothing else: the next one connects again.
    """

    def __init__(self, uri: str, *, limit: int, timeout: float) -> None:
        self._uri, self._place = _checked(uri)
        self._limit = limit
        self._timeout = timeout
        self._pool: Pool | None = None

    @property
    def place(self) -> str:
        """Where the database is, for messages: without user and password."""
        return self._place

    async def open(self) -> None:
        """Make the pool; connects to nothing yet."""
        pool: Pool = asyncpg.create_pool(
            self._uri,
            min_size=0,
            max_size=self._limit,
            init=self._introduce,
            reset=_keep_settings,
            server_settings={"application_name": "omnimemory"},
        )
        async with self._translated():
            self._pool = await pool

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(_grace(self._timeout)):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    def stats(self) -> PoolStats:
        pool = self._pool
        active = 0 if pool is None else pool.get_size() - pool.get_idle_size()
        return PoolStats(active=active, limit=self._limit)

    async def run(self, work: Callable[[Connection], Awaitable[T]], *, timeout: float | None = None) -> T:
        """What ``work`` answers, over a connection of the pool. It must be repeatable: when a pooled
        connection turns out to be dead it is tried once more over another."""
        async with self._translated(timeout):
            try:
                return await self._attempt(work)
            except _LOST:
                return await self._attempt(work)

    async def _attempt(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        if self._pool is None:
            raise StoreError("the store is closed")
        pool = self._pool
        try:
            connection = await pool.acquire()
        except ValueError:
            raise ConfigError(
                f"POSTGRES_URI cannot be used; a right value is {EXAMPLE}"
            ) from None  # a secret
        try:
            return await work(connection)
        finally:
            # Also when the call is cancelled: its statement is stopped before anybody can repeat it, so
            # that an older write never lands last. The driver closes what it cannot release.
            with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await pool.release(connection, timeout=_grace(self._timeout))

    async def _introduce(self, connection: Plain) -> None:
        """Make a new connection ours: it knows pgvector's types, and its statements end in time."""
        schema = await self._extension(connection)
        await connection.execute(
            "SELECT set_config('search_path', quote_ident($1), false),"
            " set_config('statement_timeout', $2, false), set_config('jit', 'off', false),"
            " set_config('hnsw.iterative_scan', 'relaxed_order', false),"
            " set_config('hnsw.ef_search', '100', false)",
            schema,
            str(int(self._timeout * 1000)),
        )
        for name in ("vector", "sparsevec"):
            await connection.set_type_codec(
                name, schema=schema, encoder=bytes, decoder=bytes, format="binary"
            )

    async def _extension(self, connection: Plain) -> str:
        """The schema of pgvector, which is installed if it is not there."""
        query = (
            "SELECT nspname, extversion FROM pg_extension"
            " JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'"
        )
        found = await connection.fetchrow(query)
        if found is None:
            await self._install(connection)
            found = await connection.fetchrow(query)
        if found is None:
            raise StoreError(f"the extension vector of {self._place} was removed again; install it and retry")
        version = tuple(map(int, re.findall(r"\d+", found["extversion"])[:2]))
        if version < _LEAST_VERSION:
            raise ConfigError(
                f"{self._place} has pgvector {found['extversion']} and 0.8 or newer is needed; install "
                "it and run `ALTER EXTENSION vector UPDATE` as the extension's owner"
            )
        return str(found["nspname"])

    async def _install(self, connection: Plain) -> None:
        try:
            async with connection.transaction():
                await exclusively(connection)
                await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except (asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFileError) as exc:
            raise ConfigError(
                f"the server of {self._place} has no pgvector; install it there (Debian: the package "
                "postgresql-NN-pgvector; or use the image pgvector/pgvector)"
            ) from exc
        except asyncpg.InsufficientPrivilegeError as exc:
            user, database = await _whoami(connection)
            raise ConfigError(
                f"{self._place} has no extension vector and the role {user!r} may not make it; "
                f"run `CREATE EXTENSION vector` once in the database {database!r} as a superuser, such as "
                "postgres"
            ) from exc

    @asynccontextmanager
    async def _translated(self, timeout: float | None = None) -> AsyncIterator[None]:
        """The one place where time runs out and where the driver's errors become ours."""
        seconds = timeout or self._timeout
        try:
            async with asyncio.timeout(seconds - _grace(seconds)):
                yield
        except TimeoutError as exc:
            raise StoreUnavailable(self._late(seconds)) from exc
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as exc:
            raise self._ours(exc) from exc

    def _late(self, seconds: float) -> str:
        stats = self.stats()
        if stats.available == 0:
            return (
                f"none of the {stats.limit} connections to {self._place} became free within {seconds:g} s; "
                "raise OMNIMEMORY_VECTOR_DB_MAX_CONNECTIONS if the server is well"
            )
        return f"{self._place} did not answer within {seconds:g} s"

    def _ours(self, exc: Exception) -> StoreError | ConfigError:
        said = _said(exc)
        match exc:
            case asyncpg.InvalidAuthorizationSpecificationError():
                return ConfigError(
                    f"{self._place} refuses the user or password ({said}); correct them in POSTGRES_URI"
                )
            case asyncpg.InvalidCatalogNameError():
                return ConfigError(
                    f"{self._place}: {said}; create the database or name another in POSTGRES_URI"
                )
            case asyncpg.InsufficientPrivilegeError():
                return ConfigError(
                    f"the role of POSTGRES_URI lacks a right in {self._place}: {said}. As the database's "
                    "owner, run `GRANT CREATE ON DATABASE ... TO ...`, or make the role the schema's owner"
                )
            case asyncpg.ClientConfigurationError():
                return ConfigError(f"POSTGRES_URI cannot be used ({said}); a right value is {EXAMPLE}")
            case asyncpg.UndefinedTableError() | asyncpg.InvalidSchemaNameError():
                return StoreUnavailable(f"the collection in {self._place} was removed meanwhile; try again")
            case asyncpg.UndefinedColumnError() | asyncpg.DatatypeMismatchError():
                return StoreError(
                    f"a table in {self._place} has OmniMemory's name and another program's columns ({said}); "
                    "rename it, or give another database in POSTGRES_URI"
                )
            case asyncpg.DataError() if "dimensions" in said:
                return DimensionMismatch(f"the collection was rebuilt meanwhile: {said}")
            case asyncpg.QueryCanceledError():
                return StoreUnavailable(f"{self._place} did not answer within {self._timeout:g} s")
            case asyncpg.InsufficientResourcesError() | asyncpg.TransactionRollbackError():
                return StoreUnavailable(f"{self._place} is overloaded: {said}")
            case asyncpg.LockNotAvailableError() | asyncpg.ReadOnlySQLTransactionError():
                return StoreUnavailable(f"{self._place} cannot be written to now: {said}")
        if isinstance(exc, (*_LOST, asyncpg.OperatorInterventionError, OSError)):
            return StoreUnavailable(
                f"{self._place} cannot be reached ({said}); start it, or correct POSTGRES_URI"
            )
        return StoreError(f"{self._place} refused: {said}")


async def exclusively(connection: Connection | Plain) -> None:
    """Until the transaction ends, no other process makes anything here."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


async def _keep_settings(connection: Plain) -> None:
    """Instead of the driver's RESET ALL on each release, which costs a round trip; an open transaction
    was already rolled back."""


def _grace(timeout: float) -> float:
    """The part of a call's time, in seconds, in which its statement is stopped on the server."""
    return min(1.0, timeout / 4)


def _said(exc: Exception) -> str:
    """The driver's words, without DETAIL, which may hold stored text."""
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return str(exc.args[0]) if exc.args else type(exc).__name__


async def _whoami(connection: Plain) -> tuple[str, str]:
    found = await connection.fetchrow("SELECT current_user::text, current_database()::text")
    return ("?", "?") if found is None else (str(found[0]), str(found[1]))


def _checked(uri: str) -> tuple[str, str]:
    """The URI as the driver takes it, and where it leads, without secrets."""
    plain = re.sub(r"^postgres(?:ql)?(?:\+\w+)?://", "postgresql://", uri.strip())
    parts = urlsplit(plain)
    if parts.scheme != "postgresql":
        raise ConfigError(f"POSTGRES_URI must begin with postgresql://; a right value is {EXAMPLE}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        port = -1
    outside = parts.path + parts.query + parts.fragment
    if port == -1 or parts.netloc.count("@") > 1 or ("@" in outside and "@" not in parts.netloc):
        raise ConfigError(  # what cannot be read may hold the password: it is not repeated
            "POSTGRES_URI cannot be read; write :, /, ?, #, @ and % in a password as %3A, %2F, %3F, %23, %40 "
            f"and %25. A right value is {EXAMPLE}"
        )
    socket = re.search(r"(?:^|&)host=([^&]*)", parts.query)
    where = host or (unquote(socket.group(1)) if socket else "localhost")
    return plain, f"PostgreSQL at {where}{f':{port}' if port else ''}{parts.path}"
