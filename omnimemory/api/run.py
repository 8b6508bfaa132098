"""Starts the server: uvicorn with what it needs to be told."""

from __future__ import annotations

from pathlib import Path

from omnimemory import logs
from omnimemory.api.service import require_shareable
from omnimemory.core.settings import Settings

DRAIN_SECONDS = 5
"""How long requests under way may take once the server is told to stop."""


def serve(
    settings: Settings | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    uds: Path | None = None,
) -> None:
    """Serve until told to stop (SIGINT, SIGTERM): then no more requests are taken, those under way
    are answered, queued work goes on for ``OMNIMEMORY_SHUTDOWN_SECONDS``, the rest is in the ledger.

    With several workers, or a ``uds`` of which the caller takes care, settings come from the environment.

    Raises:
        ConfigError: several workers cannot share what the settings name, or a setting is wrong.
    """
    import uvicorn

    from omnimemory.api.server import create_app

    chosen = settings or Settings.load()
    count = workers or chosen.api_workers
    require_shareable(chosen, workers=count)
    logs.configure(chosen)
    uvicorn.run(
        "omnimemory.api.server:app" if count > 1 else create_app(chosen),
        host=host or chosen.api_host,
        port=chosen.api_port if port is None else port,
        uds=None if uds is None else str(uds),
        workers=count,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
