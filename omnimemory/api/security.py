"""Who may call: API keys, and without any only this machine.

Keys come from ``OMNIMEMORY_API_KEYS`` and from the ledger, where they stand hashed. Without keys a
request is let in only when its peer is loopback, its Host header names loopback (a page of another
site that had its name resolved to this machine names itself there), no web page of elsewhere sent
it, and no proxy passed it on.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter, ValidationError
from starlette.datastructures import Headers
from starlette.types import Scope

from omnimemory.api.problems import Refusal
from omnimemory.core.base import Frozen, describe
from omnimemory.core.errors import ConfigError
from omnimemory.core.settings import Settings
from omnimemory.ledger.api_keys import ApiKey, Right, default_rights, secret_hash
from omnimemory.ledger.ledger import Ledger

REFRESH_SECONDS = 2.0
"""A key made or revoked elsewhere counts here after this long."""

BARE = frozenset({"/health/live", "/health/ready"})
"""Answered to anybody: one word each."""

OPEN = BARE | {"/", "/docs", "/redoc", "/openapi.json"}
ASSETS = "/docs/assets/"
"""Once there are keys, the pages about the API need none: a browser has none to send."""

_EXAMPLE = "OMNIMEMORY_API_KEYS=a-long-secret"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class _Configured(Frozen):
    key: str = Field(min_length=1)
    label: str = "environment"
    apps: tuple[str, ...] | None = Field(default=None, min_length=1)
    users: tuple[str, ...] | None = Field(default=None, min_length=1)
    rights: frozenset[Right] | None = Field(default=None, min_length=1)


def configured_keys(settings: Settings) -> list[ApiKey]:
    """The keys of ``OMNIMEMORY_API_KEYS``.

    Raises:
        ConfigError: the variable cannot be read.
    """
    text = "" if settings.api_keys is None else settings.api_keys.get_secret_value().strip()
    if not text.startswith("["):
        given = [_Configured(key=key.strip()) for key in text.split(",") if key.strip()]
    else:
        try:
            given = TypeAdapter(list[_Configured]).validate_json(text)
        except ValidationError as exc:
            raise ConfigError(
                f'OMNIMEMORY_API_KEYS: {describe(exc)}; a right value is [{{"key": "a-long-secret", '
                '"label": "shop", "apps": ["shop"], "rights": ["read", "write"]}]'
            ) from exc
    return [
        ApiKey(
            id=f"environment-{number}",
            label=one.label,
            hash=secret_hash(one.key),
            apps=one.apps,
            users=one.users,
            rights=one.rights or default_rights(one.apps, one.users),
        )
        for number, one in enumerate(given, start=1)
    ]


class Keyring:
    """The keys that count now."""

    def __init__(self, configured: Sequence[ApiKey], ledger: Ledger) -> None:
        self._configured = tuple(configured)
        self._ledger = ledger
        self._active: tuple[ApiKey, ...] = ()
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def active(self) -> tuple[ApiKey, ...]:
        """All keys that are not revoked, as of at most ``REFRESH_SECONDS`` ago.

        They are read by one for all, and in good time, so that under load nobody waits for it.
        """
        age = time.monotonic() - self._read_at
        if age > REFRESH_SECONDS / 2 and self._reading is None:
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(self._read_ended)
        if age > REFRESH_SECONDS and self._reading is not None:
            await asyncio.shield(self._reading)
        return self._active

    async def _read(self) -> None:
        asked_at = time.monotonic()
        stored = await self._ledger.api_keys()
        self._active = (*self._configured, *(key for key in stored if key.is_active))
        self._read_at = asked_at

    def _read_ended(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # who waited was told; without anybody, the next one asks again

    async def admit(self, scope: Scope) -> ApiKey | None:
        """The key of a request; None where none is needed.

        Raises:
            Refusal: 401 for a missing or wrong key, 403 from elsewhere while there are no keys.
        """
        path = scope["path"]
        if path in BARE:
            return None
        keys = await self.active()
        headers = Headers(scope=scope)
        if not keys:
            _require_this_machine(scope, headers)
            return None
        if path in OPEN or path.startswith(ASSETS):
            return None
        return _matching(keys, _presented(headers))


def _presented(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    secret = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    if not secret:
        raise _unauthorized("send an API key as Authorization: Bearer KEY, or as X-API-Key")
    return secret


def _matching(keys: Sequence[ApiKey], secret: str) -> ApiKey:
    given = secret_hash(secret)
    found = None
    for key in keys:  # all of them, so that the time tells nothing
        if hmac.compare_digest(given, key.hash):
            found = key
    if found is None:
        raise _unauthorized("this API key is unknown or revoked")
    return found


def _unauthorized(detail: str) -> Refusal:
    return Refusal(401, "Unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def _require_this_machine(scope: Scope, headers: Mapping[str, str]) -> None:
    server = scope.get("server")
    if scope.get("client") is None and server is not None and server[1] is None:
        return  # a Unix socket: the folder's permissions say who may
    client = scope.get("client")
    origin = headers.get("origin")
    if client is None or not is_loopback(client[0]):
        what = "requests from other machines"
    elif not is_loopback(_host(f"//{headers.get('host', '')}")):
        what = "requests whose Host header is not this machine"
    elif origin is not None and not is_loopback(_host(origin)):
        what = "requests from web pages of elsewhere"
    elif any(name in headers for name in _FORWARDED):
        what = "requests that a proxy passed on"
    else:
        return
    raise Refusal(
        403,
        "KeysRequired",
        f"{what} need an API key, and none is configured: set OMNIMEMORY_API_KEYS, as {_EXAMPLE}, or "
        "make one with `omnimemory keys create`",
    )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def require(
    key: ApiKey | None, right: Right, *, app_id: str | None = None, user_id: str | None = None
) -> None:
    """Check what a key is bound to; without keys everything is allowed. No ``app_id``: the whole server.

    Raises:
        Refusal: 403, whether what is asked for exists or not.
    """
    if key is None:
        return
    if right not in key.rights:
        raise Refusal(403, "Forbidden", f"this API key has no right to {right.value}")
    if app_id is None:
        return
    if key.apps is not None and app_id not in key.apps:
        raise Refusal(403, "Forbidden", "this API key is not for this app")
    if key.users is not None and user_id not in key.users:
        detail = "this API key is for certain users only: name one of them in user_id"
        raise Refusal(403, "Forbidden", detail)
