"""What the engine reports while it works, the traces it leaves, and the daily cap on tokens."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from omnimemory.budget import DailyTokens
from omnimemory.core.errors import LedgerError
from omnimemory.core.schemas import Message, Scope, TaskStatus, UserMessages
from omnimemory.core.settings import Settings
from omnimemory.engine import Engine
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import Spent
from omnimemory.metrics import Metrics
from omnimemory.recall.request import RecallRequest
from omnimemory.sdk import OmniMemorySDK
from omnimemory.testing.scripted import HashEmbedder, ScriptedChatModel
from omnimemory.tracing import Traces
from omnimemory.vitals import Vitals
from omnimemory.wiring import Parts, engine_from, store_from

ANN = Scope(app_id="shop", user_id="ann")
SAID = [Message(role="user", content="I moved to Oslo."), Message(role="assistant", content="Noted.")]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
async def engine(registry: CollectorRegistry, exporter: InMemorySpanExporter) -> AsyncIterator[Engine]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    observer = Traces(provider.get_tracer("test"), registry)
    parts = Parts(chat_model=ScriptedChatModel(), embedder=HashEmbedder(), observer=observer)
    async with engine_from(Settings.load(), parts) as opened:
        yield opened


async def test_an_add_and_a_recall_are_counted_where_dashboards_look(
    engine: Engine, registry: CollectorRegistry
) -> None:
    await engine.ingest.add(ANN, SAID)
    await engine.flush(ANN)
    await engine.recall(RecallRequest(scope=ANN, query="Where does Ann live?", n_results=3))
    await engine.recall(RecallRequest(scope=ANN, query="Where does Ann live?", n_results=3))
    await engine.vitals.render()
    for name, labels in [
        ("omnimemory_operations_total", {"operation": "add"}),
        ("omnimemory_operations_total", {"operation": "recall"}),
        ("omnimemory_operations_total", {"operation": "index"}),
        ("omnimemory_operations_total", {"operation": "embed"}),
        ("omnimemory_operations_total", {"operation": "ledger.write"}),
        ("omnimemory_operations_total", {"operation": "store.upsert"}),
        ("omnimemory_operations_total", {"operation": "store.dense"}),
        ("omnimemory_operations_total", {"operation": "agents.synthesize"}),
        ("omnimemory_operations_total", {"operation": "model.episodic"}),
        ("omnimemory_model_calls_total", {"agent": "summarizer"}),
        ("omnimemory_model_tokens_total", {"agent": "summarizer", "direction": "input"}),
        ("omnimemory_evolution_total", {"operation": "CREATE"}),
        ("omnimemory_task_attempts_total", {"kind": "synthesis", "outcome": "done"}),
        ("omnimemory_recall_results_count", {}),
        ("omnimemory_embedding_cache_hits_total", {}),
        ("omnimemory_pool_limit", {"kind": "collections"}),
        ("omnimemory_tokens_today", {}),
    ]:
        assert registry.get_sample_value(name, labels), (name, labels)
    assert registry.get_sample_value("omnimemory_tasks", {"status": "queued"}) == 0


async def test_no_label_names_a_scope_or_quotes_a_text(engine: Engine) -> None:
    await engine.ingest.add(ANN, SAID)
    await engine.flush(ANN)
    text = (await engine.vitals.render())[0].decode()
    assert not [word for word in ("shop", "ann", "Oslo") if f'"{word}' in text]


async def test_one_trace_leads_from_the_add_through_the_agents_to_the_store(
    engine: Engine, exporter: InMemorySpanExporter
) -> None:
    with engine.observer.operation("request"):
        await engine.ingest.add(ANN, SAID)
    await engine.flush(ANN)
    spans = exporter.get_finished_spans()
    trace_id = next(span.context.trace_id for span in spans if span.name == "request")
    names = {span.name for span in spans if span.context.trace_id == trace_id}
    assert {
        "request",
        "add",
        "ledger.write",
        "task.synthesis",
        "agents.synthesize",
        "model.episodic",
        "model.summarizer",
        "store.dense",
    } <= names
    assert "Oslo" not in "".join(span.to_json() for span in spans)


async def test_metrics_are_on_their_port_while_the_sdk_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with OmniMemorySDK(metrics_server=True, metrics_port=port) as sdk:
        await sdk.warm_up()
        async with httpx.AsyncClient(trust_env=False) as client:
            found = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert "omnimemory_outbox_rows 0.0" in found
    assert "process_resident_memory_bytes" in found


async def test_past_the_daily_cap_adds_stay_queued_and_say_so() -> None:
    one = UserMessages(app_id="shop", user_id="ann", messages=SAID)
    async with OmniMemorySDK(chat_model=ScriptedChatModel(), daily_token_cap=1) as sdk:
        first = await sdk.add_memory(one)
        done = await sdk.wait_for_task(first["task_id"], app_id="shop")
        assert done.status is TaskStatus.DONE, "nothing was spent yet"
        second = await sdk.add_memory(one)
        with pytest.raises(TimeoutError):
            await sdk.wait_for_task(second["task_id"], app_id="shop", timeout=0.3)
        task = await sdk.get_task(second["task_id"], app_id="shop")
        assert task.status is TaskStatus.QUEUED
        assert task.error is not None
        assert "daily cap of 1 model tokens" in task.error
        third = await sdk.add_memory(one)
        assert "daily cap of 1 model tokens" in third["message"]
        assert await sdk.query_memory("shop", "Where did Ann move?", user_id="ann"), "turns are recalled"
        assert "daily cap" in (await sdk.get_connection_pool_stats())["held"]
        await sdk.close(drain=False)


async def test_an_answer_counts_towards_the_cap_without_being_held() -> None:
    async with engine_from(
        Settings.load({"daily_token_cap": 1}), Parts(chat_model=ScriptedChatModel(), embedder=HashEmbedder())
    ) as engine:
        assert await engine.answer("Where does Ann live?", [])
        assert await engine.answer("Where does Ann live?", [])
        assert (await engine.vitals.state()).tokens_left == 0


async def test_the_cap_is_free_again_the_next_day_and_survives_a_restart(tmp_path: Path) -> None:
    now = datetime(2026, 10, 4, 23, 59, tzinfo=UTC)
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    async with Ledger(url, clock=lambda: now) as ledger:
        await ledger.spend(Spent(calls=1, input_tokens=60, output_tokens=40))
        assert await DailyTokens(ledger, 101).spent_until() is None
    async with Ledger(url, clock=lambda: now) as ledger:
        tokens = DailyTokens(ledger, 100)
        assert await tokens.spent_until() == datetime(2026, 10, 5, tzinfo=UTC)
        assert ledger.held is not None
        now += timedelta(minutes=2)
        assert await tokens.spent_until() is None
        assert ledger.held is None
        assert await tokens.left() == 100


async def test_metrics_are_read_even_while_the_ledger_fails(
    registry: CollectorRegistry, tmp_path: Path
) -> None:
    metrics, settings = Metrics(registry), Settings.load()
    file = tmp_path / "ledger.db"
    async with Ledger(f"sqlite:///{file}") as ledger:
        vitals = Vitals(ledger, store_from(settings), HashEmbedder(), settings, metrics)
        with metrics.operation("add"):
            pass
        with closing(sqlite3.connect(file)) as damage:
            damage.execute("DROP TABLE ledger_tasks")
        with pytest.raises(LedgerError):
            await vitals.state()
        assert b'omnimemory_operations_total{operation="add"} 1.0' in (await vitals.render())[0]
