"""The demo through the real pipeline: every promise it prints is computed, none is keyed on its data."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from omnimemory.core.schemas import Operation, Status
from omnimemory.demo.conversations import BUNDLED, Conversations, read_conversations
from omnimemory.demo.report import DemoReport
from omnimemory.demo.runner import run_demo
from omnimemory.sdk import OmniMemorySDK

RUN = [sys.executable, "-c", "from omnimemory.cli.app import main; main()", "demo"]


async def report_on(given: Conversations, home: Path, graph: Path | None = None) -> DemoReport:
    async with OmniMemorySDK(home=home) as sdk:
        return await run_demo(sdk, given, graph=graph)


def operations(report: DemoReport) -> Counter[Operation]:
    return Counter(change.operation for change in report.evolution)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The page and the graph of one run of the command."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        RUN, capture_output=True, text=True, encoding="utf-8", cwd=folder, check=True, timeout=60
    )
    return done.stdout, (folder / "evolution.html").read_text(encoding="utf-8")


async def test_the_bundled_conversations_evolve_in_every_way(tmp_path: Path) -> None:
    report = await report_on(read_conversations(), tmp_path, tmp_path / "graph.html")
    found = operations(report)
    assert found[Operation.UPDATE] >= 1
    assert found[Operation.DELETE] >= 1
    assert found[Operation.SKIP] >= 1
    assert all(change.reasoning for change in report.evolution)
    assert any(change.contradicted for change in report.evolution)
    assert len(report.chain) >= 2
    assert report.chain[-1].status is Status.ACTIVE
    assert all(user.notes for user in report.notes)
    assert report.sound
    assert all(check.owner_found for check in report.tenancy if check.question)
    assert sum(answer.found is True for answer in report.recall) >= len(report.recall) - 1


async def test_renamed_and_reordered_conversations_evolve_all_the_same(tmp_path: Path) -> None:
    text = BUNDLED.read_text(encoding="utf-8")
    for old, new in (
        ("Lisbon", "Gdansk"), ("Porto", "Krakow"), ("Figma", "Quillo"), ("Penpot", "Drawly"),
        ("Jenkins", "Bamboo"), ("GitHub Actions", "Woodpecker"), ("Harrow Mill", "Elm Mill"),
        ("Ines", "Marta"), ("Tomas", "Joost"), ("Amara", "Leila"), ("Kenji", "Bruno"),
        ("ines", "marta"), ("tomas", "joost"), ("amara", "leila"), ("kenji", "bruno"),
    ):  # fmt: skip
        text = text.replace(old, new)
    document = json.loads(text)
    document["conversations"].reverse()
    renamed = tmp_path / "renamed.json"
    renamed.write_text(json.dumps(document), encoding="utf-8")
    found = operations(await report_on(read_conversations(renamed), tmp_path / "home"))
    assert min(found[operation] for operation in (Operation.UPDATE, Operation.DELETE, Operation.SKIP)) >= 1


async def test_conversations_without_a_conflict_change_nothing(tmp_path: Path) -> None:
    facts = ("I play the cello.", "My car is a blue estate.", "I was born in Oslo.", "My aunt breeds goats.")
    turns = [{"session": n, "role": "user", "text": fact} for n, fact in enumerate(facts)]
    given = Conversations.model_validate({"conversations": [{"id": "a", "user": "a", "turns": turns}]})
    report = await report_on(given, tmp_path)
    assert not {Operation.UPDATE, Operation.DELETE} & operations(report).keys()
    assert report.sound


async def test_the_same_file_again_adds_nothing(tmp_path: Path) -> None:
    given = read_conversations()
    first = await report_on(given, tmp_path)
    second = await report_on(given, tmp_path)
    assert [[n.id for n in user.notes] for user in first.notes] == [
        [n.id for n in u.notes] for u in second.notes
    ]
    assert operations(first) == operations(second)


async def test_a_lone_user_with_unknown_times_is_enough(tmp_path: Path) -> None:
    turns = [{"role": "user", "text": "I keep bees behind the barn.", "time": None}]
    given = Conversations.model_validate({"conversations": [{"id": "a", "user": "a", "turns": turns}]})
    report = await report_on(given, tmp_path)
    (check,) = report.tenancy
    assert (check.owner_found, check.returned) == (True, 0)


def test_the_page_shows_each_section_without_colour(printed: tuple[str, str]) -> None:
    page, _ = printed
    for title in ("Notes", "Evolution", "One chain", "Recall", "Tenancy", "Timings"):
        assert title in page
    for word in (
        "UPDATE",
        "DELETE",
        "SKIP",
        "agents:",
        "embedder:",
        "none answered from another user's memory",
    ):
        assert word in page
    assert "\x1b" not in page


def test_the_graph_is_a_page_of_its_own(printed: tuple[str, str]) -> None:
    _, graph = printed
    assert graph.lstrip().lower().startswith("<!doctype html")
    assert "https://" not in graph.replace("http://www.w3.org", "")


def test_json_is_one_document(tmp_path: Path) -> None:
    done = subprocess.run(
        [*RUN, "--json", "--home", "kept", "--out", "graph.html"],
        capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, check=True, timeout=60,
    )  # fmt: skip
    report = DemoReport.model_validate_json(done.stdout)
    assert report.turns >= 80
    assert report.graph == "graph.html"
    assert (tmp_path / "kept").is_dir()


def test_a_graph_that_cannot_be_written_is_wrong_use(tmp_path: Path) -> None:
    done = subprocess.run(
        [*RUN, "--out", "absent/graph.html"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "--out" in done.stderr
