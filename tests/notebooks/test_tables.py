"""How memories and results look in a terminal and in a notebook."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from omnimemory import OmniMemorySDK, SyncOmniMemorySDK, UserMessages
from omnimemory.core.results import MemoryList
from omnimemory.core.schemas import Memory, MemoryPage, Message, Recalled, ScoredMemory, Statement

SAID = datetime(2026, 5, 18, tzinfo=UTC)
STATEMENTS = tuple(Statement(id=f"s{n}", text=f"Fact {n}.") for n in range(1, 9))


def memory(text: str = "Ann lives in Riga.", **fields: Any) -> Memory:
    given = {"id": "m1", "app_id": "app", "user_id": "ann", "kind": "turn", "created_at": SAID}
    return Memory.model_validate({**given, "occurred_at": SAID, "text": text, **fields})


def note(**fields: Any) -> Memory:
    return memory("## Summary\n\nFact 1.", kind="note", statements=STATEMENTS, **fields)


def scored(found: Memory, rank: int = 1, **fields: Any) -> ScoredMemory:
    scores = {"relevance": 0.91, "match": 0.62, "similarity_score": 0.55, "lexical_score": 4.25}
    more = {"recency_score": 0.73, "importance_score": 0.44, "composite_score": 1.0165}
    return ScoredMemory.model_validate({"memory": found, "rank": rank, **scores, **more, **fields})


class Reader(HTMLParser):
    """Tags in order, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def html(shown: Any) -> str:
    found = shown._repr_html_()  # what notebooks call
    assert isinstance(found, str)
    return found


RESULTS = MemoryList([scored(memory()), scored(note(), 2, matched_statement=STATEMENTS[4])])


def test_results_print_as_a_table() -> None:
    assert str(RESULTS) == repr(RESULTS)
    assert str(RESULTS).splitlines() == [
        "#  score  relevance  recency  importance  kind  said        memory",
        "1  1.016      0.910    0.730       0.440  turn  2026-05-18  Ann lives in Riga.",
        "2  1.016      0.910    0.730       0.440  note  2026-05-18  "
        "Fact 5. Fact 1. Fact 2. Fact 3. Fact 4. Fact 6.",
        f"{'':60}Fact 7. Fact 8.",
    ]


def test_results_show_as_a_table_in_notebooks_with_the_matched_statement_first() -> None:
    read = Reader(html(RESULTS))
    assert read.open == []
    assert read.tags.count("tr") == 3
    heads = ["#", "score", "relevance", "recency", "importance", "kind", "said", "memory"]
    assert read.texts[:8] == heads
    assert read.texts[8:16] == [
        "1", "1.016", "0.910", "0.730", "0.440", "turn", "2026-05-18", "Ann lives in Riga.",
    ]  # fmt: skip
    assert read.texts[23:] == ["Fact 5.", "Fact 1.", "Fact 2.", "Fact 3.", "Fact 4.", "+3 more"]


def test_a_chain_shows_states_and_reasons() -> None:
    chain = MemoryList([note(status="updated", status_reason="manual_update"), memory(id="m2")])
    first = str(chain).splitlines()[1].split()
    assert first[:6] == ["1", "note", "updated", "manual", "update", "2026-05-18"]
    assert Reader(html(chain)).texts[:6] == ["#", "kind", "status", "reason", "said", "memory"]


@pytest.mark.parametrize(
    "shown",
    [RESULTS, RESULTS[0], Recalled(memories=tuple(RESULTS)), MemoryPage(memories=(memory(),)), memory()],
    ids=lambda shown: type(shown).__name__,
)
def test_no_markup_in_a_memory_reaches_the_page(shown: Any) -> None:
    evil = "<script>alert(1)</script> & \"quoted\" 'text'"
    safe = Reader(html(shown))
    found = memory(evil, statements=(Statement(id="s1", text=evil),))
    hit = scored(found, matched_statement=found.statements[0])
    changed: dict[type, Any] = {
        MemoryList: MemoryList([hit]),
        ScoredMemory: hit,
        Recalled: Recalled(memories=(hit,)),
        MemoryPage: MemoryPage(memories=(found,)),
        Memory: found,
    }
    read = Reader(html(changed[type(shown)]))
    assert evil in read.texts
    assert set(read.tags) <= set(safe.tags) | {"b"}
    assert "style" not in read.tags


def test_no_control_character_reaches_the_terminal() -> None:
    found = memory("red \x1b[31malert\x07 \u202egnp")
    for shown in (found, scored(found), MemoryList([found]), MemoryPage(memories=(found,))):
        for text in (str(shown), repr(shown), html(shown)):
            assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_a_table_takes_its_colours_from_the_page() -> None:
    page = html(RESULTS) + html(memory())
    assert "background" not in page
    assert "color:" not in page


def test_one_memory_shows_its_whole_text() -> None:
    lines = str(note()).splitlines()
    assert lines == ["note · active · said 2026-05-18 · m1", "## Summary", "", "Fact 1."]
    assert repr(note()) == "<Memory note active 2026-05-18: Fact 1.>"
    assert "## Summary\n\nFact 1." in Reader(html(note())).texts


def test_one_result_shows_its_scores_and_what_matched() -> None:
    hit = RESULTS[1]
    lines = str(hit).splitlines()
    assert lines[0] == "2. 1.016 (relevance 0.910, recency 0.730, importance 0.440) · note · said 2026-05-18"
    assert lines[1] == "Fact 5."
    assert repr(hit) == "<ScoredMemory 2. 1.016 note: Fact 5.>"


@pytest.mark.parametrize("empty", [MemoryList(), Recalled(), MemoryPage()])
def test_nothing_found_says_so(empty: Any) -> None:
    assert str(empty) == "No memories."
    assert Reader(html(empty)).texts == ["No memories."]


def test_a_long_listing_is_cut_and_says_so() -> None:
    page = MemoryPage(memories=tuple(memory(id=f"m{n}") for n in range(60)), next_cursor="c")
    assert str(page).splitlines()[-1] == "10 more rows are not shown. More with next_cursor."
    assert Reader(html(page)).tags.count("tr") == 51
    assert len(str(MemoryList([memory("word " * 200_000)]))) < 1000


def test_said_is_the_day_of_the_newest_evidence_for_a_memory() -> None:
    later = datetime(2026, 9, 1, tzinfo=UTC)
    confirmed, ended = memory(updated_at=later), memory(updated_at=later, status="updated")
    assert "2026-09-01" in str(MemoryList([confirmed]))
    assert "2026-05-18" in str(MemoryList([ended]))


def test_blank_and_unsaid_memories_have_a_row() -> None:
    assert str(MemoryList([memory("## Summary", occurred_at=None)])).splitlines()[1].split()[-1] == "-"


def test_the_list_is_a_list_in_every_other_way() -> None:
    plain = [*RESULTS]
    assert isinstance(RESULTS, list)
    assert plain == RESULTS
    assert sorted(RESULTS, key=lambda hit: -hit.rank) == plain[::-1]
    assert plain + RESULTS == plain * 2
    assert (type(RESULTS[:1]), RESULTS[:1], RESULTS[-1]) == (MemoryList, plain[:1], plain[-1])
    assert copy.copy(RESULTS) == pickle.loads(pickle.dumps(RESULTS)) == plain
    assert json.loads(json.dumps([dict(hit) for hit in RESULTS]))[0]["document"] == "Ann lives in Riga."
    grown: MemoryList[Any] = MemoryList(RESULTS)
    grown.append(memory("late"))
    grown.append("a stranger")
    assert len(str(grown).splitlines()) == 4
    assert not MemoryList()


def test_queries_and_chains_come_as_such_lists(tmp_path: Any) -> None:
    with SyncOmniMemorySDK(OmniMemorySDK(home=tmp_path)) as sdk:
        said = [Message(role="user", content="I live in Riga.", id="one")]
        sdk.add_memory(UserMessages(app_id="app", user_id="ann", messages=said), infer=False)
        found = sdk.query_memory("app", "Where do I live?", user_id="ann")
        chain = sdk.traverse_memory_evolution_chain("app", found[0].memory_id)
        missing = sdk.traverse_memory_evolution_chain("app", "unknown")
    assert [type(each) for each in (found, chain, missing)] == [MemoryList] * 3
    assert "I live in Riga." in str(found)
    assert "active" in str(chain)
    assert missing == []
