"""What the tests say to the memory, and how they wait for what it does by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.core.schemas import Memory, ScoredMemory, Task

APP = "app"
USER = "ann"
WAIT = 30.0
"""Seconds after which a test gives up on background work."""
QUICK: dict[str, Any] = {"retry_base_seconds": 0.01, "retry_cap_seconds": 0.05, "task_attempts": 2}
"""Settings that make failing tasks settle at once."""


def said(
    *contents: str | Message, user: str = USER, app: str = APP, session: str | None = None
) -> UserMessages:
    """A conversation in which the user says ``contents``."""
    messages = [c if isinstance(c, Message) else Message(role="user", content=c) for c in contents]
    return UserMessages(app_id=app, user_id=user, session_id=session, messages=messages)


def on(day: int, text: str) -> Message:
    """Something said on a day of March 2024, at noon."""
    moment = datetime(2024, 3, 1, 12, tzinfo=UTC) + timedelta(days=day - 1)
    return Message(role="user", content=text, timestamp=moment)


async def remembered(sdk: OmniMemorySDK, conversation: UserMessages) -> Task:
    """Add a conversation and wait until its task is done or parked."""
    accepted = await sdk.add_memory(conversation)
    return await settled(sdk, accepted["task_id"], conversation.app_id)


async def settled(sdk: OmniMemorySDK, task_id: str, app: str = APP) -> Task:
    return await sdk.wait_for_task(task_id, app, timeout=WAIT)


async def notes(
    sdk: OmniMemorySDK, *, user: str = USER, app: str = APP, statuses: Iterable[str] = ("active",)
) -> list[Memory]:
    page = await sdk.list_memories(app, user, kinds=["note"], statuses=statuses, limit=1000)
    return list(page)


async def turns(
    sdk: OmniMemorySDK, *, user: str = USER, app: str = APP, statuses: Iterable[str] = ("active",)
) -> list[Memory]:
    page = await sdk.list_memories(app, user, kinds=["turn"], statuses=statuses, limit=1000)
    return list(page)


def texts(memories: Iterable[Memory | ScoredMemory]) -> list[str]:
    return [memory["document"] for memory in memories]


def statements(memories: Iterable[Memory]) -> list[str]:
    return [statement.text for memory in memories for statement in memory.statements]


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what nobody announces."""
    async with asyncio.timeout(WAIT):
        while not await holds():  # noqa: ASYNC110 - no event tells of another thread's progress
            await asyncio.sleep(0.02)
