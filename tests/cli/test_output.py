"""How memories are printed."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner, Result

from omnimemory.cli.app import app
from omnimemory.cli.output import (
    console,
    explanation_parts,
    heading,
    headline,
    memories_listing,
    near_misses_listing,
    print_json,
    scores_listing,
)
from omnimemory.core.display import one_line, plain
from omnimemory.core.results import NearMiss
from omnimemory.core.schemas import Memory, MemoryKind, Message, ScoredMemory, Statement, UserMessages
from omnimemory.sdk import OmniMemorySDK

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
    return page(scores_listing([result], parts=parts))


def page(*parts: RenderableType, width: int = 100) -> str:
    """As it is piped."""
    out = io.StringIO()
    Console(file=out, width=width, markup=False, soft_wrap=True).print(*parts, sep="\n")
    return out.getvalue()


def on_terminal(*parts: RenderableType, width: int) -> list[str]:
    """The lines of a terminal so many columns wide, without colour."""
    out = io.StringIO()
    terminal = Console(file=out, width=width, markup=False, force_terminal=True, color_system=None)
    terminal.print(*parts, sep="\n")
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_the_table_shows_every_part_of_the_score() -> None:
    page = printed(scored(memory()))
    for number in ("1.016", "0.910", "0.620", "0.550", "4.25", "0.730", "0.440"):
        assert number in page
    assert "Ann lives in Riga." in page
    assert "2026-05-18" in page


def test_the_short_table_keeps_the_composite_score_only() -> None:
    shown = on_terminal(scores_listing([scored(memory())], parts=False), width=140)
    assert shown[0].split() == ["#", "score", "kind", "said", "id", "memory"]
    assert shown[2].split()[:5] == ["1", "1.016", "turn", "2026-05-18", "m"]


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


EXPLANATION = {
    "legs": ["dense", "lexical"],
    "matched_statement": {"id": "s2", "text": "Ann keeps bees."},
    "evidence": {
        "dense": {"value": 0.55, "weight": 0.5, "contribution": 0.5},
        "lexical": {"value": None, "high": 7.0, "weight": 0.5, "contribution": 0.45},
        "stale": {"weight": 0.1, "contribution": -0.04},
    },
    "relevance": 0.91,
    "match": 0.62,
    "recency": {"score": 0.73, "weight": 0.1, "boost": 0.073},
    "importance": {"score": 0.44, "weight": 0.1, "boost": 0.044},
    "composite": 1.01647,
}


def test_an_explanation_is_tables_that_add_up() -> None:
    lines = page(*explanation_parts(scored(memory(), explanation=EXPLANATION, composite_score=1.01647)))
    cells = [line.split() for line in lines.splitlines()]
    assert ["evidence", "value", "weight", "high", "contribution"] in cells
    assert ["evidence.dense", "0.5500", "0.5000", "-", "+", "0.5000"] in cells
    assert ["evidence.lexical", "-", "0.5000", "7.0000", "+", "0.4500"] in cells
    assert ["evidence.stale", "-", "0.1000", "-", "-", "0.0400"] in cells
    assert ["relevance", "=", "0.9100"] in cells
    assert ["importance", "0.4400", "0.1000", "+", "0.0440"] in cells
    assert ["1", "+", "boosts", "=", "1.1170"] in cells
    assert "relevance 0.9100 x 1.1170 = 1.0165 composite" in lines
    assert "legs: dense, lexical" in lines
    assert "match: 0.6200" in lines


def test_an_explanation_says_each_thing_once() -> None:
    statement = Statement(id="s2", text="Ann keeps bees.")
    result = scored(memory(), explanation=EXPLANATION, composite_score=1.01647, matched_statement=statement)
    lines = page(heading(result), *explanation_parts(result))
    for said in ("Ann keeps bees.", "0.9100 x", "composite", "= 0.9100", "matched_statement.id: s2"):
        assert lines.count(said) == 1


def test_numbers_that_do_not_make_the_score_claim_no_sum() -> None:
    explanation = {
        "dense": {"contribution": 0.5},
        "relevance": 0.9,
        "recency": {"boost": 0.1},
        "composite": 2.0,
    }
    lines = page(*explanation_parts(scored(memory(), explanation=explanation)))
    assert ["sum", "=", "0.5000"] in [line.split() for line in lines.splitlines()]
    assert "0.5000 x" not in lines
    assert "relevance: 0.9000" in lines
    assert "composite: 2.0000" in lines
    assert explanation_parts(scored(memory())) == []


def test_an_explanation_fits_a_hundred_columns() -> None:
    leg = {
        "value": -0.0410,
        "low": -0.0410,
        "high": 123.4567,
        "normalised": 0.1,
        "weight": 0.5,
        "contribution": 0.1,
    }
    result = scored(memory("word " * 100), explanation={"statement_evidence": leg, "legs": ["dense"] * 40})
    lines = on_terminal(heading(result), *explanation_parts(result), width=100)
    assert max(map(len, lines)) <= 100
    assert "statement_evidence -0.0410 -0.0410 123.4567 0.1000 0.5000 + 0.1000" in [
        " ".join(line.split()) for line in lines
    ]


def test_near_misses_say_why_they_were_left_out() -> None:
    misses = [
        NearMiss(
            memory_id="3c1f7f0e-9f83-4a55-8a64-0d7f3cf0a001",
            composite_score=0.512,
            match=0.301,
            similarity_score=similarity,
            lexical_score=3.2,
            reason=reason,
        )
        for similarity, reason in ((0.4, "below the floor\x1b[2J"), (None, "reads the same as #1"))
    ]
    lines = page(near_misses_listing(misses))
    for told in ("0.512", "0.301", "0.400", "3.20", misses[0].memory_id, "reads the same as #1", " - "):
        assert told in lines
    assert "\x1b" not in lines


IDS = ("3c1f7f0e-9f83-4a55-8a64-0d7f3cf0a001", "3c1f7f0e-9f83-4a55-8a64-0d7f3cf0a002")
LONG = "Ann lives in Riga and keeps bees behind the old barn.\n" * 4


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_a_listing_shows_whole_ids_and_all_it_knows_at_any_width(width: int) -> None:
    listing = memories_listing([memory(LONG, id=name) for name in IDS])
    lines = on_terminal(listing, width=width)
    assert max(map(len, lines)) <= width
    for told in (*IDS, "turn", "active", "2026-05-18"):
        assert any(told in line for line in lines)
    assert "keeps bees behind the old barn." in " ".join(" ".join(lines).split())
    results = [scored(memory(LONG, id=name), rank=rank) for rank, name in enumerate(IDS, 1)]
    found = on_terminal(scores_listing(results, parts=False), width=width)
    assert sum(name in line for line in found for name in IDS) == 2


def test_a_wide_terminal_has_a_table_and_a_narrow_one_paragraphs() -> None:
    listing = memories_listing([memory(LONG, id=name) for name in IDS])
    assert on_terminal(listing, width=130)[0].split() == ["id", "kind", "status", "said", "memory"]
    first, text, *_ = on_terminal(listing, width=80)
    assert first == f"{IDS[0]}  turn  active  said 2026-05-18"
    assert text.startswith("Ann lives in Riga")


def test_piped_each_record_is_one_whole_line_that_awk_can_split() -> None:
    lines = page(memories_listing([memory(LONG, id=name) for name in IDS]), width=40).splitlines()
    assert [line.split(maxsplit=4) for line in lines] == [
        [name, "turn", "active", "2026-05-18", " ".join(LONG.split())] for name in IDS
    ]
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_an_explanation_keeps_every_number_on_a_narrow_terminal(width: int) -> None:
    result = scored(memory(), explanation=EXPLANATION, composite_score=1.01647)
    lines = on_terminal(*explanation_parts(result), width=width)
    assert max(map(len, lines)) <= width
    told = " ".join(" ".join(lines).split())
    for number in ("0.5500", "7.0000", "+ 0.4500", "- 0.0400", "= 0.9100", "= 1.1170"):
        assert number in told


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([scored(memory("Zürich ☂")).to_dict()])
    (found,) = json.loads(capsys.readouterr().out)
    assert found["document"] == "Zürich ☂"
    assert found["composite_score"] == 1.0165


def test_piped_output_has_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.text import Text

    console().print(Text("done", style="bold red"))
    assert capsys.readouterr().out == "done\n"


# A block for a prompt


@pytest.fixture
async def stocked(tmp_path: Path) -> Path:
    """A folder where Ann said two things in two sessions."""
    async with OmniMemorySDK(home=tmp_path) as sdk:
        for session, text in (("one", "I keep bees."), ("two", "My bees make honey.")):
            message = Message(role="user", content=text, timestamp=SAID)
            await sdk.add_memory(
                UserMessages(app_id="app", user_id="ann", session_id=session, messages=[message]), infer=False
            )
        await sdk.flush()
    return tmp_path


def queried(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        app, ["memory", "query", "--app-id", "app", "-q", "bees", "--home", str(home), *arguments]
    )


def test_a_budget_prints_the_block_and_nothing_else(stocked: Path) -> None:
    done = queried(stocked, "--token-budget", "300")
    assert done.stdout.startswith("<omnimemory-recall>\n")
    assert done.stdout.endswith("</omnimemory-recall>\n")
    assert "<session" not in done.stdout
    assert queried(stocked, "--token-budget", "300", "--grouped").stdout.count("<session date=") == 2


def test_a_block_that_cannot_be_is_said_beside_the_output(stocked: Path) -> None:
    done = queried(stocked, "--token-budget", "3")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "No memory fits the budget.\n")


def test_json_holds_all_that_the_recall_gave(stocked: Path) -> None:
    found = json.loads(queried(stocked, "--token-budget", "300", "--explain", "--json").stdout)
    assert [memory["memory_id"] for memory in found["memories"]] == found["packed"]
    assert all("relevance" in memory["explanation"] for memory in found["memories"])
    assert 0 < found["tokens"] <= 300
    assert "I keep bees." in found["block"]
    assert isinstance(found["near_misses"], list)


@pytest.mark.parametrize("arguments", [["--grouped"], ["--token-budget", "0"]])
def test_a_budget_that_makes_no_sense_is_wrong_use(tmp_path: Path, arguments: list[str]) -> None:
    done = queried(tmp_path, *arguments)
    assert done.exit_code == 2
    assert "token" in done.stderr
