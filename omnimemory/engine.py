"""The engine: every operation of OmniMemory, async and typed. It runs on whatever loop opens it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Self

from pydantic import JsonValue

from omnimemory.agents.base import Agents
from omnimemory.budget import counted
from omnimemory.core.errors import InvalidRequest, NotFound
from omnimemory.core.proposals import Summary
from omnimemory.core.schemas import (
    Memory,
    MemoryKind,
    Message,
    Metadata,
    Recalled,
    Scope,
    ScoredMemory,
    Task,
    TaskKind,
)
from omnimemory.core.settings import Settings
from omnimemory.evolution.chain import order
from omnimemory.evolution.manual import delete_manually, delete_turn, restore, update_manually
from omnimemory.evolution.plan import Plan
from omnimemory.ingest import Ingest, as_messages, traced, turns_from
from omnimemory.items import ItemBatches
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import Appended
from omnimemory.metrics import SILENT, Observer, observed
from omnimemory.models.base import ChatModel, Embedder
from omnimemory.models.chunking import TokenCounter
from omnimemory.pace import Paces
from omnimemory.parts import PartHealth, parts_of
from omnimemory.projector import Projector
from omnimemory.recall.calibration import Calibrations
from omnimemory.recall.links import LinkFinder
from omnimemory.recall.pack import pack
from omnimemory.recall.recall import Recall
from omnimemory.recall.request import RecallRequest
from omnimemory.recall.rerank import Reranking
from omnimemory.settling import Settling
from omnimemory.signals import Signal, forever, supervised
from omnimemory.stores.base import VectorStore
from omnimemory.summaries import SummaryDelivery, unstored_turns
from omnimemory.synthesis import Synthesizer
from omnimemory.vitals import Vitals
from omnimemory.webhooks import HeaderSeal, WebhookSender, check_callback
from omnimemory.worker import Worker


class Engine:
    """Owns the ledger, the store, the models and the background lanes; ``async with`` opens it all.

    Every method takes the scope it works in; ids of another scope answer as unknown.
    """

    elsewhere: bool = False
    """Whether the work runs in another process, and goes on when this one ends."""

    def __init__(
        self,
        *,
        settings: Settings,
        ledger: Ledger,
        store: VectorStore,
        embedder: Embedder,
        agents: Agents,
        chat_model: ChatModel | None = None,
        counter: TokenCounter | None = None,
        reranker: Reranking | None = None,
        observer: Observer = SILENT,
    ) -> None:
        self.settings = settings
        self.ledger = ledger
        self.store = store
        self.embedder = embedder
        self.agents = agents
        self.chat_model = chat_model
        self.counter = counter or TokenCounter()
        self.reranker = reranker
        self.observer = ledger.observer = store.observer = observer
        self.vitals = Vitals(ledger, store, embedder, settings, observer)
        self._paces = Paces()
        self._stack = AsyncExitStack()
        self._lanes: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            # The store first: an embedded one holds the lock that keeps a second process out, and a
            # forked child must not touch SQLite, which would see its parent's locks as its own.
            await stack.enter_async_context(self.store)
            await stack.enter_async_context(self.ledger)
            stack.push_async_callback(self.embedder.aclose)
            if self.chat_model is not None:
                stack.push_async_callback(self.chat_model.aclose)
            await stack.enter_async_context(self.vitals)
            self._stack = stack.pop_all()
        self._changed = Signal()
        calibrations = Calibrations(self.ledger, self.embedder)
        self.projector = Projector(
            self.ledger,
            self.store,
            self.embedder,
            calibrations,
            changed=self._changed,
            pace=self._paces.index,
            observer=self.observer,
        )
        recall = partial(Recall, self.ledger, self.store, self.embedder, self.settings, calibrations)
        self._recall = recall(reranker=self.reranker, observer=self.observer)
        links = LinkFinder(self.store, self.embedder, self.settings)
        synthesizer = Synthesizer(
            self.ledger, self.projector, links, self.agents, self.settings, observer=self.observer
        )
        self._seal = HeaderSeal(self.settings.home)
        sender = WebhookSender(self.settings)
        summaries = SummaryDelivery(
            self.ledger, self.agents, sender, self._seal, self.settings, observer=self.observer
        )
        work = synthesizer.work() | {TaskKind.SUMMARY: summaries.run}
        shared = str(self.settings.ledger_place).startswith("postgres")
        self._settling = Settling(self.ledger, self.projector, self._changed, shared=shared)
        self._worker = Worker(
            self.ledger,
            {kind: self._settling.counted(one) for kind, one in work.items()},
            settings=self.settings,
            changed=self._changed,
            pace=self._paces.synthesis,
            observer=self.observer,
        )
        self.ingest = Ingest(self.ledger, self.settings, accepted=self._accepted, observer=self.observer)
        self.items = ItemBatches(self.ledger, recall(), changed=self.projector.wake)  # by score alone
        self._lanes = [
            asyncio.create_task(supervised("index lane", self.projector.run)),
            asyncio.create_task(supervised("synthesis lane", self._worker.run)),
            asyncio.create_task(
                supervised("expiry lane", partial(forever, "the expiry lane", self.items.run))
            ),
            asyncio.create_task(supervised("look at the other processes", self._follow)),
        ]
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the lanes and close everything. What is unfinished resumes at the next start."""
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)
        self._lanes = []
        await self._stack.aclose()

    # Background work

    async def flush(self, scope: Scope | None = None, *, wait: bool = True) -> list[str]:
        """Synthesise what waits in batches; the ids of the tasks made.

        With ``wait``, see ``settle``.
        """
        made = await self.ledger.flush_buffer(scope)
        self._wake()
        if wait:
            await self.settle(scope)
        return made

    async def settle(self, scope: Scope | None = None, *, timeout: float | None = None) -> bool:
        """Wait until the notes of all tasks of the scope are applied or parked and the store holds them,
        or did not answer when it was told; whether they are.

        Not so when ``timeout`` seconds have passed, or when tasks are held, as by the daily cap.
        """
        return await self._settling.all(scope, timeout=timeout)

    async def drain(self, seconds: float) -> None:
        """Before ``close``: let this process's work go on for a while, as far as it can go on now."""
        await self._settling.drain(seconds)

    def _accepted(self, appended: Appended) -> None:
        self._paces.called()
        self.projector.wake()
        if appended.task_id is not None:
            self._worker.wake()

    def _wake(self) -> None:
        self._worker.wake()
        self.projector.wake()

    async def _follow(self) -> None:
        """Do at once what other processes leave to do, and tell who waits for what they did."""
        async for _ in self.ledger.changes():
            self._wake()
            self._changed.notify()

    # Changing

    @observed("update")
    async def update(
        self,
        scope: Scope,
        memory_id: str,
        *,
        text: str | None = None,
        metadata: Metadata | None = None,
    ) -> Memory:
        """Put another text or user metadata in place; a new text makes a new memory, which is returned.

        Raises:
            NotFound: no such active memory in this scope.
        """
        if text is not None and not text.strip():
            raise InvalidRequest("the new text is blank; use delete_memory to end a memory")
        memory = await self.get(scope, memory_id)
        plan = update_manually(memory, text=text, metadata=metadata, now=datetime.now(UTC))
        await self._apply(plan)
        return next(iter((*plan.created, *plan.changed)), memory)

    @observed("delete")
    async def delete(self, scope: Scope, memory_id: str, *, cascade: bool = True) -> None:
        """End a memory. Its tombstone stays readable and it can be restored.

        ``cascade`` also ends the turns of a note that no other active note cites, and what active
        notes know from a deleted turn alone.

        Raises:
            NotFound: no such active memory in this scope.
        """
        memory = await self.get(scope, memory_id)
        now = datetime.now(UTC)
        if memory.kind is MemoryKind.TURN:
            notes = await self._citing(memory) if cascade else {}
            await self._apply(delete_turn(memory, notes=list(notes.values()), now=now))
            return
        turns = await self.ledger.get(memory.app_id, memory.sources, user_id=memory.user_id)
        citations = await self.ledger.citations(memory.app_id, list(memory.sources))
        await self._apply(delete_manually(memory, turns=turns, citations=citations, cascade=cascade, now=now))

    async def _citing(self, turn: Memory) -> dict[str, Memory]:
        cited = await self.ledger.citations(turn.app_id, [turn.id])
        notes = sorted({note for note, _ in cited[turn.id]})
        return await self.ledger.get(turn.app_id, notes, user_id=turn.user_id)

    @observed("restore")
    async def restore(self, scope: Scope, memory_id: str) -> Memory:
        """Bring back what an ended memory said, as a new memory at the end of its chain.

        Raises:
            NotFound: no such memory in this scope.
            Conflict: it is active, or later steps were built on what replaced it.
        """
        memory = await self.get(scope, memory_id)
        known = await self.ledger.get(
            memory.app_id, [*memory.sources, *filter(None, [memory.next_id])], user_id=memory.user_id
        )
        successor = known.pop(memory.next_id, None) if memory.next_id else None
        plan = restore(memory, successor=successor, turns=list(known.values()), now=datetime.now(UTC))
        await self._apply(plan)
        return plan.created[0]

    async def _apply(self, plan: Plan) -> None:
        await self.ledger.apply(plan)
        self.observer.evolved(plan.operations)
        self._wake()

    # Reading

    @observed("recall")
    async def recall(self, request: RecallRequest) -> Recalled:
        """See ``Recall``."""
        self._paces.called()
        return await self._recall(request)

    @observed("recall")
    async def recall_packed(
        self, request: RecallRequest, token_budget: int, *, group_by_session: bool = False
    ) -> Recalled:
        """The memories with a block for a prompt, of at most ``token_budget`` tokens; see ``pack``."""
        self._paces.called()
        recalled = await self._recall(request)
        packed = pack(
            recalled.memories,
            token_budget=token_budget,
            count=self.counter.count,
            group_by_session=group_by_session,
        )
        return recalled.model_copy(
            update={"block": packed.text, "packed": packed.memories, "tokens": packed.tokens}
        )

    async def get(self, scope: Scope, memory_id: str) -> Memory:
        """One memory, whatever its status.

        Raises:
            NotFound: there is none in this scope.
        """
        found = await self.ledger.get(
            scope.app_id, [memory_id], user_id=scope.user_id, session_id=scope.session_id
        )
        if memory_id not in found:
            raise NotFound(f"no memory {memory_id!r} in this scope")
        return found[memory_id]

    async def chain(self, scope: Scope, memory_id: str) -> list[Memory]:
        """The evolution a memory is part of, in order, from any of its members.

        Raises:
            NotFound: there is no such memory in this scope.
        """
        memory = await self.get(scope, memory_id)
        return order(await self.ledger.component(memory.app_id, memory.id, user_id=memory.user_id))

    # Answers and summaries

    @observed("summarize")
    async def summarize(self, scope: Scope, messages: str | Sequence[Message]) -> Summary:
        """A short summary at once; nothing is stored."""
        turns = unstored_turns(scope, self._given(messages))
        instructions = self.settings.note_instructions
        async with counted(self.ledger) as usage:
            return await self.agents.summarize(turns, fast=True, instructions=instructions, usage=usage)

    async def summarize_later(
        self,
        scope: Scope,
        messages: str | Sequence[Message],
        *,
        callback_url: str,
        callback_headers: Mapping[str, str],
    ) -> Task:
        """A full summary, posted to ``callback_url`` when it is ready; the task carries the delivery log."""
        given = self._given(messages)
        check_callback(callback_url, callback_headers, allow_private=self.settings.webhook_allow_private)
        payload: dict[str, JsonValue] = {
            "messages": [message.model_dump(mode="json") for message in given],
            "callback_url": callback_url,
            "callback_headers": self._seal.seal(callback_headers),
        }
        task = await self.ledger.add_task(scope, TaskKind.SUMMARY, traced(payload, self.observer))
        self._wake()
        return task

    def _given(self, messages: str | Sequence[Message]) -> list[Message]:
        given = as_messages(messages)
        turns_from(given, settings=self.settings)  # for its checks
        return given

    @observed("answer")
    async def answer(self, query: str, memories: Sequence[ScoredMemory]) -> str:
        """An answer from the given memories."""
        async with counted(self.ledger) as usage:
            return await self.agents.answer(query, memories, usage=usage)

    # Tasks and health

    async def settled(self, scope: Scope, task_id: str, *, timeout: float | None = None) -> Task:
        """The task once it is done or parked.

        Raises:
            NotFound: no such task in this scope.
            TimeoutError: it was neither within ``timeout`` seconds; it goes on.
        """
        return await self._settling.task(scope, task_id, timeout=timeout)

    async def retry_task(self, scope: Scope, task_id: str) -> Task:
        """Queue a parked task again.

        Raises:
            NotFound: no such task is parked in this scope.
        """
        task = await self.ledger.retry(scope.app_id, task_id, user_id=scope.user_id)
        self._worker.wake()
        return task

    async def check(self) -> None:
        """Truly touch the ledger, the store, the embedder and, when configured, the chat model.

        Raises:
            OmniMemoryError: the first of them that does not work.
        """
        for part in parts_of(self):
            await part.attempt()

    async def examine(self) -> list[PartHealth]:
        """How each of them does."""
        return list(await asyncio.gather(*(part.examined() for part in parts_of(self))))

    async def stats(self) -> dict[str, JsonValue]:
        """The engine's make-up, the store's connections and the background's backlog."""
        return {"agents": self.agents.name, **await self.vitals.stats()}
