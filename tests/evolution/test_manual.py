"""Changes by hand: nothing is rewritten, everything can be undone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from omnimemory.core.errors import Conflict, InvalidRequest, NotFound
from omnimemory.core.notes import render_note
from omnimemory.core.proposals import Resolution
from omnimemory.core.schemas import Memory, MemoryKind, NoteSections, Operation, Status, StatusReason
from omnimemory.evolution.manual import delete_manually, restore, update_manually
from omnimemory.evolution.plan import Plan, check
from omnimemory.evolution.resolution import resolve

from .samples import NOW, citations_of, day, link, merge_of, note, resolution, turn, turns_of, verdict


@dataclass
class History:
    """The newest state of every memory, after the plans applied to it."""

    states: dict[str, Memory] = field(default_factory=dict)

    def apply(self, plan: Plan) -> Plan:
        check(plan, self.states)
        self.states.update({memory.id: memory for memory in (*plan.created, *plan.changed)})
        return plan

    def restore(self, memory_id: str) -> Plan:
        memory = self.states[memory_id]
        return self.apply(
            restore(
                memory,
                successor=self.states.get(memory.next_id or ""),
                turns=[self.states[source] for source in memory.sources if source in self.states],
                now=NOW,
            )
        )

    def resolve(self, new: Memory, old: Memory, proposal: Resolution) -> Plan:
        notes = [m for m in self.states.values() if m.is_active and m.kind is MemoryKind.NOTE]
        return self.apply(
            resolve(
                new,
                [link(self.states[old.id])],
                proposal,
                turns=turns_of(notes),
                citations=citations_of(notes),
                task_id=None,
                now=NOW,
            )
        )


def history(*notes: Memory) -> History:
    return History({memory.id: memory for memory in (*notes, *turns_of(notes).values())})


def active_texts(found: History) -> set[str]:
    return {s.text for memory in found.states.values() if memory.is_active for s in memory.statements}


def test_a_new_text_makes_a_new_memory_and_ends_the_old_one() -> None:
    old = note("old", ["Alice has a cat.", "Alice likes tea."], on=1, tags=("cat", "tea"))
    plan = history(old).apply(update_manually(old, text="Alice has a cat. Alice likes coffee.", now=NOW))
    (new,) = plan.created
    assert (new.status_reason, new.text) == (
        StatusReason.MANUAL_UPDATE,
        "Alice has a cat. Alice likes coffee.",
    )
    assert new.statements[0] == old.statements[0]
    assert (new.statements[1].id, new.statements[1].text, new.statements[1].occurred_at) == (
        "s3",
        "Alice likes coffee.",
        NOW,
    )
    assert new.tags == ("cat",)
    (end,) = plan.changed
    assert (end.status, end.status_reason, end.next_id) == (
        Status.UPDATED,
        StatusReason.MANUAL_UPDATE,
        new.id,
    )
    assert plan.decisions[0].operation is Operation.MANUAL_UPDATE
    assert plan.decisions[0].contradicted == ("Alice likes tea.",)


def test_a_note_edited_as_markdown_is_read_back_as_a_note() -> None:
    sections = NoteSections(summary="About Alice.", guidance="Keep it short.")
    old = note("old", ["Alice has a cat.", "Alice likes tea."], on=1, sections=sections, tags=("cat",))
    edited = old.text.replace("likes tea", "likes coffee").replace("**Tags:** cat", "**Tags:** cat, coffee")
    (new,) = update_manually(old, text=edited, now=NOW).created
    assert [s.text for s in new.statements] == ["Alice has a cat.", "Alice likes coffee."]
    assert new.sections == sections
    assert new.tags == ("cat", "coffee")
    assert new.text == render_note(new.sections, [s.text for s in new.statements], tags=new.tags)


def test_a_long_text_keeps_every_sentence_in_at_most_24_statements() -> None:
    text = " ".join(f"Alice read book number {i}." for i in range(50))
    (new,) = update_manually(note("old", ["Alice reads."], on=1), text=text, now=NOW).created
    assert len(new.statements) <= 24
    assert " ".join(s.text for s in new.statements) == text


def test_metadata_alone_changes_the_memory_in_place() -> None:
    old = note("old", ["Alice has a cat."], on=1)
    plan = history(old).apply(update_manually(old, metadata={"topic": "pets"}, now=NOW))
    (changed,) = plan.changed
    assert plan.created == ()
    assert (changed.id, changed.version, changed.status_reason) == ("old", 2, StatusReason.EDITED)
    assert changed.metadata == {"topic": "pets"}


def test_an_edited_turn_keeps_who_said_it_and_when() -> None:
    old = turn("t", "I has a cat", on=1)
    (new,) = update_manually(old, text="I have a cat", now=NOW).created
    assert (new.kind, new.role, new.occurred_at, new.statements) == ("turn", "user", day(1), ())


def test_what_cannot_be_edited_says_why() -> None:
    old = note("old", ["Alice has a cat."], on=1)
    with pytest.raises(InvalidRequest, match="nothing to update"):
        update_manually(old, now=NOW)
    with pytest.raises(InvalidRequest, match="blank"):
        update_manually(old, text=" \n", now=NOW)
    end = update_manually(old, text="Alice has a dog.", now=NOW).changed[0]
    with pytest.raises(Conflict, match=str(end.next_id)):
        update_manually(end, text="Alice has a bird.", now=NOW)
    assert update_manually(old, text=old.text, metadata={}, now=NOW) == Plan()


def test_deleting_a_note_ends_the_turns_that_no_other_note_cites() -> None:
    old = note("old", ["Alice has a cat.", "Alice likes tea."], on=1)
    citations = citations_of([old]) | {"old.t2": frozenset({("old", "s2"), ("other", "s1")})}
    plan = delete_manually(old, turns=turns_of([old]), citations=citations, now=NOW)
    history(old).apply(plan)
    assert {m.id: (m.status, m.status_reason) for m in plan.changed} == {
        "old": (Status.DELETED, StatusReason.MANUAL_DELETE),
        "old.t1": (Status.DELETED, StatusReason.ORPHANED),
    }
    alone = delete_manually(old, turns=turns_of([old]), citations=citations, cascade=False, now=NOW)
    assert [m.id for m in alone.changed] == ["old"]


def test_deleting_twice_is_not_found() -> None:
    old = note("old", ["Alice has a cat."], on=1)
    (end,) = delete_manually(old, turns={}, citations={}, now=NOW).changed
    with pytest.raises(NotFound):
        delete_manually(end, turns={}, citations={}, now=NOW)


def test_a_deleted_note_comes_back_as_a_new_memory_with_its_turns() -> None:
    old = note("old", ["Alice has a cat."], on=1)
    found = history(old)
    found.apply(delete_manually(old, turns=turns_of([old]), citations=citations_of([old]), now=NOW))
    (new,) = found.restore("old").created
    assert (new.status_reason, new.statements, new.text) == (
        StatusReason.RESTORED,
        old.statements,
        old.text,
    )
    assert found.states["old"].status is Status.DELETED
    assert found.states["old"].next_id == new.id
    revived = found.states["old.t1"]
    assert (revived.is_active, revived.version, revived.ended_at) == (True, 3, None)
    with pytest.raises(Conflict, match=new.id):
        found.restore("old")


def test_undoing_an_edit_ends_the_edited_memory() -> None:
    old = note("old", ["Alice has a cat."], on=1)
    found = history(old)
    (edited,) = found.apply(update_manually(old, text="Alice has a dog.", now=NOW)).created
    (new,) = found.restore("old").created
    assert new.text == old.text
    assert found.states["old"].next_id == edited.id
    assert found.states[edited.id].next_id == new.id
    assert found.states[edited.id].status is Status.UPDATED
    assert active_texts(found) == {"Alice has a cat."}


def test_undoing_a_consolidation_keeps_what_came_from_the_other_note() -> None:
    old, new = note("old", ["Alice has a cat."], on=1), note("new", ["The cat is called Miso."], on=5)
    found = history(old)
    found.resolve(new, old, resolution(verdict(old, Operation.UPDATE), merged=merge_of(old, new)))
    plan = found.restore("old")
    assert [m.status_reason for m in plan.created] == [StatusReason.RESTORED, StatusReason.AMENDED]
    assert active_texts(found) == {"Alice has a cat.", "The cat is called Miso."}


def test_restoring_a_contradicted_note_leaves_the_one_that_contradicted_it() -> None:
    old, new = note("old", ["Alice lives in Berlin."], on=1), note("new", ["Alice lives in Munich."], on=5)
    found = history(old)
    found.resolve(new, old, resolution(verdict(old, Operation.DELETE, "s1")))
    assert found.states["old.t1"].status is Status.SUPERSEDED
    found.restore("old")
    assert active_texts(found) == {"Alice lives in Berlin.", "Alice lives in Munich."}
    assert found.states["old.t1"].is_active


def test_a_step_that_was_built_on_cannot_be_undone() -> None:
    old = note("old", ["Alice has a cat."], on=1)
    found = history(old)
    (second,) = found.apply(update_manually(old, text="Alice has a dog.", now=NOW)).created
    (third,) = found.apply(update_manually(second, text="Alice has a bird.", now=NOW)).created
    with pytest.raises(Conflict, match=third.id):
        found.restore("old")
    with pytest.raises(Conflict, match="active"):
        found.restore(third.id)


def test_a_turn_that_a_person_deleted_stays_deleted_when_its_note_comes_back() -> None:
    old = note("old", ["Alice has a cat."], on=1)
    found = history(old)
    found.apply(delete_manually(found.states["old.t1"], turns={}, citations={}, now=NOW))
    found.apply(delete_manually(old, turns={}, citations={}, now=NOW))
    found.restore("old")
    assert found.states["old.t1"].status_reason is StatusReason.MANUAL_DELETE
