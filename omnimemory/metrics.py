"""What the engine says about its own work, and the same as Prometheus metrics.

No label carries an app, a user, a text or anything else without a bound: operations, agents, kinds
and outcomes are named in the code, an error by its class in ``core.errors``, a request by its route.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, Self, TypeVar, get_args

from omnimemory.core import errors
from omnimemory.core.errors import OmniMemoryError
from omnimemory.core.tasks import TaskKind

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

P = ParamSpec("P")
T = TypeVar("T")

Carrier = Mapping[str, str]
"""Where a trace goes on, in the form of W3C trace context headers."""
Outcome = Literal["done", "retried", "parked", "taken_over"]
Delivery = Literal["delivered", "failed", "refused"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
COUNTS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)
AGES = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ERRORS = frozenset(
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, OmniMemoryError)
)


@dataclass(frozen=True, slots=True)
class State:
    """What stands at this moment; ages in seconds. ``tokens_left`` is None without a daily cap."""

    tasks: Mapping[str, int] = field(default_factory=dict)  # by status: queued, running, parked
    oldest_task_seconds: float = 0.0
    undelivered: int = 0
    pool_active: int = 0
    pool_limit: int = 0
    pool_of: Literal["connections", "collections"] = "connections"  # open ones of an embedded store
    cache_hits: int = 0
    cache_misses: int = 0
    tokens_today: int = 0
    tokens_left: int | None = None


class Observer:
    """Is told what happens and ignores it; whoever counts, times or traces overrides.

    Methods neither block nor raise. Names of operations, agents and kinds come from the code.
    """

    def operation(
        self,
        name: str,  # noqa: ARG002  # for those that listen
        *,
        parent: Carrier | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[None]:
        """Around one call. ``parent`` is the ``carrier`` of what asked for it, perhaps long ago."""
        return nullcontext()

    def carrier(self) -> dict[str, str]:
        """Where the present trace goes on; empty without one."""
        return {}

    def model_called(self, agent: str, *, input_tokens: int, output_tokens: int) -> None: ...

    def recalled(self, *, candidates: int, results: int) -> None: ...

    def evolved(self, operations: Mapping[str, int]) -> None:
        """How often each was applied in one step: create, update, delete, skip."""

    def attempted(self, kind: str, outcome: Outcome, *, age: float) -> None:
        """A worker's attempt at a task has ended, ``age`` seconds after the task was queued."""

    def delivered(self, outcome: Delivery) -> None:
        """A webhook was tried; ``refused`` will not be tried again."""

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        """An HTTP request was answered; ``route`` is the template, never the path."""

    def stands(self, state: State) -> None:
        """The values of the gauges."""

    def render(self) -> tuple[bytes, str]:
        """What there is to read now, and its content type."""
        return b"", CONTENT_TYPE

    def close(self) -> None:
        """Let go of what was opened; may block for a few seconds."""


SILENT = Observer()


class Observed(Protocol):
    @property
    def observer(self) -> Observer: ...


S = TypeVar("S", bound=Observed)
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def observed(name: str) -> Callable[[Method[S, P, T]], Method[S, P, T]]:
    """Makes every call of an async method an operation of its object's ``observer``."""

    def decorate(method: Method[S, P, T]) -> Method[S, P, T]:
        @functools.wraps(method)
        async def told(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            with self.observer.operation(name):
                return await method(self, *args, **kwargs)

        return told

    return decorate


def error_class(error: BaseException) -> str:
    """The nearest class of ``core.errors``, ``TimeoutError``, or ``unexpected``."""
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((name for name in names if name in ERRORS or name == "TimeoutError"), "unexpected")


class Metrics(Observer):
    """Prometheus metrics in ``registry``, or in one of its own that also tells about the process.

    Without prometheus-client (extra ``server``) nothing is counted and ``render`` is empty.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._registry = registry
        counter: Callable[..., Any]
        histogram: Callable[..., Any]
        gauge: Callable[..., Any]
        try:
            from prometheus_client import Counter, Gauge, Histogram
        except ModuleNotFoundError:
            counter = histogram = gauge = _Uncounted
        else:
            self._registry = registry = registry if registry is not None else _own_registry()
            counter = functools.partial(Counter, registry=registry)
            histogram = functools.partial(Histogram, registry=registry)
            gauge = functools.partial(Gauge, registry=registry)
        self._count(counter)
        self._measure(histogram)
        self._gauge(gauge)
        self._cache = (0, 0)

    def _count(self, counter: Callable[..., Any]) -> None:
        self._operations = counter("omnimemory_operations", "Calls by operation.", ["operation"])
        self._errors = counter(
            "omnimemory_operation_errors", "Failed calls by error class.", ["operation", "error"]
        )
        self._calls = counter("omnimemory_model_calls", "Answers of the chat model.", ["agent"])
        self._tokens = counter("omnimemory_model_tokens", "Tokens, input and output.", ["agent", "direction"])
        self._hits = counter("omnimemory_embedding_cache_hits", "Texts whose vector was in the cache.")
        self._misses = counter("omnimemory_embedding_cache_misses", "Texts that had to be embedded.")
        self._attempts = counter(
            "omnimemory_task_attempts", "How attempts at tasks ended.", ["kind", "outcome"]
        )
        self._evolution = counter("omnimemory_evolution", "Steps of memory evolution.", ["operation"])
        self._deliveries = counter("omnimemory_webhook_deliveries", "Deliveries tried.", ["outcome"])
        self._requests = counter(
            "omnimemory_http_requests", "Requests answered.", ["method", "route", "status"]
        )
        for kind in TaskKind:  # there from the beginning, so that the first one is an increase
            self._attempts.labels(kind, "parked")
        for outcome in get_args(Delivery):
            self._deliveries.labels(outcome)

    def _measure(self, histogram: Callable[..., Any]) -> None:
        self._seconds = histogram(
            "omnimemory_operation_seconds", "How long calls took.", ["operation"], buckets=SECONDS
        )
        self._request_seconds = histogram(
            "omnimemory_http_request_seconds", "How long requests took.", ["route"], buckets=SECONDS
        )
        self._ages = histogram(
            "omnimemory_task_age_seconds", "From queued to done or parked.", ["kind"], buckets=AGES
        )
        self._candidates = histogram(
            "omnimemory_recall_candidates", "Memories that recall ranked.", buckets=COUNTS
        )
        self._results = histogram(
            "omnimemory_recall_results", "Memories that recall returned.", buckets=COUNTS
        )

    def _gauge(self, gauge: Callable[..., Any]) -> None:
        self._tasks = gauge("omnimemory_tasks", "Tasks in the ledger, done ones left out.", ["status"])
        self._oldest = gauge("omnimemory_oldest_task_seconds", "Age of the oldest task not settled.")
        self._undelivered = gauge("omnimemory_outbox_rows", "Changes the vector store has yet to hear about.")
        self._pool_active = gauge("omnimemory_pool_active", "What the store has open.", ["kind"])
        self._pool_limit = gauge("omnimemory_pool_limit", "What the store may have open.", ["kind"])
        self._today = gauge("omnimemory_tokens_today", "Model tokens spent since midnight UTC.")
        self._left = gauge("omnimemory_tokens_left", "Left of the daily cap; +Inf without one.")

    # What happens

    @contextmanager
    def operation(self, name: str, *, parent: Carrier | None = None) -> Iterator[None]:  # noqa: ARG002
        started = time.perf_counter()
        try:
            yield
        except Exception as exc:  # counted by its class, whichever that is, and passed on
            self._errors.labels(name, error_class(exc)).inc()
            raise
        finally:
            self._operations.labels(name).inc()
            self._seconds.labels(name).observe(time.perf_counter() - started)

    def model_called(self, agent: str, *, input_tokens: int, output_tokens: int) -> None:
        self._calls.labels(agent).inc()
        self._tokens.labels(agent, "input").inc(input_tokens)
        self._tokens.labels(agent, "output").inc(output_tokens)

    def recalled(self, *, candidates: int, results: int) -> None:
        self._candidates.observe(candidates)
        self._results.observe(results)

    def evolved(self, operations: Mapping[str, int]) -> None:
        for operation, times in operations.items():
            self._evolution.labels(operation).inc(times)

    def attempted(self, kind: str, outcome: Outcome, *, age: float) -> None:
        self._attempts.labels(kind, outcome).inc()
        if outcome in ("done", "parked"):
            self._ages.labels(kind).observe(age)

    def delivered(self, outcome: Delivery) -> None:
        self._deliveries.labels(outcome).inc()

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    # What stands

    def stands(self, state: State) -> None:
        for status in ("queued", "running", "parked"):
            self._tasks.labels(status).set(state.tasks.get(status, 0))
        self._oldest.set(state.oldest_task_seconds)
        self._undelivered.set(state.undelivered)
        self._pool_active.labels(state.pool_of).set(state.pool_active)
        self._pool_limit.labels(state.pool_of).set(state.pool_limit)
        self._today.set(state.tokens_today)
        self._left.set(float("inf") if state.tokens_left is None else state.tokens_left)
        hits, misses = self._cache
        self._hits.inc(max(0, state.cache_hits - hits))
        self._misses.inc(max(0, state.cache_misses - misses))
        self._cache = (state.cache_hits, state.cache_misses)

    def render(self) -> tuple[bytes, str]:
        """Everything in the registry in Prometheus' text format, with its content type."""
        if self._registry is None:
            return super().render()
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self._registry), CONTENT_TYPE_LATEST


def _own_registry() -> CollectorRegistry:
    from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class _Uncounted:
    """Stands in for a counter, gauge or histogram where there is no library to count."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def labels(self, *_: object) -> Self:
        return self

    def inc(self, _: float = 1) -> None: ...

    def set(self, _: float) -> None: ...

    def observe(self, _: float) -> None: ...
