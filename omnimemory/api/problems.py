"""What goes wrong, as RFC 9457 problem details. They say what to do and show no internals."""

from __future__ import annotations

import http
import json
import logging
from collections.abc import Mapping, Sequence

from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from omnimemory.core.base import Frozen
from omnimemory.core.errors import (
    Conflict,
    InvalidRequest,
    LedgerError,
    ModelError,
    NotFound,
    OmniMemoryError,
    RateLimited,
    StoreError,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
"""When to come back after a part did not answer, where it said nothing itself."""

_INTERNAL = "something failed here; the log tells more under this request id"
_DOWN = (
    (LedgerError, "the ledger cannot be used now; what was acknowledged is kept"),
    (StoreError, "the vector store cannot be used now; what was acknowledged is kept"),
    (ModelError, "a model gave no usable answer; try again later"),
)


class FieldProblem(Frozen):
    """One field that cannot be used: where it stands in the request, and why."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    field: str
    """Its place, as `body.messages.0.role`."""
    message: str
    """What is wrong."""


class Problem(Frozen):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str = "about:blank"
    """No page tells more."""
    title: str
    """The status in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong here, and what to do."""
    code: str
    """The error's class."""
    request_id: str | None = None
    """What the log knows the request by."""
    errors: tuple[FieldProblem, ...] | None = None
    """The fields that cannot be used, the first twenty."""


class Refusal(Exception):
    """A request that is not let in, or not served."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


def response_of(exc: Exception, *, request_id: str | None) -> Response:
    """The answer to a request that ended with ``exc``."""
    status, code, detail, headers, errors = 500, "InternalError", _INTERNAL, {}, None
    match exc:
        case Refusal():
            status, code, detail, headers = exc.status, exc.code, exc.detail, exc.headers
        case HTTPException():
            status, code, detail, headers = _of_http(exc)
        case RequestValidationError():
            status, code, detail, errors = _of_validation(exc)
        case OmniMemoryError():
            status, detail, headers = _of_error(exc)
            code = type(exc).__name__
    if status >= 500:
        log = logger.exception if status == 500 else logger.warning
        log("request %s: %s: %s", request_id, type(exc).__name__, exc)
    problem = Problem(
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
        errors=errors,
    )
    content = json.dumps(problem.model_dump(mode="json", exclude_none=True)).encode()
    return Response(content, status, headers, MEDIA_TYPE)


def _of_error(exc: OmniMemoryError) -> tuple[int, str, dict[str, str]]:
    if isinstance(exc, InvalidRequest):
        return 422, str(exc), {}
    if isinstance(exc, NotFound):
        return 404, str(exc), {}
    if isinstance(exc, Conflict):
        return 409, str(exc), {}
    seconds = exc.retry_after if isinstance(exc, RateLimited) else None
    headers = {"Retry-After": str(max(1, round(seconds or RETRY_SECONDS)))}
    return 503, next((text for kind, text in _DOWN if isinstance(exc, kind)), _INTERNAL), headers


def _of_http(exc: HTTPException) -> tuple[int, str, str, dict[str, str]]:
    headers = dict(exc.headers or {})
    match exc.status_code:
        case 400:
            return 400, "MalformedJSON", "the body is not JSON that can be read", headers
        case 404:
            return 404, "NotFound", "there is nothing at this path; /docs lists what there is", headers
        case 405:
            allowed = headers.get("Allow") or headers.get("allow") or "another method"
            return 405, "MethodNotAllowed", f"this path takes {allowed}", headers
        case status:
            return status, "Refused", str(exc.detail), headers


def _of_validation(exc: RequestValidationError) -> tuple[int, str, str, tuple[FieldProblem, ...]]:
    found = exc.errors()
    errors = tuple(
        FieldProblem(field=_place(item["loc"]), message=_plain(item["msg"])) for item in found[:20]
    )
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors[:3])
    more = "" if len(found) <= 3 else f"; and {len(found) - 3} more"
    return 422, "InvalidRequest", detail + more, errors


def _place(steps: Sequence[str | int]) -> str:
    """``body.messages.0.role``: where in the request."""
    return ".".join(_plain(str(step))[:80] for step in steps)


def _plain(text: str) -> str:
    return text.removeprefix("Value error, ").encode("utf-8", "replace").decode()
