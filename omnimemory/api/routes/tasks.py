"""Background work: list it, look at it, try it again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from omnimemory.api import answers
from omnimemory.api.bodies import ScopeParameters, TasksParameters
from omnimemory.api.call import Calling, IdempotencyKey, Json, JsonRoute
from omnimemory.api.responses import NO_SUCH, PROBLEMS, STORING
from omnimemory.ledger.api_keys import Right

router = APIRouter(prefix="/tasks", tags=["tasks"], route_class=JsonRoute, responses=PROBLEMS)

TaskId = Annotated[str, Path(min_length=1, max_length=256, description="The task's id.")]


@router.get("", response_model=answers.Tasks)
async def list_tasks(asked: Annotated[TasksParameters, Query()], call: Calling) -> Response:
    """The scope's tasks, the newest first."""
    memory = call.memory(Right.READ, asked.app_id, asked.user_id)
    tasks = await memory.list_tasks(
        asked.app_id, asked.user_id, statuses=asked.statuses or None, limit=asked.limit
    )
    return Json({"tasks": [task.to_dict() for task in tasks], "count": len(tasks)})


@router.get("/{task_id}", response_model=answers.OneTask, responses=NO_SUCH)
async def get_task(task_id: TaskId, asked: Annotated[ScopeParameters, Query()], call: Calling) -> Response:
    """What became of a task; a summary's carries its delivery log."""
    memory = call.memory(Right.READ, asked.app_id, asked.user_id)
    return Json((await memory.get_task(task_id, asked.app_id, asked.user_id)).to_dict())


@router.post("/{task_id}/retry", response_model=answers.OneTask, responses=NO_SUCH | STORING)
async def retry_task(
    task_id: TaskId,
    asked: Annotated[ScopeParameters, Query()],
    call: Calling,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Queue a parked task again."""
    memory = call.memory(Right.WRITE, asked.app_id, asked.user_id)

    async def work() -> dict[str, Any]:
        return (await memory.retry_task(task_id, asked.app_id, asked.user_id)).to_dict()

    return await call.once(idempotency_key, asked.app_id, work)
