"""What the server holds while it runs: settings, the engine, keys and limits."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from cachetools import TTLCache

from omnimemory.api.checks import Checks
from omnimemory.api.limits import Rates, Room
from omnimemory.api.memory import ServedMemory
from omnimemory.api.security import Keyring, configured_keys, is_loopback
from omnimemory.core.errors import ConfigError, LedgerError
from omnimemory.core.schemas import Scope, Task
from omnimemory.core.settings import Settings
from omnimemory.engine import Engine
from omnimemory.metrics import Observer
from omnimemory.wiring import Parts, engine_from, observer_from

logger = logging.getLogger(__name__)

DELIVERIES_KEPT = 10_000
DELIVERIES_SECONDS = 1.0
"""A session's last batch is looked up again after this long; a third of what storing a message costs."""


@dataclass(frozen=True, slots=True)
class Service:
    """One server process."""

    settings: Settings
    engine: Engine
    memory: ServedMemory
    keyring: Keyring
    rates: Rates
    room: Room
    observer: Observer
    checks: Checks
    deliveries: TTLCache[Scope, Task | None]
    replays: WeakValueDictionary[tuple[str, str], asyncio.Lock] = field(default_factory=WeakValueDictionary)


@asynccontextmanager
async def service_from(settings: Settings) -> AsyncIterator[Service]:
    """Open the engine on this loop; at the end let queued work finish for a while, then close it.

    What is not finished by then is in the ledger and goes on at the next start.

    Raises:
        ConfigError: a setting is wrong, or several processes cannot share what the settings name.
    """
    require_shareable(settings, workers=max(settings.api_workers, requested_workers(sys.argv)))
    keys = configured_keys(settings)
    parts = Parts(observer=observer_from(settings, read=True))
    async with engine_from(settings, parts) as engine:
        keyring = Keyring(keys, engine.ledger)
        if not is_loopback(settings.api_host) and not await keyring.active():
            logger.warning(
                "there is no API key: requests from other machines are refused, although %s is listened on; "
                "set OMNIMEMORY_API_KEYS, or make a key: omnimemory keys create --label NAME",
                settings.api_host,
            )
        yield Service(
            settings=settings,
            engine=engine,
            memory=ServedMemory(engine),
            keyring=keyring,
            rates=Rates(settings.rate_limit),
            room=Room(settings.max_requests),
            observer=engine.observer,
            checks=Checks(engine),
            deliveries=TTLCache(DELIVERIES_KEPT, DELIVERIES_SECONDS),
        )
        with suppress(LedgerError):  # it must be closed all the same
            await engine.drain(settings.shutdown_seconds)


def require_shareable(settings: Settings, *, workers: int) -> None:
    """Check that several processes may work on what the settings name.

    Raises:
        ConfigError: they may not; the message names the settings to change.
    """
    wrong = []
    if not str(settings.ledger_place).startswith("postgres"):
        wrong.append("OMNIMEMORY_LEDGER_URL to a postgresql:// URL (the ledger is a SQLite file)")
    if settings.provider.endswith("-local"):
        wrong.append(f"OMNI_MEMORY_PROVIDER to a server such as qdrant-remote (now {settings.provider})")
    if workers > 1 and wrong:
        raise ConfigError(
            f"{workers} workers cannot share this: set {' and '.join(wrong)}, or use one worker"
        )


def requested_workers(arguments: Sequence[str]) -> int:
    """The number behind uvicorn's ``--workers``; 1 without. A worker sees its parent's command line."""
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--workers":
            number = value or "".join(arguments[position + 1 : position + 2])
            return int(number) if number.isdecimal() else 1
    return 1
