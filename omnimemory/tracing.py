"""OpenTelemetry traces (extra ``otel``): each operation is a span, from the request to the store.

A task carries the trace of the call that queued it, so that the agents' work belongs to that trace
though it happens later, in another process or after a restart. No span holds a text or an id.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from omnimemory.core.errors import ConfigError
from omnimemory.metrics import Carrier, Metrics, error_class

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer
    from prometheus_client import CollectorRegistry

    from omnimemory.core.settings import Settings

SERVICE = "omnimemory"
CLOSE_MILLISECONDS = 3000


class Traces(Metrics):
    """``Metrics`` that are traced besides, by ``tracer``; ``on_close`` sends what is left."""

    def __init__(
        self,
        tracer: Tracer,
        registry: CollectorRegistry | None = None,
        *,
        on_close: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(registry)
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = tracer
        self._on_close = on_close
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def operation(self, name: str, *, parent: Carrier | None = None) -> Iterator[None]:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        if name.startswith("ledger.") and not trace_ids():
            # The lanes' own looks for work would be a trace each.
            with super().operation(name):
                yield
            return
        context = self._propagator.extract(parent) if parent else None
        kind = SpanKind.SERVER if name == "request" else SpanKind.INTERNAL
        with (
            super().operation(name),
            self._tracer.start_as_current_span(
                name, context=context, kind=kind, record_exception=False, set_status_on_exception=False
            ) as span,
        ):
            try:
                yield
            except Exception as exc:  # whatever ended the operation, and passed on
                # By class alone: a message may repeat what a memory says.
                span.set_attribute("error.type", error_class(exc))
                span.set_status(Status(StatusCode.ERROR))
                raise

    def carrier(self) -> dict[str, str]:
        found: dict[str, str] = {}
        self._propagator.inject(found)
        return found

    def model_called(self, agent: str, *, input_tokens: int, output_tokens: int) -> None:
        super().model_called(agent, input_tokens=input_tokens, output_tokens=output_tokens)
        _describe({"gen_ai.usage.input_tokens": input_tokens, "gen_ai.usage.output_tokens": output_tokens})

    def recalled(self, *, candidates: int, results: int) -> None:
        super().recalled(candidates=candidates, results=results)
        _describe({"omnimemory.candidates": candidates, "omnimemory.results": results})

    def requested(self, method: str, route: str, status: int, seconds: float) -> None:
        super().requested(method, route, status, seconds)
        _describe({"http.request.method": method, "http.route": route, "http.response.status_code": status})

    def close(self) -> None:
        super().close()
        if self._on_close is not None:
            self._on_close()


def traces_from(settings: Settings, registry: CollectorRegistry | None = None) -> Traces:
    """Spans go to the collector at ``OMNIMEMORY_TRACES_ENDPOINT``, or else to the provider that the
    application has set up with OpenTelemetry.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry import trace

        if settings.traces_endpoint is None:
            return Traces(trace.get_tracer(SERVICE), registry)
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as exc:
        raise ConfigError('traces need OpenTelemetry: pip install "omnimemory[otel]"') from exc
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.traces_endpoint)))

    def send_and_stop() -> None:
        provider.force_flush(CLOSE_MILLISECONDS)
        provider.shutdown()

    return Traces(provider.get_tracer(SERVICE), registry, on_close=send_and_stop)


def trace_ids() -> dict[str, str]:
    """``trace_id`` and ``span_id`` of the present span; empty without one, or without OpenTelemetry."""
    current = _current_span()
    found = None if current is None else current().get_span_context()
    if found is None or not found.is_valid:
        return {}
    return {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"}


@functools.cache
def _current_span() -> Callable[[], Span] | None:
    """None without OpenTelemetry, which is looked for once: every line of a log asks."""
    try:
        from opentelemetry.trace import get_current_span
    except ModuleNotFoundError:
        return None
    return get_current_span


def _describe(attributes: dict[str, str | int]) -> None:
    from opentelemetry.trace import get_current_span

    for name, value in attributes.items():
        get_current_span().set_attribute(name, value)
