"""One request as the routes see it: the memory it may use, and answers that are given once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request
from fastapi.routing import APIRoute
from pydantic_core import from_json, to_json
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope

from omnimemory.api.fields import Like
from omnimemory.api.memory import ServedMemory
from omnimemory.api.security import require
from omnimemory.api.service import Service
from omnimemory.core.errors import IdempotencyConflict
from omnimemory.core.ids import content_hash
from omnimemory.ledger.api_keys import ApiKey, Right

T = TypeVar("T")
Work = Callable[[], Awaitable[Mapping[str, Any]]]

_OTHER_REQUEST = "this Idempotency-Key came with another request; give each request a key of its own"


class Json(Response):
    """A JSON answer, written by pydantic's serialiser."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return to_json(content, inf_nan_mode="null")


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in."""

    service: Service
    key: ApiKey | None
    request: Request

    def memory(self, right: Right, app_id: str, user_id: str | None) -> ServedMemory:
        """The memory, for what the key may do there.

        Raises:
            Refusal: 403 when the key is not for this app or user, or has not this right.
        """
        require(self.key, right, app_id=app_id, user_id=user_id)
        return self.service.memory

    def monitor(self) -> Service:
        """The server itself, for keys with the right to watch it."""
        require(self.key, Right.MONITOR)
        return self.service

    async def once(self, key: str | None, app_id: str, work: Work, *, status: int = 200) -> Response:
        """Do the work and answer with its result; with an idempotency key, only the first time.

        The same key with an equal request gets the first answer again. An error is not kept.

        Raises:
            IdempotencyConflict: the key came with another request before.
        """
        if key is None:
            return Json(await work(), status)
        name = f"http:{key}"
        ledger, replays = self.service.engine.ledger, self.service.replays
        print_of = self._fingerprint()
        async with replays.setdefault((app_id, name), asyncio.Lock()):
            try:
                answer = await ledger.find_request(app_id, name, print_of)
            except IdempotencyConflict as exc:
                raise IdempotencyConflict(_OTHER_REQUEST) from exc
            if answer is not None:
                return Json(answer, status, {"Idempotent-Replayed": "true"})
            made = json.loads(to_json(await work(), inf_nan_mode="null"))
            return Json(await ledger.store_response(app_id, name, print_of, made), status)

    async def while_heard(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, which ends when the caller goes away: then nobody waits for it.

        Raises:
            ClientDisconnect: the caller went away.
        """
        working = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(self.request.receive())
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise ClientDisconnect
            return working.result()
        finally:
            working.cancel()
            leaving.cancel()

    def _fingerprint(self) -> str:
        """Equal for requests that ask for the same: method, path, query, and the body as JSON."""
        body = self.request.state.body
        canonical = json.dumps(from_json(body), sort_keys=True) if body else ""
        url = self.request.url
        headers = self.request.headers.get("x-callback-url", "")
        return content_hash(self.request.method, url.path, url.query, canonical, headers)


async def _call_of(request: Request) -> Call:
    return Call(service=request.app.state.service, key=request.state.key, request=request)


Calling = Annotated[Call, Depends(_call_of)]

IdempotencyKey = Annotated[
    Annotated[str, Like(r"^[!-~]([ -~]*[!-~])?$", "printable ASCII characters")] | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Makes a repeat of this request harmless: it gets the first answer again.",
    ),
]


class _StrictRequest(Request):
    async def json(self) -> Any:
        """The body; refuses what is no JSON: NaN, lone surrogates, endless nesting."""
        return from_json(await self.body(), allow_inf_nan=False)


class JsonRoute(APIRoute):
    """A route whose body is strictly JSON."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        answer = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            scope: Scope = request.scope
            receive: Receive = request.receive
            found: Response = await answer(_StrictRequest(scope, receive))
            return found

        return strictly
