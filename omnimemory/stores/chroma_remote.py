"""Chroma on a server, over HTTP.

Chroma's own HTTP interface, one level below its ``AsyncHttpClient``: that one gives all clients of
a loop one set of headers (so one token), waits without limit, checks no certificate unless told,
and keeps something of every failed connect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

import httpx

from omnimemory.core.errors import ConfigError, OmniMemoryError, StoreError, StoreUnavailable
from omnimemory.stores.chroma import ChromaStore
from omnimemory.stores.chroma_table import CollectionGone, Driver, Table
from omnimemory.stores.records import PoolStats

if TYPE_CHECKING:
    from omnimemory.core.settings import Settings
    from omnimemory.stores.chroma_http import Server

_DEFAULT_TENANT = "default_tenant"
_DEFAULT_DATABASE = "default_database"
_LISTED = 1_000
_REFUSED = (401, 403)
_BUSY = (429, 502, 503, 504)


class ChromaRemoteStore(ChromaStore):
    """A Chroma server at ``host``, a name or an http(s) URL.

    ``token`` goes along as bearer token and as ``X-Chroma-Token``. ``timeout`` bounds each call in
    seconds, the wait for one of ``max_connections`` included. Nothing is sent before the first call,
    and each call tries anew: a server may come later, go and return.

    Raises:
        ConfigError: host, port or token cannot be used.
    """

    provider: ClassVar[str] = "chromadb-remote"

    def __init__(
        self,
        host: str,
        *,
        port: int = 8000,
        token: str | None = None,
        ssl: bool = False,
        tenant: str = _DEFAULT_TENANT,
        database: str = _DEFAULT_DATABASE,
        max_connections: int = 10,
        timeout: float = 10.0,
    ) -> None:
        super().__init__()
        self.url = _url(host, port, ssl=ssl)
        self._headers = _headers(token)
        self._tenant = tenant
        self._database = database
        self._max_connections = max_connections
        self._timeout = timeout
        self._server_driver: _ServerDriver | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        if settings.chroma_host is None:
            raise ConfigError("CHROMA_HOST is missing; name the Chroma server, as CHROMA_HOST=localhost")
        if settings.chroma_client_type not in (None, "remote", "http"):
            raise ConfigError(
                f"CHROMA_CLIENT_TYPE={settings.chroma_client_type!r}: "
                "the chromadb-remote store takes remote; "
                "for a folder of this machine set OMNI_MEMORY_PROVIDER=chromadb-local"
            )
        token = settings.chroma_auth_token
        return cls(
            settings.chroma_host,
            port=settings.chroma_port,
            token=None if token is None else token.get_secret_value(),
            tenant=settings.chroma_tenant,
            database=settings.chroma_database,
            max_connections=settings.max_connections,
            timeout=settings.vector_db_timeout,
        )

    def pool_stats(self) -> PoolStats:
        active = 0 if self._server_driver is None else self._server_driver.active
        return PoolStats(active=active, limit=self._max_connections)

    @property
    def _driver(self) -> Driver:
        if self._server_driver is None:
            raise StoreError("the store is not open; use `async with store:` or `await store.open()`")
        return self._server_driver

    async def _open(self) -> None:
        transport = httpx.AsyncHTTPTransport(
            limits=httpx.Limits(
                max_connections=self._max_connections, max_keepalive_connections=self._max_connections
            ),
            retries=1,  # of connecting only
        )
        http = httpx.AsyncClient(
            transport=transport,
            headers=self._headers,
            timeout=None,  # noqa: S113  # each call is bounded as a whole
            event_hooks={"response": [_refuse]},
        )
        # Importing the driver takes a second or two.
        server = await asyncio.to_thread(_server, self.url, http)
        self._server_driver = _ServerDriver(
            server,
            http,
            self.url,
            (self._tenant, self._database),
            at_once=self._max_connections,
            timeout=self._timeout,
        )

    async def _close(self) -> None:
        await super()._close()
        driver, self._server_driver = self._server_driver, None
        if driver is not None:
            await driver.close()


class _ServerDriver:
    """Calls to one server, ``at_once`` of them at a time; each has a connection to itself.

    The others wait here, not in the driver: httpcore's pool loses a connection for good when a caller that
    waits for one is cancelled in the moment it gets it.
    """

    def __init__(
        self,
        server: Server,
        http: httpx.AsyncClient,
        url: str,
        database: tuple[str, str],
        *,
        at_once: int,
        timeout: float,
    ) -> None:
        self._server = server
        self._http = http
        self._url = url
        self._tenant, self._database = database
        self._free = asyncio.Semaphore(at_once)
        self._timeout = timeout
        self.active = 0
        """Calls under way, and so connections in use."""

    async def close(self) -> None:
        await self._http.aclose()

    async def find(self, name: str) -> Table | None:
        try:
            return self._table(await self._ask(self._server.get_collection, name=name, **self._place))
        except CollectionGone:
            await self.ping()  # raises when it is the database that is missing
            return None

    async def make(
        self, name: str, metadata: Mapping[str, str | int], index: Mapping[str, str | int]
    ) -> Table | None:
        if await self.find(name) is not None:
            return None
        model = await self._ask(
            self._server.create_collection,
            name=name,
            metadata=dict(metadata),
            configuration={"hnsw": dict(index)},
            get_or_create=False,
            **self._place,
        )
        return self._table(model)

    async def tables(self) -> list[Table]:
        await self.ping()
        found: list[Table] = []
        while len(found) % _LISTED == 0:
            models = await self._ask(
                self._server.list_collections, limit=_LISTED, offset=len(found), **self._place
            )
            if not models:
                break
            found += map(self._table, models)
        return found

    async def remove(self, name: str) -> None:
        try:
            await self._ask(self._server.delete_collection, name=name, **self._place)
        except CollectionGone:
            return

    async def ping(self) -> None:
        try:
            await self._ask(self._server.get_database, name=self._database, tenant=self._tenant)
        except CollectionGone as exc:
            raise ConfigError(
                f"the Chroma server at {self._url} has no database {self._database!r} of tenant "
                f"{self._tenant!r}; create it, or name another; if that is no Chroma server, set "
                "CHROMA_HOST and CHROMA_PORT"
            ) from exc

    @property
    def _place(self) -> dict[str, str]:
        return {"tenant": self._tenant, "database": self._database}

    def _table(self, model: Any) -> Table:
        from chromadb.api.models.AsyncCollection import AsyncCollection

        return Table(AsyncCollection(self._server, model, embedding_function=None), self._ask)

    async def _ask(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """The one place where the errors of Chroma and of the network become ours."""
        try:
            async with asyncio.timeout(self._timeout), self._free:
                self.active += 1
                try:
                    return await call(*arguments, **named)
                finally:
                    self.active -= 1
        except TimeoutError as exc:
            raise StoreUnavailable(
                f"the Chroma server at {self._url} did not answer within {self._timeout:g} seconds"
            ) from exc
        except Exception as exc:  # it raises bare exceptions for answers that are not Chroma's
            raise _translated(exc, self._url) from exc


def _translated(error: Exception, url: str) -> OmniMemoryError:
    from chromadb.errors import ChromaError

    from omnimemory.stores.chroma_errors import translated

    match error:
        case httpx.HTTPStatusError() if error.response.status_code in _REFUSED:
            return ConfigError(
                f"the Chroma server at {url} refused the token ({error.response.status_code}); set "
                "CHROMA_AUTH_TOKEN to one that may read and write"
            )
        case httpx.HTTPStatusError():
            return StoreUnavailable(f"the Chroma server at {url} is busy ({error.response.status_code})")
        case httpx.TransportError():
            return StoreUnavailable(
                f"the Chroma server at {url} cannot be reached ({str(error) or type(error).__name__}); start "
                "it, or set CHROMA_HOST and CHROMA_PORT"
            )
        case ChromaError() | OmniMemoryError():
            return translated(error, url) if isinstance(error, ChromaError) else error
        case _:
            return StoreError(
                f"what answers at {url} is no Chroma server ({str(error)[:200]}); "
                "set CHROMA_HOST and CHROMA_PORT"
            )


async def _refuse(response: httpx.Response) -> None:
    """What a proxy or a gate before Chroma says, before it is taken for an answer of Chroma's."""
    if response.status_code in (*_REFUSED, *_BUSY):
        response.raise_for_status()


def _server(url: str, http: httpx.AsyncClient) -> Server:
    try:
        from omnimemory.stores.chroma_http import Server
    except ImportError as exc:
        raise ConfigError(
            'the chromadb-remote store needs chromadb; install it with `pip install "omnimemory[chroma]"`'
        ) from exc
    return Server(url, http)


def _url(host: str, port: int, *, ssl: bool) -> str:
    given = host if "://" in host else f"{'https' if ssl else 'http'}://{host}"
    try:
        parts = urlsplit(given)
        port = parts.port or port
    except ValueError as exc:
        raise ConfigError(
            f"CHROMA_HOST={host!r} is no host name or URL; set it as CHROMA_HOST=localhost"
        ) from exc
    usable = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    if not usable or parts.path not in ("", "/") or parts.query or any(c.isspace() for c in host):
        shown = "" if "@" in host else f"={host!r}"
        raise ConfigError(
            f"CHROMA_HOST{shown} is no host name or http(s) URL without user and path; set it as "
            "CHROMA_HOST=localhost or CHROMA_HOST=https://chroma.example.com:443"
        )
    name = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{name}:{port}"


def _headers(token: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": "omnimemory"}
    if token is None:
        return headers
    if not token or not token.isascii() or any(c.isspace() or not c.isprintable() for c in token):
        raise ConfigError("CHROMA_AUTH_TOKEN must be printable ASCII without blanks, as servers give it")
    return {**headers, "Authorization": f"Bearer {token}", "X-Chroma-Token": token}
