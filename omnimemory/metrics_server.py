"""A port of its own for Prometheus, so that metrics need not be reachable where the API is."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Self

from omnimemory.core.errors import ConfigError

logger = logging.getLogger(__name__)

Read = Callable[[], Awaitable[tuple[bytes, str]]]
"""What there is to read now, and its content type."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")
REQUEST_BYTES = 8192
REQUEST_SECONDS = 5.0


class MetricsServer:
    """Answers ``GET /metrics`` while the context is open, on the loop that opened it.

    Beyond loopback a ``token`` is required, sent as ``Authorization: Bearer ...``. A port that is
    taken is logged and left alone: another process of this machine serves its own metrics there.
    """

    def __init__(self, read: Read, *, host: str, port: int, token: str | None = None) -> None:
        if host not in LOOPBACK and not token:
            raise ConfigError(
                f"OMNIMEMORY_METRICS_HOST={host} shows metrics beyond this machine: set "
                "OMNIMEMORY_METRICS_TOKEN to a secret that Prometheus sends, or use 127.0.0.1"
            )
        self._read = read
        self._host = host
        self._port = port
        self._token = token
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int | None:
        """The port it listens on; None while it does not."""
        if self._server is None:
            return None
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(
                self._answer, self._host, self._port, limit=REQUEST_BYTES
            )
        except OSError as exc:
            logger.warning("no metrics on %s:%d: %s", self._host, self._port, exc.strerror)
        else:
            logger.info("metrics on http://%s:%s/metrics", self._host, self.port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._response(head.decode("latin-1")))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as exc:
            logger.debug("a request for metrics was not answered: %s", type(exc).__name__)
        finally:
            writer.close()

    async def _response(self, head: str) -> bytes:
        request, *lines = head.split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
        match request.split(" "):
            case ["GET" | "HEAD" as method, path, version] if version.startswith("HTTP/1."):
                pass
            case [_, _, version] if version.startswith("HTTP/1."):
                return _message("405 Method Not Allowed")
            case _:
                return _message("400 Bad Request")
        if path.partition("?")[0] != "/metrics":
            return _message("404 Not Found")
        sent = fields.get("authorization", "").removeprefix("Bearer ")
        if self._token is not None and not hmac.compare_digest(sent.encode(), self._token.encode()):
            return _message("401 Unauthorized")
        body, content_type = await self._read()
        return _message("200 OK", body, content_type, head_only=method == "HEAD")


def _message(
    status: str, body: bytes = b"", content_type: str = "text/plain", *, head_only: bool = False
) -> bytes:
    challenge = "WWW-Authenticate: Bearer\r\n" if status.startswith("401") else ""
    head = (
        f"HTTP/1.1 {status}\r\n{challenge}Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (b"" if head_only else body)
