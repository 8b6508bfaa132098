"""The server itself: what it is, how it does, its metrics, its pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import Response

from omnimemory.api import answers
from omnimemory.api.call import Calling, Json, JsonRoute
from omnimemory.api.problems import Refusal
from omnimemory.api.responses import PROBLEMS
from omnimemory.api.security import ASSETS
from omnimemory.core.errors import OmniMemoryError
from omnimemory.core.schemas import Scope
from omnimemory.engine import Engine

root = APIRouter(tags=["system"], route_class=JsonRoute, responses=PROBLEMS)
pages = APIRouter(include_in_schema=False)
system = APIRouter(prefix="/system", tags=["system"], route_class=JsonRoute, responses=PROBLEMS)

CHECK_SECONDS = 5.0
VERSION = version("omnimemory")
TITLE = "OmniMemory"


@root.get("/", response_model=answers.Root)
async def index() -> Response:
    """What this is and where to go on."""
    return Json({"name": TITLE, "version": VERSION, "docs": "/docs", "health": "/health"})


@root.get("/health/live", response_model=answers.Alive)
async def live() -> Response:
    """The process answers."""
    return Json({"status": "alive"})


@root.get("/health/ready", response_model=answers.Alive)
async def ready(call: Calling) -> Response:
    """The ledger and the store answer."""
    engine = call.service.engine
    if not all(await asyncio.gather(_ledger_works(engine), _store_works(engine))):
        raise Refusal(503, "NotReady", "not ready", headers={"Retry-After": "5"})
    return Json({"status": "ready"})


@root.get(
    "/health",
    response_model=answers.Health,
    responses={503: {"model": answers.Health, "description": "A part does not work"}},
)
async def health(call: Calling) -> Response:
    """Whether ledger, store and embedder work, and which models are configured."""
    service = call.monitor()
    engine = service.engine
    ledger, store, embedder = await asyncio.gather(
        _ledger_works(engine), _store_works(engine), _works(engine.embedder.embed(["health"]))
    )
    checks = {
        "ledger": _check(ledger, "ledger"),
        "store": _check(store, service.settings.provider),
        "embedder": _check(embedder, engine.embedder.name),
        "model": _check(True, engine.agents.name),
    }
    works = ledger and store and embedder
    found = {"status": "ok" if works else "failing", "version": VERSION, "checks": checks}
    return Json(found, 200 if works else 503, {} if works else {"Retry-After": "5"})


@root.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Metrics"}},
)
async def metrics(call: Calling) -> Response:
    """Prometheus metrics."""
    content, media_type = await call.monitor().engine.vitals.render()
    return Response(content, headers={"Content-Type": media_type})


@system.get("/pool-stats", response_model=answers.PoolStats)
async def get_connection_pool_stats(call: Calling) -> Response:
    """The store's connections and the background's backlog."""
    return Json(await call.monitor().engine.stats())


@pages.get("/docs")
async def swagger() -> Response:
    """The calls, to be tried out. Everything the page needs comes from here."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=TITLE,
        swagger_js_url=f"{ASSETS}swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}favicon.png",
    )


@pages.get("/redoc")
async def redoc() -> Response:
    """The calls, to be read."""
    return get_redoc_html(
        openapi_url="/openapi.json",
        title=TITLE,
        redoc_js_url=f"{ASSETS}redoc.standalone.js",
        redoc_favicon_url=f"{ASSETS}favicon.png",
        with_google_fonts=False,
    )


async def _ledger_works(engine: Engine) -> bool:
    return await _works(engine.ledger.count(Scope(app_id="health")))


async def _store_works(engine: Engine) -> bool:
    return await _works(engine.store.check())


async def _works(check: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check
    except (OmniMemoryError, TimeoutError):
        return False
    return True


def _check(works: bool, name: str) -> dict[str, Any]:
    return {"status": "ok" if works else "failing", "name": name}
