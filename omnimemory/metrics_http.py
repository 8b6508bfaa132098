"""Counts, times, traces and logs the requests of an ASGI application."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from omnimemory.logs import ACCESS, fields
from omnimemory.metrics import Observer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

UNMATCHED = "unmatched"
UNANSWERED = 499
"""The status of a request whose caller went before it was answered, as nginx has it."""

_TRACE_HEADERS = (b"traceparent", b"tracestate")
_PARAMETER = re.compile(r"\\\{\w+(:path)?\\\}")

logger = logging.getLogger(ACCESS)


class Templates:
    """The templates of an application's paths, such as ``/memories/{memory_id}``.

    They are matched here, not taken from the route that answered: what is refused before has none.
    """

    def __init__(self, templates: Iterable[str]) -> None:
        known = sorted(set(templates))
        self._plain = frozenset(template for template in known if "{" not in template)
        self._others = [template for template in known if "{" in template]
        self._pattern = re.compile("|".join(f"({_as_pattern(template)})" for template in self._others))

    def of(self, path: str) -> str:
        """The template of a path, whatever the method; ``unmatched`` where there is none.

        A path in full words goes before one with a parameter.
        """
        if path in self._plain:
            return path
        found = self._pattern.fullmatch(path) if self._others else None
        return UNMATCHED if found is None or found.lastindex is None else self._others[found.lastindex - 1]


def _as_pattern(template: str) -> str:
    return _PARAMETER.sub(lambda found: ".+" if found.group(1) else "[^/]+", re.escape(template))


class ObservedRequests:
    """ASGI middleware: each request is the operation ``request``, goes on with its caller's trace, and is
    a line in the log, at INFO.

    What answers is named by its template, never by its path. Put it outermost, so that what other
    middleware refuses counts too.
    """

    def __init__(self, app: Application, observer: Observer, templates: Templates) -> None:
        self._app = app
        self._observer = observer
        self._templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = UNANSWERED
        headers: Iterable[tuple[bytes, bytes]] = ()

        async def watched(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], message.get("headers", ())
            await send(message)

        started = time.perf_counter()
        with self._observer.operation("request", parent=_carrier(scope)):
            try:
                await self._app(scope, receive, watched)
            except Exception:  # passed on: whoever serves the application answers with this status
                status = 500
                raise
            finally:
                seconds = time.perf_counter() - started
                route = self._templates.of(scope["path"])
                self._observer.requested(scope["method"], route, status, seconds)
                if logger.isEnabledFor(logging.INFO):
                    with fields(**_whose(scope, headers)):
                        _log(scope["method"], route, status, seconds)


def _carrier(scope: Scope) -> dict[str, str]:
    return {
        name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _TRACE_HEADERS
    }


def _whose(scope: Scope, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The id the request was answered with, and the id of its API key."""
    found = {}
    if (answered := next((value for name, value in headers if name == b"x-request-id"), None)) is not None:
        found["request_id"] = answered.decode("latin-1")
    if (key := scope.get("state", {}).get("key")) is not None:
        found["key"] = key.id
    return found


def _log(method: str, route: str, status: int, seconds: float) -> None:
    milliseconds = round(1000 * seconds, 1)
    details = {"method": method, "route": route, "status": status, "milliseconds": milliseconds}
    logger.info("%s %s %d in %s ms", method, route, status, milliseconds, extra={"details": details})
