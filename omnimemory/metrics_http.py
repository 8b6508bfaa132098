"""Counts, times and traces the requests of an ASGI application."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from omnimemory.metrics import Observer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

UNMATCHED = "unmatched"
_TRACE_HEADERS = (b"traceparent", b"tracestate")


class ObservedRequests:
    """ASGI middleware: each request is the operation ``request`` and goes on with its caller's trace.

    What answers is named by the template of its route, or ``unmatched``. Put it outermost, so that
    what other middleware refuses counts too.
    """

    def __init__(self, app: Application, observer: Observer) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        with self._observer.operation("request", parent=_carrier(scope)):
            try:
                await self._app(scope, receive, watched)
            finally:
                seconds = time.perf_counter() - started
                self._observer.requested(scope["method"], _route(scope), status, seconds)


def _carrier(scope: Scope) -> dict[str, str]:
    return {
        name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _TRACE_HEADERS
    }


def _route(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else UNMATCHED
