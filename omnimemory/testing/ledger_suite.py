"""What every ledger must do, whatever database it stands on.

Subclass ``LedgerSuite`` and supply a fixture ``ledger_url``: the URL of an empty database.
The tests are async; run them with pytest-asyncio in auto mode.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from omnimemory.core.errors import Conflict, IdempotencyConflict, InvalidRequest, ScopeError, VersionConflict
from omnimemory.core.memories import Neighbours
from omnimemory.core.schemas import (
    MemoryKind,
    Scope,
    Status,
    StatusReason,
)
from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.values import NewTurn
from omnimemory.testing.ledger_item_suite import LedgerItemSuite
from omnimemory.testing.ledger_lifetime_suite import LedgerLifetimeSuite
from omnimemory.testing.ledger_records import ANN, BOB, OTHER_APP, Clock, Step, changed, decision, note, said
from omnimemory.testing.ledger_work_suite import LedgerWorkSuite

HOSTILE_IDS = (
    "../../etc",
    "a'; DROP TABLE ledger_memories; --",
    'quo"te',
    "%_",
    "🦀 crab",
    "x" * 256,
    "A",
    "a",
)


class LedgerSuite(LedgerLifetimeSuite, LedgerWorkSuite, LedgerItemSuite):
    """The contract: turns, memories and evolution here; how it ends in ``LedgerLifetimeSuite``, tasks and
    deliveries in ``LedgerWorkSuite``, transcripts and key-value items in ``LedgerItemSuite``.
    """

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest_asyncio.fixture
    async def ledger(self, ledger_url: str, clock: Clock) -> AsyncIterator[Ledger]:
        async with Ledger(ledger_url, clock=clock) as opened:
            yield opened

    async def test_a_turn_keeps_every_field(self, ledger: Ledger, clock: Clock) -> None:
        when = datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
        new = NewTurn("assistant", "tëxt \U0001f980", "bot", "m1", when, {"a": [1, {"b": None}]})
        [turn] = (await ledger.append(ANN, [new], mode="none")).turns
        assert (turn.role, turn.name, turn.message_id, turn.occurred_at) == ("assistant", "bot", "m1", when)
        assert turn.metadata == {"a": [1, {"b": None}]}
        assert turn.seq is not None
        assert (await ledger.get("app", [turn.id]))[turn.id] == turn

    async def test_a_note_reads_back_as_it_was_written(self, ledger: Ledger, clock: Clock) -> None:
        written = note(clock)
        await ledger.apply(Step(created=[written]))
        read = (await ledger.get("app", [written.id]))[written.id]
        assert read == written.model_copy(update={"seq": read.seq})

    async def test_messages_without_id_are_always_new(self, ledger: Ledger) -> None:
        appended = await ledger.append(ANN, [said("yes")] * 3, mode="none")
        assert len({turn.id for turn in appended.turns}) == 3
        assert appended.stored == (True, True, True)

    async def test_the_same_message_id_and_content_is_the_same_turn(self, ledger: Ledger) -> None:
        first = await ledger.append(ANN, [said("hello", "m1")], mode="task")
        again = await ledger.append(
            ANN, [said("hello", "m1"), said("new", "m2"), said("new", "m2")], mode="none"
        )
        assert again.turns[0] == first.turns[0]
        assert again.stored == (False, True, False)
        replay = await ledger.append(ANN, [said("hello", "m1")], mode="task")
        assert (replay.stored, replay.task_id) == ((False,), first.task_id)
        assert await ledger.unfinished() == 1

    async def test_a_message_id_belongs_to_its_session(self, ledger: Ledger) -> None:
        scopes = [
            ANN,
            BOB,
            OTHER_APP,
            Scope(app_id="app", user_id="ann"),
            ANN.model_copy(update={"session_id": "s2"}),
        ]
        for n, scope in enumerate(scopes):
            appended = await ledger.append(scope, [said(f"text {n}", "m1")], mode="none")
            assert appended.stored == (True,)
        sessionless = Scope(app_id="app", user_id="ann")
        assert (await ledger.append(sessionless, [said("text 3", "m1")], mode="none")).stored == (False,)

    async def test_other_content_under_a_known_message_id_stores_nothing(self, ledger: Ledger) -> None:
        await ledger.append(ANN, [said("hello", "m1")], mode="none")
        with pytest.raises(IdempotencyConflict):
            await ledger.append(ANN, [said("fresh"), said("other", "m1")], mode="task")
        assert await ledger.count(ANN) == 1
        assert await ledger.unfinished() == 0

    async def test_an_edited_message_becomes_the_turns_next_version(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        first = await ledger.append(ANN, [said("hel", "m1"), said("and then")], mode="none")
        before = clock()
        await ledger.outbox_done([row.seq for row in await ledger.outbox(10)])
        edited = await ledger.append(ANN, [said("hello", "m1")], mode="task", on_change="version")
        [turn] = edited.turns
        assert (turn.id, turn.version, turn.text, edited.stored) == (first.turns[0].id, 2, "hello", (True,))
        assert [state.text for state in await ledger.history("app", turn.id)] == ["hel", "hello"]
        assert (await ledger.get("app", [turn.id], as_of=before))[turn.id].text == "hel"
        assert edited.task_id is not None
        assert await ledger.turns_of_task(edited.task_id) == [turn]
        assert [row.memory_id for row in await ledger.outbox(10)] == [turn.id, first.turns[1].id]

    async def test_a_request_is_carried_out_once(self, ledger: Ledger) -> None:
        first = await ledger.append(ANN, [said("yes")], mode="task", idempotency=("key", "hash"))
        again = await ledger.append(ANN, [said("yes")], mode="task", idempotency=("key", "hash"))
        assert again == first
        with pytest.raises(IdempotencyConflict):
            await ledger.append(ANN, [said("no")], mode="task", idempotency=("key", "other"))
        elsewhere = await ledger.append(OTHER_APP, [said("yes")], mode="task", idempotency=("key", "other"))
        assert elsewhere.stored == (True,)

    async def test_the_first_answer_of_a_request_is_kept(self, ledger: Ledger) -> None:
        assert await ledger.find_request("app", "k", "h") is None
        assert await ledger.store_response("app", "k", "h", {"n": 1}) == {"n": 1}
        assert await ledger.store_response("app", "k", "h", {"n": 2}) == {"n": 1}
        assert await ledger.find_request("app", "k", "h") == {"n": 1}
        with pytest.raises(IdempotencyConflict):
            await ledger.find_request("app", "k", "another body")

    async def test_the_buffer_becomes_a_task_at_the_limit(self, ledger: Ledger) -> None:
        for n in range(1, 4):
            appended = await ledger.append(ANN, [said(f"m{n}")], mode="buffer", batch_size=4)
            assert (appended.pending, appended.task_id) == (n, None)
        await ledger.append(BOB, [said("elsewhere")], mode="buffer", batch_size=4)
        full = await ledger.append(ANN, [said("m4")], mode="buffer", batch_size=4)
        assert full.pending == 0
        assert full.task_id is not None
        assert [t.text for t in await ledger.turns_of_task(full.task_id)] == ["m1", "m2", "m3", "m4"]
        assert (await ledger.pending(ANN), await ledger.pending(BOB), await ledger.pending()) == (0, 1, 1)

    async def test_flush_takes_idle_sessions_or_a_scope(self, ledger: Ledger, clock: Clock) -> None:
        await ledger.append(ANN, [said("old")], mode="buffer")
        between = clock.pass_time(minutes=5)
        await ledger.append(BOB, [said("recent")], mode="buffer")
        assert await ledger.flush_buffer(OTHER_APP) == []
        [task_id] = await ledger.flush_buffer(idle_before=between)
        assert (await ledger.task(task_id)).user_id == "ann"
        [task_id] = await ledger.flush_buffer(Scope(app_id="app", user_id="bob"))
        assert [turn.text for turn in await ledger.turns_of_task(task_id)] == ["recent"]
        assert await ledger.flush_buffer() == []

    async def test_no_turn_is_lost_or_doubled_by_appending_while_flushing(self, ledger: Ledger) -> None:
        async def append(n: int) -> str | None:
            return (await ledger.append(ANN, [said(str(n))], mode="buffer", batch_size=7)).task_id

        flushed = [ledger.flush_buffer(ANN) for _ in range(10)]
        made = await asyncio.gather(
            *(append(n) for n in range(60)), *flushed, *(append(n) for n in range(60, 90))
        )
        ids = {one for found in made for one in (found if isinstance(found, list) else [found]) if one}
        ids |= set(await ledger.flush_buffer())
        texts = [turn.text for task_id in ids for turn in await ledger.turns_of_task(task_id)]
        assert sorted(map(int, texts)) == list(range(90))

    async def test_32_callers_at_once_lose_nothing(self, ledger: Ledger) -> None:
        async def caller(user: int) -> None:
            scope = Scope(app_id="app", user_id=f"u{user}", session_id="s")
            for n in range(10):
                await ledger.append(scope, [said(f"{n}", f"m{n}")], mode="task")

        await asyncio.gather(*(caller(n) for n in range(32)))
        assert await ledger.count(Scope(app_id="app")) == 320
        tail = await ledger.session_tail(Scope(app_id="app", user_id="u7", session_id="s"), 3)
        assert [turn.text for turn in tail] == ["7", "8", "9"]

    async def test_a_failing_write_leaves_the_others_of_its_group_alone(self, ledger: Ledger) -> None:
        await ledger.append(ANN, [said("hello", "m1")], mode="none")
        writes = [
            ledger.append(
                ANN, [said(f"ok {n}")] if n % 2 else [said("lost"), said("other", "m1")], mode="none"
            )
            for n in range(12)
        ]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert [isinstance(one, IdempotencyConflict) for one in outcomes] == [n % 2 == 0 for n in range(12)]
        texts = {memory.text for memory in (await ledger.list(ANN)).memories}
        assert texts == {"hello"} | {f"ok {n}" for n in range(1, 12, 2)}

    async def test_a_turn_needs_a_user(self, ledger: Ledger) -> None:
        with pytest.raises(ScopeError):
            await ledger.append(Scope(app_id="app"), [said("who?")], mode="none")

    async def test_ids_of_any_shape_stay_apart(self, ledger: Ledger) -> None:
        for hostile in HOSTILE_IDS:
            scope = Scope(app_id=hostile, user_id=hostile, session_id=hostile)
            await ledger.append(scope, [said(hostile, hostile)], mode="buffer", idempotency=(hostile, "h"))
        assert await ledger.apps() == sorted(HOSTILE_IDS)
        for hostile in HOSTILE_IDS:
            page = await ledger.list(Scope(app_id=hostile, user_id=hostile, session_id=hostile))
            assert [memory.text for memory in page.memories] == [hostile]
            assert await ledger.pending(Scope(app_id=hostile)) == 1

    async def test_no_scope_reads_another(self, ledger: Ledger, clock: Clock) -> None:
        turn = (await ledger.append(ANN, [said("secret")], mode="buffer")).turns[0]
        mine = note(clock, sources=[turn.id])
        made = decision(mine, None, clock)
        await ledger.apply(Step(created=[mine], decisions=[made]))
        for app, user in (("other", None), ("other", "ann"), ("app", "bob")):
            scope = Scope(app_id=app, user_id=user)
            assert await ledger.get(app, [turn.id, mine.id], user_id=user) == {}
            assert await ledger.get(app, [turn.id], user_id=user, as_of=clock()) == {}
            assert (await ledger.list(scope)).memories == ()
            assert await ledger.count(scope) == 0
            assert await ledger.component(app, mine.id, user_id=user) == []
            assert await ledger.history(app, mine.id, user_id=user) == []
            assert await ledger.decisions(scope) == []
            assert await ledger.citations(app, [turn.id], user_id=user) == {turn.id: frozenset()}
            assert await ledger.outbox_pending(app, user_id=user) == []
            assert (await ledger.pending(scope), await ledger.flush_buffer(scope)) == (0, [])
        assert await ledger.get("app", [turn.id], session_id="s2") == {}
        assert await ledger.session_tail(BOB, 5) == []
        assert await ledger.neighbours([turn.id], app_id="other") == {}
        foreign = mine.model_copy(update={"app_id": "other", "version": 2})
        with pytest.raises(VersionConflict):
            await ledger.apply(Step(changed=[foreign]))

    async def test_pages_meet_without_gap_or_overlap(self, ledger: Ledger, clock: Clock) -> None:
        start = clock.now
        for n in range(7):
            when = start + timedelta(days=n)
            await ledger.append(ANN, [NewTurn("user", str(n), occurred_at=when)], mode="none")
        await ledger.apply(Step(created=[note(clock)]))
        for newest_first in (False, True):
            texts, cursor = [], None
            while True:
                page = await ledger.list(
                    ANN, kinds=[MemoryKind.TURN], limit=3, cursor=cursor, newest_first=newest_first
                )
                texts += [memory.text for memory in page.memories]
                cursor = page.cursor
                if cursor is None:
                    break
            assert texts == sorted("0123456", reverse=newest_first)
        some = await ledger.list(
            ANN, said_after=start + timedelta(days=2), said_before=start + timedelta(days=4)
        )
        assert [memory.text for memory in some.memories] == ["2", "3"]
        with pytest.raises(InvalidRequest):
            await ledger.list(ANN, cursor="1 OR 1=1")

    async def test_neighbours_are_of_the_same_session(self, ledger: Ledger) -> None:
        one, two = (await ledger.append(ANN, [said("1"), said("2")], mode="none")).turns
        await ledger.append(BOB, [said("x")], mode="none")
        [three] = (await ledger.append(ANN, [said("3")], mode="none")).turns
        found = await ledger.neighbours([one.id, two.id, three.id])
        assert found == {
            one.id: Neighbours(after=(two, three)),
            two.id: Neighbours(before=(one,), after=(three,)),
            three.id: Neighbours(before=(two, one)),
        }
        await ledger.apply(Step(changed=[changed(two, status=Status.DELETED)]))
        assert await ledger.neighbours([one.id]) == {one.id: Neighbours(after=(three,))}

    async def test_a_step_is_applied_whole_with_history_and_reasons(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        old = note(clock, text="Lives in Rome.")
        await ledger.apply(Step(created=[old]))
        before = clock()
        new = note(clock, text="Lives in Lyon.")
        ended = changed(
            old,
            status=Status.UPDATED,
            status_reason=StatusReason.CONSOLIDATED,
            next_id=new.id,
            ended_at=clock(),
        )
        why = decision(old, new, clock)
        await ledger.apply(Step(created=[new], changed=[ended], decisions=[why]))
        assert [m.text for m in (await ledger.list(ANN)).memories] == ["Lives in Lyon."]
        assert [m.text for m in (await ledger.list(ANN, as_of=before)).memories] == ["Lives in Rome."]
        assert [state.version for state in await ledger.history("app", old.id)] == [1, 2]
        assert (await ledger.get("app", [old.id]))[old.id].next_id == new.id
        for memory in (old, new):
            assert await ledger.decisions(ANN, memory_ids=[memory.id]) == [why]

    async def test_a_stale_step_changes_nothing(self, ledger: Ledger, clock: Clock) -> None:
        first, second, extra = note(clock), note(clock), note(clock)
        await ledger.apply(Step(created=[first, second]))
        await ledger.apply(Step(changed=[changed(second, text="newer")]))
        with pytest.raises(VersionConflict):
            await ledger.apply(
                Step(
                    created=[extra],
                    changed=[changed(first, text="half"), changed(second, text="stale")],
                    decisions=[decision(first, extra, clock)],
                )
            )
        with pytest.raises(Conflict):
            await ledger.apply(Step(created=[extra, first]))
        found = await ledger.get("app", [first.id, second.id, extra.id])
        assert {memory.text for memory in found.values()} == {"A note.", "newer"}
        assert await ledger.decisions(ANN) == []

    async def test_the_component_is_the_same_from_every_member(self, ledger: Ledger, clock: Clock) -> None:
        a, b, c, d, alone = (note(clock, text=name) for name in ("a", "b", "c", "d", "alone"))
        await ledger.apply(Step(created=[a, b, c, d, alone]))
        links = [changed(old, next_id=new.id, status=Status.UPDATED) for old, new in ((a, c), (b, c), (c, d))]
        await ledger.apply(Step(changed=links))
        for member in (a, b, c, d):
            found = await ledger.component("app", member.id)
            assert [memory.text for memory in found] == ["a", "b", "c", "d"]
        assert [memory.text for memory in await ledger.component("app", alone.id)] == ["alone"]
        await ledger.apply(Step(changed=[changed(d, next_id=a.id)]))
        assert len(await ledger.component("app", b.id)) == 4

    async def test_only_active_notes_cite(self, ledger: Ledger, clock: Clock) -> None:
        turns = [turn.id for turn in (await ledger.append(ANN, [said("1"), said("2")], mode="none")).turns]
        old, new = note(clock, sources=turns), note(clock, sources=turns[:1])
        await ledger.apply(Step(created=[old, new]))
        cited = await ledger.citations("app", turns)
        assert cited == {turns[0]: {(old.id, "s1"), (new.id, "s1")}, turns[1]: {(old.id, "s1")}}
        await ledger.apply(Step(changed=[changed(old, status=Status.DELETED)]))
        assert await ledger.citations("app", turns) == {turns[0]: {(new.id, "s1")}, turns[1]: frozenset()}

    async def test_unresolved_notes_are_found_until_resolved(self, ledger: Ledger, clock: Clock) -> None:
        open_ = note(clock).model_copy(update={"unresolved": True})
        await ledger.apply(Step(created=[open_, note(clock)]))
        assert [memory.id for memory in await ledger.unresolved(10)] == [open_.id]
        await ledger.apply(Step(changed=[changed(open_, unresolved=False)]))
        assert await ledger.unresolved(10) == []
