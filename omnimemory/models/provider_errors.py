"""What other people's errors mean: one reading for every model that is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from omnimemory.core.errors import ModelError, ModelUnavailable, OmniMemoryError, RateLimited
from omnimemory.models.endpoint import retry_after

_TRANSIENT = frozenset({408, 409, 425})
_OFFLINE = ("connect", "timeout", "transport", "unavailable", "network")
_STATUS = ("status_code", "http_status", "code")


def meaning_of(error: Exception, model: str) -> OmniMemoryError:
    """A provider's error as one of ours: by its HTTP status, else by its classes and their names.

    The provider's message is left out, as it may repeat the prompt or the key; it stays the cause.
    """
    if isinstance(error, OmniMemoryError):
        return error
    response = getattr(error, "response", None)
    status = _status(error, response)
    where = f"the model {model} failed with {type(error).__name__}"
    if status == 429 or (status is None and _named(error, ("ratelimit",))):
        return RateLimited(f"{where}: too many requests", retry_after=_wait(response))
    if status is not None:
        passing = status >= 500 or status in _TRANSIENT
        return (ModelUnavailable if passing else ModelError)(f"{where}: status {status}")
    if _offline(error) or (error.__cause__ is not None and _offline(error.__cause__)):
        return ModelUnavailable(f"{where}: no answer")
    return ModelError(where)


def _status(error: Exception, response: object) -> int | None:
    found = [getattr(error, name, None) for name in _STATUS] + [getattr(response, "status_code", None)]
    return next((value for value in found if isinstance(value, int)), None)


def _offline(error: BaseException) -> bool:
    return isinstance(error, OSError | TimeoutError | asyncio.TimeoutError) or _named(error, _OFFLINE)


def _named(error: BaseException, words: tuple[str, ...]) -> bool:
    """Clients wrap the transport's errors in classes of their own; their names still tell."""
    return any(word in kind.__name__.lower() for kind in type(error).__mro__ for word in words)


def _wait(response: object) -> float | None:
    headers = getattr(response, "headers", None)
    return retry_after(headers) if isinstance(headers, Mapping) else None
