"""One trace from the request to the store, without a word of what was said in it."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import CollectorRegistry

from omnimemory.core.errors import StoreUnavailable
from omnimemory.core.settings import Settings
from omnimemory.metrics_http import Message, ObservedRequests, Receive, Scope, Send, Templates
from omnimemory.tracing import Traces, trace_ids, traces_from

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> Traces:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Traces(provider.get_tracer("test"), CollectorRegistry())


def test_operations_nest_and_are_counted_all_the_same(traces: Traces, exporter: InMemorySpanExporter) -> None:
    with traces.operation("recall"):
        with traces.operation("store.dense"):
            pass
        traces.recalled(candidates=12, results=5)
    store, recall = exporter.get_finished_spans()
    assert (store.name, recall.name) == ("store.dense", "recall")
    assert store.parent is not None
    assert store.parent.span_id == recall.context.span_id
    assert dict(recall.attributes or {}) == {"omnimemory.candidates": 12, "omnimemory.results": 5}
    assert b'omnimemory_operations_total{operation="store.dense"} 1.0' in traces.render()[0]


def test_a_task_goes_on_with_the_trace_of_who_queued_it(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    with traces.operation("add"):
        carrier = traces.carrier()
    with traces.operation("task.synthesis", parent=carrier):
        pass
    add, task = exporter.get_finished_spans()
    assert task.context.trace_id == add.context.trace_id
    assert task.parent is not None
    assert task.parent.span_id == add.context.span_id


def test_a_failed_span_names_the_class_and_not_the_message(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    with pytest.raises(StoreUnavailable), traces.operation("recall"):
        raise StoreUnavailable("Ann's secret")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {}) == {"error.type": "StoreUnavailable"}
    assert "secret" not in span.to_json()


def test_looks_for_work_make_no_traces(traces: Traces, exporter: InMemorySpanExporter) -> None:
    with traces.operation("ledger.read"):
        pass
    with traces.operation("recall"), traces.operation("ledger.read"):
        pass
    assert [span.name for span in exporter.get_finished_spans()] == ["ledger.read", "recall"]


async def test_a_request_goes_on_with_its_callers_trace(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with traces.operation("recall"):
            assert trace_ids()["trace_id"] == TRACEPARENT.split("-")[1]
        start: Message = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": b"ok"})

    transport = httpx.ASGITransport(app=ObservedRequests(app, traces, Templates([])))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.get("/", headers={"traceparent": TRACEPARENT})
    recall, request = exporter.get_finished_spans()
    assert {f"{span.context.trace_id:032x}" for span in (recall, request)} == {TRACEPARENT.split("-")[1]}
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200


def test_without_a_span_there_are_no_ids() -> None:
    assert trace_ids() == {}


class Collector(HTTPServer):
    received: bytes = b""


class _Collecting(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.received += self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector(("127.0.0.1", 0), _Collecting) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_spans_reach_the_collector_that_the_settings_name(collector: Collector) -> None:
    endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
    traces = traces_from(Settings.load({"traces_endpoint": endpoint}), CollectorRegistry())
    with traces.operation("recall"):
        pass
    traces.close()
    assert b"recall" in collector.received
    assert b"omnimemory" in collector.received
