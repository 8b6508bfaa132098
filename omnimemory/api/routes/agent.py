"""What agents ask for: quick notes, summaries, answers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.responses import Response

from omnimemory.api import answers
from omnimemory.api.bodies import AgentMemoryBody, AnswerBody, SummaryBody
from omnimemory.api.call import Calling, IdempotencyKey, Json, JsonRoute
from omnimemory.api.fields import CallbackUrl
from omnimemory.api.responses import PROBLEMS, STORING
from omnimemory.ledger.api_keys import Right
from omnimemory.sdk import AgentMemorySDK

router = APIRouter(prefix="/agent", tags=["agent"], route_class=JsonRoute, responses=PROBLEMS)

CallbackHeader = Annotated[
    CallbackUrl | None,
    Header(
        alias="X-Callback-URL",
        description="The callback, where the body has no `callback_url`.",
        openapi_examples={"a hook": {"value": "https://example.com/hook"}},
    ),
]


@router.post("/memories", status_code=202, response_model=answers.Accepted, responses=STORING)
async def add_agent_memory(
    body: AgentMemoryBody, call: Calling, idempotency_key: IdempotencyKey = None
) -> Response:
    """Accept what an agent wants remembered: one note, no conflict resolution."""
    memory = call.memory(Right.WRITE, body.app_id, body.user_id)

    async def work() -> dict[str, Any]:
        return await memory.add_agent_memory(body.memory(), infer=body.infer, idempotency_key=idempotency_key)

    return await call.once(idempotency_key, body.app_id, work, status=202)


@router.post(
    "/summaries",
    response_model=answers.Summary,
    responses=STORING | {202: {"model": answers.SummaryAccepted, "description": "Will be posted"}},
)
async def summarize_conversation(
    body: SummaryBody,
    call: Calling,
    x_callback_url: CallbackHeader = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """A summary at once, or with a callback a full one that is posted there.

    The callback is `callback_url`, or where the body has none, the header `X-Callback-URL`.
    """
    memory = call.memory(Right.WRITE, body.app_id, body.user_id)
    asked = body.summary(callback_url=x_callback_url)

    async def work() -> dict[str, Any]:
        return await memory.summarize_conversation(asked)

    status = 200 if asked.callback_url is None else 202
    return await call.once(idempotency_key, body.app_id, work, status=status)


@router.post("/answers", response_model=answers.Answer, response_model_exclude_none=True)
async def answer_query(body: AnswerBody, call: Calling) -> Response:
    """An answer from the memories, or the plain word that they do not hold it."""
    memory = call.memory(Right.READ, body.app_id, body.user_id)
    found = await AgentMemorySDK(memory).answer_query(
        body.app_id,
        body.query,
        user_id=body.user_id,
        session_id=body.session_id,
        n_results=body.n_results,
        similarity_threshold=body.similarity_threshold,
    )
    return Json({"answer": found["answer"], "memories": [one.to_dict() for one in found["memories"]]})
