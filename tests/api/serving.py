"""A real server on loopback, in a thread of its own, for clients of any kind."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import httpx
import uvicorn

from omnimemory.api.server import create_app
from omnimemory.core.settings import Settings


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


class _Announcing(uvicorn.Server):
    """Says when it takes requests, or that it never will."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    async def startup(self, sockets: object = None) -> None:
        try:
            await super().startup(None)
        finally:
            self.settled.set()


class Running:
    """The API with these settings behind ``with``."""

    def __init__(self, *, host: str = "127.0.0.1", **settings: object) -> None:
        config = uvicorn.Config(
            create_app(Settings.load(settings)),
            host=host,
            port=0,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
        self._server = _Announcing(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._server.settled.wait(60)
        assert self._server.started, "the server did not start; its log says why"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """As SIGTERM does, and wait until it is over."""
        self._server.should_exit = True
        self._thread.join(60)

    @property
    def url(self) -> str:
        address = self._server.servers[0].sockets[0].getsockname()
        return f"http://127.0.0.1:{address[1]}"

    def client(self, *, key: str | None = None) -> httpx.Client:
        """A client of it; whoever asks for one closes it."""
        return httpx.Client(base_url=self.url, headers=bearer(key) if key else {}, timeout=60)


@asynccontextmanager
async def opened(*, peer: str = "127.0.0.1", **settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """The application without a socket, called by a peer with this address."""
    app = create_app(Settings.load({"shutdown_seconds": 0, **settings}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, client=(peer, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client
