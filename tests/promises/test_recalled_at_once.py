"""What you just said can be recalled at once, verbatim, before any model has seen it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import pytest

from omnimemory import Message, OmniMemorySDK
from omnimemory.ledger.ledger import Ledger
from omnimemory.testing.model_server import ScriptedModelServer
from omnimemory.testing.replies import Fault, Reply, Request
from omnimemory.testing.scripted import HashEmbedder

from .checks import recalled_at_once
from .minds import agents_of
from .talk import APP, USER, said

SECRET = "The boathouse key hangs behind the blue oar.  Don't tell!"
QUERY = "where is the key of the boathouse?"


@pytest.fixture
async def stuck(model: ScriptedModelServer) -> AsyncIterator[OmniMemorySDK]:
    """A memory whose chat model and embedder never answer."""
    model.script["Episode"] = Fault.hang()
    agents = agents_of(model, patience=60)
    async with OmniMemorySDK(
        agents=agents, embedder=HashEmbedder(fault=Fault.hang()), query_embedding_timeout=0.1
    ) as sdk:
        yield sdk
        await sdk.run(lambda _engine: agents.aclose())
        await sdk.close(drain=False)


async def test_at_once_while_neither_model_answers(stuck: OmniMemorySDK) -> None:
    await stuck.add_memory(said(SECRET))
    await recalled_at_once(stuck, SECRET, QUERY)


async def test_at_once_from_a_batch_that_is_not_full(stuck: OmniMemorySDK) -> None:
    answer = await stuck.memory_batcher_add_message(APP, USER, "user", SECRET)
    assert answer["status"] == "pending"
    await recalled_at_once(stuck, SECRET, QUERY)


async def test_at_once_while_the_model_is_thinking(model: ScriptedModelServer) -> None:
    asked = threading.Event()

    def think(request: Request) -> Reply:
        asked.set()
        return Fault.hang()

    model.script["Episode"] = think
    agents = agents_of(model, patience=60)
    async with OmniMemorySDK(agents=agents) as sdk:
        await sdk.add_memory(said(SECRET))
        await recalled_at_once(sdk, SECRET, QUERY)
        assert asked.wait(20)
        await recalled_at_once(sdk, SECRET, QUERY)
        await sdk.run(lambda _engine: agents.aclose())
        await sdk.close(drain=False)


async def test_a_correction_by_id_is_what_is_recalled_at_once(stuck: OmniMemorySDK) -> None:
    for text in ("The boathouse key is lost.", SECRET):
        message = Message(id="m1", role="user", content=text)
        await stuck.ingest_transcript(said(message, session="s1"))
    await recalled_at_once(stuck, SECRET, QUERY)
    found = await stuck.recall(APP, QUERY, USER)
    assert len(found) == 1


async def test_a_build_that_searches_only_what_is_indexed_is_caught(
    stuck: OmniMemorySDK, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken on purpose: recall is told that nothing waits to be indexed."""

    async def nothing(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(Ledger, "outbox_pending", nothing)
    await stuck.add_memory(said(SECRET))
    with pytest.raises(AssertionError, match="not recalled at once"):
        await recalled_at_once(stuck, SECRET, QUERY)
