"""An engine that another process runs, called as if it were here; and one here once that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from omnimemory.attach.calls import CALLS, PARTS, Call
from omnimemory.attach.line import Line, NotHeard
from omnimemory.attach.place import Place, data_identity
from omnimemory.core.errors import ConfigError, StoreLocked
from omnimemory.core.settings import Settings

if TYPE_CHECKING:
    from omnimemory.engine import Engine

RESTART_SECONDS = 3.0
"""How long calls wait for a daemon that is being started again, before this process takes the data."""
_PAUSE_SECONDS = 0.05


def attached(settings: Settings) -> Engine | None:
    """The engine of the daemon that runs in the settings' home; None when none does.

    What the settings say about models counts in the daemon as it was started.

    Raises:
        ConfigError: the daemon serves another store or ledger than the settings name.
        StoreLocked: it is starting, stopping or stuck.
    """
    line = _line(settings)
    return None if line is None else cast("Engine", RemoteEngine(settings, line))


def _line(settings: Settings) -> Line | None:
    place = Place(settings.home)
    state = place.running()
    if state is not None:
        if state.data != data_identity(settings):
            raise other_data(place, state.pid)
        return Line(place, state, place.token())
    if (left := place.state()) is not None and (pid := place.holder()) is not None:
        raise StoreLocked(
            f"the daemon in {place.home} (process {pid or left.pid}) holds the data and does not answer: it "
            "is starting, stopping or stuck; see `omnimemory daemon status`"
        )
    return None


def other_data(place: Place, pid: int) -> ConfigError:
    """The refusal of a call that is not meant for what the daemon serves."""
    return ConfigError(
        f"the daemon in {place.home} (process {pid}) was started with another store or ledger than the "
        "settings name now; restart it with these settings: omnimemory daemon stop, then start"
    )


class RemoteEngine:
    """The daemon's engine: the parts and methods that ``calls`` lists.

    A call meets the daemon that runs then. Where none does any more, and none is started within
    ``RESTART_SECONDS``, an engine of this process takes over, with everything an engine has. Only a call
    that was never taken is made again.
    """

    def __init__(self, settings: Settings, line: Line) -> None:
        self._settings = settings
        self._line = line
        self._here: Engine | None = None
        self._moving = asyncio.Lock()
        for part in PARTS:
            calls = {call.method: partial(self._ask, call) for call in CALLS.values() if call.part == part}
            vars(self).update(calls if part == "engine" else {part: _Part(part, self._other, calls)})

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            return self._other(name)

    @property
    def elsewhere(self) -> bool:
        return self._here is None

    async def close(self) -> None:
        """End the connection, or the engine that took over."""
        await self._line.close()
        if self._here is not None:
            await self._here.close()

    async def _ask(self, call: Call, *args: object, **kwargs: object) -> Any:
        if self._here is None:
            line = self._line
            try:
                return await line.ask(call, call.pack(*args, **kwargs))
            except NotHeard:
                await self._move(line)
        if self._here is None:
            return await self._line.ask(call, call.pack(*args, **kwargs))
        return await call.of(self._here)(*args, **kwargs)

    async def _move(self, left: Line) -> None:
        """To the daemon that runs now, or to an engine in this process.

        Raises:
            StoreLocked: neither: a daemon is starting, stopping or stuck, or another process was quicker.
        """
        async with self._moving:
            if self._line is not left or self._here is not None:
                return  # another call has moved
            deadline = monotonic() + RESTART_SECONDS
            while self._line is left and self._here is None:
                late = monotonic() >= deadline
                try:
                    line = await asyncio.to_thread(_line, self._settings)
                except StoreLocked:
                    if late:
                        raise
                else:
                    if line is not None:
                        self._line = line
                    elif late:
                        self._here = await _opened(self._settings)
                await asyncio.sleep(_PAUSE_SECONDS)
            await left.close()

    def _other(self, name: str, part: str | None = None) -> object:
        """What is not among the calls: an engine here has it, a daemon's does not."""
        if name.startswith("_"):
            raise AttributeError(name)
        if self._here is not None:
            return getattr(self._here if part is None else getattr(self._here, part), name)
        raise StoreLocked(
            f"{name!r} works on the store itself, which the daemon (process {self._line.state.pid}) holds; "
            "stop it first: omnimemory daemon stop"
        )


class _Part:
    """A part of the remote engine."""

    def __init__(self, name: str, other: Callable[[str, str], object], calls: dict[str, Any]) -> None:
        self._name = name
        self._other = other
        vars(self).update(calls)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            return self._other(name, self._name)


async def _opened(settings: Settings) -> Engine:
    from omnimemory.wiring import engine_from

    return await engine_from(settings).__aenter__()
