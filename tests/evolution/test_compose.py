"""How a draft becomes a note."""

from __future__ import annotations

from omnimemory.core.proposals import Draft, DraftStatement
from omnimemory.core.schemas import Depth, NoteSections
from omnimemory.evolution.compose import compose_note

from .samples import NOW, SCOPE, day, turn


def test_a_note_holds_the_drafts_statements_with_their_turns_and_dates() -> None:
    turns = [turn("t1", "I have a cat", on=1), turn("t2", "called Miso", on=2)]
    draft = Draft(
        sections=NoteSections(summary="A cat."),
        statements=(
            DraftStatement(text="Alice has a cat.", sources=("t1",)),
            DraftStatement(text="The cat is called Miso.", sources=("t2", "invented")),
            DraftStatement(text="Alice talks about her cat.", sources=("invented",)),
        ),
        tags=("cat",),
        depth=Depth.HIGH,
    )
    note = compose_note(draft, id="n", scope=SCOPE, turns=turns, metadata={"k": "v"}, now=NOW)
    assert [(s.id, s.sources, s.occurred_at) for s in note.statements] == [
        ("s1", ("t1",), day(1)),
        ("s2", ("t2",), day(2)),
        ("s3", ("t1", "t2"), day(2)),
    ]
    assert (note.occurred_at, note.created_at, note.sources) == (day(2), NOW, ("t1", "t2"))
    assert (note.session_id, note.metadata, note.version) == ("spring", {"k": "v"}, 1)
    assert note.importance == 0.5 * 1.0 + 0.3 * 0.3 + 0.2 * 0.3
    assert note.text.startswith("## Summary\n\nA cat.\n\n- Alice has a cat.\n")
