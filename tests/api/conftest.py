"""A server without keys on loopback, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from .serving import Running


@pytest.fixture
def server() -> Iterator[Running]:
    """As the README starts it."""
    with Running() as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with server.client() as opened:
        yield opened
