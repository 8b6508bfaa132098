"""Store, find, list, change and end memories."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query
from starlette.responses import Response

from omnimemory.api import answers
from omnimemory.api.bodies import (
    DeleteParameters,
    ListParameters,
    MemoryBody,
    QueryBody,
    QueryParameters,
    ScopeParameters,
    UpdateBody,
)
from omnimemory.api.call import Call, Calling, IdempotencyKey, Json, JsonRoute
from omnimemory.api.responses import NO_SUCH, PROBLEMS, STORING
from omnimemory.core.errors import NotFound
from omnimemory.core.schemas import Memory
from omnimemory.ledger.api_keys import Right

router = APIRouter(prefix="/memories", tags=["memories"], route_class=JsonRoute, responses=PROBLEMS)

MemoryId = Annotated[str, Path(min_length=1, max_length=256, description="The memory's id.")]


def no_memory(memory_id: str) -> NotFound:
    """The answer for an unknown id and for one of another scope alike."""
    return NotFound(f"no memory {memory_id!r} in this scope")


@router.post("", status_code=202, response_model=answers.Accepted, responses=STORING)
async def add_memory(body: MemoryBody, call: Calling, idempotency_key: IdempotencyKey = None) -> Response:
    """Accept a conversation: on disk when this answers, a note soon after."""
    memory = call.memory(Right.WRITE, body.app_id, body.user_id)

    async def work() -> dict[str, Any]:
        return await memory.add_memory(
            body.conversation(),
            infer=body.infer,
            instructions=body.instructions,
            idempotency_key=idempotency_key,
        )

    return await call.once(idempotency_key, body.app_id, work, status=202)


@router.get("", response_model=answers.Page)
async def list_memories(asked: Annotated[ListParameters, Query()], call: Calling) -> Response:
    """A page of memories in the order they were stored."""
    memory = call.memory(Right.READ, asked.app_id, asked.user_id)
    page = await memory.list_memories(**_fields(asked))
    found = [one.to_dict() for one in page]
    return Json({"memories": found, "count": len(found), "next_cursor": page.next_cursor})


@router.get("/query", response_model=answers.Results, response_model_exclude_none=True)
async def query_memory(asked: Annotated[QueryParameters, Query()], call: Calling) -> Response:
    """The most useful memories, best first."""
    return await _recalled(asked, call)


@router.post("/query", response_model=answers.Results, response_model_exclude_none=True)
async def query_memory_with_body(asked: QueryBody, call: Calling) -> Response:
    """The most useful memories, best first; for long queries and any filter."""
    return await _recalled(asked, call)


@router.api_route("/query", methods=["PATCH", "PUT", "DELETE"], include_in_schema=False)
async def no_memory_named_query() -> Response:
    """Keeps the word from being taken for a memory's id."""
    raise HTTPException(405)


async def _recalled(asked: QueryBody | QueryParameters, call: Call) -> Response:
    memory = call.memory(Right.READ, asked.app_id, asked.user_id)
    given = _fields(asked)
    if isinstance(asked, QueryParameters):
        pairs = (text.partition(":") for text in asked.filters)
        given["filters"] = {name: value for name, _, value in pairs}
    given["group_by_session"] = asked.group_by_session and asked.token_budget is not None
    recalled = await memory.recall(**given)
    found: dict[str, Any] = {"memories": [one.to_dict() for one in recalled], "count": len(recalled)}
    if asked.token_budget is not None:
        found |= {"block": recalled.block, "tokens": recalled.tokens}
    if asked.explain:
        found["near_misses"] = [miss.model_dump() for miss in recalled.near_misses]
    return Json(found)


@router.get("/{memory_id}", response_model=answers.OneMemory, responses=NO_SUCH)
async def get_memory(
    memory_id: MemoryId, asked: Annotated[ScopeParameters, Query()], call: Calling
) -> Response:
    """One memory, whatever its status."""
    memory = call.memory(Right.READ, asked.app_id, asked.user_id)
    found = await memory.get_memory(memory_id, asked.app_id, asked.user_id)
    if found is None:
        raise no_memory(memory_id)
    return Json(found.to_dict())


@router.patch("/{memory_id}", response_model=answers.ChangedMemory, responses=NO_SUCH | STORING)
async def update_memory(
    memory_id: MemoryId, asked: Annotated[ScopeParameters, Query()], body: UpdateBody, call: Calling
) -> Response:
    """Put another text or other user metadata in place; a new text makes a new memory."""
    memory = call.memory(Right.WRITE, asked.app_id, asked.user_id)
    changed = await memory.update_memory(
        memory_id, asked.app_id, text=body.text, metadata=body.metadata, user_id=asked.user_id
    )
    return Json(_changed(changed))


@router.delete("/{memory_id}", response_model=answers.Deleted, responses=NO_SUCH | STORING)
async def delete_memory(
    memory_id: MemoryId, asked: Annotated[DeleteParameters, Query()], call: Calling
) -> Response:
    """End a memory; it can be restored."""
    memory = call.memory(Right.WRITE, asked.app_id, asked.user_id)
    if not await memory.delete_memory(asked.app_id, memory_id, asked.user_id, cascade=asked.cascade):
        raise no_memory(memory_id)
    return Json({"success": True, "memory_id": memory_id})


@router.post("/{memory_id}/restore", response_model=answers.ChangedMemory, responses=NO_SUCH | STORING)
async def restore_memory(
    memory_id: MemoryId,
    asked: Annotated[ScopeParameters, Query()],
    call: Calling,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Bring back what an ended memory said, as a new memory."""
    memory = call.memory(Right.WRITE, asked.app_id, asked.user_id)

    async def work() -> dict[str, Any]:
        return _changed(await memory.restore_memory(memory_id, asked.app_id, asked.user_id))

    return await call.once(idempotency_key, asked.app_id, work)


def _fields(asked: QueryBody | QueryParameters | ListParameters) -> dict[str, Any]:
    """The SDK's keyword arguments: the fields have their names."""
    return {name: getattr(asked, name) for name in type(asked).model_fields}


def _changed(memory: Memory) -> dict[str, Any]:
    return {**memory.to_dict(), "success": True}
