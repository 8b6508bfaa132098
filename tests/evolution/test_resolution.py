"""What the resolver's verdicts may and may not do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnimemory.core.proposals import Merge, MergedStatement, Resolution, Verdict
from omnimemory.core.schemas import Link, Memory, NoteSections, Operation, Status, StatusReason
from omnimemory.evolution.plan import Plan, check, store_new
from omnimemory.evolution.resolution import resolve

from .samples import NOW, citations_of, day, link, merge, merge_of, note, resolution, turns_of, verdict

UPDATE, DELETE, SKIP, CREATE = Operation.UPDATE, Operation.DELETE, Operation.SKIP, Operation.CREATE


def applied(
    new: Memory, olds: Sequence[Memory], proposal: Resolution, *, links: Sequence[Link] | None = None
) -> Plan:
    """The plan for a resolution, held against every rule that plans must keep."""
    turns = turns_of(olds)
    plan = resolve(
        new,
        links or [link(old, ("s1", "s1")) for old in olds],
        proposal,
        turns=turns,
        citations=citations_of(olds),
        task_id="task",
        now=NOW,
    )
    stored = [*olds, *turns.values(), *([new] if new.unresolved else [])]
    check(plan, {memory.id: memory for memory in stored})
    return plan


def states(plan: Plan) -> dict[str, Memory]:
    return {memory.id: memory for memory in (*plan.created, *plan.changed)}


def texts(memory: Memory) -> list[str]:
    return [statement.text for statement in memory.statements]


def test_without_verdicts_the_note_is_stored_beside_the_others() -> None:
    old, new = note("old", ["Alice likes tea."], on=1), note("new", ["Alice plays chess."], on=5)
    plan = applied(new, [old], resolution())
    assert plan.created == (new,)
    assert plan.changed == ()
    assert [(d.operation, d.memory_id, d.task_id) for d in plan.decisions] == [(CREATE, "new", "task")]


def test_an_update_consolidates_and_keeps_every_statement() -> None:
    old = note("old", ["Alice lives in Berlin.", "Alice has a cat."], on=1)
    new = note("new", ["Alice's cat is called Miso."], on=5)
    proposal = resolution(
        verdict(old, UPDATE),
        merged=merge(
            ("Alice lives in Berlin.", [("old", "s1")]),
            ("Alice has a cat called Miso.", [("old", "s2"), ("new", "s1")]),
        ),
    )
    plan = applied(new, [old], proposal)
    (whole,) = plan.created
    assert whole.status_reason is StatusReason.CONSOLIDATED
    assert texts(whole) == ["Alice lives in Berlin.", "Alice has a cat called Miso."]
    assert whole.statements[1].sources == ("old.t2", "new.t1")
    assert whole.statements[1].occurred_at == day(5)
    assert whole.sources == ("old.t1", "old.t2", "new.t1")
    end = states(plan)["old"]
    assert (end.status, end.status_reason, end.next_id) == (
        Status.UPDATED,
        StatusReason.CONSOLIDATED,
        whole.id,
    )
    assert (end.ended_at, end.updated_at) == (NOW, day(5))
    assert [(d.operation, d.new_id) for d in plan.decisions] == [(UPDATE, whole.id)]


def test_a_delete_of_a_whole_note_leaves_a_tombstone_that_names_its_successor() -> None:
    old, new = note("old", ["Alice lives in Berlin."], on=1), note("new", ["Alice lives in Munich."], on=5)
    plan = applied(new, [old], resolution(verdict(old, DELETE, "s1")))
    end = states(plan)["old"]
    assert (end.status, end.status_reason, end.next_id) == (
        Status.DELETED,
        StatusReason.CONTRADICTED,
        "new",
    )
    assert plan.created == (new,)
    assert plan.decisions[-1].contradicted == ("Alice lives in Berlin.",)


def test_a_delete_never_takes_an_uncontradicted_statement_with_it() -> None:
    sections = NoteSections(
        summary="Alice lives in Berlin and has a cat.",
        guidance="- Suggest cafes in Berlin, where Alice lives\n- Keep answers short",
    )
    old = note(
        "old",
        ["Alice lives in Berlin.", "Alice has a cat."],
        on=1,
        sections=sections,
        tags=("Berlin", "cat"),
    )
    new = note("new", ["Alice lives in Munich."], on=5)
    plan = applied(new, [old], resolution(verdict(old, DELETE, "s1")))
    amended = plan.created[1]
    assert amended.status_reason is StatusReason.AMENDED
    assert amended.statements == old.statements[1:]
    assert "Berlin" not in amended.text
    assert "Keep answers short" in amended.text
    assert amended.tags == ("cat",)
    end = states(plan)["old"]
    assert (end.status, end.status_reason, end.next_id) == (
        Status.UPDATED,
        StatusReason.CONTRADICTED,
        amended.id,
    )
    decision = plan.decisions[-1]
    assert (decision.operation, decision.new_id) == (UPDATE, amended.id)
    assert "Decided as DELETE" in decision.reasoning


def test_a_delete_that_names_nothing_ends_nothing() -> None:
    old, new = note("old", ["Alice has a cat."], on=1), note("new", ["Alice has a dog."], on=5)
    plan = applied(new, [old], resolution(verdict(old, DELETE)))
    assert plan == store_new(new, task_id="task", now=NOW).model_copy(update={"decisions": plan.decisions})
    assert plan.changed == ()


def test_nothing_said_later_than_the_new_evidence_ends() -> None:
    later = note("later", ["Alice lives in Munich."], on=9)
    new = note("new", ["Alice lives in Berlin."], on=5)
    plan = applied(new, [later], resolution(verdict(later, DELETE, "s1")))
    assert plan.changed == ()
    assert plan.created == (new,)


def test_an_update_must_carry_what_was_said_later_or_both_notes_stay() -> None:
    later = note("later", ["Alice lives in Munich."], on=9)
    new = note("new", ["Alice lives in Berlin."], on=5)
    dropping = resolution(verdict(later, UPDATE, "s1"), merged=merge_of(new))
    plan = applied(new, [later], dropping)
    assert plan.changed == ()
    assert plan.created[0].unresolved
    carrying = resolution(verdict(later, UPDATE, "s1"), merged=merge_of(later, new))
    assert texts(applied(new, [later], carrying).created[0]) == [
        "Alice lives in Munich.",
        "Alice lives in Berlin.",
    ]


def test_a_repetition_is_not_stored_but_makes_the_old_note_as_fresh_as_itself() -> None:
    old, new = note("old", ["Alice has a cat."], on=1), note("new", ["Alice has a cat, still."], on=5)
    plan = applied(new, [old], resolution(verdict(old, SKIP)))
    assert plan.created == ()
    fresh = states(plan)["old"]
    assert fresh.is_active
    assert (fresh.version, fresh.updated_at, fresh.text) == (2, day(5), old.text)
    assert fresh.statements[0].sources == ("old.t1", "new.t1")
    assert fresh.statements[0].occurred_at == day(5)
    assert [(d.operation, d.memory_id) for d in plan.decisions] == [(SKIP, "old")]


def test_a_skip_beside_another_verdict_does_not_drop_the_new_note() -> None:
    first, second = note("first", ["Alice has a cat."], on=1), note("second", ["Alice uses vim."], on=2)
    new = note("new", ["Alice has a cat.", "Alice uses emacs."], on=5)
    plan = applied(new, [first, second], resolution(verdict(first, SKIP), verdict(second, DELETE, "s1")))
    assert plan.created == (new,)
    assert states(plan)["second"].status is Status.DELETED
    assert states(plan)["first"].is_active


def test_a_skip_beside_a_verdict_that_came_to_nothing_does_not_drop_the_new_note() -> None:
    first, later = note("first", ["Alice has a cat."], on=1), note("later", ["Alice uses vim."], on=9)
    new = note("new", ["Alice has a cat.", "Alice uses emacs."], on=5)
    plan = applied(new, [first, later], resolution(verdict(first, SKIP), verdict(later, DELETE, "s1")))
    assert plan.created == (new,)


def test_mixed_verdicts_are_all_applied() -> None:
    first, second = note("first", ["Alice has a cat."], on=1), note("second", ["Alice uses vim."], on=2)
    third = note("third", ["Alice likes tea."], on=3)
    new = note("new", ["Alice's cat is Miso.", "Alice uses emacs."], on=5)
    proposal = resolution(
        verdict(first, UPDATE),
        verdict(second, DELETE, "s1"),
        verdict(third, SKIP),
        merged=merge_of(first, new),
    )
    plan = applied(new, [first, second, third], proposal)
    (whole,) = plan.created
    assert states(plan)["first"].next_id == states(plan)["second"].next_id == whole.id
    assert {d.memory_id: d.operation for d in plan.decisions} == {
        "first": UPDATE,
        "second": DELETE,
        "third": SKIP,
    }


def test_verdicts_about_unlinked_notes_and_second_verdicts_have_no_effect() -> None:
    old, stranger = note("old", ["Alice has a cat."], on=1), note("stranger", ["Alice uses vim."], on=2)
    new = note("new", ["Alice has a cat."], on=5)
    proposal = resolution(
        verdict("made-up", DELETE, "s1"),
        verdict(stranger, DELETE, "s1"),
        verdict(old, SKIP),
        verdict(old, DELETE, "s1"),
    )
    plan = applied(new, [old], proposal)
    assert [(d.operation, d.memory_id) for d in plan.decisions] == [(SKIP, "old")]


def test_a_note_of_another_user_is_out_of_reach_even_when_linked() -> None:
    foreign = note("foreign", ["Bob has a cat."], on=1, user_id="bob")
    new = note("new", ["Alice has a dog."], on=5)
    assert applied(new, [foreign], resolution(verdict(foreign, DELETE, "s1"))).changed == ()


@pytest.mark.parametrize("merged", [None, merge(("Alice has a cat.", [("old", "s1")]))])
def test_a_merge_that_loses_a_statement_is_refused_and_both_notes_stay(merged: Merge | None) -> None:
    old, new = note("old", ["Alice has a cat."], on=1), note("new", ["The cat is called Miso."], on=5)
    plan = applied(new, [old], resolution(verdict(old, UPDATE), merged=merged))
    assert plan.changed == ()
    assert plan.created[0].unresolved
    assert plan.decisions[0].reasoning


def test_made_up_statements_and_origins_do_not_reach_the_consolidated_note() -> None:
    old, new = note("old", ["Alice has a cat."], on=1), note("new", ["The cat is called Miso."], on=5)
    whole = merge(
        ("Alice has a cat called Miso.", [("old", "s1"), ("new", "s1"), ("old", "s99")]),
        ("Alice is rich.", []),
        ("Alice is tall.", [("elsewhere", "s1")]),
    )
    plan = applied(new, [old], resolution(verdict(old, UPDATE), merged=whole))
    assert texts(plan.created[0]) == ["Alice has a cat called Miso."]
    assert "rich" not in plan.created[0].text


def test_a_merge_past_24_statements_amends_instead() -> None:
    old = note("old", [f"Alice read book {i}." for i in range(20)], on=1)
    new = note("new", [f"Alice saw film {i}." for i in range(6)], on=5)
    proposal = resolution(verdict(old, UPDATE, "s1"), merged=merge_of(old, new, without=[("old", "s1")]))
    plan = applied(new, [old], proposal)
    stored, amended = plan.created
    assert stored == new
    assert texts(amended) == texts(old)[1:]
    assert amended.statements[0].id == "s2"
    untouched = applied(new, [old], resolution(verdict(old, UPDATE), merged=merge_of(old, new)))
    assert (untouched.created, untouched.changed) == ((new,), ())


def test_a_turn_is_superseded_only_when_all_its_statements_were_contradicted() -> None:
    old = note("old", ["Alice lives in Berlin.", "Alice rents a flat in Berlin."], on=1)
    shared = old.model_copy(
        update={"statements": tuple(s.model_copy(update={"sources": ("old.t1",)}) for s in old.statements)}
    )
    new = note("new", ["Alice lives in Munich."], on=5)
    half = applied(new, [shared], resolution(verdict(shared, DELETE, "s1")))
    assert "old.t1" not in states(half)
    both = applied(new, [shared], resolution(verdict(shared, DELETE, "s1", "s2")))
    gone = states(both)["old.t1"]
    assert (gone.status, gone.status_reason, gone.ended_at) == (
        Status.SUPERSEDED,
        StatusReason.CONTRADICTED,
        NOW,
    )


def test_a_turn_that_another_note_still_cites_stays_active() -> None:
    old = note("old", ["Alice lives in Berlin."], on=1)
    new = note("new", ["Alice lives in Munich."], on=5)
    plan = resolve(
        new,
        [link(old)],
        resolution(verdict(old, DELETE, "s1")),
        turns=turns_of([old]),
        citations={"old.t1": frozenset({("old", "s1"), ("other", "s1")})},
        task_id=None,
        now=NOW,
    )
    assert [memory.id for memory in plan.changed] == ["old"]


def test_a_contradicted_statement_may_live_on_as_history() -> None:
    old = note("old", ["Alice lives in Berlin.", "Alice has a cat."], on=1)
    new = note("new", ["Alice lives in Munich."], on=5)
    proposal = resolution(
        verdict(old, UPDATE, "s1"),
        merged=merge(
            ("Until 2025 Alice lived in Berlin.", [("old", "s1")]),
            ("Alice has a cat.", [("old", "s2")]),
            ("Alice lives in Munich.", [("new", "s1")]),
        ),
    )
    plan = applied(new, [old], proposal)
    assert texts(plan.created[0])[0] == "Until 2025 Alice lived in Berlin."
    assert plan.created[0].statements[0].sources == ("old.t1",)
    assert "old.t1" not in states(plan)


def test_contradicted_statements_of_an_update_end_with_their_turns() -> None:
    old = note("old", ["Alice lives in Berlin.", "Alice has a cat."], on=1)
    new = note("new", ["Alice lives in Munich."], on=5)
    proposal = resolution(
        verdict(old, UPDATE, "s1"),
        merged=merge(
            ("Alice has a cat.", [("old", "s2")]),
            ("Alice moved from Berlin to Munich.", [("old", "s1"), ("new", "s1")]),
        ),
    )
    plan = applied(new, [old], proposal)
    assert states(plan)["old.t1"].status is Status.SUPERSEDED
    assert plan.created[0].sources == ("old.t2", "new.t1")
    assert plan.decisions[0].contradicted == ("Alice lives in Berlin.",)


def test_a_turn_of_the_new_note_is_never_superseded() -> None:
    new = note("new", ["Alice lives in Munich."], on=5)
    old = note("old", ["Alice lives in Berlin."], on=1)
    tied = old.model_copy(
        update={"statements": (old.statements[0].model_copy(update={"sources": ("new.t1",)}),)}
    )
    assert "new.t1" not in states(applied(new, [tied], resolution(verdict(tied, DELETE, "s1"))))


@pytest.mark.parametrize("operation", [UPDATE, DELETE, SKIP])
def test_a_later_pass_changes_the_stored_unresolved_note_instead_of_creating_it(operation: Operation) -> None:
    old = note("old", ["Alice lives in Berlin."], on=1)
    fresh = note("new", ["Alice lives in Munich."], on=5)
    (stored,) = store_new(fresh, task_id=None, now=NOW, unresolved=True).created
    named = ("s1",) if operation is DELETE else ()
    plan = applied(stored, [old], resolution(verdict(old, operation, *named), merged=merge_of(old, stored)))
    after = states(plan)["new"]
    assert after.version == 2
    assert not after.unresolved
    assert after.is_active == (operation is DELETE)


def test_a_later_pass_without_links_only_takes_the_mark_away() -> None:
    (stored,) = store_new(note("new", ["Alice."], on=5), task_id=None, now=NOW, unresolved=True).created
    plan = store_new(stored, task_id=None, now=NOW)
    check(plan, {"new": stored})
    assert (plan.created, plan.decisions) == ((), ())
    assert not plan.changed[0].unresolved


def test_a_later_pass_that_fails_again_changes_nothing() -> None:
    old = note("old", ["Alice lives in Berlin."], on=1)
    (stored,) = store_new(note("new", ["Alice."], on=5), task_id=None, now=NOW, unresolved=True).created
    assert applied(stored, [old], resolution(verdict(old, UPDATE))) == Plan()


@st.composite
def proposals(draw: st.DrawFn) -> tuple[Memory, list[Memory], Resolution]:
    """Any new note, any linked notes, and whatever a model might answer about them."""
    words = st.integers(1, 5)
    olds = [
        note(f"old{i}", [f"Fact {i}.{j}." for j in range(draw(words))], on=draw(st.integers(0, 9)))
        for i in range(draw(st.integers(1, 4)))
    ]
    new = note("new", [f"New fact {j}." for j in range(draw(words))], on=draw(st.integers(0, 9)))
    labels = st.sampled_from([f"s{i}" for i in range(1, 8)])
    ids = st.sampled_from([*(old.id for old in olds), "made-up", "new"])
    verdicts = st.builds(
        Verdict,
        memory_id=ids,
        operation=st.sampled_from(Operation),
        confidence=st.floats(0, 1),
        reasoning=st.just("because"),
        contradicted=st.lists(labels, max_size=4).map(tuple),
    )
    every = [(memory.id, s.id) for memory in (*olds, new) for s in memory.statements]
    origins = st.one_of(st.sampled_from(every), st.tuples(ids, labels))
    free = st.lists(
        st.builds(MergedStatement, text=st.just("Merged."), origins=st.lists(origins, max_size=3).map(tuple)),
        max_size=30,
    ).map(lambda found: Merge(sections=NoteSections(), statements=tuple(found)))
    merges = st.one_of(st.none(), free, st.just(merge_of(*olds, new)))
    return new, olds, Resolution(verdicts=tuple(draw(st.lists(verdicts, max_size=6))), merge=draw(merges))


@settings(max_examples=200, deadline=None)
@given(proposals())
def test_whatever_the_model_answers_no_rule_is_broken_and_no_new_fact_is_lost(
    case: tuple[Memory, list[Memory], Resolution],
) -> None:
    new, olds, proposal = case
    plan = applied(new, olds, proposal)
    alive = {s.text for m in states(plan).values() if m.is_active for s in m.statements}
    evidence = {source for m in states(plan).values() if m.is_active for source in m.sources}
    for statement in new.statements:
        assert statement.text in alive or evidence.issuperset(statement.sources)
    ended = {text for decision in plan.decisions for text in decision.contradicted}
    for old in olds:
        for statement in old.statements:
            if statement.text in ended:
                assert statement.occurred_at is not None
                assert new.occurred_at is not None
                assert statement.occurred_at <= new.occurred_at


def test_check_names_the_rule_that_a_bad_plan_breaks() -> None:
    old = note("old", ["Alice has a cat."], on=1)
    before = {"old": old}
    silent = old.model_copy(update={"status": Status.DELETED, "ended_at": NOW, "version": 2})
    with pytest.raises(ValueError, match="disappears without a decision"):
        check(Plan(changed=(silent,)), before)
    with pytest.raises(ValueError, match="steps by one"):
        check(Plan(changed=(old.model_copy(update={"version": 3}),)), before)
    with pytest.raises(ValueError, match="points nowhere"):
        check(Plan(changed=(silent.model_copy(update={"next_id": "void"}),)), before)
    with pytest.raises(ValueError, match="no successor"):
        check(Plan(changed=(old.model_copy(update={"version": 2, "next_id": "old"}),)), before)
    with pytest.raises(ValueError, match="exists already"):
        check(Plan(created=(old,)), before)
