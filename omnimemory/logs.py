"""Logs of a process of our own: the server, the daemon, the command. A library does not set them up.

Ours go from ``LOG_LEVEL`` up, other libraries' from WARNING up, to standard error and, when
``LOG_DIR`` is set, to ``omnimemory.log`` there. JSON lines have ``time`` (UTC), ``level``,
``logger``, ``message``, what ``fields`` adds, what a line's ``extra={"details": {...}}`` adds, the ids
of the present trace, and on errors ``error`` and ``traceback``.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from omnimemory.core.errors import ConfigError
from omnimemory.tracing import trace_ids

if TYPE_CHECKING:
    from omnimemory.core.settings import Settings

OURS = ("omnimemory", "langchain_omnimemory", "llama_index.memory.omnimemory", "uvicorn")
ACCESS = "omnimemory.access"
"""The logger of requests: one line each, which ``OMNIMEMORY_ACCESS_LOG`` turns off."""
FILE_NAME = "omnimemory.log"
FILE_BYTES = 10_000_000
OLD_FILES = 4

_HANDLER = "omnimemory.logs"
_encode = json.JSONEncoder(ensure_ascii=False).encode
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_context: ContextVar[dict[str, str]] = ContextVar("omnimemory_log_fields", default={})  # noqa: B039  # never changed


@contextmanager
def fields(**values: str) -> Iterator[None]:
    """Every line logged inside carries these, such as ``request_id``; also from the tasks begun inside."""
    token = _context.set(_context.get() | values)
    try:
        yield
    finally:
        _context.reset(token)


def configure(settings: Settings, *, quiet: bool = False) -> None:
    """Send this process's logs where the settings say; again with other settings, there instead.

    ``quiet`` is for a person's terminal: below WARNING standard error gets nothing but at DEBUG.
    Uvicorn's lines go there too. Its log of requests is off: it repeats queries, which hold texts.

    Raises:
        ConfigError: ``LOG_DIR`` cannot be written.
    """
    stderr = logging.StreamHandler()
    if quiet and settings.log_level != "DEBUG":
        stderr.setLevel(logging.WARNING)
    targets: list[logging.Handler] = [stderr]
    if settings.log_dir is not None:
        path = settings.log_dir / FILE_NAME
        try:
            settings.log_dir.mkdir(parents=True, exist_ok=True)
            targets.append(
                RotatingFileHandler(path, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8")
            )
        except OSError as exc:
            raise ConfigError(
                f"LOG_DIR: cannot write {path} ({exc.strerror}); name a writable folder"
            ) from exc
    formatter = JSONFormatter() if settings.log_format == "json" else ConsoleFormatter()
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if handler.get_name() == _HANDLER]:
        root.removeHandler(old)
        old.close()
    for target in targets:
        target.set_name(_HANDLER)
        target.setFormatter(formatter)
        root.addHandler(target)
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(settings.log_level)
    logging.getLogger(ACCESS).setLevel(logging.NOTSET if settings.access_log else logging.CRITICAL)
    _take_over("uvicorn", "uvicorn.error")
    _take_over("uvicorn.access", silent=True)


def _take_over(*names: str, silent: bool = False) -> None:
    for name in names:
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.propagate = not silent


class JSONFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_context.get(),
            **getattr(record, "details", {}),
            **trace_ids(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["traceback"] = self.formatException(record.exc_info)
        return _encode(line)


class ConsoleFormatter(logging.Formatter):
    """One line for people; what a message quotes cannot begin a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        message = _CONTROL.sub(lambda found: repr(found.group())[1:-1], record.getMessage())
        context = "".join(f" {name}={value}" for name, value in (_context.get() | trace_ids()).items())
        line = f"{_time(record)} {record.levelname:<7} {record.name}: {message}{context}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
