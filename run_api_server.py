"""Starts the REST API with the settings of the environment: ``python run_api_server.py``."""

from __future__ import annotations

import sys

from omnimemory.api.run import serve
from omnimemory.core.errors import OmniMemoryError

if __name__ == "__main__":
    try:
        serve()
    except OmniMemoryError as exc:
        sys.exit(f"{type(exc).__name__}: {exc}")
