"""The engine's own event loop in a daemon thread, shared by every facade with equal settings.

It is what lets one engine serve notebooks, sync chains, threads and several ``asyncio.run``
calls in a row: no call of a user's loop ever owns a connection, and background work goes on
when that loop ends.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures.thread  # registers its end before ours, see _at_exit
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from omnimemory.core.errors import InvalidRequest, OmniMemoryError

if TYPE_CHECKING:
    from omnimemory.engine import Engine

logger = logging.getLogger(__name__)
T = TypeVar("T")

EXIT_SECONDS = 2.0
"""How long interpreter exit may wait; what is not finished resumes at the next start."""

_CLOSED_UNDER_WAY = "the SDK was closed while this call was under way; make a new one and call again"

OpenEngine = Callable[[], Awaitable["Engine"]]


class Runtime:
    """A private loop and the engine that lives on it.

    The engine opens at the first call, and again at the next one when opening failed. After a
    fork the child gets a loop and an engine of its own.
    """

    def __init__(self, open_engine: OpenEngine) -> None:
        self._open_engine = open_engine
        self._references = 0
        self._lock = threading.Lock()
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._opening: asyncio.Task[Engine] | None = None

    def submit(self, call: Callable[[Engine], Awaitable[T]]) -> Future[T]:
        """Run ``call`` with the engine on the private loop; context variables travel with it."""
        loop = self._running_loop()
        return asyncio.run_coroutine_threadsafe(self._with_engine(call), loop)

    async def call(self, call: Callable[[Engine], Awaitable[T]]) -> T:
        """Run ``call`` with the engine and await it on the caller's loop, whichever that is."""
        if threading.current_thread() is self._thread:
            return await self._with_engine(call)
        future = self.submit(call)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError as exc:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling() or not future.cancelled():
                raise
            raise InvalidRequest(_CLOSED_UNDER_WAY) from exc

    def run(self, call: Callable[[Engine], Awaitable[T]]) -> T:
        """The blocking form of ``submit``.

        Raises:
            InvalidRequest: when called on the engine's own loop, where waiting would never end.
        """
        if threading.current_thread() is self._thread:
            raise InvalidRequest("a blocking call inside the engine's own loop; use OmniMemorySDK there")
        future = self.submit(call)
        try:
            return future.result()
        except concurrent.futures.CancelledError as exc:
            raise InvalidRequest(_CLOSED_UNDER_WAY) from exc
        except BaseException:  # KeyboardInterrupt, above all: nobody waits for the call any more
            future.cancel()
            raise

    def acquire(self) -> Runtime:
        with self._lock:
            self._references += 1
        return self

    def release(self) -> bool:
        """Give one reference back; True when it was the last."""
        with self._lock:
            self._references -= 1
            return self._references <= 0

    def close(self, *, drain: bool, timeout: float) -> None:
        """Close the engine, end the loop; ``drain`` first lets queued work finish, ``timeout`` seconds."""
        with self._lock:
            loop, thread, engine, pid = self._loop, self._thread, self._engine, self._pid
            self._reset()
        if loop is None or thread is None or pid != os.getpid():
            return
        try:
            if engine is not None:
                if drain and not engine.elsewhere:  # a daemon goes on working without us
                    _drain(engine, loop, timeout)
                _wait(engine.close(), loop, EXIT_SECONDS)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(EXIT_SECONDS)

    def forked(self) -> None:
        """In a forked child: the parent's loop, its thread and whoever held the lock are not here."""
        self._lock = threading.Lock()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._pid != os.getpid():
                self._reset()
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="omnimemory", daemon=True
                )
                self._thread.start()
            return self._loop

    async def _with_engine(self, call: Callable[[Engine], Awaitable[T]]) -> T:
        engine = self._engine
        while engine is None:
            if self._opening is None:
                self._opening = asyncio.create_task(self._open())
            # Shielded: a caller that is cancelled does not cancel the opening for the others.
            engine = await asyncio.shield(self._opening)
        return await call(engine)

    async def _open(self) -> Engine:
        try:
            self._engine = await self._open_engine()
            return self._engine
        finally:
            self._opening = None


def _drain(engine: Engine, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    try:
        _wait(engine.flush(None), loop, seconds)
    except OmniMemoryError as exc:  # it must be closed all the same
        logger.warning("closing with work left, which goes on at the next start: %s", exc)


def _wait(work: Coroutine[Any, Any, object], loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        future.result(seconds)
    except TimeoutError:
        future.cancel()
        logger.info("the engine was not done in %.0f s; its work goes on at the next start", seconds)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        if unfinished := asyncio.all_tasks(loop):
            for task in unfinished:
                task.cancel()
            loop.run_until_complete(asyncio.wait(unfinished, timeout=EXIT_SECONDS))
        loop.close()


_shared: dict[Hashable, Runtime] = {}
_shared_lock = threading.Lock()


def shared_runtime(key: Hashable, open_engine: OpenEngine) -> Runtime:
    """The process's runtime for ``key``, made when there is none; give it back with ``give_back``."""
    with _shared_lock:
        runtime = _shared.get(key)
        if runtime is None:
            runtime = _shared[key] = Runtime(open_engine)
        return runtime.acquire()


def give_back(key: Hashable, runtime: Runtime, *, drain: bool, timeout: float) -> None:
    """End one facade's use; the last one closes the runtime."""
    with _shared_lock:
        last = runtime.release()
        if last and _shared.get(key) is runtime:
            del _shared[key]
    if last:
        runtime.close(drain=drain, timeout=timeout)


def _after_fork() -> None:
    """Locks held by other threads at the fork would never be freed in the child."""
    global _shared_lock
    _shared_lock = threading.Lock()
    for runtime in _shared.values():
        runtime.forked()


def _close_all() -> None:
    with _shared_lock:
        runtimes = list(_shared.values())
        _shared.clear()
    for runtime in runtimes:
        try:
            runtime.close(drain=False, timeout=EXIT_SECONDS)
        except OmniMemoryError as exc:
            logger.warning("closing at exit failed: %s", exc)


def _at_exit(call: Callable[[], None]) -> None:
    """Have ``call`` made at exit while threads can still be asked for work.

    ``atexit`` comes too late: executors refuse by then, and a task that meets that would be parked.
    ``threading`` has no public hook; its own one runs the last registered first, so ours comes before
    that of ``concurrent.futures``, which this module has imported.
    """
    register: Callable[[Callable[[], None]], object] = getattr(threading, "_register_atexit", atexit.register)
    register(call)


_at_exit(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
