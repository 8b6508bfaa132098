"""How memories are printed."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from omnimemory.cli.output import console, explained, headline, print_json, scores_table
from omnimemory.core.display import one_line, plain
from omnimemory.core.schemas import Memory, MemoryKind, ScoredMemory, Statement

SAID = datetime(2026, 5, 18, tzinfo=UTC)


def memory(text: str = "Ann lives in Riga.", **fields: object) -> Memory:
    return Memory.model_validate(
        {
            "id": "m",
            "app_id": "app",
            "user_id": "ann",
            "kind": MemoryKind.TURN,
            "text": text,
            "created_at": SAID,
            "occurred_at": SAID,
            **fields,
        }
    )


def scored(found: Memory, **fields: object) -> ScoredMemory:
    return ScoredMemory.model_validate(
        {
            "memory": found,
            "rank": 1,
            "relevance": 0.91,
            "match": 0.62,
            "similarity_score": 0.55,
            "lexical_score": 4.25,
            "recency_score": 0.73,
            "importance_score": 0.44,
            "composite_score": 1.0165,
            **fields,
        }
    )


def printed(result: ScoredMemory, *, parts: bool = True) -> str:
    out = io.StringIO()
    Console(file=out, width=140, markup=False).print(scores_table([result], parts=parts))
    return out.getvalue()


def test_the_table_shows_every_part_of_the_score() -> None:
    page = printed(scored(memory()))
    for number in ("1.016", "0.910", "0.620", "0.550", "4.25", "0.730", "0.440"):
        assert number in page
    assert "Ann lives in Riga." in page
    assert "2026-05-18" in page


def test_the_short_table_keeps_the_composite_score_only() -> None:
    page = printed(scored(memory()), parts=False)
    assert "1.016" in page
    assert "relevance" not in page


def test_a_memory_found_by_words_alone_has_no_cosine() -> None:
    assert " - " in printed(scored(memory(), similarity_score=None))


def test_the_statement_that_matched_stands_for_its_note() -> None:
    statements = (Statement(id="s1", text="Ann lives in Riga."), Statement(id="s2", text="Ann keeps bees."))
    note = memory("## Summary\n\nlong", kind=MemoryKind.NOTE, statements=statements)
    page = printed(scored(note, matched_statement=statements[1]))
    assert "Ann keeps bees." in page
    assert "Riga" not in page


def test_a_note_is_headed_by_its_statements() -> None:
    note = memory("## Summary", kind=MemoryKind.NOTE, statements=(Statement(id="s1", text="Ann sails."),))
    assert headline(note) == "Ann sails."


def test_markup_and_control_characters_in_a_memory_are_only_text() -> None:
    page = printed(scored(memory("[red]stop[/red] \x1b[2J\x07 now")))
    assert "[red]stop[/red]" in page
    assert "\x1b" not in page
    assert plain("a\x1b[31m\nb") == "a\N{REPLACEMENT CHARACTER}[31m\nb"
    assert plain("pay \u202eeb\u202c") == "pay \N{REPLACEMENT CHARACTER}eb\N{REPLACEMENT CHARACTER}"


def test_long_text_is_cut_to_one_line() -> None:
    assert one_line("a\n  b") == "a b"
    assert len(one_line("word " * 100, limit=50)) <= 50


def test_an_explanation_is_listed_with_its_nested_names() -> None:
    result = scored(memory(), explanation={"dense": {"value": 0.5, "weight": 0.5}, "legs": ["dense"]})
    assert explained(result) == ["dense.value: 0.5000", "dense.weight: 0.5000", "legs: ['dense']"]


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([scored(memory("Zürich ☂")).to_dict()])
    (found,) = json.loads(capsys.readouterr().out)
    assert found["document"] == "Zürich ☂"
    assert found["composite_score"] == 1.0165


def test_piped_output_has_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.text import Text

    console().print(Text("done", style="bold red"))
    assert capsys.readouterr().out == "done\n"
