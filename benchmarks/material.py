"""What the benchmarks talk about: made-up chats from word lists, the same with every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from omnimemory.core.schemas import Message, UserMessages


def _choices(text: str) -> list[str]:
    """The texts between the commas."""
    return [" ".join(part.split()) for part in text.split(",")]


NAMES = _choices(
    "Ana, Ben, Chloe, Dmitri, Elif, Farid, Grace, Hugo, Ines, Jonas, Kaya, Lena, Marco, Nadia, Oskar, Petra"
)
PLACES = _choices(
    "Lisbon, Porto, Bergen, Kyoto, Tallinn, Ghent, Malmo, Zurich, Dresden, Toulouse, Oaxaca, Nairobi, Hanoi"
)
TOPICS = _choices(
    """the quarterly report, the garden fence, a sourdough starter, the migration script, my guitar lessons,
    the night train, a ceramic glaze, the insurance claim, our reading club, the solar inverter,
    a knee injury, the tax return, the marathon plan, a leaking tap,
    the data warehouse, my daughter's recital,
    the bicycle brakes, an apartment lease, the espresso grinder, a chess opening, the visa interview,
    the greenhouse heater, a vintage camera, the onboarding guide, a language exam, the kitchen renovation"""
)
ADJECTIVES = _choices(
    "slow, noisy, reliable, expensive, late, clever, brittle, warm, heavy, cheerful, complicated, neat"
)
ACTIONS = _choices(
    """finished, postponed, broke, sold, repaired, started, cancelled, rewrote, forgot, measured, painted,
    compared, borrowed, photographed, translated, returned, shipped, cleaned, explained, ordered"""
)
THINGS = _choices(
    """two chapters, the spare key, an old laptop, seven invoices, a red notebook, the blue suitcase,
    the left hinge, four tickets, a new battery, the second draft, the test results, a wool blanket,
    the printer, three letters, the road map, a copper pan, the contract, the front wheel, an umbrella"""
)
TIMES = _choices(
    """on Monday, last night, before breakfast, in March, around noon, after the meeting, this week,
    on the 14th"""
)
REASONS = _choices(
    """because the shop was closed, since nobody answered, although it rained, so that we save time,
    because it kept failing, after a long talk, as the doctor advised, while the others waited"""
)

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
TURNS_PER_SESSION = 20


def sentence(rng: random.Random) -> str:
    """About twenty words; hardly ever the same twice."""
    name, place, topic, thing = map(rng.choice, (NAMES, PLACES, TOPICS, THINGS))
    action, adjective, when, why = map(rng.choice, (ACTIONS, ADJECTIVES, TIMES, REASONS))
    forms = (
        f"{name} {action} {thing} {when} {why}, in {place}.",
        f"I {action} {thing} for {topic} {when}; it was {adjective}.",
        f"About {topic}: {name} from {place} {action} {thing} {when}.",
        f"My {adjective} plan for {topic} in {place} needs {thing} {why}.",
    )
    return f"{rng.choice(forms)} It took {rng.randint(2, 900)} minutes."


def question(rng: random.Random) -> str:
    """Unlike every other, so that no cache of query vectors answers it."""
    action, thing, topic, place = map(rng.choice, (ACTIONS, THINGS, TOPICS, PLACES))
    return f"Who {action} {thing} for {topic} in {place}, {rng.randint(0, 10**9)}?"


def messages(rng: random.Random, count: int) -> list[Message]:
    """A chat of ``count`` turns, a minute apart."""
    return [
        Message(
            role="user" if number % 2 == 0 else "assistant",
            content=sentence(rng),
            timestamp=START + timedelta(minutes=number),
        )
        for number in range(count)
    ]


def chats(rng: random.Random, app_id: str, *, users: int, turns: int) -> Iterator[UserMessages]:
    """``turns`` turns for each user, in sessions of twenty."""
    for user in range(users):
        for start in range(0, turns, TURNS_PER_SESSION):
            yield UserMessages(
                app_id=app_id,
                user_id=f"user-{user}",
                session_id=f"session-{start}",
                messages=messages(rng, min(TURNS_PER_SESSION, turns - start)),
            )


def subjects(rng: random.Random, count: int) -> list[str]:
    """What a person's facts are about."""
    return [f"The {topic.split(' ', 1)[1]} of {rng.choice(NAMES)}" for topic in rng.sample(TOPICS, count)]


def facts(rng: random.Random, about: list[str]) -> list[str]:
    """One fact for each subject; asked again, what has become of it."""
    return [f"{one} is in {rng.choice(PLACES)} and {rng.choice(ADJECTIVES)}." for one in about]


def talk(said: list[str]) -> list[Message]:
    """A chat of twice as many turns: each fact, and an answer to it."""
    thanks = "Thank you, I will keep that in mind."
    found: list[Message] = []
    for number, fact in enumerate(said):
        at = START + timedelta(minutes=2 * number)
        found.append(Message(role="user", content=fact, timestamp=at))
        found.append(Message(role="assistant", content=thanks, timestamp=at + timedelta(minutes=1)))
    return found
