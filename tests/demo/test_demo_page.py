"""The printed page names what changed, why, and who saw what."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from rich.console import Console, ConsoleRenderable

from omnimemory.core.schemas import Memory, MemoryKind, Operation, Statement, Status, StatusReason
from omnimemory.demo import show
from omnimemory.demo.report import Answer, Change, TenancyCheck, Timings, UserNotes

SAID = datetime(2026, 5, 18, tzinfo=UTC)


def page(body: ConsoleRenderable) -> str:
    out = io.StringIO()
    Console(file=out, width=140, markup=False).print(body)
    return out.getvalue()


def note(id: str, text: str, **fields: object) -> Memory:
    return Memory.model_validate(
        {
            "id": id,
            "app_id": "app",
            "user_id": "ann",
            "kind": MemoryKind.NOTE,
            "text": text,
            "created_at": SAID,
            "occurred_at": SAID,
            "statements": (Statement(id="s1", text=text),),
            **fields,
        }
    )


def change(operation: Operation, **fields: object) -> Change:
    return Change.model_validate(
        {
            "operation": operation,
            "user_id": "ann",
            "memory_id": "m",
            "before": "Ann lives in Riga.",
            "after": "Ann lives in Tartu.",
            "contradicted": ("Ann lives in Riga.",),
            "reasoning": "she moved",
            "confidence": 0.9,
            "said_at": SAID,
            **fields,
        }
    )


def check(**fields: object) -> TenancyCheck:
    return TenancyCheck.model_validate(
        {
            "asker": "bob",
            "owner": "ann",
            "question": "Where are the bees?",
            "owner_found": True,
            "returned": 2,
            "leaked": (),
            **fields,
        }
    )


def test_notes_are_listed_by_user_with_their_statements() -> None:
    text = page(show.notes([UserNotes(user_id="ann", notes=(note("a", "Ann sails.", tags=("boats",)),))]))
    assert "ann: 1 note" in text
    assert "Ann sails." in text
    assert "boats" in text


def test_each_change_is_named_with_its_reason_and_what_ended() -> None:
    text = page(
        show.evolution([change(Operation.DELETE), change(Operation.SKIP, contradicted=(), after=None)])
    )
    assert "0 UPDATE, 1 DELETE, 1 SKIP" in text
    assert "ended  Ann lives in Riga." in text
    assert "became Ann lives in Tartu." in text
    assert "she moved" in text
    assert "confidence 0.90" in text


def test_no_change_is_said_plainly() -> None:
    assert "Nothing changed" in page(show.evolution([]))


def test_a_chain_is_a_tree_with_todays_memory_on_top() -> None:
    gone = {"status": Status.UPDATED, "status_reason": StatusReason.CONSOLIDATED, "ended_at": SAID}
    first = note("a", "Ann sails.", next_id="c", **gone)
    second = note("b", "Ann sails a ketch.", next_id="c", **gone)
    last = note("c", "Ann sails a ketch on Sundays.")
    lines = page(show.lineage([first, second, last])).splitlines()
    assert lines[0] == "M3  active (created)  2026-05-18  c"
    assert [line[:5] for line in lines[2::2]] == ["├── M", "└── M"]


def test_the_colour_of_a_date_ends_with_the_date() -> None:
    out = io.StringIO()
    coloured = Console(file=out, width=140, force_terminal=True, color_system="standard")
    coloured.print(show.lineage([note("a", "Ann sails.")]))
    assert "\x1b[36m  2026-05-18\x1b[0m" in out.getvalue()
    assert out.getvalue().endswith("\nAnn sails.\n")


def test_a_chain_whose_successor_is_absent_is_still_drawn() -> None:
    assert "Ann sails." in page(show.lineage([note("a", "Ann sails.", next_id="elsewhere")]))


def test_an_answer_says_whether_it_rests_on_the_right_turn() -> None:
    answers = [Answer(user_id="ann", question="Where?", results=(), found=found) for found in (True, False)]
    text = page(show.recall(answers))
    assert "Where?  found" in text
    assert "Where?  not found" in text


def test_a_leak_is_shown_with_what_leaked() -> None:
    text = page(show.tenancy([check(), check(leaked=("The bees are in the loft.",))]))
    assert "kept  bob asks what only ann said" in text
    assert "LEAK" in text
    assert "The bees are in the loft." in text
    assert "1 answered from another user's memory" in text


def test_without_a_leak_the_page_says_so() -> None:
    assert "none answered from another user's memory" in page(show.tenancy([check()]))


def test_timings_have_units() -> None:
    measured = Timings(
        turns=10,
        acknowledge_p50_ms=2.5,
        synthesis_seconds=0.5,
        turns_per_second=20,
        recall_p50_ms=1.234,
        recalls=9,
    )
    text = page(show.timings(measured))
    assert "2.5 ms" in text
    assert "1.23 ms" in text
