"""Messages as a chat produces them: they wait in the session's batch until it is full, idle or flushed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import Response

from omnimemory.api import answers
from omnimemory.api.bodies import Batched, FlushBody
from omnimemory.api.call import Call, Calling, IdempotencyKey, JsonRoute
from omnimemory.api.responses import PROBLEMS, STORING
from omnimemory.core.ids import derived_id
from omnimemory.core.schemas import Message, Scope, TaskKind, UserMessages
from omnimemory.ledger.api_keys import Right

router = APIRouter(
    prefix="/memory-batcher", tags=["batcher"], route_class=JsonRoute, responses=PROBLEMS | STORING
)

RECENT_TASKS = 20
"""How many of a session's tasks are looked through for its last batch."""


@router.post("/messages", response_model=answers.Batch)
async def memory_batcher_add_message(
    body: Annotated[Batched, Body()], call: Calling, idempotency_key: IdempotencyKey = None
) -> Response:
    """Add messages to the session's batch; a full batch is synthesised. On disk when this answers."""
    memory = call.memory(Right.WRITE, body.app_id, body.user_id)
    conversation = UserMessages(
        app_id=body.app_id,
        user_id=body.user_id,
        session_id=body.session_id,
        messages=_recognisable(body.list_of_messages(), idempotency_key),
        metadata=body.metadata,
    )
    scope = Scope(app_id=body.app_id, user_id=body.user_id, session_id=body.session_id)

    async def work() -> dict[str, Any]:
        state = await memory.ingest(conversation, infer=body.infer)
        fresh = state["task_id"] is not None
        return {**state, "last_delivery": await _last_delivery(call, scope, fresh=fresh)}

    return await call.once(idempotency_key, body.app_id, work)


@router.post("/flush", response_model=answers.Flushed)
async def flush(body: FlushBody, call: Calling, idempotency_key: IdempotencyKey = None) -> Response:
    """Synthesise what waits in batches now; with `wait` the answer comes when the notes are there.

    It comes as `pending` after `OMNIMEMORY_FLUSH_SECONDS`, and at once while the daily cap holds tasks.
    """
    memory = call.memory(Right.WRITE, body.app_id, body.user_id)
    scope = Scope(app_id=body.app_id, user_id=body.user_id, session_id=body.session_id)

    async def work() -> dict[str, Any]:
        engine = call.service.engine
        made = await memory.flush(scope, wait=False)
        done = not body.wait or await call.while_heard(
            engine.settle(scope, timeout=memory.settings.flush_seconds)
        )
        pending = await engine.ledger.pending(scope)
        return {
            "status": "flushed" if done and not pending else "pending",
            "pending_messages": pending,
            "batch_size": memory.settings.default_max_messages,
            "task_ids": made,
            "held": engine.ledger.held,
            "last_delivery": await _last_delivery(call, scope, fresh=True),
        }

    return await call.once(idempotency_key, body.app_id, work)


def _recognisable(messages: list[Message], idempotency_key: str | None) -> list[Message]:
    """With a key every message has an id, so that a repeat after a crash stores nothing twice."""
    if idempotency_key is None:
        return messages
    return [
        message
        if message.id is not None
        else message.model_copy(update={"id": derived_id("request", idempotency_key, str(position))})
        for position, message in enumerate(messages)
    ]


async def _last_delivery(call: Call, scope: Scope, *, fresh: bool) -> dict[str, Any] | None:
    """The newest batch of the scope that went to synthesis, or what it was within the last second."""
    known = call.service.deliveries
    if fresh or scope not in known:
        tasks = await call.service.engine.ledger.tasks(scope, limit=RECENT_TASKS)
        known[scope] = next((task for task in tasks if task.kind is TaskKind.SYNTHESIS), None)
    task = known.get(scope)
    return None if task is None else {"task_id": task.task_id, "status": task.status, "at": task.created_at}
