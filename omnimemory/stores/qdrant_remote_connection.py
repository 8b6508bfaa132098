"""The way to a Qdrant server: one client, its connections, and what its failures mean.

The only module that catches the driver's errors. Nothing here reaches the network by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]  # it ships no types
import httpx
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from omnimemory.core.errors import ConfigError, StoreError, StoreUnavailable
from omnimemory.stores.records import PoolStats

_BUSY = frozenset({408, 425, 429})
_MISSING = 404
_EXISTS = 409
_REFUSED = frozenset({401, 403})
_TRANSIENT_CODES = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
    }
)
_REFUSED_CODES = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_RECONNECT = {"grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 1_000}


class CollectionGone(StoreUnavailable):
    """Another process dropped the collection since it was last seen; the next call sees that."""


class CollectionExists(StoreUnavailable):
    """Another process created the collection a moment earlier."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how it is spoken to.

    ``grpc_port`` makes calls go over gRPC; without one they go over HTTP. ``timeout`` in seconds
    bounds each call, ``max_connections`` the connections.

    Raises:
        ConfigError: the URL is no http(s) URL, or a number is not positive.
    """

    url: str
    api_key: str | None = field(default=None, repr=False)
    grpc_port: int | None = None
    timeout: float = 10.0
    max_connections: int = 10

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid or parts.username is not None:
            raise ConfigError(
                "the Qdrant server's address must be a URL such as http://localhost:6333 without user or "
                "password; set QDRANT_URL, or QDRANT_HOST and QDRANT_PORT (a key goes into QDRANT_API_KEY)"
            )
        if self.timeout <= 0 or self.max_connections < 1:
            raise ConfigError("the Qdrant server's timeout must be above 0 s and its connections at least 1")


class Connection:
    """Calls to one server, ``max_connections`` at once; each has a connection of the driver's to itself.

    The others wait here, not in the driver: httpcore's pool loses a connection for good when a caller that
    waits for one is cancelled in the moment it gets it.
    """

    def __init__(self, address: Address, *, client: AsyncQdrantClient | None = None) -> None:
        self._address = address
        self._lent = client
        self._client = client
        self._free = asyncio.Semaphore(address.max_connections)
        self._active = 0

    @property
    def at_once(self) -> int:
        return self._address.max_connections

    def open(self) -> None:
        """Make the client, unless one was lent. Connects to nothing: that is left to the first call."""
        address = self._address
        if self._lent is not None:
            return
        parts = urlsplit(address.url)
        size = address.max_connections
        # A key in the headers, as the argument warns about servers on the same machine.
        headers = {} if address.api_key is None else {"api-key": address.api_key}
        self._client = AsyncQdrantClient(
            url=address.url,
            port=parts.port or (443 if parts.scheme == "https" else 6333),
            grpc_port=address.grpc_port or 6334,
            prefer_grpc=address.grpc_port is not None,
            grpc_options=dict(_RECONNECT),
            timeout=math.ceil(address.timeout) + 1,  # whole seconds; `calling` is exact, and first
            headers=headers,
            check_compatibility=False,  # it would ask the server from a thread
            # The client's own default keeps no connection to this machine open.
            limits=httpx.Limits(max_connections=size, max_keepalive_connections=size),
            trust_env=False,  # proxies of the environment are for the web
        )

    async def close(self) -> None:
        client, self._client = self._client, self._lent
        if client is not None and client is not self._lent:
            await client.close()

    def stats(self) -> PoolStats:
        """Calls under way, and so connections in use."""
        return PoolStats(active=self._active, limit=self._address.max_connections)

    @contextlib.asynccontextmanager
    async def calling(self) -> AsyncIterator[AsyncQdrantClient]:
        """The client, for one call. The one place where the driver's errors become ours.

        Raises:
            StoreUnavailable: no answer in time, no connection, or a server that asks to come again.
            ConfigError: the server refuses the key.
            StoreError: any other refusal.
        """
        if self._client is None:
            raise StoreError("the store is not open; use `async with store:` or `await store.open()`")
        try:
            async with asyncio.timeout(self._address.timeout), self._free:
                self._active += 1
                try:
                    yield self._client
                finally:
                    self._active -= 1
        except TimeoutError as exc:
            raise self._unavailable(f"no answer within {self._address.timeout:g} s") from exc
        except ResponseHandlingException as exc:
            raise self._no_response(exc.source) from exc
        except (json.JSONDecodeError, AssertionError) as exc:  # the client asserts that answers hold a result
            raise self._not_qdrant("its answer could not be read") from exc
        except UnexpectedResponse as exc:
            raise self._refusal(exc) from exc
        except (ApiException, QdrantException) as exc:
            raise self._unavailable(f"{type(exc).__name__}: {_short(str(exc))}") from exc
        except grpc.aio.AioRpcError as exc:
            raise self._grpc_failure(exc.code(), _short(exc.details() or "")) from exc

    def _no_response(self, source: Exception) -> StoreError:
        if isinstance(source, httpx.HTTPError):
            return self._unavailable(f"{type(source).__name__}: {_short(str(source)) or 'no answer'}")
        return self._not_qdrant(f"its answer could not be read ({type(source).__name__})")

    def _refusal(self, refused: UnexpectedResponse) -> StoreError | ConfigError:
        status, said = refused.status_code or 0, _said(refused.content)
        if status in _REFUSED:
            return self._key_refused()
        if said is None and status < 500 and status not in _BUSY:
            return self._not_qdrant(f"it answered {status}")
        if status >= 500 or status in _BUSY:
            return self._unavailable(f"it answered {status}: {said or 'nothing more'}")
        if status == _MISSING:
            return CollectionGone(f"{self._place}: {said}; try again")
        if status == _EXISTS:
            return CollectionExists(f"{self._place}: {said}; try again")
        return StoreError(f"{self._place} refused the call ({status}): {said}")

    def _grpc_failure(self, code: grpc.StatusCode, said: str) -> StoreError | ConfigError:
        if code in _REFUSED_CODES:
            return self._key_refused()
        if code in _TRANSIENT_CODES:
            return self._unavailable(f"{code.name}: {said}")
        if code is grpc.StatusCode.NOT_FOUND:
            return CollectionGone(f"{self._place}: {said}; try again")
        if code is grpc.StatusCode.ALREADY_EXISTS:
            return CollectionExists(f"{self._place}: {said}; try again")
        return StoreError(f"{self._place} refused the call ({code.name}): {said}")

    @property
    def _place(self) -> str:
        return f"the Qdrant server at {self._address.url}"

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(f"{self._place} is not available ({why}); check that it runs, and QDRANT_URL")

    def _key_refused(self) -> ConfigError:
        given = "no API key" if self._address.api_key is None else "the API key"
        return ConfigError(
            f"{self._place} refuses {given}; set QDRANT_API_KEY to one that may read, write and create "
            "collections"
        )

    def _not_qdrant(self, why: str) -> StoreError:
        return StoreError(f"{self._place} does not speak Qdrant's API: {why}; check QDRANT_URL")


def _said(content: bytes) -> str | None:
    """What Qdrant says in a refusal; None when it was not Qdrant that answered."""
    try:
        return _short(str(json.loads(content)["status"]["error"]))
    except (ValueError, KeyError, TypeError):
        return None


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."
