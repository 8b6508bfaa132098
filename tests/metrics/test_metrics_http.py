"""Requests by route: the template counts, never the path."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from prometheus_client import CollectorRegistry

from omnimemory.metrics import Metrics
from omnimemory.metrics_http import Message, ObservedRequests, Receive, Scope, Send, Templates

APP = FastAPI()
TEMPLATES = Templates(["/memories/{memory_id}"])


@APP.get("/memories/{memory_id}")
async def memory(memory_id: str) -> dict[str, str]:
    if memory_id == "unknown":
        raise HTTPException(404)
    if memory_id == "broken":
        raise RuntimeError(memory_id)
    return {"memory_id": memory_id}


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/memories/m1", "/memories/{memory_id}", 200),
        ("/memories/unknown", "/memories/{memory_id}", 404),
        ("/memories/broken", "/memories/{memory_id}", 500),
        ("/wp-login.php", "unmatched", 404),
    ],
)
async def test_a_request_is_counted_under_its_route(path: str, route: str, status: int) -> None:
    registry = CollectorRegistry()
    app = ObservedRequests(APP, Metrics(registry), TEMPLATES)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get(path)).status_code == status
    labels = {"method": "GET", "route": route, "status": str(status)}
    assert registry.get_sample_value("omnimemory_http_requests_total", labels) == 1
    assert registry.get_sample_value("omnimemory_http_request_seconds_count", {"route": route}) == 1


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/memories", "/memories"),
        ("/memories/query", "/memories/query"),
        ("/memories/m1", "/memories/{memory_id}"),
        ("/memories/m1/evolution", "/memories/{memory_id}/evolution"),
        ("/files/a/b.js", "/files/{file:path}"),
        ("/memories/", "unmatched"),
        ("/memories/m1/nothing", "unmatched"),
        ("/files", "unmatched"),
        ("/v1xmemories", "unmatched"),
    ],
)
def test_a_path_belongs_to_the_template_with_the_most_words(path: str, template: str) -> None:
    known = ["/memories/{memory_id}", "/memories", "/memories/query", "/memories/{memory_id}/evolution"]
    assert Templates([*known, "/files/{file:path}", "/v1.memories"]).of(path) == template


def test_without_templates_nothing_is_matched() -> None:
    assert Templates([]).of("/") == "unmatched"


async def test_a_caller_that_goes_before_the_answer_is_no_failure_of_ours() -> None:
    async def unanswering(scope: Scope, receive: Receive, send: Send) -> None:
        """As the gate does when a body ends halfway."""

    registry = CollectorRegistry()
    app = ObservedRequests(unanswering, Metrics(registry), TEMPLATES)
    scope = {"type": "http", "method": "POST", "path": "/memories/m1", "headers": []}
    await app(scope, _nothing, _ignored)
    labels = {"method": "POST", "route": "/memories/{memory_id}", "status": "499"}
    assert registry.get_sample_value("omnimemory_http_requests_total", labels) == 1


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


async def _ignored(message: Message) -> None:
    """Nobody is there to read it."""
