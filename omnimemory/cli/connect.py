"""From a command's options to the SDK: the daemon's engine where it runs, else one in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from omnimemory import logs
from omnimemory.attach.place import Place
from omnimemory.core.errors import StoreLocked
from omnimemory.sdk import OmniMemorySDK

if TYPE_CHECKING:
    from omnimemory.engine import Engine

T = TypeVar("T")

LOCK_SECONDS = 10.0
"""How long a command waits for another one to give an embedded store back."""
_PAUSE_SECONDS = 0.1


def using(home: Path | None, work: Callable[[OmniMemorySDK], Awaitable[T]]) -> T:
    """Do ``work`` with an opened SDK over ``home``, or over the folder that the settings name."""

    async def run() -> T:
        async with connect(home) as sdk:
            return await work(sdk)

    return asyncio.run(run())


@asynccontextmanager
async def connect(home: Path | None) -> AsyncIterator[OmniMemorySDK]:
    """The SDK, opened. What is unfinished at the end stays in the ledger and goes on at the next start.

    Raises:
        StoreLocked: another process holds the store and did not give it back in time.
    """
    sdk = OmniMemorySDK() if home is None else OmniMemorySDK(home=home)
    logs.configure(sdk.settings, quiet=True)
    try:
        await _open(sdk)
        yield sdk
    finally:
        await sdk.close(drain=False)


async def _open(sdk: OmniMemorySDK) -> None:
    deadline = monotonic() + LOCK_SECONDS
    while True:
        try:
            await sdk.run(_nothing)
        except StoreLocked as exc:
            if monotonic() > deadline:
                if Place(sdk.settings.home).holder() is not None:
                    raise  # the daemon, of which it tells all there is to tell
                raise StoreLocked(
                    f"{exc}\nCommands share a store while the daemon runs: end that process, then "
                    "`omnimemory daemon start`"
                ) from exc
        else:
            return
        await asyncio.sleep(_PAUSE_SECONDS)


async def _nothing(engine: Engine) -> None:
    """Opening is all that is wanted."""


@contextmanager
def naming_daemon(home: Path) -> Iterator[None]:
    """Say so where it is the daemon that keeps the store from what is done inside.

    Raises:
        StoreLocked: another process holds the store.
    """
    try:
        yield
    except StoreLocked as exc:
        if (pid := Place(home).holder()) is None:
            raise
        raise StoreLocked(
            f"the daemon (process {pid}) holds the store; stop it first: omnimemory daemon stop"
        ) from exc


async def served_by_daemon(sdk: OmniMemorySDK) -> bool:
    """Whether the work goes on when this process ends."""

    async def is_elsewhere(engine: Engine) -> bool:
        return engine.elsewhere

    return await sdk.run(is_elsewhere)
