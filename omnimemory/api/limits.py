"""Size, time and number: what one caller may take of the server."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import OrderedDict

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from omnimemory.api.problems import Refusal

MOST_CALLERS = 10_000
"""Callers whose rate is remembered; the longest idle is forgotten first."""

BURST_SECONDS = 2.0

MOST_QUERY_BYTES = 32_768
"""Of a query string; what is longer goes into a body."""

MOST_VALUES = 200_000
"""Names and values in a body: 10,000 messages with all their fields. What takes most time and memory is
not the size of a body but their number; as many as this are read in a tenth of a second."""

_TEXTS = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


class Rates:
    """A token bucket for each caller: ``rate`` requests a second, twice as many at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._full = max(1.0, rate * BURST_SECONDS)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, caller: str) -> None:
        """Count one request.

        Raises:
            Refusal: 429, with the seconds until the next one is taken.
        """
        if self._rate <= 0:
            return
        now = time.monotonic()
        left, at = self._buckets.pop(caller, (self._full, now))
        left = min(self._full, left + (now - at) * self._rate)
        self._buckets[caller] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        if left < 1:
            seconds = math.ceil((1 - left) / self._rate)
            raise Refusal(
                429,
                "TooManyRequests",
                "too many requests; slow down (OMNIMEMORY_RATE_LIMIT)",
                headers={"Retry-After": str(seconds)},
            )


class Room:
    """How many requests are answered at once; a context for one of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    def __enter__(self) -> None:
        if self._taken >= self._most:
            raise Refusal(503, "Overloaded", "the server is busy; try again", headers={"Retry-After": "1"})
        self._taken += 1

    def __exit__(self, *exc: object) -> None:
        self._taken -= 1


async def read_body(scope: Scope, receive: Receive, *, most: int, seconds: float) -> bytes | None:
    """The whole body; None when the client went away.

    Raises:
        Refusal: 413 as soon as it is known to be too large, or holds too many values, 408 when it takes
            too long, 415 when it is not declared to be JSON.
    """
    headers = Headers(scope=scope)
    declared = headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(most)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most:
                    raise _too_large(most)
                if not message.get("more_body", False):
                    break
    except TimeoutError as exc:
        detail = f"the body did not arrive within {seconds:g} s"
        raise Refusal(408, "RequestTimeout", detail, headers={"Connection": "close"}) from exc
    if size and not _is_json(headers.get("content-type", "")):
        raise Refusal(415, "UnsupportedMediaType", "send the body as Content-Type: application/json")
    body = b"".join(parts)
    if _marks(body) > MOST_VALUES and _has_too_many_values(body):
        raise Refusal(413, "TooLarge", f"the body may hold {MOST_VALUES} names and values; send less at once")
    return body


def replayed(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body that was read, then what comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _marks(text: bytes) -> int:
    """At least the number of values in a JSON text: each begins it or stands behind one of these."""
    return text.count(b",") + text.count(b"[") + text.count(b"{") + text.count(b":")


def _has_too_many_values(body: bytes) -> bool:
    """As ``_marks``, without those inside of texts."""
    quotes = body.count(b'"') - body.count(b'\\"')  # at least: not every one behind a backslash is escaped
    texts = quotes // 2
    return texts > MOST_VALUES or _marks(_TEXTS.sub(b"", body)) > MOST_VALUES


def _is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


def _too_large(most: int) -> Refusal:
    return Refusal(
        413, "TooLarge", f"the body may have {most} bytes; send less at once (OMNIMEMORY_MAX_BODY_BYTES)"
    )
