"""Old chats, with their own timestamps: accepted in pieces, resumable, at a pace the index keeps up with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from omnimemory.core.base import Frozen
from omnimemory.core.ids import derived_id
from omnimemory.core.schemas import Message, Scope, UserMessages
from omnimemory.engine import Engine

PIECE = 200
"""Messages accepted in one ledger transaction."""


class BackfillReport(Frozen):
    """What a backfill did. ``stored`` of ``messages`` were new; the others had been stored before."""

    conversations: int
    messages: int
    stored: int
    task_ids: tuple[str, ...]


async def backfill(
    engine: Engine,
    conversations: Sequence[UserMessages],
    *,
    infer: bool | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> BackfillReport:
    """Accept every conversation. The same input again stores nothing twice.

    A message without an id gets one from its place in its conversation, so that a second run after
    an interruption recognises it. Each piece of a conversation becomes a task of its own.
    """
    total = sum(len(conversation.messages) for conversation in conversations)
    accepted = stored = 0
    task_ids: dict[str, None] = {}
    for number, conversation in enumerate(conversations):
        scope = Scope(
            app_id=conversation.app_id, user_id=conversation.user_id, session_id=conversation.session_id
        )
        messages = _identified(conversation, number)
        for start in range(0, len(messages), PIECE):
            piece = messages[start : start + PIECE]
            appended = await engine.ingest.add(scope, piece, metadata=conversation.metadata, infer=infer)
            accepted += len(piece)
            stored += sum(appended.stored)
            if appended.task_id is not None:
                task_ids[appended.task_id] = None
            if on_progress is not None:
                on_progress(accepted, total)
    return BackfillReport(
        conversations=len(conversations), messages=total, stored=stored, task_ids=tuple(task_ids)
    )


def _identified(conversation: UserMessages, number: int) -> list[Message]:
    place = (conversation.app_id, conversation.user_id, conversation.session_id or "", str(number))
    return [
        message
        if message.id is not None
        else message.model_copy(
            update={"id": derived_id("backfill", *place, str(position), message.role, message.content)}
        )
        for position, message in enumerate(conversation.messages)
    ]
