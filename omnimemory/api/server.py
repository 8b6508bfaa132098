"""The application: ``uvicorn omnimemory.api.server:app``.

Settings are read when the server starts, not at import; the engine runs on the server's loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.staticfiles import StaticFiles

from omnimemory import logs
from omnimemory.api.gate import Entrance, request_id
from omnimemory.api.problems import FieldProblem, Problem, response_of
from omnimemory.api.routes import agent, batcher, evolution, memories, system, tasks
from omnimemory.api.security import ASSETS, BARE, OPEN
from omnimemory.api.service import service_from
from omnimemory.core.errors import OmniMemoryError
from omnimemory.core.settings import Settings

BASE = "/api/v1"
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


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
    )
    for part in (batcher, memories, agent, tasks, evolution):  # the busiest first
        made.include_router(part.router, prefix=BASE)
    made.include_router(system.system, prefix=BASE)
    made.include_router(system.root)
    made.include_router(system.pages)
    made.mount(ASSETS.rstrip("/"), StaticFiles(directory=str(files("fastapi_offline") / "static")))
    for kind in (HTTPException, RequestValidationError):
        made.add_exception_handler(kind, _problem)
    made.add_middleware(Entrance)
    made.openapi = lambda: _described(made)  # type: ignore[method-assign]  # FastAPI's documented way
    return made


async def _problem(request: Request, exc: Exception) -> Response:
    if isinstance(exc, HTTPException) and exc.status_code == 405:
        exc = HTTPException(405, headers={"Allow": ", ".join(sorted(_methods(request)))})
    return response_of(exc, request_id=request_id.get())


def _methods(request: Request) -> set[str]:
    """What the schema has at the request's path; a path in full words goes before one with an id."""
    paths = _described(request.app)["paths"]
    found = [path for path in paths if compile_path(path)[0].match(request.url.path)]
    return {
        method.upper() for path in sorted(found, key=lambda path: "{" in path)[:1] for method in paths[path]
    }


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with what FastAPI cannot know: keys, problems, absent query parameters."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = found["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for model in (Problem, FieldProblem):
            schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas[model.__name__].pop("$defs", None)
        found["components"]["securitySchemes"] = _KEYS
        found["security"] = [{name: []} for name in _KEYS]
        for path, calls in found["paths"].items():
            for operation in calls.values():
                if path in OPEN | BARE:
                    operation["security"] = []
                for parameter in operation.get("parameters", ()):
                    _without_null(parameter)
        app.openapi_schema = found
    return app.openapi_schema


def _without_null(parameter: dict[str, Any]) -> None:
    """A parameter is there or not; null is a word of JSON."""
    kinds = [kind for kind in parameter["schema"].get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del parameter["schema"]["anyOf"]
        parameter["schema"] |= kinds[0]
    parameter["schema"].pop("title", None)


app = create_app()
