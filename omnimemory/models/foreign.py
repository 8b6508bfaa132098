"""Models that belong to somebody else's event loop.

The engine runs on a loop of its own. A model that a user built on theirs (a client with open
connections, say) is called there, for as long as that loop runs.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, overload

from omnimemory.core.errors import ModelUnavailable
from omnimemory.models.base import ChatModel, Completion, Embedder, Prompt, Vectors
from omnimemory.models.provider_errors import meaning_of
from omnimemory.models.vectors import unit_rows

T = TypeVar("T")

_PATIENCE = 2.0
"""Seconds a running loop may take to begin a call before it counts as blocked."""
_WATCH = 0.5
"""Seconds between two looks at whether the loop still runs."""


class HomeLoop:
    """The event loop that runs where this is built, held weakly; none outside of one."""

    def __init__(self) -> None:
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None
        try:
            self._loop = weakref.ref(asyncio.get_running_loop())
        except RuntimeError:
            self._loop = None

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """``call()``, awaited on the home loop while that runs, else on the current one.

        Raises:
            ModelUnavailable: the home loop is blocked (a synchronous call that waits for this
                very answer does that) or ended meanwhile.
        """
        home = self._loop() if self._loop else None
        here = asyncio.get_running_loop()
        if home is None or home is here or not home.is_running():
            return await call()
        begun = asyncio.Event()

        async def there() -> T:
            here.call_soon_threadsafe(begun.set)
            return await call()

        return await _watched(there(), home, begun)


async def _watched(job: Coroutine[Any, Any, T], home: asyncio.AbstractEventLoop, begun: asyncio.Event) -> T:
    try:
        future = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(job, home))
    except RuntimeError as exc:  # it closed between the look and the call
        job.close()
        raise ModelUnavailable("the event loop that the model belongs to has closed") from exc
    starting = asyncio.ensure_future(begun.wait())
    try:
        either: set[asyncio.Future[Any]] = {future, starting}
        await asyncio.wait(either, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not (future.done() or begun.is_set()):
            raise ModelUnavailable(
                "the event loop that the model belongs to is blocked; "
                "use the async methods there, or build the model outside of it"
            )
        while not future.done():
            await asyncio.wait({future}, timeout=_WATCH)
            if not (future.done() or home.is_running()):
                raise ModelUnavailable("the event loop that the model belongs to has ended")
        if future.cancelled():
            raise ModelUnavailable("the event loop that the model belongs to cancelled the call")
        return future.result()
    finally:
        starting.cancel()
        future.cancel()
        if not (begun.is_set() or home.is_running()):
            job.close()


@asynccontextmanager
async def _answering(name: str, seconds: float | None) -> AsyncIterator[None]:
    """The border to code that is not ours: whatever it raises becomes one of our errors here."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError as exc:
        when = "in time" if limit.expired() else "in its own time"
        raise ModelUnavailable(f"{name} did not answer {when}") from exc
    except Exception as exc:  # no base class of errors is known of a user's object
        raise meaning_of(exc, name) from exc


class HomeChatModel:
    """A user's chat model, called on the loop it was handed over on, for ``timeout`` seconds at most."""

    def __init__(self, model: ChatModel, *, timeout: float | None = None) -> None:
        self._model = model
        self._timeout = timeout
        self._home = HomeLoop()

    @property
    def name(self) -> str:
        return self._model.name

    async def complete(
        self, prompt: Prompt, *, json_schema: dict[str, Any] | None = None, max_tokens: int | None = None
    ) -> Completion:
        async with _answering(self.name, self._timeout):
            return await self._home.run(
                lambda: self._model.complete(prompt, json_schema=json_schema, max_tokens=max_tokens)
            )

    async def aclose(self) -> None:
        """Nothing: whoever built the model closes it."""


class HomeEmbedder:
    """A user's embedder, as ``HomeChatModel``; its vectors are checked and normalised."""

    def __init__(self, embedder: Embedder, *, timeout: float | None = None) -> None:
        self._embedder = embedder
        self._timeout = timeout
        self._home = HomeLoop()

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    async def embed(self, texts: Sequence[str]) -> Vectors:
        async with _answering(self.name, self._timeout):
            rows = await self._home.run(lambda: self._embedder.embed(texts))
        return unit_rows(rows, count=len(texts), dimensions=self.dimensions, source=self.name)

    async def aclose(self) -> None:
        """Nothing: whoever built the embedder closes it."""


@overload
def on_home_loop(model: ChatModel, *, timeout: float | None = None) -> HomeChatModel: ...
@overload
def on_home_loop(model: Embedder, *, timeout: float | None = None) -> HomeEmbedder: ...
def on_home_loop(
    model: ChatModel | Embedder, *, timeout: float | None = None
) -> HomeChatModel | HomeEmbedder:
    """``model`` bound to the event loop that runs now, if any.

    A call that takes longer than ``timeout`` seconds raises ``ModelUnavailable``, so that no lane
    waits for ever on a client that has no timeout of its own.
    """
    if isinstance(model, ChatModel):
        return HomeChatModel(model, timeout=timeout)
    return HomeEmbedder(model, timeout=timeout)
