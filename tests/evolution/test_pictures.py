"""Chains as graphs and reports."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Decision, Memory, Operation, Status, StatusReason
from omnimemory.evolution.chain import order, steps
from omnimemory.evolution.graph import FORMATS as GRAPHS
from omnimemory.evolution.graph import render_graph
from omnimemory.evolution.layout import CARD_HEIGHT, CARD_WIDTH, lay_out
from omnimemory.evolution.report import FORMATS as REPORTS
from omnimemory.evolution.report import render_report

from .samples import day, note

HOSTILE = '</style><script>alert(1)</script> "quoted" `code` \\ %%{init: {}}%% #quot; [x](http://e.x) |\n end'


def ended(
    memory: Memory, next_id: str | None, *, on: int, reason: StatusReason = StatusReason.CONSOLIDATED
) -> Memory:
    status = Status.DELETED if next_id is None else Status.UPDATED
    state = {"next_id": next_id, "status": status, "status_reason": reason, "ended_at": day(on), "version": 2}
    return memory.model_copy(update=state)


def merged_chain() -> tuple[list[Memory], list[Decision]]:
    first = ended(note("first", ["Alice lives in Berlin.", "Alice has a cat."], on=1), "third", on=5)
    second = ended(note("second", ["Alice likes tea."], on=2), "third", on=5)
    third = note("third", ["Alice has a cat.", "Alice likes tea.", "Alice lives in Munich."], on=5)
    decisions = [
        Decision(
            id=f"d-{memory.id}",
            app_id="app",
            user_id="alice",
            memory_id=memory.id,
            operation=Operation.UPDATE,
            new_id="third",
            confidence=0.8,
            reasoning=f"Reason for {memory.id}.",
            contradicted=("Alice lives in Berlin.",) if memory is first else (),
            created_at=day(5),
        )
        for memory in (first, second)
    ]
    return [third, second, first], decisions


def test_a_chain_runs_from_its_originals_to_what_they_became() -> None:
    chain, _ = merged_chain()
    assert [memory.id for memory in order(chain)] == ["first", "second", "third"]


def test_a_step_says_what_came_what_stayed_and_what_ended() -> None:
    chain, decisions = merged_chain()
    (step,) = steps(chain, decisions)
    assert (step.from_ids, step.to_id, step.operation) == (("first", "second"), "third", Operation.UPDATE)
    assert step.ended == ("Alice lives in Berlin.",)
    assert step.added == ("Alice lives in Munich.",)
    assert step.kept == ("Alice has a cat.", "Alice likes tea.")
    assert step.reasoning == "Reason for first. Reason for second."


def test_a_reworded_statement_with_the_same_turns_is_carried_on() -> None:
    old = ended(note("old", ["Alice has a cat."], on=1), "new", on=5)
    new = note("new", ["Alice owns a cat."], on=5)
    reworded = new.statements[0].model_copy(update={"sources": ("old.t1",)})
    (step,) = steps([old, new.model_copy(update={"statements": (reworded,)})])
    assert (step.added, step.kept, step.ended) == ((), ("Alice owns a cat.",), ())


def test_the_operation_is_read_from_the_chain_where_no_decisions_are_given() -> None:
    gone = ended(note("gone", ["Alice has a cat."], on=1), None, on=3, reason=StatusReason.MANUAL_DELETE)
    (step,) = steps([gone])
    assert (step.operation, step.to_id, step.ended) == (Operation.MANUAL_DELETE, None, ("Alice has a cat.",))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 14), min_size=1, max_size=15))
def test_any_links_even_circles_give_every_memory_once_and_a_place_of_its_own(links: list[int]) -> None:
    chain = [ended(note(f"n{i}", ["A fact."], on=i), f"n{to}", on=20) for i, to in enumerate(links)]
    ordered = order(chain)
    assert sorted(m.id for m in ordered) == sorted(m.id for m in chain)
    layout = lay_out(ordered)
    corners = list(layout.places.values())
    assert len(corners) == len(chain)
    for index, (x, y) in enumerate(corners):
        assert 0 <= x <= layout.width - CARD_WIDTH
        assert 0 <= y <= layout.height - CARD_HEIGHT
        for x2, y2 in corners[:index]:
            assert abs(x - x2) >= CARD_WIDTH or abs(y - y2) >= CARD_HEIGHT
    steps(chain)


@pytest.mark.parametrize("format", GRAPHS)
def test_a_graph_shows_every_memory_and_the_operation(format: str) -> None:
    chain, decisions = merged_chain()
    picture = render_graph(chain, format=format, decisions=decisions)
    for expected in ("M1", "M2", "M3", "UPDATE", "Alice has a cat.", "Alice likes tea."):
        assert expected in picture
    assert render_graph([memory.to_dict() for memory in chain], format=format, decisions=decisions)


@pytest.mark.parametrize("format", [*GRAPHS, *REPORTS])
def test_every_picture_and_report_names_its_memories_so_that_they_can_be_acted_on(format: str) -> None:
    render = render_graph if format in GRAPHS else render_report
    kept = "0b6f9c1e-3f57-4f0e-9b57-8d4f3b1c2a01"
    assert kept in render([note(kept, ["Alice has a cat."], on=1)], format=format)


@pytest.mark.parametrize("format", ["mermaid", "dot"])
def test_a_node_first_says_what_changed(format: str) -> None:
    cat, cities = "Alice has a cat.", ("Alice lives in Berlin.", "Alice lives in Munich.")
    old = ended(note("old", [cat, cities[0]], on=1), "new", on=5)
    drawn = render_graph([old, note("new", [cat, cities[1]], on=5)], format=format)
    was, became = (line for line in drawn.splitlines() if cat in line)
    assert was.index(f"- {cities[0]}") < was.index(cat)
    assert became.index(cities[1]) < became.index(cat)


class Page(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)


def test_the_page_is_one_file_that_loads_nothing_and_runs_nothing() -> None:
    hostile = note("x", [HOSTILE], on=1)
    html = render_graph([hostile.model_copy(update={"text": HOSTILE})], format="html")
    page = Page()
    page.feed(html)
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    for name, value in page.attributes:
        assert name != "src"
        assert not name.startswith("on")
        assert name != "href" or (value or "").startswith("#")
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in html


def test_hostile_text_stays_inside_its_mermaid_and_dot_label() -> None:
    hostile = note("x", [HOSTILE], on=1).model_copy(update={"text": HOSTILE})
    node = render_graph([hostile], format="mermaid").splitlines()[1]
    label = re.fullmatch(r' {4}M1\["(.*)"\]:::active', node)
    assert label
    assert not re.search(r'["`%{}<>|\\]', label[1].replace("<br/>", ""))
    drawn = render_graph([hostile], format="dot")
    assert len(re.findall(r'(?<!\\)(?:\\\\)*"', drawn)) % 2 == 0
    assert '\\"quoted\\"' in drawn


@pytest.mark.parametrize("format", REPORTS)
def test_a_report_tells_counts_timeline_changes_and_insights(format: str) -> None:
    chain, decisions = merged_chain()
    report = render_report([memory.to_dict() for memory in chain], format=format, decisions=decisions)
    for expected in ("updated", "Alice lives in Munich.", "Reason for first.", "1 revision", "2025-01-06"):
        assert expected in report


def test_the_json_report_is_json() -> None:
    chain, decisions = merged_chain()
    report = json.loads(render_report(chain, format="json", decisions=decisions))
    assert report["memories"] == 3
    assert report["by_status"] == {"active": 1, "updated": 2, "superseded": 0, "deleted": 0}
    assert [entry["name"] for entry in report["timeline"]] == ["M1", "M2", "M3"]
    assert report["changes"][0]["before"] == ["M1", "M2"]
    assert report["insights"]


def test_an_empty_chain_is_said_to_be_empty() -> None:
    for kind in GRAPHS:
        assert "no memories" in render_graph([], format=kind).lower()
    assert "No memories" in render_report([], format="markdown")
    assert "No memories" in render_report([], format="text")
    assert json.loads(render_report([], format="json"))["memories"] == 0


def test_an_unknown_format_or_a_chain_of_something_else_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="mermaid, dot, html"):
        render_graph([], format="png")
    with pytest.raises(InvalidRequest, match="markdown, text, json"):
        render_report([], format="pdf")
    with pytest.raises(InvalidRequest, match="not a memory"):
        render_graph([{"memory_id": "x"}], format="dot")
    with pytest.raises(InvalidRequest, match="a str where"):
        render_report(["x"], format="text")  # type: ignore[list-item]  # the point of the test
    with pytest.raises(InvalidRequest, match="list of memories"):
        render_report(None, format="text")  # type: ignore[arg-type]  # the point of the test
