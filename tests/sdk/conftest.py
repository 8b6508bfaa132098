"""An SDK and a webhook receiver for the tests of the published facade."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from omnimemory import OmniMemorySDK

from .receiver import Receiver


@pytest.fixture
async def sdk() -> AsyncIterator[OmniMemorySDK]:
    """The SDK as the README makes it."""
    async with OmniMemorySDK() as opened:
        yield opened


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook's receiver on loopback."""
    with Receiver() as running:
        yield running
