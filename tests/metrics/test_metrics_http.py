"""Requests by route: the template counts, never the path."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from prometheus_client import CollectorRegistry

from omnimemory.metrics import Metrics
from omnimemory.metrics_http import ObservedRequests

APP = FastAPI()


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
    app = ObservedRequests(APP, Metrics(registry))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get(path)).status_code == status
    labels = {"method": "GET", "route": route, "status": str(status)}
    assert registry.get_sample_value("omnimemory_http_requests_total", labels) == 1
    assert registry.get_sample_value("omnimemory_http_request_seconds_count", {"route": route}) == 1
