"""The daemon's server: the REST API, and beside it the engine's calls for attached processes."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import signal
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from omnimemory import logs
from omnimemory.api.server import create_app
from omnimemory.attach.calls import CALLS
from omnimemory.attach.line import CALLS_PATH, DATA_HEADER, failure_body
from omnimemory.attach.place import DaemonState, Place, data_identity
from omnimemory.attach.remote import other_data
from omnimemory.core.errors import (
    ConfigError,
    NotFound,
    OmniMemoryError,
    StoreLocked,
    StoreUnavailable,
)
from omnimemory.core.settings import Settings
from omnimemory.stores.folder_lock import FolderLock

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1


def serve(settings: Settings) -> None:
    """Serve the settings' home until SIGTERM or SIGINT; then calls under way and queued work go on for a
    while, and a wait for work is cut short.

    Raises:
        StoreLocked: a daemon runs there already.
        ConfigError: the folder cannot be used, or a setting is wrong.
    """
    place = Place(settings.home)
    logs.configure(settings)
    place.prepare()
    _take(place)
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn ends by the same signal it was told to end by
        signal.signal(number, _end)
    try:
        place.clear()
        _serve(settings, place)
    finally:
        place.clear()


def _take(place: Place) -> None:
    """Hold the daemon's lock until the process ends, so that nobody thinks it gone before.

    Who only looks whether a daemon runs holds it for a moment, so try twice.
    """
    lock = FolderLock(place.folder)
    for pause in (_LOOK_SECONDS, None):
        try:
            lock.acquire()
            break
        except StoreLocked as exc:
            if pause is None:
                raise StoreLocked(f"a daemon runs in {place.home} already") from exc
            time.sleep(pause)


def _end(_signal: int, _frame: object) -> None:
    raise SystemExit


def _serve(settings: Settings, place: Place) -> None:
    token = place.kept_token()
    listening = place.bind()
    state = DaemonState(
        pid=os.getpid(),
        socket=Path(listening.getsockname()),
        data=data_identity(settings),
        version=version("omnimemory"),
        started_at=datetime.now(UTC),
    )
    place.announce(state)
    rest = create_app(settings.model_copy(update={"api_keys": _keys(settings, token)}))
    app = DaemonApp(rest, place=place, state=state, token=token)
    config = uvicorn.Config(
        app,
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.request_drain_seconds,
        workers=1,
    )
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except SystemExit:
        if (failure := getattr(rest.state, "failure", None)) is not None:
            raise failure from None
        raise


def _keys(settings: Settings, token: str) -> SecretStr:
    """The token as one more key, in the form that the others have."""
    others = "" if settings.api_keys is None else settings.api_keys.get_secret_value().strip()
    if others.startswith("["):
        try:
            return SecretStr(json.dumps([*json.loads(others), {"key": token, "label": "daemon"}]))
        except ValueError as exc:
            raise ConfigError(f"OMNIMEMORY_API_KEYS: not JSON: {exc}") from exc
    return SecretStr(f"{others},{token}" if others else token)


_STOPPING = "the daemon is stopping and cut the call short; what it accepted before is kept"


class DaemonApp:
    """Requests below ``CALLS_PATH`` are calls of the engine; all others are the REST server's."""

    def __init__(self, rest: FastAPI, *, place: Place, state: DaemonState, token: str) -> None:
        self._rest = rest
        self._place = place
        self._state = state
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(CALLS_PATH):
            await self._rest(scope, receive, send)
            return
        request = Request(scope, receive)
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._expected):
            await Response(status_code=401)(scope, receive, send)
            return
        try:
            response = await self._answered(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        """Whatever fails here is told to the caller, or logged: the daemon goes on."""
        name = request.url.path.removeprefix(CALLS_PATH)
        body = await request.body()
        try:
            if request.headers.get(DATA_HEADER) != self._state.data:
                raise other_data(self._place, self._state.pid)
            call = CALLS.get(name)
            if call is None:
                raise NotFound(f"the daemon knows no call {name!r}; restart it after an upgrade")
            engine = self._rest.state.service.engine
            result = await _while_connected(request, asyncio.create_task(call.on(engine, body)))
        except (OmniMemoryError, TimeoutError) as exc:
            return Response(failure_body(exc), 400, media_type="application/json")
        except asyncio.CancelledError:  # nothing else cancels the answer to a caller that is still there
            return Response(failure_body(StoreUnavailable(_STOPPING)), 503, media_type="application/json")
        except Exception:  # the server's edge: the caller gets a status, the log the cause
            logger.exception("the call %s failed", name)
            return Response(status_code=500)
        return Response(result, media_type="application/json")


async def _while_connected(request: Request, work: asyncio.Task[bytes]) -> bytes:
    """The result; the work is cancelled when the caller is gone, or the server stops.

    Raises:
        ClientDisconnect: nobody waits for the result any more.
    """
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise ClientDisconnect
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
