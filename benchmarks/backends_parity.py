"""The same memories and questions on every backend: what each answers, how fast, how much alike.

One ledger holds the memories, so their ids are the same everywhere; each store is filled from it as
``omnimemory rebuild`` does. Questions go through the engine's recall and, one by one, to the legs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.material import chats, question
from omnimemory.core.schemas import MemoryKind, Scope, ScoredMemory, UserMessages
from omnimemory.core.settings import Settings
from omnimemory.core.text import query_tokens
from omnimemory.engine import Engine
from omnimemory.models.base import Vectors
from omnimemory.ops.rebuild import rebuild
from omnimemory.recall.recall import DISTINCT
from omnimemory.recall.request import RecallRequest
from omnimemory.stores.base import VectorStore
from omnimemory.stores.records import Filter
from omnimemory.wiring import Parts, engine_from

APP = "parity"
TOP = 10


class Query(NamedTuple):
    """A question within one user's memories, or within the whole app's."""

    user_id: str | None
    text: str

    @property
    def where(self) -> Filter:
        return Filter(user_id=self.user_id)


@dataclass(frozen=True, slots=True)
class Material:
    """What is stored, turns only, and what is asked."""

    chats: Sequence[UserMessages]
    asked: Sequence[Query]


@dataclass(slots=True)
class Answers:
    """What one backend answered, by question: cosines and BM25 by record id, the recalled memories.

    ``seconds`` are those of each recall; ``filled`` is how many memories a second the store took, their
    embedding included.
    """

    dense: list[Mapping[str, float]] = field(default_factory=list)
    words: list[Mapping[str, float]] = field(default_factory=list)
    recalled: list[list[ScoredMemory]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    filled: float = 0.0


@dataclass(frozen=True, slots=True)
class Likeness:
    """One backend's answers beside another's.

    ``dense`` and ``words`` are the largest difference of a record's score; those of the words are a
    share of the question's best. ``nominated`` is the mean share of a leg's nominees that both have,
    ``overlap`` that of the ten recalled, ``worst`` the question with the least of it.
    """

    dense: float
    words: float
    nominated: float
    overlap: float
    worst: float


def made_up(memories: int, questions: int, *, users: int = 5) -> Material:
    """Chats of some users; every other question is about the whole app."""
    rng = random.Random(memories)
    asked = [
        Query(None if number % 2 else f"user-{number // 2 % users}", question(rng))
        for number in range(questions)
    ]
    return Material(list(chats(rng, APP, users=users, turns=memories // users)), asked)


def settings_of(home: Path) -> Settings:
    """Raises ``ConfigError``. The ledger is a file in ``home`` and the embedder the default one,
    whatever the environment says."""
    chosen = {"ledger_url": None, "embedding_provider": "wordllama", "embedding_api_key": None}
    return Settings.load({"home": home, "synthesis": False, "embedding_base_url": None, **chosen})


async def remember(home: Path, store: VectorStore, material: Material) -> None:
    """Put the material into the ledger in ``home``; ``store`` is filled along with it."""
    async with engine_from(settings_of(home), Parts(store=store)) as engine:
        for chat in material.chats:
            scope = Scope(app_id=chat.app_id, user_id=chat.user_id, session_id=chat.session_id)
            await engine.ingest.add(scope, chat.messages, infer=False)
        await engine.flush()


async def answers(
    home: Path,
    store: VectorStore,
    asked: Sequence[Query],
    *,
    warm: int = 0,
    show: Callable[[], None] = lambda: None,
) -> Answers:
    """Fill ``store`` from the ledger in ``home`` and ask, a few questions before the clock runs.

    ``show`` is called after each of the others.
    """
    found = Answers()
    async with engine_from(settings_of(home), Parts(store=store)) as engine:
        start = time.perf_counter()
        filled = await rebuild(engine, app_id=APP)
        found.filled = filled / (time.perf_counter() - start)
        for one in asked[:warm]:
            await _ask(engine, one._replace(text=f"To begin with: {one.text}"), Answers())
        for one in asked:
            await _ask(engine, one, found)
            show()
    return found


async def _ask(engine: Engine, asked: Query, into: Answers) -> None:
    request = RecallRequest(
        scope=Scope(app_id=APP, user_id=asked.user_id),
        query=asked.text,
        n_results=TOP,
        kinds=frozenset({MemoryKind.TURN}),
    )
    start = time.perf_counter()
    recalled = await engine.recall(request)
    into.seconds.append(time.perf_counter() - start)
    into.recalled.append(list(recalled.memories))
    vector: Vectors = (await engine.embedder.embed([asked.text]))[0]
    near = await engine.store.dense(APP, vector, asked.where, limit=DISTINCT)
    said = await engine.store.lexical(APP, query_tokens(asked.text), asked.where, limit=DISTINCT)
    into.dense.append({hit.id: hit.score for hit in near})
    into.words.append({hit.id: hit.score for hit in said})


def likeness(ours: Answers, reference: Answers) -> Likeness:
    """How much alike two backends answered the same questions."""
    overlaps = [
        _shared({m.memory_id for m in one}, {m.memory_id for m in other})
        for one, other in zip(ours.recalled, reference.recalled, strict=True)
    ]
    legs = [(ours.dense, reference.dense), (ours.words, reference.words)]
    nominated = [_shared(set(one), set(other)) for a, b in legs for one, other in zip(a, b, strict=True)]
    return Likeness(
        dense=max(_differences(ours.dense, reference.dense), default=0.0),
        words=max(_differences(_shares(ours.words), _shares(reference.words)), default=0.0),
        nominated=sum(nominated) / len(nominated),
        overlap=sum(overlaps) / len(overlaps),
        worst=min(overlaps),
    )


def _shared(one: set[str], other: set[str]) -> float:
    """The share of the larger that both have; two empty ones are alike."""
    return len(one & other) / max(len(one), len(other)) if one or other else 1.0


def _differences(
    ours: Sequence[Mapping[str, float]], reference: Sequence[Mapping[str, float]]
) -> Iterator[float]:
    for one, other in zip(ours, reference, strict=True):
        yield from (abs(one[key] - other[key]) for key in one.keys() & other.keys())


def _shares(scores: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    return [{key: score / max(one.values()) for key, score in one.items()} for one in scores]
