"""The application: ``uvicorn omnimemory.api.server:app``.

Settings are read when the server starts, not at import; the engine runs on the server's loop.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, compile_path
from starlette.staticfiles import StaticFiles

from omnimemory import logs
from omnimemory.api.gate import Entrance, request_id
from omnimemory.api.problems import response_of
from omnimemory.api.routes import agent, batcher, evolution, memories, system, tasks
from omnimemory.api.schema import described, operation_id
from omnimemory.api.security import ASSETS
from omnimemory.api.service import service_from
from omnimemory.core.errors import OmniMemoryError
from omnimemory.core.settings import Settings
from omnimemory.metrics_http import Templates

BASE = "/api/v1"
ROUTERS: tuple[tuple[str, APIRouter], ...] = (  # the busiest first
    (BASE, batcher.router),
    (BASE, memories.router),
    (BASE, agent.router),
    (BASE, tasks.router),
    (BASE, evolution.router),
    (BASE, system.system),
    ("", system.root),
    ("", system.pages),
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application over ``settings``, by default those of the environment as it starts.

    While it runs, ``app.state.service`` holds the engine.
    """

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        try:
            if settings is None:  # started by uvicorn itself: this process is ours
                logs.configure(Settings.load())
            async with service_from(settings or Settings.load()) as service:
                app.state.service = service
                gc.freeze()  # what is made by now stays: collections, and their pauses, leave it out
                yield
        except OmniMemoryError as exc:
            app.state.failure = exc
            raise

    made = FastAPI(
        title=system.TITLE,
        version=system.VERSION,
        description="Long-term memory for LLM applications.",
        lifespan=running,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    for prefix, router in ROUTERS:
        made.include_router(router, prefix=prefix)
    made.state.templates = templates()
    made.mount(ASSETS.rstrip("/"), StaticFiles(directory=str(files("fastapi_offline") / "static")))
    for kind in (HTTPException, RequestValidationError):
        made.add_exception_handler(kind, _problem)
    made.add_middleware(Entrance)
    made.openapi = lambda: described(made)  # type: ignore[method-assign]  # FastAPI's documented way
    return made


def templates() -> Templates:
    """Of all paths that there are, as the schema writes them."""
    routes = [(prefix, route) for prefix, router in ROUTERS for route in router.routes]
    routed = [f"{prefix}{route.path}" for prefix, route in routes if isinstance(route, Route)]
    return Templates([*routed, "/openapi.json", f"{ASSETS}{{file:path}}"])


async def _problem(request: Request, exc: Exception) -> Response:
    if isinstance(exc, HTTPException) and exc.status_code == 405:
        exc = HTTPException(405, headers={"Allow": ", ".join(sorted(_methods(request)))})
    return response_of(exc, request_id=request_id.get())


def _methods(request: Request) -> set[str]:
    """What the schema has at the request's path; a path in full words goes before one with an id."""
    paths = described(request.app)["paths"]
    found = [path for path in paths if compile_path(path)[0].match(request.url.path)]
    return {
        method.upper() for path in sorted(found, key=lambda path: "{" in path)[:1] for method in paths[path]
    }


app = create_app()
