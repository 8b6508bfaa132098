"""What is counted, under which names, and with labels that cannot grow without bound."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry

from omnimemory.core.errors import IdempotencyConflict, OmniMemoryError, StoreUnavailable
from omnimemory.metrics import SILENT, Metrics, Observer, State, error_class, observed


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


class Clerk:
    def __init__(self, observer: Observer) -> None:
        self.observer = observer

    @observed("work")
    async def work(self, error: BaseException | None = None) -> str:
        if error is not None:
            raise error
        return "done"


async def test_an_operation_is_counted_timed_and_its_result_handed_through(
    registry: CollectorRegistry,
) -> None:
    assert await Clerk(Metrics(registry)).work() == "done"
    labels = {"operation": "work"}
    assert registry.get_sample_value("omnimemory_operations_total", labels) == 1
    assert registry.get_sample_value("omnimemory_operation_seconds_count", labels) == 1


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (StoreUnavailable("down"), "StoreUnavailable"),
        (IdempotencyConflict("again"), "IdempotencyConflict"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("a text of the user's"), "unexpected"),
        (type("Theirs", (StoreUnavailable,), {})("down"), "StoreUnavailable"),
        (OmniMemoryError("x"), "OmniMemoryError"),
    ],
)
async def test_a_failure_is_counted_by_its_class_and_raised(
    registry: CollectorRegistry, error: Exception, named: str
) -> None:
    with pytest.raises(type(error)):
        await Clerk(Metrics(registry)).work(error)
    labels = {"operation": "work", "error": named}
    assert registry.get_sample_value("omnimemory_operation_errors_total", labels) == 1


async def test_a_cancelled_call_is_no_error(registry: CollectorRegistry) -> None:
    metrics = Metrics(registry)
    with pytest.raises(asyncio.CancelledError):
        await Clerk(metrics).work(asyncio.CancelledError())
    assert registry.get_sample_value("omnimemory_operations_total", {"operation": "work"}) == 1
    assert b"omnimemory_operation_errors_total{" not in metrics.render()[0]


def test_every_error_of_ours_has_a_class_of_its_own() -> None:
    assert error_class(StoreUnavailable("x")) == "StoreUnavailable"
    assert error_class(KeyError("x")) == "unexpected"


def test_events_end_up_where_dashboards_look(registry: CollectorRegistry) -> None:
    metrics = Metrics(registry)
    metrics.model_called("resolver", input_tokens=100, output_tokens=20)
    metrics.recalled(candidates=60, results=5)
    metrics.evolved({"UPDATE": 2, "CREATE": 1})
    metrics.attempted("synthesis", "retried", age=3.0)
    metrics.attempted("synthesis", "done", age=4.0)
    metrics.delivered("refused")
    metrics.requested("GET", "/api/v1/memories/{memory_id}", 404, 0.002)
    for name, labels, value in [
        ("omnimemory_model_calls_total", {"agent": "resolver"}, 1),
        ("omnimemory_model_tokens_total", {"agent": "resolver", "direction": "input"}, 100),
        ("omnimemory_model_tokens_total", {"agent": "resolver", "direction": "output"}, 20),
        ("omnimemory_recall_candidates_sum", {}, 60),
        ("omnimemory_recall_results_count", {}, 1),
        ("omnimemory_evolution_total", {"operation": "UPDATE"}, 2),
        ("omnimemory_task_attempts_total", {"kind": "synthesis", "outcome": "retried"}, 1),
        ("omnimemory_task_age_seconds_count", {"kind": "synthesis"}, 1),
        ("omnimemory_webhook_deliveries_total", {"outcome": "refused"}, 1),
        ("omnimemory_http_request_seconds_count", {"route": "/api/v1/memories/{memory_id}"}, 1),
    ]:
        assert registry.get_sample_value(name, labels) == value, name


def test_an_invented_http_method_makes_no_new_label(registry: CollectorRegistry) -> None:
    metrics = Metrics(registry)
    for method in ("GET", "XYZZY", "PLUGH"):
        metrics.requested(method, "unmatched", 404, 0.001)
    labels = {"route": "unmatched", "status": "404"}
    assert registry.get_sample_value("omnimemory_http_requests_total", {"method": "other", **labels}) == 2


def test_gauges_show_what_stands_and_cache_hits_only_grow(registry: CollectorRegistry) -> None:
    metrics = Metrics(registry)
    metrics.stands(State(tasks={"queued": 7}, oldest_task_seconds=3.5, cache_hits=10, cache_misses=4))
    metrics.stands(State(tasks={"parked": 1}, pool_active=2, pool_limit=8, cache_hits=15, cache_misses=4))
    assert registry.get_sample_value("omnimemory_tasks", {"status": "queued"}) == 0
    assert registry.get_sample_value("omnimemory_tasks", {"status": "parked"}) == 1
    assert registry.get_sample_value("omnimemory_pool_limit", {"kind": "connections"}) == 8
    assert registry.get_sample_value("omnimemory_embedding_cache_hits_total") == 15
    assert registry.get_sample_value("omnimemory_embedding_cache_misses_total") == 4
    assert registry.get_sample_value("omnimemory_tokens_left") == float("inf")


def test_its_own_registry_tells_about_the_process_too() -> None:
    text, content_type = Metrics().render()
    assert b"process_resident_memory_bytes" in text
    assert content_type.startswith("text/plain")


def test_the_silent_observer_does_nothing() -> None:
    with SILENT.operation("work"):
        SILENT.model_called("answer", input_tokens=1, output_tokens=1)
        SILENT.stands(State())
    assert SILENT.render()[0] == b""
    assert SILENT.carrier() == {}


def test_without_prometheus_client_the_same_calls_do_nothing() -> None:
    script = """
import sys
sys.modules["prometheus_client"] = None
from omnimemory.metrics import Metrics, State
metrics = Metrics()
with metrics.operation("recall"):
    metrics.model_called("answer", input_tokens=1, output_tokens=1)
metrics.attempted("synthesis", "done", age=1.0)
metrics.requested("GET", "/", 200, 0.1)
metrics.stands(State(cache_hits=3))
assert metrics.render()[0] == b"", metrics.render()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_metrics_brings_no_library_along() -> None:
    script = """
import sys
import omnimemory.metrics, omnimemory.metrics_http, omnimemory.metrics_server, omnimemory.tracing
assert not {"prometheus_client", "opentelemetry"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
