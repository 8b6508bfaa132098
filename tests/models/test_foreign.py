"""Models that live on somebody else's event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np
import pytest

from omnimemory.core.errors import ModelError, ModelUnavailable
from omnimemory.models.base import ChatModel, Completion, Embedder, Prompt, Vectors
from omnimemory.models.foreign import HomeLoop, on_home_loop
from omnimemory.testing.scripted import HashEmbedder, ScriptedChatModel

T = TypeVar("T")
PROMPT = Prompt(system="s", user="u")
TENANT: ContextVar[str] = ContextVar("tenant", default="nobody")


class LoopBound(ScriptedChatModel):
    """Works on one loop only, as clients with open connections do."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("from home")
        self.loop = loop
        self.tenant = ""

    async def complete(
        self, prompt: Prompt, *, json_schema: dict[str, Any] | None = None, max_tokens: int | None = None
    ) -> Completion:
        assert asyncio.get_running_loop() is self.loop
        self.tenant = TENANT.get()
        return await super().complete(prompt, json_schema=json_schema, max_tokens=max_tokens)


@pytest.fixture
def engine() -> Iterator[Callable[[Coroutine[Any, Any, T]], asyncio.Future[T]]]:
    """Runs coroutines on another loop, in another thread, as the engine's runtime does."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield lambda job: asyncio.wrap_future(asyncio.run_coroutine_threadsafe(job, loop))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def test_a_model_is_called_on_the_loop_it_was_handed_over_on(engine: Any) -> None:
    model = LoopBound(asyncio.get_running_loop())
    home = on_home_loop(model)
    assert isinstance(home, ChatModel)

    async def call() -> str:
        TENANT.set("acme")
        return (await home.complete(PROMPT)).text

    assert await engine(call()) == "from home"
    assert model.tenant == "acme"
    assert (await home.complete(PROMPT)).text == "from home"
    await home.aclose()
    assert not model.closed


def test_without_a_home_the_current_loop_serves() -> None:
    home = on_home_loop(ScriptedChatModel("anywhere"))
    assert asyncio.run(home.complete(PROMPT)).text == "anywhere"

    async def built_in() -> Any:
        return on_home_loop(ScriptedChatModel("after the end"))

    assert asyncio.run(asyncio.run(built_in()).complete(PROMPT)).text == "after the end"


async def test_errors_come_through_and_cancellation_goes_through(engine: Any) -> None:
    home = HomeLoop()
    cancelled = asyncio.Event()
    begun = asyncio.Event()

    async def fails() -> None:
        raise ModelUnavailable("down")

    async def hangs() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(ModelUnavailable, match="down"):
        await engine(home.run(fails))
    job = asyncio.ensure_future(engine(home.run(hangs)))
    await begun.wait()
    job.cancel()
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_blocked_home_is_an_error_not_a_deadlock(engine: Any) -> None:
    home = on_home_loop(ScriptedChatModel("never"))
    finished = threading.Event()
    errors: list[BaseException] = []

    async def call() -> None:
        try:
            await home.complete(PROMPT)
        except ModelUnavailable as exc:
            errors.append(exc)
        finished.set()

    running = engine(call())
    assert finished.wait(10), "the loop stays blocked here, as a synchronous call would block it"
    await running
    assert "blocked" in str(errors[0])


def test_a_home_that_ends_during_a_call_is_an_error(engine: Any) -> None:
    results: list[Any] = []

    async def user() -> None:
        begun = asyncio.Event()

        async def hangs() -> None:
            begun.set()
            await asyncio.Event().wait()

        home = HomeLoop()

        async def call() -> None:
            try:
                await home.run(hangs)
            except ModelUnavailable as exc:
                results.append(exc)
            finally:
                done.set()

        engine(call())
        await begun.wait()

    done = threading.Event()
    asyncio.run(user())
    assert done.wait(10)
    assert isinstance(results[0], ModelUnavailable)


async def test_a_users_vectors_are_checked_and_normalised() -> None:
    class Careless(HashEmbedder):
        rows: Any = ((3.0, 4.0), (0.0, 0.0))

        async def embed(self, texts: Sequence[str]) -> Vectors:
            rows: Vectors = self.rows
            return rows

    inner = Careless(2)
    home = on_home_loop(inner)
    assert isinstance(home, Embedder)
    vectors = await home.embed(["a", "b"])
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0]]
    for rows in ([[1.0, 2.0]], [[1.0], [2.0]], [[np.nan, 1.0], [1.0, 1.0]], [[1.0], [1.0, 2.0]], "text"):
        inner.rows = rows
        with pytest.raises(ModelError):
            await home.embed(["a", "b"])
