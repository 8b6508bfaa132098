"""The OpenAPI document, with what FastAPI cannot know: keys, problems, headers, absent parameters."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from omnimemory.api.problems import FieldProblem, Problem
from omnimemory.api.security import BARE, OPEN

Node = dict[str, Any]

_KEYS: Node = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}
_WHOLE = {"type": "integer", "minimum": 1}
_HEADERS: Node = {
    "X-Request-ID": {"description": "The request's id, or one made up.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds until it is worth another try.", "schema": _WHOLE},
    "Idempotent-Replayed": {
        "description": "`true`: this Idempotency-Key came before, and this is the answer it got then.",
        "schema": {"const": "true", "type": "string"},
    },
}
_LATER = ("429", "503")


def operation_id(route: APIRoute) -> str:
    """The name of the function: what a generated client calls the method."""
    return route.name


def described(app: FastAPI) -> Node:
    """The document, made once."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            servers=[{"url": "/", "description": "The server that this document came from"}],
        )
        parts = found["components"]
        for unused in ("HTTPValidationError", "ValidationError"):
            parts["schemas"].pop(unused, None)
        for model in (Problem, FieldProblem):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schema.pop("$defs", None)
            parts["schemas"][model.__name__] = schema
        parts["securitySchemes"], parts["headers"] = _KEYS, _HEADERS
        found["security"] = [{name: []} for name in _KEYS]
        for path, calls in found["paths"].items():
            for operation in calls.values():
                if path in OPEN | BARE:
                    operation["security"] = []
                _complete(operation)
        app.openapi_schema = found
    return app.openapi_schema


def _complete(operation: Node) -> None:
    parameters = operation.get("parameters", ())
    for parameter in parameters:
        _without_null(parameter)
    repeatable = any(parameter["name"] == "Idempotency-Key" for parameter in parameters)
    for status, response in operation["responses"].items():
        names = ["X-Request-ID"]
        if status in _LATER:
            names.append("Retry-After")
        if repeatable and status.startswith("2"):
            names.append("Idempotent-Replayed")
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _without_null(parameter: Node) -> None:
    """A parameter is there or not; null is a word of JSON."""
    schema = parameter["schema"]
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema |= kinds[0]
    for told in ("title", "description"):  # the parameter has both
        schema.pop(told, None)
