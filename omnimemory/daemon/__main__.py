"""The daemon's process: ``python -m omnimemory.daemon [HOME]``; ``omnimemory daemon start`` starts it."""

from __future__ import annotations

import gc
import sys

from omnimemory.core.errors import OmniMemoryError, StoreLocked
from omnimemory.core.settings import Settings
from omnimemory.daemon.process import BUSY, FAILED


def main(arguments: list[str]) -> int:
    """Serve until told to stop; what keeps it from starting is the last line it writes."""
    gc.disable()  # a sixth of the start went into looking for garbage among modules being imported
    from omnimemory.daemon.server import serve

    gc.freeze()
    gc.enable()
    try:
        serve(Settings.load({"home": arguments[0]} if arguments else {}))
    except OmniMemoryError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return BUSY if isinstance(exc, StoreLocked) else FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
