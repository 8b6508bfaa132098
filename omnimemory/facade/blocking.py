"""Blocking twins of the async calls, made from them so that neither can fall behind the other."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from omnimemory.facade.connection import Connection

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Connection)


def without_loop(build: Callable[[], R]) -> R:
    """``build()`` where no event loop runs, so that the models it binds are bound to none.

    A loop on whose thread blocking calls are made stands still while they wait for a model.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return build()
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(build).result()


class Twin(Protocol):
    """A blocking facade: it holds the async one it stands for."""

    @property
    def _twin(self) -> Any: ...


def blocking(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Twin, P], R]:
    """``method`` with the same parameters and result, run on the engine's loop and waited for."""

    @functools.wraps(method)
    def call(self: Twin, /, *args: P.args, **kwargs: P.kwargs) -> R:
        twin: S = self._twin
        return twin.run_blocking(lambda: method(twin, *args, **kwargs))

    return call
