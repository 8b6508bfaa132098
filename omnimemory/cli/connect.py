"""From a command's options to the SDK."""

from __future__ import annotations

from pathlib import Path

from omnimemory.sdk import OmniMemorySDK


def connect(home: Path | None) -> OmniMemorySDK:
    """The SDK over ``home``, or over the folder that the settings name."""
    return OmniMemorySDK() if home is None else OmniMemorySDK(home=home)
