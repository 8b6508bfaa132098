"""Sizes in tokens, by the tokenizer that LlamaIndex is set to."""

from __future__ import annotations

import json

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    VideoBlock,
)
from llama_index.core.utils import get_tokenizer
from pydantic import BaseModel

PER_MESSAGE = 4
"""What a message's role and frame take in the common chat formats."""
_MEDIA = {ImageBlock: 256, AudioBlock: 256, VideoBlock: 256, DocumentBlock: 2048, CachePoint: 0}
"""The estimates of LlamaIndex's own ``Memory``."""
_EXACT_LIMIT = 100_000
"""Characters that are counted; the rest of a longer text is assumed to be like them."""


def count(text: str) -> int:
    """Tokens of a text."""
    tokens = len(get_tokenizer()(text[:_EXACT_LIMIT]))
    return tokens if len(text) <= _EXACT_LIMIT else tokens * len(text) // _EXACT_LIMIT


def message_tokens(message: ChatMessage) -> int:
    """Tokens of a message with everything a model is sent: text, thinking, tool calls, media, extras."""
    extras = message.additional_kwargs
    counted = count(json.dumps(extras, default=str, ensure_ascii=False)) if extras else 0
    return PER_MESSAGE + counted + sum(_block_tokens(block) for block in message.blocks)


def _block_tokens(block: BaseModel) -> int:
    if isinstance(block, TextBlock):
        return count(block.text)
    if isinstance(block, ThinkingBlock):
        return block.num_tokens or count(block.content or "")
    media = _MEDIA.get(type(block))
    return count(block.model_dump_json(exclude_none=True)) if media is None else media
