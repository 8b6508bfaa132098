"""Scripted chats through choosing and resolving: what changes is found, what only grows stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from omnimemory.agents.extractive import ExtractiveAgents
from omnimemory.core.proposals import Resolution
from omnimemory.core.schemas import Link, Memory, MemoryKind, Operation, Statement, StatementPair
from omnimemory.models.base import Usage

START = datetime(2025, 3, 5, 12, 0, tzinfo=UTC)
AGENTS = ExtractiveAgents()

DURABLE = """The workshop starts at six.
The rent is nine hundred euros.
The course costs forty pounds.
The dog's name is Pickle.
The vet is called Dr. Moss.
The gate code is 4471.
The deadline is the first of May.
The shop opens at nine and closes at noon.
The flat has three bedrooms.
The server runs version 3.2.
The membership expires in June.
The studio is on Baker Lane.
The studio's phone number is 555-0199.
Our test suite takes forty minutes.
I just adopted a cat.
I sing in a choir.
I have two sisters.
My brother's wedding is in August.""".splitlines()

SMALL_TALK = """The kettle is boiling.
The ovens are heating, so I have ten minutes.
I have a quick question.
I have an update about my sketches.
I have one more thing.
I just got back.
I just came home from a shift.
The kids are sleeping, so I can talk.
I will be right back.
I have to run now.
We were laughing so hard.
I am eating lunch right now.
I am so tired.
I heard something funny.
I signed up for something silly.""".splitlines()

CHANGES = {
    "I live in a flat in Leiden.": (
        "I moved from Leiden to Utrecht.",
        "I no longer live in Leiden, I live in Utrecht now.",
        "I used to live in Leiden, now I live in Utrecht.",
    ),
    "I use Notion for my recipes.": (
        "I switched from Notion to Obsidian for my recipes.",
        "I stopped using Notion and use Obsidian instead.",
        "I keep my recipes in Obsidian instead of Notion now.",
    ),
    "I work as a paramedic.": (
        "I quit being a paramedic and work as a teacher now.",
        "I no longer work as a paramedic, I work as a teacher.",
        "I work as a school teacher now.",
    ),
    "My pottery class costs sixty euros.": (
        "My pottery class costs seventy euros now.",
        "The price of my pottery class went up, my pottery class now costs seventy euros.",
        "Correction: my pottery class costs seventy euros.",
    ),
    "I am vegetarian.": (
        "I am not vegetarian anymore.",
        "I became vegan last month.",
        "I'm no longer vegetarian.",
    ),
    "My standup is at nine.": (
        "My standup is now at ten.",
        "My standup was moved to ten o'clock.",
        "My standup moved from nine to half past nine.",
    ),
    "I buy my wool from Harris Mill.": (
        "I switched from Harris Mill to Elm Yarn for wool.",
        "I buy my wool from Elm Yarn now.",
        "I no longer buy wool from Harris Mill, I buy it from Elm Yarn.",
    ),
    "My hamster is called Biscuit.": (
        "I renamed my hamster to Waffle.",
        "My hamster is now called Waffle.",
        "Sorry, I meant my hamster is called Waffle, not Biscuit.",
    ),
    "I own a cello.": ("I sold my cello.", "I sold the cello last week.", "I don't have a cello any more."),
    "I am dating Ivo.": ("Ivo and I broke up.", "I broke up with Ivo.", "I'm no longer dating Ivo."),
}

NO_CONFLICT = (
    ("I bake bread on Sundays.", "My oven is gas."),
    ("I bake rolls on Fridays.", "I bought a new proving basket."),
    ("My starter is four years old.", "My starter is called Clint."),
    ("I teach a bread class in Leeds.", "The class costs thirty pounds."),
    ("The class has eight places.", "The class starts at ten."),
    ("My uncle runs a mill in Otley.", "I visited the mill in April."),
    ("I visited the mill again in May with my cousin.",),
    ("I like rye bread.", "I also like spelt bread."),
    ("I don't like raisin bread.",),
    ("My car is a Skoda.", "I drive to the mill on Saturdays."),
    ("My car is green.", "My car has 80,000 miles on it."),
    ("I plan to visit Vienna in June.",),
    ("I booked the train to Vienna.",),
    ("I was in Vienna last week.", "The hotel in Vienna cost ninety euros a night."),
    ("If I lived in Vienna I would eat cake every day.",),
    ("My sister lives in Graz.", "My brother lives in Linz."),
    ("My sister has a dog.", "My brother has a cat."),
    ("I might move to York one day.",),
    ("My neighbour said she moved to York.",),
    ("I prefer short answers.",),
    ("I prefer examples in Python.",),
    ("I have two bikes.", "My road bike is red.", "My old bike is blue."),
    ("I rode 40 km on Tuesday.",),
    ("I rode 55 km on Friday.",),
)


def window(texts: Sequence[str], day: int) -> list[Memory]:
    said = START + timedelta(days=day)
    return [
        Memory(
            id=f"w{day}t{i}", app_id="app", user_id="u", kind=MemoryKind.TURN, text=text, created_at=said,
            occurred_at=said, role="user", name="Ann",
        )
        for i, text in enumerate(texts)
    ]  # fmt: skip


async def note(texts: Sequence[str], day: int) -> Memory:
    draft = await AGENTS.synthesize(window(texts, day), instructions=None, usage=Usage())
    said = START + timedelta(days=day)
    return Memory(
        id=f"n{day}", app_id="app", user_id="u", kind=MemoryKind.NOTE, text="note", created_at=said,
        occurred_at=said, statements=tuple(
            Statement(id=f"s{i}", text=s.text, sources=s.sources, occurred_at=s.occurred_at)
            for i, s in enumerate(draft.statements, 1)
        ),
    )  # fmt: skip


async def resolve(new: Memory, old: Sequence[Memory]) -> Resolution:
    pair = (StatementPair(new_id="s1", old_id="s1", similarity=0.8),)
    links = [Link(memory=each, pairs=pair, similarity=0.8) for each in old]
    return await AGENTS.resolve(new, links, usage=Usage())


@pytest.mark.parametrize("said", DURABLE)
async def test_what_lasts_is_remembered(said: str) -> None:
    assert (await note([said], 0)).statements


@pytest.mark.parametrize("said", SMALL_TALK)
async def test_the_passing_moment_is_not(said: str) -> None:
    assert not (await note([said], 0)).statements


@pytest.mark.parametrize(("old", "new"), [(old, new) for old, news in CHANGES.items() for new in news])
async def test_a_change_is_found_however_it_is_worded(old: str, new: str) -> None:
    known = await note([old, "What a lovely day."], 0)
    resolution = await resolve(await note([new], 30), [known])
    assert [verdict.contradicted for verdict in resolution.verdicts] == [("s1",)]


@pytest.mark.parametrize("size", [1, 24], ids=["each sentence a session", "sessions as they were"])
async def test_a_life_without_a_conflict_neither_updates_nor_deletes(size: int) -> None:
    sessions = NO_CONFLICT if size > 1 else tuple((text,) for texts in NO_CONFLICT for text in texts)
    known: list[Memory] = []
    for day, texts in enumerate(sessions):
        new = await note(texts, day)
        if not new.statements:
            continue
        assert (await resolve(new, known)).verdicts == (), texts
        known.append(new)


async def test_the_same_session_again_is_skipped() -> None:
    texts = ["I live in Leiden.", "My pottery class costs sixty euros."]
    resolution = await resolve(await note(texts, 9), [await note(texts, 0)])
    assert [verdict.operation for verdict in resolution.verdicts] == [Operation.SKIP]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("I use Figma for my wireframes.", "Ann uses Figma for their wireframes."),
        ("I sold my car.", "Ann sold their car."),
        ("I lent Tom my car.", "Ann lent Tom Ann's car."),
        ("I feed the cats in my kitchen.", "Ann feeds the cats in Ann's kitchen."),
        ("My sister moved to Ghent.", "Ann's sister moved to Ghent."),
        (
            "I stopped using Zotero and use Mendeley instead.",
            "Ann stopped using Zotero and uses Mendeley instead.",
        ),
    ],
)
async def test_the_owner_is_a_pronoun_only_where_nobody_else_could_be_meant(said: str, kept: str) -> None:
    assert [statement.text for statement in (await note([said], 0)).statements] == [kept]
