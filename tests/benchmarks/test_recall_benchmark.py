"""The recall benchmark on a tiny set of our own: its figures, its file form, what it refuses."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from benchmarks import recall
from benchmarks.measure import Bench
from benchmarks.recall_contest import contest
from benchmarks.recall_ours import sessions
from benchmarks.recall_quality import MEASURES, qualities, scores
from benchmarks.recall_report import Report, show
from benchmarks.recall_set import Asked, read_recall_set

TINY = Path(__file__).with_name("tiny_recall.json")
SCRIPT = Path(recall.__file__)
METHODS = ("omnimemory", "langchain", "bm25", "omnimemory_with_notes")

Form = dict[str, Any]
Change = Callable[[Form], object]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Form:
    """What the script prints with ``--json``, run by its path from elsewhere."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--data", str(TINY), "--json", "--foreign"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=tmp_path_factory.mktemp("elsewhere"),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: Form = json.loads(done.stdout)
    return found


async def run(path: Path, folder: Path, **options: bool | int) -> Report:
    with Progress(console=Console(quiet=True)) as progress:
        bench = Bench(folder, quick=True, progress=progress)
        return await contest(read_recall_set(path), path, bench, **options)  # type: ignore[arg-type]


def written(folder: Path, change: Change) -> Path:
    """A small right file, changed."""
    turns = [
        {"id": 1, "session": 1, "time": None, "speaker": "Ann", "role": "user", "text": "I keep bees."},
        {
            "id": 2,
            "session": 1,
            "time": "2025-01-02",
            "speaker": "Bo",
            "role": "assistant",
            "text": "Since when?",
        },
    ]
    question = {"conversation": "c", "question": "What does Ann keep?", "gold": [1], "category": 4}
    form: Form = {"name": "small", "conversations": [{"id": "c", "turns": turns}], "questions": [question]}
    change(form)
    path = folder / "set.json"
    path.write_text(json.dumps(form), encoding="utf-8")
    return path


def quality(form: Form) -> Form:
    return {name: form[name] for name in ("overall", "categories", "adversarial")}


def asked(category: str) -> Asked:
    return Asked(conversation="c", text="?", gold=frozenset("a"), category=category)


def test_every_method_reports_every_measure(printed: Form) -> None:
    for method in METHODS:
        for figures in (printed[method]["overall"], *printed[method]["categories"].values()):
            for measure in MEASURES:
                low, high = figures["intervals"][measure]
                assert 0 <= low <= figures[measure] <= high <= 1
    assert printed["omnimemory"]["query_ms"]["p50"] <= printed["omnimemory"]["query_ms"]["p95"]
    assert printed["omnimemory"]["index_seconds"] > 0
    assert printed["omnimemory"]["index_mb"] > 0
    assert printed["versions"]["langchain-core"][0].isdigit()
    assert printed["data"] | {"file": ""} == {
        "name": "tiny",
        "file": "",
        "conversations": 2,
        "turns": 60,
        "questions": 32,
        "blank_turns": 0,
        "unknown_gold": 0,
        "questions_left_out": 0,
    }


def test_adversarial_questions_stand_apart(printed: Form) -> None:
    for method in METHODS:
        found = printed[method]
        assert found["adversarial"]["questions"] == 4
        assert found["overall"]["questions"] == 28
        assert sum(each["questions"] for each in found["categories"].values()) == 28
        assert "adversarial" not in found["categories"]


def test_recall_beats_the_baselines(printed: Form) -> None:
    ours = printed["omnimemory"]["overall"]["R@10"]
    assert ours > printed["langchain"]["overall"]["R@10"]
    assert ours > printed["bm25"]["overall"]["R@10"]


def test_a_note_counts_most_when_it_stands_for_all_it_cites(printed: Form) -> None:
    notes = printed["omnimemory_with_notes"]
    assert notes["notes_in_ten"] > 0
    assert notes["turns_per_note"] >= 1
    strict, stated, cited = (
        found["overall"]["R@10"]
        for found in (notes, notes["counting_statements"], notes["counting_citations"])
    )
    assert strict <= stated <= cited


def test_strangers_questions_are_counted(printed: Form) -> None:
    foreign = printed["foreign"]
    assert foreign["questions"] == 32
    assert 0 <= foreign["results"] <= foreign["own_results"] <= 10
    assert 0 <= foreign["without_results"] <= 1


async def test_digits_are_the_same_on_every_run(printed: Form, tmp_path: Path) -> None:
    again: Form = json.loads((await run(TINY, tmp_path)).as_json())
    for method in METHODS:
        assert quality(again[method]) == quality(printed[method])
    for counting in ("counting_statements", "counting_citations"):
        assert again["omnimemory_with_notes"][counting] == printed["omnimemory_with_notes"][counting]


def test_the_table_shows_every_method(printed: Form) -> None:
    console = Console(width=160)
    with console.capture() as page:
        show(Report.model_validate(printed), console)
    for expected in (
        "OmniMemory with notes",
        "LangChain",
        "BM25",
        "multi-hop",
        "adversarial",
        "another conversation",
    ):
        assert expected in page.get()


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([{"a"}, {"b"}], (1.0, 1.0, 1.0, 1.0)),
        ([{"x"}, {"a"}], (0.5, 0.5, 0.0, (1 / math.log2(3)) / (1 + 1 / math.log2(3)))),
        ([{"x"}] * 5 + [{"a"}, {"b"}], (0.0, 1.0, 1.0, (1 / math.log2(7) + 1 / 3) / (1 + 1 / math.log2(3)))),
        ([{"x"}] * 10 + [{"a"}], (0.0, 0.0, 0.0, 0.0)),
        ([{"a", "b"}, {"a"}], (1.0, 1.0, 1.0, 1 / (1 + 1 / math.log2(3)))),
        ([], (0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_scores_of_one_question(places: list[set[str]], expected: tuple[float, ...]) -> None:
    found = scores([frozenset(place) for place in places], frozenset("ab"))
    assert found == pytest.approx(expected)


def test_without_questions_of_a_sort_there_is_no_figure() -> None:
    ordinary = qualities([asked("x")], [[frozenset("a")]])
    assert ordinary.adversarial is None
    assert ordinary.overall is not None
    assert qualities([asked("adversarial")], [[]]).overall is None


def test_what_may_be_missing_may_be_missing(tmp_path: Path) -> None:
    def bare(form: Form) -> None:
        form["conversations"] = [
            {"id": 3, "turns": [{"id": 1.5, "text": "Hi."}]},
            {"id": "none", "turns": []},
        ]
        form["questions"] = [{"conversation": 3, "question": "Hi?", "gold": 1.5, "note": "ignored"}]
        del form["name"]

    found = read_recall_set(written(tmp_path, bare))
    assert found.asked() == [Asked("3", "Hi?", frozenset({"1.5"}), "uncategorised")]


def test_what_cannot_be_found_is_counted_and_left_out(tmp_path: Path) -> None:
    def broken(form: Form) -> None:
        form["conversations"][0]["turns"].append({"id": 3, "text": "  "})
        form["questions"] += [
            {"conversation": "c", "question": "Half?", "gold": [2, "gone"]},
            {"conversation": "c", "question": "Blank?", "gold": [3]},
            {"conversation": "elsewhere", "question": "Whose?", "gold": [1]},
            {"conversation": "c", "question": "None?", "gold": []},
        ]

    found = read_recall_set(written(tmp_path, broken))
    assert [one.text for one in found.asked()] == ["What does Ann keep?", "Half?"]
    left_out = found.left_out()
    assert (left_out.blank_turns, left_out.unknown_gold, left_out.questions) == (1, 3, 3)


async def test_an_empty_conversation_is_no_obstacle(tmp_path: Path) -> None:
    path = written(tmp_path, lambda form: form["conversations"].append({"id": "none", "turns": []}))
    found = await run(path, tmp_path, notes=False)
    assert found.omnimemory.overall is not None
    assert found.omnimemory.overall.r10 == 1.0
    assert found.omnimemory_with_notes is None


def test_turns_are_handed_in_as_they_were_said(tmp_path: Path) -> None:
    def talk(form: Form) -> None:
        form["conversations"][0]["turns"] += [
            {"id": 3, "session": "x", "speaker": "Bo\n", "role": "AI", "text": "So?"},
            {"id": 4, "session": "x", "speaker": "Ann", "role": "narrator", "text": "Since May."},
            {"id": 5, "session": "x", "speaker": "Cy", "text": "Me too."},
        ]

    (conversation,) = read_recall_set(written(tmp_path, talk)).conversations
    first, second = sessions(conversation, "app")
    assert (first.user_id, first.session_id, second.session_id) == ("c", "1", "x")
    assert [message.id for message in (*first.messages, *second.messages)] == list("12345")
    assert [message.timestamp is None for message in first.messages] == [True, False]
    assert [(message.role, message.name) for message in second.messages] == [
        ("assistant", "Bo"),
        ("user", "Ann"),
        ("assistant", "Cy"),
    ]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (
            lambda form: form["conversations"][0]["turns"][1].pop("text"),
            "conversations[0].turns[1].text: Field required",
        ),
        (
            lambda form: form["conversations"][0]["turns"][1].update(id=True),
            "conversations[0].turns[1].id: must be text",
        ),
        (
            lambda form: form["conversations"][0]["turns"][0].update(time="noon"),
            "conversations[0].turns[0].time",
        ),
        (
            lambda form: form["conversations"][0]["turns"][1].update(id=1),
            "conversations[0].turns[1].id: '1' stands",
        ),
        (
            lambda form: form["conversations"].append({"id": "c", "turns": []}),
            "conversations[1].id: 'c' stands",
        ),
        (lambda form: form["questions"][0].pop("gold"), "questions[0].gold: Field required"),
        (lambda form: form["questions"][0].update(question=" "), "questions[0].question: is blank"),
        (lambda form: form["questions"][0].update(gold=["gone"]), "questions: none has a gold turn"),
        (lambda form: form.update(conversations=[]), "conversations: "),
        (lambda form: form.pop("questions"), "questions: Field required"),
    ],
)
def test_a_wrong_file_is_refused_by_its_place(
    change: Change, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, change)
    assert recall.main(["--data", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {path}: ")
    assert place in said


def test_what_is_no_recall_set_at_all_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "set.json"
    assert recall.main(["--data", str(path)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    for text, said in (("{", "Invalid JSON"), ("[]", "the file: "), ("", "Invalid JSON")):
        path.write_text(text, encoding="utf-8")
        assert recall.main(["--data", str(path)]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "variable"),
    [("--backend=atlantis", "OMNI_MEMORY_PROVIDER"), ("--embedder=atlantis", "EMBEDDING_PROVIDER")],
)
def test_an_unknown_part_is_named(
    option: str, variable: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, dict)
    assert recall.main(["--data", str(path), option]) == 2
    said = capsys.readouterr().err
    assert "error: " in said
    assert variable in said


def test_strangers_need_a_second_conversation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, dict)
    assert recall.main(["--data", str(path), "--foreign"]) == 2
    assert "two conversations" in capsys.readouterr().err


def test_the_help_says_where_such_data_comes_from_and_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        recall.main(["--help"])
    said = capsys.readouterr().out
    for expected in ("snap-research", "CC BY-NC 4.0", "LongMemEval", "MIT"):
        assert expected in said
