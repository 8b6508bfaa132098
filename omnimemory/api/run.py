"""Starts the server: uvicorn with what it needs to be told."""

from __future__ import annotations

import errno
import signal
import socket
from typing import NoReturn

from omnimemory import logs
from omnimemory.api.service import require_shareable
from omnimemory.core.errors import ConfigError, OmniMemoryError
from omnimemory.core.settings import Settings


def serve(
    settings: Settings | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
) -> None:
    """Serve until told to stop (SIGINT, SIGTERM): then no more requests are taken, those under way
    may take ``OMNIMEMORY_REQUEST_DRAIN_SECONDS``, queued work then goes on for
    ``OMNIMEMORY_SHUTDOWN_SECONDS``, the rest is in the ledger.

    With several workers, settings come from the environment. The process ends with exit code 0 however
    it was told to stop.

    Raises:
        ConfigError: several workers cannot share what the settings name, a setting is wrong, or the
            address cannot be listened on.
        OmniMemoryError: what else keeps the server from starting.
    """
    import uvicorn

    from omnimemory.api.server import create_app

    chosen = settings or Settings.load()
    chosen = chosen.model_copy(update={"api_host": host or chosen.api_host})
    port = chosen.api_port if port is None else port
    count = workers or chosen.api_workers
    require_shareable(chosen, workers=count)
    _require_free(chosen.api_host, port)
    logs.configure(chosen)
    signal.signal(signal.SIGTERM, _end)  # uvicorn ends by the same signal it was told to end by
    app = None if count > 1 else create_app(chosen)
    try:
        uvicorn.run(
            app or "omnimemory.api.server:app",
            host=chosen.api_host,
            port=port,
            workers=count,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=chosen.request_drain_seconds,
        )
    except SystemExit as exc:
        if exc.code:  # uvicorn's own, which it gives for every reason
            failure = None if app is None else getattr(app.state, "failure", None)
            raise failure or OmniMemoryError("the server did not start; its log says why") from None
        raise


def _end(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit


def _require_free(host: str, port: int) -> None:
    """Find out before the engine opens, and not from a log line, that nobody can listen there."""
    try:
        for family, kind, number, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, number) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except OSError as exc:
        if exc.errno in (errno.EADDRINUSE, errno.EACCES):
            raise ConfigError(
                f"port {port} of {host} cannot be used ({exc.strerror}); choose another with --port or "
                "OMNIMEMORY_API_PORT"
            ) from exc
        raise ConfigError(
            f"{host} is no address of this machine ({exc.strerror}); choose another with --host or "
            "OMNIMEMORY_API_HOST"
        ) from exc
