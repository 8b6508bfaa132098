"""How a memory evolved: its chain, drawn and reported."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from omnimemory.api import answers
from omnimemory.api.bodies import ScopeParameters
from omnimemory.api.call import Call, Calling, Json, JsonRoute
from omnimemory.api.responses import NO_SUCH, PROBLEMS
from omnimemory.api.routes.memories import MemoryId, no_memory
from omnimemory.core.schemas import Decision, Memory
from omnimemory.ledger.api_keys import Right

router = APIRouter(
    prefix="/memories/{memory_id}/evolution",
    tags=["evolution"],
    route_class=JsonRoute,
    responses=PROBLEMS | NO_SUCH,
)

_HTML_POLICY = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
"""The page stands alone and may reach nothing."""

_TEXT = {"text/plain": {"schema": {"type": "string"}}}


class GraphParameters(ScopeParameters):
    """The drawing's form."""

    format: Literal["mermaid", "dot", "html"] = "mermaid"
    """`html` is a page that stands alone."""


class ReportParameters(ScopeParameters):
    """The report's form."""

    format: Literal["markdown", "text", "json"] = "markdown"
    """The report's form."""


@router.get("", response_model=answers.Chain)
async def traverse_memory_evolution_chain(
    memory_id: MemoryId, asked: Annotated[ScopeParameters, Query()], call: Calling
) -> Response:
    """The memories of a chain in order, from any of its members."""
    chain, _ = await _evolution(call, memory_id, asked)
    return Json({"memories": [memory.to_dict() for memory in chain], "count": len(chain)})


@router.get(
    "/graph",
    response_class=Response,
    responses={
        200: {
            "description": "The drawing",
            "content": {**_TEXT, "text/html": {"schema": {"type": "string"}}},
        }
    },
)
async def generate_evolution_graph(
    memory_id: MemoryId, asked: Annotated[GraphParameters, Query()], call: Calling
) -> Response:
    """The chain as mermaid, dot, or a page that stands alone."""
    chain, decisions = await _evolution(call, memory_id, asked)
    text = call.service.memory.generate_evolution_graph(chain, asked.format, decisions=decisions)
    if asked.format == "html":
        return Response(text, headers=_HTML_POLICY, media_type="text/html")
    return Response(text, media_type="text/plain")


@router.get(
    "/report",
    response_class=Response,
    responses={
        200: {
            "description": "The report",
            "content": {
                **_TEXT,
                "text/markdown": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}},
            },
        }
    },
)
async def generate_evolution_report(
    memory_id: MemoryId, asked: Annotated[ReportParameters, Query()], call: Calling
) -> Response:
    """The chain's counts, timeline, changes and insights."""
    chain, decisions = await _evolution(call, memory_id, asked)
    text = call.service.memory.generate_evolution_report(chain, asked.format, decisions=decisions)
    media = {"markdown": "text/markdown", "text": "text/plain", "json": "application/json"}
    return Response(text, media_type=media[asked.format])


async def _evolution(
    call: Call, memory_id: str, asked: ScopeParameters
) -> tuple[list[Memory], list[Decision]]:
    memory = call.memory(Right.READ, asked.app_id, asked.user_id)
    chain = await memory.traverse_memory_evolution_chain(asked.app_id, memory_id, asked.user_id)
    if not chain:
        raise no_memory(memory_id)
    ids = [one.id for one in chain]
    return chain, await memory.list_decisions(asked.app_id, asked.user_id, memory_ids=ids)
