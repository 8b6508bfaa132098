"""What the tests say to the memory."""

from __future__ import annotations

from collections.abc import Iterable

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.core.schemas import ScoredMemory, Task

APP = "my-app"
USER = "user-123"


def said(
    *contents: str | Message, app_id: str = APP, user_id: str = USER, session_id: str | None = None
) -> UserMessages:
    """A conversation in which the user says ``contents``."""
    messages = [c if isinstance(c, Message) else Message(role="user", content=c) for c in contents]
    return UserMessages(app_id=app_id, user_id=user_id, session_id=session_id, messages=messages)


async def remembered(sdk: OmniMemorySDK, conversation: UserMessages) -> Task:
    """Add a conversation and wait until its note is applied."""
    accepted = await sdk.add_memory(conversation)
    return await sdk.wait_for_task(accepted["task_id"], conversation.app_id, timeout=30)


def documents(memories: Iterable[ScoredMemory]) -> list[str]:
    return [memory.document for memory in memories]
