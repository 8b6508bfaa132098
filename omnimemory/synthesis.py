"""The synthesis lane's work: a window of turns becomes a note, and the memory evolves."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import JsonValue

from omnimemory.agents.base import Agents
from omnimemory.core.errors import InvalidModelOutput, ModelError, VersionConflict
from omnimemory.core.ids import new_id
from omnimemory.core.notes import is_nothing
from omnimemory.core.proposals import MAX_STATEMENTS, Draft, DraftStatement
from omnimemory.core.schemas import Link, Memory, NoteSections, Scope, Status, Task, TaskKind
from omnimemory.core.settings import Settings
from omnimemory.core.text import sentences
from omnimemory.evolution.compose import compose_note
from omnimemory.evolution.plan import Plan, store_new
from omnimemory.evolution.resolution import resolve
from omnimemory.ingest import common_metadata
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import Spent
from omnimemory.metrics import SILENT, Observer
from omnimemory.models.base import Usage
from omnimemory.projector import Projector
from omnimemory.recall.links import LinkFinder
from omnimemory.worker import Work

logger = logging.getLogger(__name__)

APPLY_ATTEMPTS = 3
"""How often a plan is made anew when a memory changed under it."""


class Synthesizer:
    """Turns tasks into notes. Safe to run again: each window is one ledger transaction."""

    def __init__(
        self,
        ledger: Ledger,
        projector: Projector,
        links: LinkFinder,
        agents: Agents,
        settings: Settings,
        *,
        observer: Observer = SILENT,
    ) -> None:
        self._observer = observer
        self._ledger = ledger
        self._projector = projector
        self._links = links
        self._agents = agents
        self._settings = settings

    def work(self) -> dict[TaskKind, Work]:
        """What it does, by the kind of task."""
        return {
            TaskKind.SYNTHESIS: self.synthesize,
            TaskKind.AGENT_MEMORY: self.compose,
            TaskKind.RESOLVE: self.resolve_again,
        }

    async def synthesize(self, task: Task, usage: Usage) -> dict[str, JsonValue] | None:
        """Every window of the task's turns, from the first one not yet applied. The last one's
        transaction ends the task; where none is left, what was done.
        """
        turns = await self._ledger.turns_of_task(task.task_id)
        size = self._settings.default_max_messages
        windows = [turns[start : start + size] for start in range(0, len(turns), size)]
        done = _Outcome(task.result)
        instructions = self._instructions(task)
        for index in range(task.progress, len(windows)):
            window = [turn for turn in windows[index] if turn.status is not Status.DELETED]
            draft = _NOTHING
            if window:
                draft = await self._agents.synthesize(window, instructions=instructions, usage=usage)
            last = index + 1 == len(windows)
            done = await self._remember(task, window, draft, usage, done, progress=index + 1, last=last)
        return done.as_result() if task.progress >= len(windows) else None

    async def compose(self, task: Task, usage: Usage) -> dict[str, JsonValue] | None:
        """An agent's own memory: one note, no conflict resolution."""
        done = _Outcome(task.result)
        if task.progress:
            return done.as_result()
        handed_in = await self._ledger.turns_of_task(task.task_id)
        turns = [turn for turn in handed_in if turn.status is not Status.DELETED]
        if not turns:
            draft = _NOTHING
        elif task.payload.get("infer", True):
            instructions = self._instructions(task)
            draft = _indexed(await self._agents.compose(turns, instructions=instructions, usage=usage))
        else:
            draft = _verbatim(turns)
        turns, draft = await self._still_said(task, turns, draft)
        plan = Plan()
        if draft.statements:
            note = self._note(task, turns, draft)
            plan = store_new(note, task_id=task.task_id, now=datetime.now(UTC))
        await self._apply(plan, task, usage, done, progress=1, last=True)
        return None

    async def resolve_again(self, task: Task, usage: Usage) -> dict[str, JsonValue] | None:
        """A later pass over a note that was stored unresolved. Fails where that is still what it is."""
        done = _Outcome(task.result)
        memory_id = str(task.payload["memory_id"])
        note = (await self._ledger.get(task.app_id, [memory_id])).get(memory_id)
        if note is None or not note.is_active or not note.unresolved:
            return done.as_result()
        await self._evolve(task, note, usage, done, progress=1, last=True)
        return None

    def _instructions(self, task: Task) -> str | None:
        given = task.payload.get("instructions")
        return str(given) if given else self._settings.note_instructions

    async def _remember(
        self,
        task: Task,
        turns: Sequence[Memory],
        draft: Draft,
        usage: Usage,
        done: _Outcome,
        *,
        progress: int,
        last: bool,
    ) -> _Outcome:
        turns, draft = await self._still_said(task, turns, _indexed(draft))
        if not draft.statements:  # nothing worth a note was said; the turns stay recallable
            return await self._apply(Plan(), task, usage, done, progress=progress, last=last)
        note = self._note(task, turns, draft)
        return await self._evolve(task, note, usage, done, progress=progress, last=last)

    async def _still_said(
        self, task: Task, turns: Sequence[Memory], draft: Draft
    ) -> tuple[list[Memory], Draft]:
        """Without what was deleted while the note was written: it must not come back in other words."""
        if not draft.statements:
            return list(turns), draft
        now = await self._ledger.get(task.app_id, [turn.id for turn in turns], user_id=task.user_id)
        gone = {i for i, turn in now.items() if turn.status is Status.DELETED}
        if not gone:
            return list(turns), draft
        kept = tuple(s for s in draft.statements if not s.sources or not gone.issuperset(s.sources))
        left = [turn for turn in turns if turn.id not in gone]
        return left, Draft(sections=NoteSections(), statements=kept if left else ())

    def _note(self, task: Task, turns: Sequence[Memory], draft: Draft) -> Memory:
        return compose_note(
            draft,
            id=new_id(),
            scope=Scope(app_id=task.app_id, user_id=task.user_id, session_id=task.session_id),
            turns=turns,
            metadata=common_metadata(turns),
            now=datetime.now(UTC),
        )

    async def _evolve(
        self, task: Task, note: Memory, usage: Usage, done: _Outcome, *, progress: int, last: bool
    ) -> _Outcome:
        """Hold ``note`` against the related old ones and apply what follows, as one transaction."""
        attempts = 0
        while True:
            attempts += 1
            await self._projector.deliver_notes(task.app_id, task.user_id)
            links = await self._links.find(note)
            plan = await self._plan(task, note, links, usage)
            try:
                return await self._apply(plan, task, usage, done, progress=progress, last=last)
            except VersionConflict:
                if attempts == APPLY_ATTEMPTS:
                    raise
                logger.info("a memory changed while task %s was resolved; trying again", task.task_id)

    async def _plan(self, task: Task, note: Memory, links: Sequence[Link], usage: Usage) -> Plan:
        now = datetime.now(UTC)
        if not links:
            return store_new(note, task_id=task.task_id, now=now)
        try:
            resolution = await self._agents.resolve(note, links, usage=usage)
        except ModelError as exc:
            if task.kind is TaskKind.RESOLVE:
                raise
            logger.warning("task %s: the resolver failed, both notes are kept: %s", task.task_id, exc)
            why = f"Kept beside the linked notes: {exc}"
            return store_new(note, task_id=task.task_id, now=now, unresolved=True, reasoning=why)
        cited = sorted({turn for link in links for s in link.memory.statements for turn in s.sources})
        turns, citations = await asyncio.gather(
            self._ledger.get(task.app_id, cited, user_id=task.user_id),
            self._ledger.citations(task.app_id, cited),
        )
        plan = resolve(
            note, links, resolution, turns=turns, citations=citations, task_id=task.task_id, now=now
        )
        if task.kind is TaskKind.RESOLVE and not plan.changed:
            raise InvalidModelOutput("the consolidation would have lost a statement; both notes are kept")
        return plan

    async def _apply(
        self, plan: Plan, task: Task, usage: Usage, done: _Outcome, *, progress: int, last: bool
    ) -> _Outcome:
        """Write a window's step down; the ``last`` one ends the task with what it spent."""
        after = done.with_plan(plan)
        spent = Spent(usage.calls, usage.input_tokens, usage.output_tokens) if last else None
        await self._ledger.apply(
            plan, task=task, progress=progress, result=after.as_result(), finish=last, spent=spent
        )
        self._observer.evolved(plan.operations)
        self._projector.wake()
        return after


_NOTHING = Draft(sections=NoteSections())


def _indexed(draft: Draft) -> Draft:
    """The draft with statements: a narrative without any is still found, by its own sentences."""
    if draft.statements:
        return draft
    told = [text for text in sentences(draft.sections.summary) if not is_nothing(text)]
    statements = tuple(DraftStatement(text=text) for text in told[:MAX_STATEMENTS])
    return draft.model_copy(update={"statements": statements})


def _verbatim(turns: Sequence[Memory]) -> Draft:
    """A note that says what the turns say, word for word."""
    statements = tuple(DraftStatement(text=turn.text, sources=(turn.id,)) for turn in turns)
    return Draft(sections=NoteSections(), statements=statements)


class _Outcome:
    """What a task has done so far: the notes it stored, those of them whose conflicts are still open,
    and how often each operation was applied.
    """

    def __init__(self, result: Mapping[str, JsonValue] | None = None) -> None:
        found = result or {}
        ids, operations = found.get("memory_ids"), found.get("operations")
        self.memory_ids = [str(i) for i in ids] if isinstance(ids, list) else []
        self.operations = Counter(operations if isinstance(operations, dict) else {})
        unresolved = found.get("unresolved")
        self.unresolved = [str(i) for i in unresolved] if isinstance(unresolved, list) else []

    def with_plan(self, plan: Plan) -> _Outcome:
        """What it will be once ``plan`` is applied."""
        after = _Outcome(self.as_result())
        after.memory_ids += [memory.id for memory in plan.created]
        after.operations.update(plan.operations)
        after.unresolved += [memory.id for memory in plan.created if memory.unresolved]
        return after

    def as_result(self) -> dict[str, JsonValue]:
        result: dict[str, JsonValue] = {
            "memory_ids": list(self.memory_ids),
            "operations": dict(sorted(self.operations.items())),
        }
        return result | {"unresolved": list(self.unresolved)} if self.unresolved else result
