"""The two protocols through which the engine talks to models. Implement them to bring your own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a chat model is asked: the standing instructions and the material."""

    system: str
    user: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A chat model's answer with the tokens the endpoint counted (0 where it did not say)."""

    text: str
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(slots=True)
class Usage:
    """Calls and tokens spent on one task; handed down so that each call adds its own."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    by_agent: dict[str, int] = field(default_factory=dict)

    def add(self, agent: str, completion: Completion) -> None:
        self.calls += 1
        self.input_tokens += completion.input_tokens
        self.output_tokens += completion.output_tokens
        self.by_agent[agent] = self.by_agent.get(agent, 0) + 1


@runtime_checkable
class ChatModel(Protocol):
    """Answers a prompt with text.

    ``json_schema``, when given, is the JSON Schema the answer should obey; a model that cannot
    enforce it still answers, and the caller validates. Implementations raise ``ModelUnavailable``
    or ``RateLimited`` for what may pass, ``ModelError`` for what will not.
    """

    @property
    def name(self) -> str: ...

    async def complete(
        self, prompt: Prompt, *, json_schema: dict[str, Any] | None = None, max_tokens: int | None = None
    ) -> Completion: ...

    async def aclose(self) -> None: ...


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into L2-normalised float32 vectors of shape (len(texts), dimensions).

    ``name`` identifies the vector space: vectors of two embedders with one name are comparable.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    async def embed(self, texts: Sequence[str]) -> Vectors: ...

    async def aclose(self) -> None: ...
