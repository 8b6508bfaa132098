"""The server itself: what it is, how it does, its metrics, its pages."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse, Response

from omnimemory.api import server_answers as answers
from omnimemory.api.call import Calling, Json, JsonRoute
from omnimemory.api.problems import Refusal
from omnimemory.api.responses import PROBLEMS
from omnimemory.api.security import ASSETS

root = APIRouter(tags=["system"], route_class=JsonRoute, responses=PROBLEMS)
pages = APIRouter(include_in_schema=False)
system = APIRouter(prefix="/system", tags=["system"], route_class=JsonRoute, responses=PROBLEMS)

_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_PAGE_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; worker-src blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Both pages write styles of their own into the page as they draw it; ReDoc searches in a worker."""
VERSION = version("omnimemory")
TITLE = "OmniMemory"


@root.head("/", include_in_schema=False)
@root.get("/", response_model=answers.Root)
async def index() -> Response:
    """What this is and where to go on."""
    return Json({"name": TITLE, "version": VERSION, "docs": "/docs", "health": "/health"})


@root.head("/health/live", include_in_schema=False)
@root.get("/health/live", response_model=answers.Alive)
async def live() -> Response:
    """The process answers."""
    return Json({"status": "alive"})


@root.head("/health/ready", include_in_schema=False)
@root.get("/health/ready", response_model=answers.Alive)
async def ready(call: Calling) -> Response:
    """The ledger can be written and the store answers, as of at most a second ago."""
    if not await call.service.checks.ready():
        raise Refusal(503, "NotReady", "not ready", headers={"Retry-After": "5"})
    return Json({"status": "ready"})


@root.head("/health", include_in_schema=False)
@root.get(
    "/health",
    response_model=answers.Health,
    responses={503: {"model": answers.Health, "description": "A part does not work"}},
)
async def health(call: Calling) -> Response:
    """Whether ledger, store and embedder work, and which models are configured."""
    service = call.monitor()
    checks = {one.part: _check(one.error is None, one.name) for one in await service.checks.all()}
    checks["model"] = _check(True, service.engine.agents.name)
    works = all(check["status"] == "ok" for check in checks.values())
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


@pages.head("/docs")
@pages.get("/docs")
async def swagger() -> Response:
    """The calls, to be tried out. Everything the page needs comes from here."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=TITLE,
        swagger_js_url=f"{ASSETS}swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}favicon.png",
    )
    return _page(page)


@pages.head("/redoc")
@pages.get("/redoc")
async def redoc() -> Response:
    """The calls, to be read."""
    page = get_redoc_html(
        openapi_url="/openapi.json",
        title=TITLE,
        redoc_js_url=f"{ASSETS}redoc.standalone.js",
        redoc_favicon_url=f"{ASSETS}favicon.png",
        with_google_fonts=False,
    )
    return _page(page)


def _page(made: HTMLResponse) -> Response:
    """A page that may run its own scripts, those of this server and no others, and reach only this server."""
    html = bytes(made.body)
    scripts = (b64encode(sha256(script).digest()).decode() for script in _INLINE.findall(html))
    allowed = " ".join(f"'sha256-{script}'" for script in scripts)
    return Response(
        html,
        headers={"Content-Security-Policy": f"{_PAGE_POLICY}; script-src 'self' {allowed}".rstrip()},
        media_type="text/html",
    )


def _check(works: bool, name: str) -> dict[str, Any]:
    return {"status": "ok" if works else "failing", "name": name}
