"""A chat model behind real HTTP for the promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from omnimemory.testing.model_server import ScriptedModelServer

from .minds import sensible


@pytest.fixture
def model() -> Iterator[ScriptedModelServer]:
    """A chat model behind real HTTP that answers sensibly until a test says otherwise."""
    with ScriptedModelServer(sensible()) as server:
        yield server
