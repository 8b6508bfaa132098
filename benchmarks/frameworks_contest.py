"""What the frameworks' benchmarks share: one thing done by us, by the framework's own parts, and without."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.material import TURNS_PER_SESSION, chats, question, sentence
from omnimemory import OmniMemorySDK, UserMessages
from omnimemory.models.local import WordLlamaEmbedder

APP = "bench"
USERS = 100
PER_USER = 100
K = 5
QUESTIONS_PER_SESSION = TURNS_PER_SESSION // 2
"""A question and an answer are two turns."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a user, in a session of theirs."""

    user: str
    session: str
    text: str


Turn = Callable[[Asked], Awaitable[object]]
"""Does the thing once for a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """One thing done by us and by the framework's own parts; an agent's turn also ``without`` any of them.

    ``commits`` are the ledger's in one turn of ours.
    """

    name: str
    ours: Turn
    stock: Mapping[str, Turn]
    without: Turn | None = None
    commits: int = 0


@dataclass(frozen=True, slots=True)
class Material:
    """What both frameworks' contests are made of: memories, their texts by user, and the embedder."""

    memory: OmniMemorySDK
    embedder: WordLlamaEmbedder
    given: Sequence[UserMessages]

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Who said what."""
        return [(str(chat.user_id), str(m.content)) for chat in self.given for m in chat.messages]

    async def rows(self, texts: Sequence[str]) -> list[list[float]]:
        """The texts' vectors as the frameworks want them."""
        found: list[list[float]] = (await self.embedder.embed(texts)).tolist()
        return found


def memories() -> list[UserMessages]:
    """10,000 turns of 100 users."""
    return list(chats(random.Random(10_000), APP, users=USERS, turns=PER_USER))


def sessions(name: str, count: int) -> list[list[Asked]]:
    """Each of another user, so that none comes to remember much more than the others."""
    rng = random.Random(name)
    users = rng.sample(range(USERS), USERS)
    return [
        [
            Asked(f"user-{users[number % USERS]}", f"{name}-{number}", question(rng))
            for _ in range(QUESTIONS_PER_SESSION)
        ]
        for number in range(count)
    ]


class Replies:
    """What the chat model says: never the same twice."""

    def __init__(self) -> None:
        self._rng = random.Random(7)

    def next(self) -> str:
        return sentence(self._rng)


def as_prompt(texts: Sequence[str]) -> str:
    """What a retrieval step puts before the model."""
    return "Known from earlier conversations:\n" + "\n".join(f"- {text}" for text in texts)
