"""The agents without a model: what they choose, how they retell it, what they decide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from omnimemory.agents.base import Agents
from omnimemory.agents.extractive import ExtractiveAgents
from omnimemory.agents.extractive.retell import NOTHING_KNOWN
from omnimemory.agents.terms import dedupe
from omnimemory.core.proposals import MAX_STATEMENTS, Draft, Resolution
from omnimemory.core.schemas import (
    Link,
    Memory,
    MemoryKind,
    Operation,
    Role,
    ScoredMemory,
    Statement,
    StatementPair,
)
from omnimemory.models.base import Usage

WEDNESDAY = datetime(2025, 3, 5, 12, 0, tzinfo=UTC)
AGENTS: Agents = ExtractiveAgents()


def turn(text: str, *, role: Role = "user", name: str | None = None, id: str = "t1") -> Memory:
    return Memory(
        id=id, app_id="app", user_id="u", kind=MemoryKind.TURN, text=text, created_at=WEDNESDAY,
        occurred_at=WEDNESDAY, role=role, name=name,
    )  # fmt: skip


def note(id: str, *texts: str, days: int = 0) -> Memory:
    said = WEDNESDAY + timedelta(days=days)
    statements = tuple(Statement(id=f"s{i}", text=t, sources=(f"{id}-t{i}",)) for i, t in enumerate(texts, 1))
    return Memory(
        id=id, app_id="app", user_id="u", kind=MemoryKind.NOTE, text="\n".join(texts), created_at=said,
        occurred_at=said, statements=statements,
    )  # fmt: skip


def link(old: Memory) -> Link:
    return Link(memory=old, pairs=(StatementPair(new_id="s1", old_id="s1", similarity=0.8),), similarity=0.8)


async def synthesize(*turns: Memory) -> Draft:
    return await AGENTS.synthesize(turns, instructions=None, usage=Usage())


async def statements_of(*texts: str, name: str | None = None) -> list[str]:
    turns = [turn(text, id=f"t{i}", name=name) for i, text in enumerate(texts)]
    return [statement.text for statement in (await synthesize(*turns)).statements]


async def resolve(new: Memory, *old: Memory) -> Resolution:
    return await AGENTS.resolve(new, [link(each) for each in old], usage=Usage())


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("I moved to Bergen.", "Ann moved to Bergen."),
        ("I'm allergic to nuts.", "Ann is allergic to nuts."),
        ("I've been learning Welsh since May.", "Ann has been learning Welsh since May."),
        ("I really prefer dark mode.", "Ann really prefers dark mode."),
        ("My sister studies law in Ghent.", "Ann's sister studies law in Ghent."),
        ("I don't like long meetings.", "Ann doesn't like long meetings."),
        ("I study Greek and watch it on video.", "Ann studies Greek and watches it on video."),
    ],
)
async def test_plain_first_person_is_retold_of_the_speaker(said: str, kept: str) -> None:
    assert await statements_of(said, name="Ann") == [kept]


async def test_without_a_name_the_speaker_is_the_user() -> None:
    assert await statements_of("I live in Cork.") == ["User lives in Cork."]


async def test_what_cannot_be_retold_safely_is_quoted() -> None:
    assert await statements_of("We deploy our API with Jenkins.", name="Ann") == [
        'Ann said: "We deploy our API with Jenkins."'
    ]


async def test_relative_dates_are_resolved_beside_the_words() -> None:
    assert await statements_of("I moved to Bergen last month.") == [
        "User moved to Bergen last month (February 2025)."
    ]
    assert await statements_of("I adopted a cat yesterday.") == ["User adopted a cat yesterday (2025-03-04)."]
    assert await statements_of("I fly to Rome next Friday.") == [
        "User flies to Rome next Friday (2025-03-07)."
    ]
    assert await statements_of("I sold my car two weeks ago.") == [
        "User sold their car two weeks ago (week of 2025-02-17)."
    ]


async def test_small_talk_questions_and_hypotheticals_give_no_note() -> None:
    draft = await synthesize(
        turn("Hi there! How are you?"), turn("Thanks a lot!"), turn("Could you sort this list?"),
        turn("If I had a boat I would sail to Crete."), turn("You're welcome!", role="assistant"),
    )  # fmt: skip
    assert draft.statements == ()
    assert draft.tags == ()


async def test_facts_that_may_end_apart_are_statements_apart() -> None:
    assert await statements_of("I live in Leeds and work as a nurse.") == [
        "User lives in Leeds.",
        "User works as a nurse.",
    ]


async def test_a_remark_that_points_back_stays_with_its_sentence() -> None:
    assert await statements_of("I adopted a dog. He's called Rex.") == [
        "User adopted a dog. He's called Rex."
    ]


async def test_a_note_names_its_sources_and_says_what_was_learnt() -> None:
    draft = await synthesize(
        turn("I prefer short answers with code.", id="a"),
        turn("I tried caching with Redis and it failed.", id="b"),
        turn("Batching the writes fixed the slow import.", id="c", role="assistant"),
        turn("I'm planning to visit Crete in June.", id="d"),
    )
    assert [statement.sources for statement in draft.statements] == [("a",), ("b",), ("c",), ("d",)]
    assert all(statement.occurred_at == WEDNESDAY for statement in draft.statements)
    assert "short answers" in draft.sections.behavioral_patterns
    assert "Worked: Batching the writes" in draft.sections.experience_learnings
    assert "Failed: User tried caching with Redis" in draft.sections.experience_learnings
    assert "Recommended: User prefers short answers" in draft.sections.guidance
    assert "Avoid: User tried caching with Redis" in draft.sections.guidance
    assert any("Crete" in text for text in draft.follow_ups)
    assert "Redis" in draft.tags
    assert draft.queries


async def test_a_long_window_gives_at_most_twelve_statements_in_order() -> None:
    draft = await synthesize(*(turn(f"I moved to Town{i} in 19{i + 10}.", id=f"t{i}") for i in range(30)))
    assert len(draft.statements) == MAX_STATEMENTS
    order = [int(statement.sources[0][1:]) for statement in draft.statements]
    assert order == sorted(order)


async def test_other_languages_are_kept_verbatim() -> None:
    kept = await statements_of("Ich wohne seit Mai in Hamburg.", "我住在上海。", "Я живу в Казани.")
    assert kept == [
        'User said: "Ich wohne seit Mai in Hamburg."',
        'User said: "我住在上海。"',
        'User said: "Я живу в Казани."',
    ]


async def test_what_an_agent_saves_is_always_remembered_verbatim() -> None:
    draft = await AGENTS.compose([turn("ok")], instructions=None, usage=Usage())
    assert [statement.text for statement in draft.statements] == ["ok"]
    saved = [turn("Thanks! The tenant prefers email. Rent is due on the 3rd.")]
    draft = await AGENTS.compose(saved, instructions=None, usage=Usage())
    assert [s.text for s in draft.statements] == ["The tenant prefers email.", "Rent is due on the 3rd."]


async def test_a_note_that_says_nothing_new_is_skipped() -> None:
    resolution = await resolve(
        note("new", "Ann lives in Rome."), note("old", "Ann lives in Rome.", "Ann likes tea.")
    )
    assert [(v.memory_id, v.operation) for v in resolution.verdicts] == [("old", Operation.SKIP)]
    assert resolution.merge is None


async def test_a_note_with_anything_new_is_never_skipped() -> None:
    resolution = await resolve(
        note("new", "Ann lives in Rome.", "Ann plays chess."), note("old", "Ann lives in Rome.")
    )
    assert all(verdict.operation is not Operation.SKIP for verdict in resolution.verdicts)


async def test_repetitions_spread_over_several_notes_are_skipped_together() -> None:
    new = note("new", "Ann lives in Rome.", "Ann plays chess.")
    resolution = await resolve(new, note("a", "Ann lives in Rome."), note("b", "Ann plays chess."))
    assert {(v.memory_id, v.operation) for v in resolution.verdicts} == {("a", "SKIP"), ("b", "SKIP")}


async def test_a_contradicted_statement_is_named_and_quoted() -> None:
    old = note("old", "Ann likes tea.", "Ann lives in Rome.")
    verdict = (await resolve(note("new", "Ann moved to Oslo."), old)).verdicts[0]
    assert (verdict.operation, verdict.contradicted) == (Operation.DELETE, ("s2",))
    assert "Ann moved to Oslo." in verdict.reasoning
    assert "Ann lives in Rome." in verdict.reasoning
    assert 0.5 <= verdict.confidence < 1


async def test_nothing_said_later_is_ended() -> None:
    later = note("old", "Ann lives in Rome.", days=3)
    assert (await resolve(note("new", "Ann moved to Oslo."), later)).verdicts == ()


async def test_unrelated_notes_are_left_out() -> None:
    old = [note("a", "Ben lives in Rome."), note("b", "Ann visited Rome."), note("c", "Ann has two cats.")]
    assert await resolve(note("new", "Ann moved to Oslo."), *old) == Resolution(verdicts=())


async def test_an_update_carries_on_every_statement_or_names_it() -> None:
    new = note("new", "Ann moved to Oslo.", "Ann has a dog called Rex.", "Ann plays chess.", days=1)
    old = note("old", "Ann lives in Rome.", "Ann has a dog.", "Ann likes tea.")
    resolution = await resolve(new, old)
    assert [(v.operation, v.contradicted) for v in resolution.verdicts] == [(Operation.UPDATE, ("s1",))]
    assert resolution.merge is not None
    carried = {origin for statement in resolution.merge.statements for origin in statement.origins}
    assert carried == {("new", "s1"), ("new", "s2"), ("new", "s3"), ("old", "s2"), ("old", "s3")}
    assert [s.text for s in resolution.merge.statements] == [
        "Ann has a dog called Rex.", "Ann likes tea.", "Ann moved to Oslo.", "Ann plays chess.",
    ]  # fmt: skip


async def test_a_merge_never_outgrows_one_note() -> None:
    old = note(
        "old", *(f"Ann owns book number {i}." for i in range(22)), "Ann has a dog.", "Ann lives in Rome."
    )
    new = note("new", "Ann moved to Oslo.", "Ann has a dog called Rex.", "Ann plays chess.", "Ann likes tea.")
    resolution = await resolve(new, old)
    assert resolution.merge is None
    assert [v.operation for v in resolution.verdicts] == [Operation.DELETE]


async def test_a_summary_is_made_of_what_was_said() -> None:
    turns = [turn("I live in Cork. I prefer tea."), turn("I tried yoga and it failed.")]
    fast = await AGENTS.summarize(turns, fast=True, instructions=None, usage=Usage())
    full = await AGENTS.summarize(turns, fast=False, instructions=None, usage=Usage())
    assert "User lives in Cork." in fast.content
    assert fast.structured is None
    assert full.structured is not None
    assert "yoga" in full.structured["experience_learnings"]


def scored(memory: Memory) -> ScoredMemory:
    return ScoredMemory(
        memory=memory, rank=1, relevance=1, match=1, similarity_score=0.9, lexical_score=1, recency_score=1,
        importance_score=1, composite_score=1,
    )  # fmt: skip


async def test_an_answer_quotes_memories_with_their_dates() -> None:
    known = [scored(note("n", "Ann lives in Rome.", "Ann likes tea."))]
    assert await AGENTS.answer("Which city does Ann live in?", known, usage=Usage()) == (
        'From memory: "Ann lives in Rome." (2025-03-05)'
    )


async def test_an_answer_says_when_nothing_is_known() -> None:
    known = [scored(note("n", "Ann lives in Rome."))]
    assert await AGENTS.answer("What is the gate code?", known, usage=Usage()) == NOTHING_KNOWN
    assert await AGENTS.answer("What is the gate code?", [], usage=Usage()) == NOTHING_KNOWN


async def test_no_model_is_called() -> None:
    usage = Usage()
    await AGENTS.synthesize([turn("I live in Cork.")], instructions=None, usage=usage)
    assert usage.calls == 0


def test_terms_are_said_once() -> None:
    assert dedupe(["Python", "python ", "vector database", "database vector", "N/A", "C", "C#"], 8) == (
        "Python", "vector database", "C", "C#",
    )  # fmt: skip
    assert dedupe(["GPT-4", "GPT-5", "sport", "sports"], 3) == ("GPT-4", "GPT-5", "sport")
