"""The part of the ledger's contract that background work depends on: tasks, leases, deliveries."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

import pytest

from omnimemory.core.errors import NotFound, VersionConflict
from omnimemory.core.schemas import Scope, Status, Task, TaskKind, TaskStatus
from omnimemory.ledger import owners
from omnimemory.ledger.leases import MARGIN_SECONDS
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import NewTurn, Spent
from omnimemory.testing.ledger_records import ANN, BOB, Clock, Step


async def one_task(ledger: Ledger, scope: Scope = ANN, kind: TaskKind = TaskKind.SYNTHESIS) -> Task:
    return await ledger.add_task(scope, kind, {"n": 1})


async def claimed(ledger: Ledger, limit: int = 10, lease_seconds: float = 60) -> list[str]:
    return [task.task_id for task in await ledger.claim(limit, lease_seconds=lease_seconds)]


class LedgerWorkSuite:
    """Tests of tasks and of the outbox; part of ``LedgerSuite``."""

    async def test_a_task_can_be_asked_about(self, ledger: Ledger) -> None:
        task = await one_task(ledger)
        assert (task.status, task.payload, task.attempts) == (TaskStatus.QUEUED, {"n": 1}, 0)
        assert await ledger.task(task.task_id, app_id="app", user_id="ann") == task
        for app_id, user_id in (("other", None), ("app", "bob")):
            with pytest.raises(NotFound):
                await ledger.task(task.task_id, app_id=app_id, user_id=user_id)
        assert await ledger.tasks(BOB) == []
        assert await ledger.tasks(Scope(app_id="app"), statuses=[TaskStatus.QUEUED]) == [task]
        assert await ledger.unfinished(BOB) == 0

    async def test_a_users_syntheses_run_one_after_the_other(self, ledger: Ledger) -> None:
        ann = [(await one_task(ledger)).task_id for _ in range(3)]
        bob = (await one_task(ledger, BOB)).task_id
        loose = [(await one_task(ledger, kind=TaskKind.AGENT_MEMORY)).task_id for _ in range(2)]
        assert await claimed(ledger) == [ann[0], bob, *loose]
        assert await claimed(ledger) == []
        await ledger.complete(ann[0])
        assert await claimed(ledger) == [ann[1]]
        await ledger.park(ann[1], "gave up")
        assert await claimed(ledger) == [ann[2]]

    async def test_claims_honour_limit_and_kind(self, ledger: Ledger) -> None:
        tasks = [(await one_task(ledger, kind=TaskKind.SUMMARY)).task_id for _ in range(3)]
        assert await ledger.claim(5, lease_seconds=60, kinds=[TaskKind.SYNTHESIS]) == []
        assert await claimed(ledger, limit=2) == tasks[:2]
        assert await claimed(ledger, limit=2) == tasks[2:]

    async def test_each_task_is_claimed_by_one_worker(
        self, ledger: Ledger, ledger_url: str, clock: Clock
    ) -> None:
        made = {(await one_task(ledger, kind=TaskKind.SUMMARY)).task_id for _ in range(20)}
        async with Ledger(ledger_url, clock=clock) as other:
            batches = await asyncio.gather(*(claimed(worker, limit=3) for worker in (ledger, other) * 5))
        got = [task_id for batch in batches for task_id in batch]
        assert len(got) == len(set(got))
        assert set(got) == made

    async def test_a_lease_that_ran_out_is_taken_over(
        self, ledger: Ledger, ledger_url: str, clock: Clock
    ) -> None:
        task = await one_task(ledger)
        await ledger.claim(1, lease_seconds=30)
        async with Ledger(ledger_url, clock=clock) as other:
            clock.pass_time(seconds=20)
            assert await ledger.heartbeat([task.task_id, "unknown"], 30) == {task.task_id}
            clock.pass_time(seconds=20)
            assert await claimed(other) == []
            clock.pass_time(seconds=10 + MARGIN_SECONDS)
            assert await claimed(ledger) == []
            [taken] = await other.claim(1, lease_seconds=30)
            assert (taken.task_id, taken.attempts) == (task.task_id, 2)
            assert await ledger.heartbeat([task.task_id], 30) == frozenset()
            for late in (
                ledger.complete(task.task_id),
                ledger.park(task.task_id, "late"),
                ledger.retry_later(task.task_id, "late", clock()),
                ledger.apply(Step(), task=task),
            ):
                with pytest.raises(VersionConflict):
                    await late
            await other.complete(task.task_id)

    @pytest.mark.parametrize("owner", ["{place}:{pid}:gone", "{place}:999999999:gone"])
    async def test_a_dead_workers_lease_is_free_at_once(
        self, ledger: Ledger, ledger_url: str, owner: str
    ) -> None:
        gone = owner.format(place=owners.place(), pid=os.getpid())
        task = await one_task(ledger)
        async with Ledger(ledger_url, owner=gone) as dying:
            assert await claimed(dying, lease_seconds=3600) == [task.task_id]
        assert await claimed(ledger) == [task.task_id]

    async def test_another_hosts_lease_is_respected(
        self, ledger: Ledger, ledger_url: str, clock: Clock
    ) -> None:
        await one_task(ledger)
        async with Ledger(ledger_url, owner="elsewhere:1:x", clock=clock) as remote:
            assert len(await claimed(remote)) == 1
        assert await claimed(ledger) == []

    async def test_release_gives_leases_back_without_counting(self, ledger: Ledger) -> None:
        task = await one_task(ledger)
        await claimed(ledger)
        assert await ledger.release() == 1
        assert (await ledger.task(task.task_id)).attempts == 0
        assert await claimed(ledger) == [task.task_id]

    async def test_a_failed_task_waits_and_its_users_later_ones_with_it(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        first, second = await one_task(ledger), await one_task(ledger)
        await claimed(ledger)
        due = clock.now + timedelta(seconds=10)
        await ledger.retry_later(first.task_id, "429", due, spent=Spent(1, 10, 0))
        assert await claimed(ledger) == []
        assert await ledger.next_due() == due
        clock.pass_time(seconds=11)
        assert await claimed(ledger) == [first.task_id]
        await ledger.complete(first.task_id, result={"notes": ["n"]}, spent=Spent(2, 20, 5))
        done = await ledger.task(first.task_id)
        assert (done.status, done.result, done.error) == (TaskStatus.DONE, {"notes": ["n"]}, None)
        assert done.finished_at is not None
        assert await ledger.spent(ANN, task_id=first.task_id) == Spent(3, 30, 5)
        assert await claimed(ledger) == [second.task_id]

    async def test_a_parked_task_is_kept_and_can_be_retried(self, ledger: Ledger) -> None:
        first, second = await one_task(ledger), await one_task(ledger)
        await claimed(ledger)
        await ledger.apply(Step(), task=first, progress=2)
        await ledger.park(first.task_id, "bad model")
        parked = await ledger.task(first.task_id)
        assert (parked.status, parked.error, parked.progress) == (TaskStatus.PARKED, "bad model", 2)
        assert await claimed(ledger) == [second.task_id]
        for app_id, task_id in (("other", first.task_id), ("app", second.task_id), ("app", "unknown")):
            with pytest.raises(NotFound):
                await ledger.retry(app_id, task_id)
        again = await ledger.retry("app", first.task_id)
        assert (again.status, again.attempts, again.progress) == (TaskStatus.QUEUED, 0, 2)
        assert await claimed(ledger) == []  # the later one is at work
        await ledger.complete(second.task_id)
        assert await claimed(ledger) == [first.task_id]

    async def test_next_due_says_when_to_look_again(self, ledger: Ledger, clock: Clock) -> None:
        assert await ledger.next_due() is None
        await one_task(ledger)
        due = await ledger.next_due()
        assert due is not None
        assert due < clock()
        await claimed(ledger)
        await one_task(ledger)
        assert await ledger.next_due() is None  # the second waits for the first, which is ours

    async def test_a_step_and_its_progress_are_one(self, ledger: Ledger) -> None:
        [turn] = (await ledger.append(ANN, [NewTurn("user", "hi")], mode="task")).turns
        [task] = await ledger.claim(1, lease_seconds=60)
        stale = Step(changed=[turn.model_copy(update={"version": 5})])
        with pytest.raises(VersionConflict):
            await ledger.apply(stale, task=task, progress=1, finish=True)
        assert (await ledger.task(task.task_id)).status is TaskStatus.RUNNING
        await ledger.apply(Step(), task=task, progress=1, result={"ok": True}, finish=True)
        done = await ledger.task(task.task_id)
        assert (done.status, done.progress, done.result) == (TaskStatus.DONE, 1, {"ok": True})

    async def test_changes_are_delivered_oldest_first_and_once_confirmed_forgotten(
        self, ledger: Ledger
    ) -> None:
        one, two = (await ledger.append(ANN, [NewTurn("user", t) for t in "12"], mode="none")).turns
        rows = await ledger.outbox(10)
        assert [(row.memory_id, row.version) for row in rows] == [(one.id, 1), (two.id, 1)]
        assert await ledger.outbox_pending("app", user_id="ann") == [two, one]
        assert await ledger.outbox_pending("app", user_id="bob") == []
        await ledger.outbox_done([rows[0].seq])
        assert [memory.id for memory in await ledger.outbox_pending("app")] == [two.id]
        await ledger.outbox_done([rows[1].seq])
        assert (await ledger.outbox_size(), await ledger.outbox_pending("app")) == (0, [])

    async def test_a_change_during_delivery_is_delivered_too(self, ledger: Ledger) -> None:
        [one] = (await ledger.append(ANN, [NewTurn("user", "1")], mode="none")).turns
        under_way = [row.seq for row in await ledger.outbox(10)]
        [two] = (await ledger.append(ANN, [NewTurn("user", "2")], mode="none")).turns
        await ledger.outbox_done(under_way)
        assert [row.memory_id for row in await ledger.outbox(10)] == [one.id, two.id]

    async def test_a_deleted_turn_is_pending_as_deleted_with_its_neighbours(self, ledger: Ledger) -> None:
        turns = (await ledger.append(ANN, [NewTurn("user", t) for t in "123"], mode="none")).turns
        await ledger.outbox_done([row.seq for row in await ledger.outbox(10)])
        gone = turns[1].model_copy(update={"version": 2, "status": Status.DELETED})
        await ledger.apply(Step(changed=[gone]))
        assert {row.memory_id for row in await ledger.outbox(10)} == {turn.id for turn in turns}
        pending = {memory.id: memory.status for memory in await ledger.outbox_pending("app")}
        assert pending[gone.id] is Status.DELETED

    async def test_a_failed_delivery_is_due_again_later(self, ledger: Ledger, clock: Clock) -> None:
        await ledger.append(ANN, [NewTurn("user", "1")], mode="none")
        [row] = await ledger.outbox(10)
        due = clock.now + timedelta(seconds=5)
        await ledger.outbox_retry([row.seq], "store down", due)
        assert await ledger.outbox(10) == []
        assert await ledger.outbox_next_due() == due
        assert len(await ledger.outbox_pending("app")) == 1
        [again] = await ledger.outbox(10, due)
        assert (again.seq, again.attempts) == (row.seq, 1)

    async def test_requeue_all_covers_one_app(self, ledger: Ledger) -> None:
        await ledger.append(ANN, [NewTurn("user", str(n)) for n in range(2100)], mode="none")
        await ledger.append(Scope(app_id="other", user_id="u"), [NewTurn("user", "x")], mode="none")
        await ledger.outbox_done([row.seq for row in await ledger.outbox(5000)])
        assert await ledger.requeue_all("app") == 2100
        assert await ledger.outbox_size() == 2100
