"""An SDK for the tests of the LlamaIndex plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from omnimemory import OmniMemorySDK


@pytest.fixture
async def sdk() -> AsyncIterator[OmniMemorySDK]:
    """An SDK from the environment: the one that classes without ``memory=`` share."""
    opened = OmniMemorySDK()
    yield opened
    await opened.close(drain=False)
