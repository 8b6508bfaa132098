"""Models that run in this process and do what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from omnimemory.core.errors import ModelError, ModelUnavailable, RateLimited
from omnimemory.models.base import Completion, Prompt, Vectors
from omnimemory.models.endpoint import retry_after
from omnimemory.testing.replies import Fault, Replies, Script, hashed_vectors


class ScriptedChatModel:
    """A ``ChatModel`` whose answers are scripted by agent output class (see ``Script``).

    ``delay`` is in seconds and may be changed at any time; ``prompts`` holds what was asked.
    """

    def __init__(
        self,
        replies: Mapping[str, Replies] | Replies | None = None,
        *,
        name: str = "scripted",
        delay: float = 0.0,
    ) -> None:
        self.name = name
        self.delay = delay
        self.prompts: list[Prompt] = []
        self.closed = False
        self.script = Script(replies)

    async def complete(
        self, prompt: Prompt, *, json_schema: dict[str, Any] | None = None, max_tokens: int | None = None
    ) -> Completion:
        self.prompts.append(prompt)
        request: dict[str, Any] = {
            "messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ],
            "max_tokens": max_tokens,
        }
        if json_schema is not None:
            request["response_format"] = {"type": "json_schema", "json_schema": {"schema": json_schema}}
        if self.delay:
            await asyncio.sleep(self.delay)
        reply = self.script.reply(request)
        text = await _happen(reply) if isinstance(reply, Fault) else reply
        return Completion(text, len(prompt.system.split()) + len(prompt.user.split()), len(text.split()))

    async def aclose(self) -> None:
        self.closed = True


class HashEmbedder:
    """An ``Embedder`` over hashed bags of words: deterministic, instant, near where words are shared.

    While ``fault`` is set every call runs into it; ``texts`` counts what was embedded.
    """

    def __init__(
        self, dimensions: int = 64, *, name: str | None = None, delay: float = 0.0, fault: Fault | None = None
    ) -> None:
        self.dimensions = dimensions
        self.name = name or f"hash-{dimensions}"
        self.delay = delay
        self.fault = fault
        self.calls = 0
        self.texts = 0
        self.closed = False

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.fault is not None:
            await _happen(self.fault)
        self.texts += len(texts)
        return hashed_vectors(texts, self.dimensions)

    async def aclose(self) -> None:
        self.closed = True


async def _happen(fault: Fault) -> str:
    """What the same fault means behind a real endpoint."""
    if fault.kind == "hang":
        await asyncio.Event().wait()
    if fault.kind == "body":
        return fault.body
    if fault.kind == "drop" or fault.status >= 500:
        raise ModelUnavailable(fault.message)
    if fault.status == 429:
        headers = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
        raise RateLimited(fault.message, retry_after=retry_after(headers))
    raise ModelError(fault.message)
