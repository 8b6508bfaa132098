"""The demo: conversations go through the real pipeline, and what became of them is read back."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from omnimemory.cli.output import headline
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.ids import content_hash
from omnimemory.core.schemas import (
    Decision,
    Memory,
    MemoryKind,
    Message,
    Operation,
    Scope,
    ScoredMemory,
    Status,
    TaskStatus,
    UserMessages,
)
from omnimemory.core.text import tokens
from omnimemory.demo.conversations import Conversations, Session
from omnimemory.demo.questions import Asked, Forbidden, forbidden_of, own_words, questions_of
from omnimemory.demo.report import Answer, Change, DemoReport, TenancyCheck, Timings, UserNotes
from omnimemory.sdk import OmniMemorySDK

RESULTS = 5
PAGE = 1000
RECALL_ROUNDS = 3
EVOLVING = (Operation.UPDATE, Operation.DELETE, Operation.SKIP)


class Progress(Protocol):
    """Told what is being done: a stage with its number of steps, then each step."""

    def stage(self, title: str, steps: int) -> None: ...

    def step(self) -> None: ...


class Silent:
    """A progress that shows nothing."""

    def stage(self, title: str, steps: int) -> None:
        """Nothing to show."""

    def step(self) -> None:
        """Nothing to show."""


async def run_demo(
    sdk: OmniMemorySDK, given: Conversations, *, graph: Path | None = None, progress: Progress | None = None
) -> DemoReport:
    """Feed ``given`` to ``sdk``, wait for every note, then query, check and report.

    The app id is derived from the content: the same file again finds everything stored and adds
    nothing, another file gets an app of its own. ``graph``, when given, is written as HTML.

    Raises:
        OmniMemoryError: whatever the engine refuses; ``InvalidRequest`` when ``graph`` cannot be written.
    """
    return await _Run(sdk, given, progress or Silent()).report(graph)


class _Run:
    def __init__(self, sdk: OmniMemorySDK, given: Conversations, progress: Progress) -> None:
        self._sdk = sdk
        self._given = given
        self._progress = progress
        self._sessions = given.sessions()
        self._app_id = f"demo-{content_hash(given.model_dump_json())[:12]}"
        self._recall_ms: list[float] = []
        self._new_turns = 0
        self._said_by_task: dict[str, datetime | None] = {}

    async def report(self, graph: Path | None) -> DemoReport:
        acknowledged_ms, synthesis_seconds, gave_up = await self._remember()
        decisions = [d for d in await self._sdk.list_decisions(self._app_id) if d.operation in EVOLVING]
        every = await self._every(MemoryKind.NOTE)
        notes = {user: _active_notes(every, user) for user in self._given.users}
        chains = await self._chains(decisions, every)
        answers = await self._answers(questions_of(self._given, notes))
        checks = await self._checks(forbidden_of(self._given))
        longest = max(chains, key=len, default=())
        written = graph if graph is not None and longest else None
        if written is not None:
            _write(written, self._sdk.generate_evolution_graph([m for c in chains for m in c], format="html"))
        about = await self._sdk.describe()
        return DemoReport(
            data=self._given.name,
            app_id=self._app_id,
            home=about.home,
            agents=about.agents,
            embedder=about.embedder,
            store=about.store,
            conversations=len(self._given.conversations),
            sessions=len(self._sessions),
            turns=self._given.turn_count,
            notes=tuple(UserNotes(user_id=user, notes=own) for user, own in notes.items()),
            evolution=self._changes(decisions, {memory.id: memory for memory in every}),
            chain=longest,
            recall=answers,
            tenancy=checks,
            timings=self._timings(acknowledged_ms, synthesis_seconds),
            gave_up=gave_up,
            graph=None if written is None else str(written),
        )

    async def _remember(self) -> tuple[list[float], float, tuple[str, ...]]:
        """Hand in every session and wait for its notes: acknowledgements in ms, seconds, errors."""
        started = time.perf_counter()
        acknowledged_ms: list[float] = []
        self._progress.stage("Handing in", len(self._sessions))
        for session in self._sessions:
            before = time.perf_counter()
            accepted = await self._sdk.add_memory(_as_messages(self._app_id, session))
            acknowledged_ms.append((time.perf_counter() - before) * 1000)
            if accepted["task_id"] is not None:
                self._said_by_task[accepted["task_id"]] = session.turns[-1].said_at
                self._new_turns += len(session.turns)
            self._progress.step()
        self._progress.stage("Writing notes", len(self._said_by_task))
        gave_up = []
        for task_id in self._said_by_task:
            task = await self._sdk.wait_for_task(task_id, app_id=self._app_id)
            if task.status is TaskStatus.PARKED:
                gave_up.append(task.error or f"task {task_id} was parked")
            self._progress.step()
        await self._sdk.flush(Scope(app_id=self._app_id), wait=True)
        return acknowledged_ms, time.perf_counter() - started, tuple(dict.fromkeys(gave_up))

    async def _every(self, kind: MemoryKind) -> list[Memory]:
        """All memories of a kind, whatever became of them."""
        found: list[Memory] = []
        cursor = None
        while True:
            page = await self._sdk.list_memories(
                self._app_id, kinds=(kind,), statuses=tuple(Status), limit=PAGE, cursor=cursor
            )
            found.extend(page)
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def _chains(
        self, decisions: Sequence[Decision], every: Sequence[Memory]
    ) -> list[tuple[Memory, ...]]:
        """Each chain once, of what evolved; where nothing did, of every note by itself."""
        evolved = [d.memory_id for d in decisions if d.operation is not Operation.SKIP]
        chains: list[tuple[Memory, ...]] = []
        seen: set[str] = set()
        for memory_id in evolved or [memory.id for memory in every]:
            if memory_id not in seen:
                chain = tuple(await self._sdk.traverse_memory_evolution_chain(self._app_id, memory_id))
                seen.update(memory.id for memory in chain)
                chains.append(chain)
        return chains

    def _changes(self, decisions: Sequence[Decision], notes: Mapping[str, Memory]) -> tuple[Change, ...]:
        """The decisions with what they were about, each user's in the order made."""
        return tuple(
            Change(
                operation=decision.operation,
                user_id=decision.user_id,
                memory_id=decision.memory_id,
                before=headline(old),
                after=None if new is None else headline(new, limit=240),
                contradicted=decision.contradicted,
                reasoning=decision.reasoning,
                confidence=decision.confidence,
                said_at=self._said_by_task.get(decision.task_id or "") or old.updated_at or old.occurred_at,
            )
            for decision in sorted(decisions, key=lambda d: (d.user_id, d.created_at))
            for old, new in ((notes[decision.memory_id], notes.get(decision.new_id or "")),)
        )

    async def _answers(self, asked: Sequence[Asked]) -> tuple[Answer, ...]:
        self._progress.stage("Asking", len(asked))
        turns = {turn.id: turn.message_id for turn in await self._every(MemoryKind.TURN)}
        answers = []
        for item in asked:
            for _ in range(RECALL_ROUNDS):
                results = await self._ask(item.user_id, item.question)
            cited = {turns.get(i) for r in results for i in (r.memory_id, *_sources(r.memory))}
            found = bool(cited.intersection(item.gold)) if item.gold else None
            answers.append(
                Answer(user_id=item.user_id, question=item.question, results=tuple(results), found=found)
            )
            self._progress.step()
        return tuple(answers)

    async def _checks(self, forbidden: Sequence[Forbidden]) -> tuple[TenancyCheck, ...]:
        self._progress.stage("Checking tenancy", len(forbidden))
        checks = []
        for item in forbidden:
            others = await self._ask(item.asker, item.question)
            own = await self._ask(item.owner, item.question)
            words = own_words(self._given, item.owner, beside=[item.asker])
            checks.append(
                TenancyCheck(
                    asker=item.asker,
                    owner=item.owner,
                    question=item.question,
                    owner_found=any(words.intersection(tokens(result.document)) for result in own),
                    returned=len(others),
                    leaked=tuple(headline(r.memory) for r in others if _leaks(r, item.asker, words)),
                )
            )
            self._progress.step()
        return tuple(checks)

    async def _ask(self, user_id: str, question: str) -> list[ScoredMemory]:
        before = time.perf_counter()
        results = await self._sdk.recall(
            self._app_id, question, user_id=user_id, n_results=RESULTS, explain=True
        )
        self._recall_ms.append((time.perf_counter() - before) * 1000)
        return list(results)

    def _timings(self, acknowledged_ms: Sequence[float], seconds: float) -> Timings:
        turns = self._new_turns
        return Timings(
            turns=turns,
            acknowledge_p50_ms=_p50(acknowledged_ms),
            synthesis_seconds=seconds,
            turns_per_second=turns / seconds,
            recall_p50_ms=_p50(self._recall_ms),
            recalls=len(self._recall_ms),
        )


def _as_messages(app_id: str, session: Session) -> UserMessages:
    return UserMessages(
        app_id=app_id,
        user_id=session.user,
        session_id=session.id,
        messages=[
            Message(role=t.role, content=t.text, name=t.speaker or None, timestamp=t.said_at, id=t.id)
            for t in session.turns
        ],
    )


def _active_notes(notes: Sequence[Memory], user: str) -> tuple[Memory, ...]:
    own = [note for note in notes if note.user_id == user and note.is_active]
    return tuple(sorted(own, key=lambda note: note.occurred_at or note.created_at))


def _sources(memory: Memory) -> set[str]:
    """The turns that what a memory says rests on."""
    return {source for statement in memory.statements for source in statement.sources}


def _leaks(result: ScoredMemory, asker: str, owners_words: frozenset[str]) -> bool:
    """Whether a result is another one's: by its scope, or, verbatim turns, by words the asker never used.

    A note's words prove nothing: a model chooses them.
    """
    memory = result.memory
    return memory.user_id != asker or (
        memory.role is not None and not owners_words.isdisjoint(tokens(memory.text))
    )


def _p50(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0


def _write(path: Path, html: str) -> None:
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as exc:
        raise InvalidRequest(f"cannot write {path}: {exc.strerror or exc}; name another with --out") from exc
