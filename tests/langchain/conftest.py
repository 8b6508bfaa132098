"""An SDK for the tests of the LangChain plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omnimemory import OmniMemorySDK


@pytest.fixture
def sdk(home: Path) -> Iterator[OmniMemorySDK]:
    """The SDK as the README makes it; tests hand it to the classes, or let them open their own."""
    opened = OmniMemorySDK()
    yield opened
    opened.close_blocking(drain=False)
