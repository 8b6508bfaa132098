"""The line to a daemon: a call goes out over its Unix socket, its result or error comes back."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from omnimemory.attach.calls import Call
from omnimemory.attach.place import DaemonState, Place, Sign
from omnimemory.core import errors
from omnimemory.core.errors import OmniMemoryError, StoreError, StoreUnavailable

if TYPE_CHECKING:
    import httpx

CALLS_PATH = "/daemon/calls/"
DATA_HEADER = "OmniMemory-Data"
"""Which store and ledger a call is meant for; a daemon that serves others refuses it."""

CONNECT_SECONDS = 5.0
LOOK_SECONDS = 5.0
"""A call may take its time; this often somebody looks whether the daemon lives."""
SILENT_SECONDS = 10.0
"""A daemon that is busy with others' calls answers sooner."""


class NotHeard(StoreUnavailable):
    """The daemon did not take the call, so that nothing of it was carried out."""


class Line:
    """Calls of one daemon. Closing it ends the connections, not the daemon."""

    def __init__(self, place: Place, state: DaemonState, token: str) -> None:
        self.state = state
        self._place = place
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            DATA_HEADER: state.data,
        }
        self._opened: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """End the connections."""
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None

    async def ask(self, call: Call, body: bytes) -> Any:
        """The call's result. It is cancelled there when it is cancelled here.

        Raises:
            NotHeard: nothing was carried out.
            StoreUnavailable: the daemon went away, or fell silent; whether anything was is unknown.
        """
        import httpx

        try:
            answer = await self._posted(CALLS_PATH + call.name, body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            raise NotHeard(f"{self._daemon} takes no calls; see `omnimemory daemon status`") from exc
        except httpx.TransportError as exc:
            raise StoreUnavailable(f"{self._daemon} went away in a call. {_PERHAPS}") from exc
        if answer.is_success:
            return call.result(answer.content)
        if answer.status_code == 401:
            raise NotHeard(
                f"{self._daemon} has another token than {self._place.folder} holds; restart it: "
                "omnimemory daemon stop, then omnimemory daemon start"
            )
        raise _failure(answer.content, answer.status_code)

    @property
    def _daemon(self) -> str:
        return f"the daemon (process {self.state.pid})"

    async def _posted(self, path: str, body: bytes) -> httpx.Response:
        posting = asyncio.ensure_future(self._client.post(path, content=body))
        try:
            while not (await asyncio.wait((posting,), timeout=LOOK_SECONDS))[0]:
                sign = await asyncio.to_thread(self._place.sign, within=SILENT_SECONDS)
                if sign is Sign.SILENT and not posting.done():
                    raise StoreUnavailable(
                        f"{self._daemon} does not answer; see `omnimemory daemon status`. {_PERHAPS}"
                    )
            return posting.result()
        finally:
            if not posting.done():
                posting.cancel()
                await asyncio.wait((posting,))

    @property
    def _client(self) -> httpx.AsyncClient:
        if self._opened is None:
            import httpx

            self._opened = httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=str(self.state.socket)),
                base_url="http://localhost",
                headers=self._headers,
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            )
        return self._opened


_PERHAPS = "The call may have been carried out: look before you repeat it"


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
        return StoreError(f"the daemon failed in a call (status {status}); see `omnimemory daemon logs`")
    if kind == "TimeoutError":
        return TimeoutError(message)
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, OmniMemoryError):
        return known(message, **extra)
    return StoreError(message)
