"""LlamaIndex's messages as transcript entries and as turns worth remembering."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ToolCallBlock
from llama_index.memory.omnimemory.tokens import message_tokens
from pydantic import JsonValue
from pydantic_core import PydanticSerializationError

from omnimemory import Message
from omnimemory.core.errors import MessageError
from omnimemory.recall.pack import is_echo, strip_echo

Entry = dict[str, JsonValue]
"""A ``ChatMessage`` as JSON; ``tokens`` beside its fields is its size, counted once."""

ASSISTANT = frozenset({MessageRole.ASSISTANT, MessageRole.CHATBOT, MessageRole.MODEL})
TOOL = frozenset({MessageRole.TOOL, MessageRole.FUNCTION})

_REACT = re.compile(r"\AThought:.*^(?:Answer:(?P<answer>.*)|Action:.*)\Z", re.DOTALL | re.MULTILINE)
"""What ``ReActAgent`` puts into a memory: all its steps, the answer in the last line that starts so."""
_CODE_RESULT = "Result of executing the code given:"
"""Opens what ``CodeActAgent`` puts into a memory in the user's name."""


def text_of(message: ChatMessage) -> str:
    """The message's text; empty for one of images, tool calls or thinking alone."""
    return (message.content or "").strip()


def without_echo(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The messages without recalled blocks of ours; those that were nothing else are left out."""
    cleaned = []
    for message in messages:
        if not any(isinstance(block, TextBlock) and is_echo(block.text) for block in message.blocks):
            cleaned.append(message)
            continue
        texts = [
            TextBlock(text=strip_echo(block.text)) if isinstance(block, TextBlock) else block
            for block in message.blocks
        ]
        blocks = [block for block in texts if not isinstance(block, TextBlock) or block.text.strip()]
        if blocks:
            cleaned.append(message.model_copy(update={"blocks": blocks}))
    return cleaned


def to_entry(message: ChatMessage) -> Entry:
    """The message as JSON.

    Raises:
        MessageError: its ``additional_kwargs`` hold something that is no JSON.
    """
    try:
        dumped: Entry = message.model_dump(mode="json")
    except PydanticSerializationError as exc:
        raise MessageError(f"a message cannot be kept as JSON: {exc}") from exc
    return {**dumped, "tokens": message_tokens(message)}


def to_message(entry: Entry) -> ChatMessage:
    """A new message, free to be changed by whoever gets it."""
    return ChatMessage.model_validate({key: value for key, value in entry.items() if key != "tokens"})


def worth_remembering(messages: Sequence[ChatMessage]) -> list[Message]:
    """What people said and what they were told: user messages and final answers, in order.

    Left out are system and tool messages, calls of tools, code runs, reasoning, and messages
    without text (an image alone, say).
    """
    found = []
    for position, message in enumerate(messages):
        following = messages[position + 1] if position + 1 < len(messages) else None
        text = _said(message, following)
        if text:
            role = "user" if message.role == MessageRole.USER else "assistant"
            found.append(Message(role=role, content=text))
    return found


def _said(message: ChatMessage, following: ChatMessage | None) -> str:
    text = text_of(message)
    if message.role == MessageRole.USER:
        return "" if _is_code_result(message) else text
    if message.role not in ASSISTANT or calls_tools(message):
        return ""
    if following is not None and (following.role in TOOL or _is_code_result(following)):
        return ""
    trace = _REACT.match(text)
    return text if trace is None else (trace["answer"] or "").strip()


def calls_tools(message: ChatMessage) -> bool:
    """Whether the message asks for tools, in blocks or as older integrations tell it."""
    return bool(
        message.additional_kwargs.get("tool_calls")
        or message.additional_kwargs.get("function_call")
        or any(isinstance(block, ToolCallBlock) for block in message.blocks)
    )


def _is_code_result(message: ChatMessage) -> bool:
    return message.role == MessageRole.USER and text_of(message).startswith(_CODE_RESULT)
