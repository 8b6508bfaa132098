"""An engine that another process runs, called as if it were here."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from omnimemory.attach.calls import CALLS, PARTS, Call
from omnimemory.attach.place import DaemonState, Place, data_identity
from omnimemory.core import errors
from omnimemory.core.errors import ConfigError, OmniMemoryError, StoreError, StoreLocked, StoreUnavailable
from omnimemory.core.settings import Settings

if TYPE_CHECKING:
    import httpx

    from omnimemory.engine import Engine

CALLS_PATH = "/daemon/calls/"
CONNECT_SECONDS = 5.0


def attached(settings: Settings) -> Engine | None:
    """The engine of the daemon that runs in the settings' home; None when none does.

    What the settings say about models counts in the daemon as it was started.

    Raises:
        ConfigError: the daemon serves another store or ledger than the settings name.
    """
    place = Place(settings.home)
    state = place.running()
    token = place.token() if state is not None else None
    if state is None or token is None:
        return None
    if state.data != data_identity(settings):
        raise ConfigError(
            f"the daemon in {place.home} (process {state.pid}) was started with another store or ledger than "
            "the settings name now; restart it with these settings: omnimemory daemon stop, then start"
        )
    return cast("Engine", RemoteEngine(state, token))


class RemoteEngine:
    """The daemon's engine: the parts and methods that ``calls`` lists.

    A call is cancelled there when it is cancelled here. Closing ends the connection, not the daemon.
    """

    elsewhere = True

    def __init__(self, state: DaemonState, token: str) -> None:
        self._state = state
        self._token = token
        self._opened: httpx.AsyncClient | None = None
        for part in PARTS:
            calls = {call.method: partial(self._ask, call) for call in CALLS.values() if call.part == part}
            vars(self).update(calls if part == "engine" else {part: _Part(part, self._refuse, calls)})

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            return self._refuse(name)

    async def close(self) -> None:
        """End the connection."""
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None

    @property
    def _client(self) -> httpx.AsyncClient:
        if self._opened is None:
            import httpx

            self._opened = httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=str(self._state.socket)),
                base_url="http://localhost",
                headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),  # a flush may take its time
            )
        return self._opened

    async def _ask(self, call: Call, *args: object, **kwargs: object) -> Any:
        import httpx

        body = call.pack(*args, **kwargs)
        try:
            answer = await self._client.post(CALLS_PATH + call.name, content=body)
        except httpx.TransportError as exc:
            raise StoreUnavailable(
                f"the daemon (process {self._state.pid}) does not answer; see `omnimemory daemon status`, "
                "and start it again with `omnimemory daemon start`"
            ) from exc
        if answer.is_success:
            return call.result(answer.content)
        raise _failure(answer.content, answer.status_code)

    def _refuse(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        raise StoreLocked(
            f"{name!r} works on the store itself, which the daemon (process {self._state.pid}) holds; "
            "stop it first: omnimemory daemon stop"
        )


class _Part:
    """A part of the remote engine."""

    def __init__(self, name: str, refuse: Any, calls: dict[str, Any]) -> None:
        self._name = name
        self._refuse = refuse
        vars(self).update(calls)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            return self._refuse(name if name.startswith("_") else f"{self._name}.{name}")


def failure_body(error: OmniMemoryError | TimeoutError) -> bytes:
    """An error as it travels."""
    kind = "TimeoutError" if isinstance(error, TimeoutError) else type(error).__name__
    extra = {name: getattr(error, name) for name in ("retry_after", "permanent") if hasattr(error, name)}
    return json.dumps({"error": kind, "message": str(error), "extra": extra}).encode()


def _failure(body: bytes, status: int) -> Exception:
    """The error that ``failure_body`` told of, of its own class."""
    try:
        told = json.loads(body)
        kind, message, extra = str(told["error"]), str(told["message"]), dict(told["extra"])
    except (ValueError, KeyError, TypeError):
        advice = "; see `omnimemory daemon logs`, and restart it after an upgrade"
        return StoreError(f"the daemon refused a call with status {status}{advice}")
    if kind == "TimeoutError":
        return TimeoutError(message)
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, OmniMemoryError):
        return known(message, **extra)
    return StoreError(message)
