"""OmniMemory's part of the recall benchmark, through the public SDK: ingest, ask, ask what was never said."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types

from benchmarks.engine_writes import wait_until_indexed
from benchmarks.measure import Bench
from benchmarks.recall_quality import DEPTH, Places
from benchmarks.recall_report import Parts
from benchmarks.recall_set import Asked, Conversation, RecallSet, Turn, spread
from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.agents.extractive import ExtractiveAgents
from omnimemory.core.schemas import MemoryKind, Role, ScoredMemory, Status
from omnimemory.core.settings import Settings
from omnimemory.wiring import LOCAL_EMBEDDERS

BATCH = 500
"""Messages in one call."""
WARM = 20
FOREIGN_PER_CONVERSATION = 200
_ROLES: dict[str, Role] = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "agent": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}


@dataclass(frozen=True, slots=True)
class Setup:
    """Which parts to measure; None leaves it to the settings (environment and ``.env``)."""

    embedder: str | None = None
    backend: str | None = None

    def settings(self, home: Path) -> Settings:
        """Raises ``ConfigError``. Everything is kept in ``home``, whatever the environment says."""
        chosen: dict[str, object] = {"home": home, "ledger_url": None}
        if self.backend is not None:
            chosen["provider"] = self.backend
        if self.embedder is not None:
            chosen["embedding_provider"] = self.embedder
        if self.embedder in LOCAL_EMBEDDERS:
            chosen |= {"embedding_api_key": None, "embedding_base_url": None}
        return Settings.load(chosen)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What indexing took. Megabytes on disk are those allocated; ``rss_mb`` is the process's growth."""

    seconds: float
    index_mb: float
    ledger_mb: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Replies:
    """The results of each question, in order, and the seconds each took."""

    results: list[list[ScoredMemory]]
    seconds: list[float]


class Subject:
    """A memory of its own that holds one recall set: a user for each conversation, one app."""

    def __init__(self, memory: OmniMemorySDK, given: RecallSet, bench: Bench) -> None:
        self._memory = memory
        self._given = given
        self._bench = bench
        # A vector database server outlives the run, and another run must not see what this one stored.
        self._app_id = f"recall-{secrets.token_hex(4)}"

    async def ingest(self, *, infer: bool) -> Ingested:
        """Hand in everything, session by session in the file's order, and wait until it is indexed."""
        await self._memory.warm_up()
        resident = _resident()
        total = sum(len(each.said) for each in self._given.conversations)
        handed_in = self._bench.progress.add_task("hand in", total=total)
        indexed = self._bench.progress.add_task("index, with notes" if infer else "index", total=total)
        start = time.perf_counter()
        for conversation in self._given.conversations:
            for part in sessions(conversation, self._app_id):
                await self._memory.add_memory(part, infer=infer)
                self._bench.progress.advance(handed_in, len(part.messages))
        await wait_until_indexed(
            self._memory, lambda left: self._bench.progress.update(indexed, completed=total - left)
        )
        seconds = time.perf_counter() - start
        home = self._memory.settings.home
        files = [path for path in home.rglob("*") if path.is_file()]
        ledger = [path for path in files if path.name.startswith("ledger.db")]
        return Ingested(
            seconds=seconds,
            index_mb=_megabytes(files) - _megabytes(ledger),
            ledger_mb=_megabytes(ledger),
            rss_mb=(_resident() - resident) / 1e6,
        )

    async def ask(self, asked: Sequence[Asked], *, kinds: tuple[str, ...] = ("turn",)) -> Replies:
        """Each question once, one after the other."""
        for one in asked[:WARM]:
            await self._recalled(one.conversation, f"To begin with: {one.text}", kinds)
        replies = Replies([], [])
        for one in self._bench.progress.track(asked, description="ask"):
            start = time.perf_counter()
            found = await self._recalled(one.conversation, one.text, kinds)
            replies.seconds.append(time.perf_counter() - start)
            replies.results.append(found)
        return replies

    async def ask_strangers(self, asked: Sequence[Asked]) -> list[int]:
        """How many memories each conversation gives for the questions of the next one, evenly spread."""
        by_conversation = {
            c.id: [a for a in asked if a.conversation == c.id] for c in self._given.conversations
        }
        having = [name for name, questions in by_conversation.items() if questions]
        neighbours = zip(having, [*having[1:], having[0]], strict=True)
        pairs = [
            (name, one.text)
            for name, other in neighbours
            if name != other
            for one in spread(by_conversation[other], FOREIGN_PER_CONVERSATION)
        ]
        return [
            len(await self._recalled(name, text, ("turn",)))
            for name, text in self._bench.progress.track(pairs, description="ask strangers")
        ]

    async def parts(self) -> Parts:
        """What the memory is made of."""
        found = await self._memory.describe()
        return Parts(store=found.store, embedder=found.embedder)

    async def message_ids(self) -> dict[str, str]:
        """The caller's message id of every turn, by memory id; those that are hidden by now too."""
        found: dict[str, str] = {}
        cursor: str | None = None
        while True:
            page = await self._memory.list_memories(
                self._app_id, kinds=(MemoryKind.TURN,), statuses=tuple(Status), limit=1000, cursor=cursor
            )
            found |= {memory.id: memory.message_id for memory in page if memory.message_id}
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def _recalled(self, conversation: str, text: str, kinds: tuple[str, ...]) -> list[ScoredMemory]:
        found = await self._memory.recall(
            self._app_id, text, user_id=conversation, n_results=DEPTH, kinds=kinds
        )
        return list(found)


@asynccontextmanager
async def subject(given: RecallSet, setup: Setup, bench: Bench, *, name: str) -> AsyncIterator[Subject]:
    """An empty memory in a folder of its own; notes are written by the extractive agents.

    Raises:
        ConfigError: the setup names a part that does not exist or is not installed.
    """
    settings = setup.settings(bench.folder / name)
    async with OmniMemorySDK(settings=settings, agents=ExtractiveAgents()) as memory:
        yield Subject(memory, given, bench)


def turn_places(results: Sequence[ScoredMemory]) -> Places:
    """A place stands for the turn in it, by the caller's id from the metadata; a note for none."""
    return [
        frozenset({result.metadata["message_id"]} if result.memory.kind is MemoryKind.TURN else ())
        for result in results
    ]


def cited_places(results: Sequence[ScoredMemory], message_ids: dict[str, str]) -> Places:
    """As ``turn_places``, but a note stands for every turn it cites."""
    return [
        turn or _cited(result.memory.sources, message_ids)
        for turn, result in zip(turn_places(results), results, strict=True)
    ]


def stated_places(results: Sequence[ScoredMemory], message_ids: dict[str, str]) -> Places:
    """As ``turn_places``, but a note stands for the turns that its matched statement cites."""
    return [
        turn or _cited(result.matched_statement.sources if result.matched_statement else (), message_ids)
        for turn, result in zip(turn_places(results), results, strict=True)
    ]


def _cited(sources: Sequence[str], message_ids: dict[str, str]) -> frozenset[str]:
    return frozenset(message_ids[source] for source in sources if source in message_ids)


def sessions(conversation: Conversation, app_id: str) -> Iterator[UserMessages]:
    """The conversation as a client would hand it in: a call for each session, long ones in parts."""
    said = conversation.said
    first = next((turn.name for turn in said if turn.name), None)
    for session, run in groupby(said, key=lambda turn: turn.session):
        turns = list(run)
        for start in range(0, len(turns), BATCH):
            yield UserMessages(
                app_id=app_id,
                user_id=conversation.id,
                session_id=session,
                messages=[_message(turn, first) for turn in turns[start : start + BATCH]],
            )


def _message(turn: Turn, first_speaker: str | None) -> Message:
    return Message(
        id=turn.id,
        role=_role(turn, first_speaker),
        name=turn.name,
        timestamp=turn.time,
        content=turn.text,
    )


def _role(turn: Turn, first_speaker: str | None) -> Role:
    """The role given; where it is missing or unknown, whoever speaks first is the user."""
    known = _ROLES.get((turn.role or "").strip().lower())
    return known or ("user" if turn.name == first_speaker else "assistant")


def _resident() -> float:
    return float(psutil.Process().memory_info().rss)


def _megabytes(files: Sequence[Path]) -> float:
    return sum(path.stat().st_blocks for path in files) * 512 / 1e6
