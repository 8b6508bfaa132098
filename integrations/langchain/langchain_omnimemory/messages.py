"""LangChain messages as OmniMemory's: what is remembered, and what a transcript keeps."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    BaseMessageChunk,
    ChatMessage,
    HumanMessage,
    message_chunk_to_message,
    message_to_dict,
    messages_from_dict,
)

from omnimemory.core.schemas import Message

logger = logging.getLogger(__name__)

_ROLES: dict[str, Literal["user", "assistant"]] = {
    "human": "user",
    "user": "user",
    "ai": "assistant",
    "assistant": "assistant",
}


def text_of(message: BaseMessage) -> str:
    """The text of a message's content blocks: no images, no reasoning, no tool calls."""
    return str(message.text).strip()


def remembered(messages: Iterable[BaseMessage]) -> list[Message]:
    """What is remembered of a conversation: what people said and the assistant's final answers.

    Left out are system and tool messages, answers that call tools, messages that the framework
    itself wrote (summaries), and messages without text, such as a lone image.

    Raises:
        MessageError: a text or an id that cannot be stored.
    """
    found = []
    for message in messages:
        role = _role(message)
        if role is None:
            continue
        text = text_of(message)
        if not text:
            logger.info("a message without text is not remembered (id %s)", message.id)
            continue
        found.append(Message(role=role, content=text, id=message.id, name=message.name or None))
    return found


def last_human_text(messages: Sequence[BaseMessage]) -> str:
    """What the person said last; empty when that has no text."""
    return next((text_of(m) for m in reversed(messages) if _role(m) == "user"), "")


def whole(message: BaseMessage) -> BaseMessage:
    """The message itself, put together if it is a chunk of a stream."""
    return message_chunk_to_message(message) if isinstance(message, BaseMessageChunk) else message


def window(messages: Sequence[BaseMessage], size: int) -> list[BaseMessage]:
    """The last messages, at most ``size``, beginning with a person's: no tool result without its call."""
    last = list(messages[-size:]) if size else []
    if len(last) == len(messages):
        return last
    start = next((number for number, m in enumerate(last) if isinstance(m, HumanMessage)), len(last))
    return last[start:]


def to_entry(message: BaseMessage) -> dict[str, Any]:
    """A message as JSON for a transcript, tool calls, images and ids included."""
    entry: dict[str, Any] = json.loads(json.dumps(message_to_dict(whole(message)), default=str))
    return entry


def from_entries(entries: Sequence[dict[str, Any]]) -> list[BaseMessage]:
    """The inverse of ``to_entry``."""
    return messages_from_dict(list(entries))


@dataclass(frozen=True, slots=True)
class Visible:
    """What a prompt shows already, so that recall need not repeat it."""

    ids: frozenset[str]
    texts: frozenset[str]

    @classmethod
    def of(cls, messages: Iterable[BaseMessage]) -> Visible:
        shown = [message for message in messages if _role(message) is not None]
        return cls(
            ids=frozenset(message.id for message in shown if message.id),
            texts=frozenset(text_of(message) for message in shown),
        )

    def __len__(self) -> int:
        return len(self.texts)


def _role(message: BaseMessage) -> Literal["user", "assistant"] | None:
    if "lc_source" in message.additional_kwargs:  # written by a middleware, as summaries are
        return None
    match message:
        case HumanMessage():
            return "user"
        case AIMessage():
            return None if message.tool_calls or message.invalid_tool_calls else "assistant"
        case ChatMessage():
            return _ROLES.get(message.role.lower())
    return None
