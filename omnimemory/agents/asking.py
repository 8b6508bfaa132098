"""How the agents call their model: one place for its limits and its retries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from omnimemory.agents.fields import Output
from omnimemory.metrics import SILENT, Observer
from omnimemory.models.base import ChatModel, Prompt, Usage
from omnimemory.models.observed import ObservedChatModel
from omnimemory.models.retrying import Retries
from omnimemory.models.structured import ask, write

T = TypeVar("T", bound=Output)


@dataclass(frozen=True, slots=True)
class Asker:
    """A model with the bounds every call keeps. Both methods raise ``ModelError``, and add to ``usage``."""

    model: ChatModel
    max_tokens: int
    retries: Retries
    observer: Observer = SILENT

    async def ask(
        self,
        prompt: Prompt,
        output: type[T],
        *,
        agent: str,
        usage: Usage,
        check: Callable[[T], str | None] | None = None,
    ) -> T:
        return await ask(
            ObservedChatModel(self.model, agent, self.observer),
            prompt,
            output,
            agent=agent,
            usage=usage,
            max_tokens=self.max_tokens,
            check=check,
            retries=self.retries,
        )

    async def write(self, prompt: Prompt, *, agent: str, usage: Usage) -> str:
        return await write(
            ObservedChatModel(self.model, agent, self.observer),
            prompt,
            agent=agent,
            usage=usage,
            max_tokens=self.max_tokens,
            retries=self.retries,
        )


def instructed(system: str, instructions: str | None) -> str:
    """The agent's standing instructions, then what the application asks for besides."""
    if instructions is None or not instructions.strip():
        return system
    return f"{system}\n\n## Further instructions of the application\n{instructions.strip()}"
