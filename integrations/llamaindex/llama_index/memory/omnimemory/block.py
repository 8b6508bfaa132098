"""``OmniMemoryBlock``: long-term recall for LlamaIndex's own ``Memory``."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.memory import BaseMemoryBlock
from llama_index.memory.omnimemory.longterm import LongTerm
from llama_index.memory.omnimemory.messages import text_of


class OmniMemoryBlock(LongTerm, BaseMemoryBlock[str]):
    """Recalls for the last user message and stores nothing.

    A ``Memory`` hands a block only what overflows its queue, long after it was said, so what the
    block would store comes late or never. Store with ``OmniMemory``, or with the SDK's ``ingest``.
    """

    name: str = "long_term_memory"
    description: str | None = "What is known about the user from earlier conversations."
    priority: int = 1
    accept_short_term_memory: bool = False

    async def _aget(
        self,
        messages: list[ChatMessage] | None = None,
        **block_kwargs: Any,  # noqa: ARG002  # recall looks at all sessions
    ) -> str:
        texts = [text_of(message) for message in messages or ()]
        asked = [text for text, m in zip(texts, messages or (), strict=True) if m.role == MessageRole.USER]
        return await self.recalled_block(asked[-1], texts) if asked else ""

    async def _aput(self, messages: list[ChatMessage]) -> None:
        """Nothing: the block only recalls."""
