"""What every request passes before a route sees it, and what every answer gets."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from omnimemory.api.limits import MOST_QUERY_BYTES, read_body, replayed
from omnimemory.api.problems import Refusal, response_of
from omnimemory.api.security import BARE
from omnimemory.api.service import Service
from omnimemory.core.errors import OmniMemoryError
from omnimemory.logs import fields
from omnimemory.metrics_http import ObservedRequests, Templates

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request that is being answered."""

_USABLE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_WATCHED = BARE | {"/metrics"}
"""Answered however full the server is and however often it is asked: who watches it asks most then."""
_NO_LIMIT: AbstractContextManager[None] = nullcontext()
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Entrance:
    """Builds what stands before the routes once the settings are known, at the first request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._built: tuple[Service, ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, _plainly_failing(scope, send))
            return
        service: Service = scope["app"].state.service
        if self._built is None or self._built[0] is not service:
            self._built = (service, _built(self._app, service, scope["app"].state.templates))
        await self._built[1](scope, receive, send)


def _plainly_failing(scope: Scope, send: Send) -> Send:
    """A start that fails for a known reason says it in a line, without a traceback."""

    async def plainly(message: Message) -> None:
        failure: OmniMemoryError | None = getattr(scope["app"].state, "failure", None)
        if message["type"] == "lifespan.startup.failed" and failure is not None:
            message = {**message, "message": f"{type(failure).__name__}: {failure}"}
        await send(message)

    return plainly


def _built(app: ASGIApp, service: Service, templates: Templates) -> ASGIApp:
    inner: ASGIApp = Gate(app, service)
    if service.settings.cors_origins:
        origins = [origin.strip() for origin in service.settings.cors_origins.split(",") if origin.strip()]
        inner = CORSMiddleware(
            inner,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "X-API-Key", "Content-Type", "Idempotency-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After", "Idempotent-Replayed"],
        )
    return ObservedRequests(inner, service.observer, templates)


class Gate:
    """Request ids, room, keys, rates, bodies; and errors as problem details.

    Everything that is raised behind it ends here: this is the server's edge. So does a cancellation:
    only a server that was told to stop, and has waited long enough, cancels a request.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        current = _id_of(scope)
        token = request_id.set(current)
        started = False

        async def marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = current
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        watched = scope["path"] in _WATCHED
        failure: Exception | None = None
        try:
            with fields(request_id=current), _NO_LIMIT if watched else self._service.room:
                await self._let_in(scope, receive, marked, limited=not watched)
        except ClientDisconnect:
            pass  # nobody listens
        except Exception as exc:  # noqa: BLE001 - the server's edge: whatever failed, the caller is answered
            failure = exc
        except asyncio.CancelledError:
            failure = Refusal(503, "Stopping", "the server stops; try again", headers={"Retry-After": "1"})
        try:
            if failure is not None:
                response = response_of(failure, request_id=current)
                if not started:
                    await response(scope, receive, marked)
        finally:
            request_id.reset(token)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send, *, limited: bool) -> None:
        service = self._service
        client = scope.get("client")
        address = client[0] if client else "local"
        try:
            key = await service.keyring.admit(scope)
        except Refusal:
            service.rates.spend(address)
            raise
        if limited:
            service.rates.spend(key.id if key else address)
        if len(scope["query_string"]) > MOST_QUERY_BYTES:
            raise Refusal(414, "TooLong", f"the query string may have {MOST_QUERY_BYTES} bytes; send a body")
        state = scope.setdefault("state", {})
        state["key"] = key
        state["body"] = b""
        if scope["method"] in _WITH_BODY:
            settings = service.settings
            body = await read_body(
                scope, receive, most=settings.max_body_bytes, seconds=settings.body_seconds
            )
            if body is None:
                return
            state["body"] = body
            receive = replayed(body, receive)
        await self._app(scope, receive, send)


def _id_of(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _USABLE_ID.fullmatch(value):
            return str(value.decode("ascii"))
    return f"{random.getrandbits(64):016x}"  # a name, no secret
