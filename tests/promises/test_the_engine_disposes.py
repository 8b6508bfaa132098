"""The model proposes, the engine disposes: no answer invents an id, deletes without a tombstone, drops a
new memory, or crosses a tenant; whatever it decides can be read back, explained and undone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

import pytest

from omnimemory import OmniMemorySDK
from omnimemory.core.proposals import Resolution
from omnimemory.core.schemas import Link, Memory, Operation, Status, StatusReason
from omnimemory.evolution.plan import Plan, ended
from omnimemory.testing.model_server import ScriptedModelServer
from omnimemory.testing.scripted import HashEmbedder

from .checks import history_is_whole
from .minds import Answer, Shown, agents_of, consolidated, deciding, decision, known_already, merge
from .talk import APP, QUICK, USER, notes, remembered, said, statements, turns

SENTENCE = "My locker at the pool is number 14."


@pytest.fixture
async def sdk(model: ScriptedModelServer) -> AsyncIterator[OmniMemorySDK]:
    """A memory over the scripted model, without a second pass of the resolver."""
    agents = agents_of(model)
    async with OmniMemorySDK(
        agents=agents, embedder=HashEmbedder(256), resolve_again_seconds=3600, **QUICK
    ) as opened:
        yield opened
        await opened.run(lambda _engine: agents.aclose())


EVE = "eve"
Mind = Callable[[Shown], Answer]


def delete_everything(shown: Shown) -> Answer:
    return {"decisions": [decision(note, "DELETE") for note in shown.old]}


def skip_everything(shown: Shown) -> Answer:
    return {"decisions": [decision(note, "SKIP") for note in shown.old]}


def forget_in_a_merge(shown: Shown) -> Answer:
    decisions = [decision(note, "UPDATE") for note in shown.old]
    return {"decisions": decisions, "consolidated": consolidated(shown, shown.new)}


def merge_into_nothing(shown: Shown) -> Answer:
    return {"decisions": [decision(note, "UPDATE") for note in shown.old], "consolidated": None}


def made_up_labels(shown: Shown) -> Answer:
    made_up = [decision(label, "DELETE", contradicted=[f"{label}.s1"]) for label in ("M99", "N", "", "*")]
    return {"decisions": [*made_up, decision("M1", "DELETE", contradicted=["M1.s99", "M2.s1"])]}


HOSTILE: dict[str, Mind] = {
    "everything DELETE": delete_everything,
    "everything SKIP, repeating nothing": skip_everything,
    "a merge that forgets": forget_in_a_merge,
    "a merge without a note": merge_into_nothing,
    "labels that do not exist": made_up_labels,
}


async def disposed(sdk: OmniMemorySDK, model: ScriptedModelServer, mind: Mind) -> None:
    """The promise: whatever a resolver says, the new memory stays, what ends has a tombstone and can be
    brought back, nothing uncontradicted is gone, and nobody else's memory is touched.
    """
    await remembered(sdk, said(SENTENCE, user=EVE))
    (others,) = await notes(sdk, user=EVE)
    await remembered(sdk, said(SENTENCE, "I play the cello."))
    (old,) = await notes(sdk)
    model.script["Resolving"] = deciding(mind)
    new = "My locker at the pool is number 15."
    assert (await remembered(sdk, said(new))).status == "done"
    assert new in statements(await notes(sdk)), "the new memory was dropped"
    left = await sdk.get_memory(old.id, APP, USER)
    assert left is not None, "a note vanished without a tombstone"
    assert left.text == old.text, "history was rewritten"
    await history_is_whole(sdk)
    assert await notes(sdk, user=EVE) == [others], "another user's note was touched"
    if not left.is_active:
        restored = await sdk.restore_memory(old.id, APP, USER)
        assert statements([restored]) == statements([old]), "what ended cannot be brought back"


@pytest.mark.parametrize("mind", HOSTILE.values(), ids=HOSTILE)
async def test_the_engine_disposes(sdk: OmniMemorySDK, model: ScriptedModelServer, mind: Mind) -> None:
    await disposed(sdk, model, mind)


async def test_an_engine_that_obeys_its_model_is_caught(
    sdk: OmniMemorySDK, model: ScriptedModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken on purpose: the synthesis step's ``resolve`` ends what the model names, and keeps no record."""

    def obey(note: Memory, links: Sequence[Link], _: Resolution, *, now: datetime, **more: object) -> Plan:
        gone = [ended(link.memory, Status.DELETED, StatusReason.CONTRADICTED, now=now) for link in links]
        return Plan(created=(note,), changed=tuple(gone))

    monkeypatch.setattr("omnimemory.synthesis.resolve", obey)
    with pytest.raises(AssertionError, match="ended without a decision"):
        await disposed(sdk, model, made_up_labels)


async def test_no_answer_reaches_another_users_or_apps_notes(
    sdk: OmniMemorySDK, model: ScriptedModelServer
) -> None:
    await remembered(sdk, said(SENTENCE, user=EVE))
    await remembered(sdk, said(SENTENCE, app="other"))
    (hers,) = await notes(sdk, user=EVE)
    (elsewhere,) = await notes(sdk, app="other")

    def name_others(shown: Shown) -> Answer:
        ids = (hers.id, elsewhere.id)
        return {
            "decisions": [
                decision(label, operation, contradicted=[f"{id_}.s1" for id_ in ids])
                for id_ in ids
                for label, operation in ((id_, "DELETE"), ("M1", "UPDATE"))
            ],
            "consolidated": {
                "summary": "Everything is mine.",
                "statements": [
                    {"text": "Everything is mine.", "carries": [f"{id_}.s1" for id_ in ids]},
                    {"text": SENTENCE, "carries": ["N.s1", "M1.s1"]},
                ],
            },
        }

    await remembered(sdk, said(SENTENCE))
    model.script["Resolving"] = deciding(name_others)
    await remembered(sdk, said(SENTENCE))
    assert await notes(sdk, user=EVE) == [hers]
    assert await notes(sdk, app="other") == [elsewhere]
    assert statements(await notes(sdk)) == [SENTENCE]
    await history_is_whole(sdk)


async def test_what_is_known_is_skipped_only_when_the_model_says_which_words_it_repeats(
    sdk: OmniMemorySDK, model: ScriptedModelServer
) -> None:
    await remembered(sdk, said(SENTENCE))
    model.script["Resolving"] = deciding(known_already)
    task = await remembered(sdk, said(SENTENCE))
    assert task.result == {"memory_ids": [], "operations": {Operation.SKIP.value: 1}}
    (note,) = await notes(sdk)
    assert set(note.sources) == {turn.id for turn in await turns(sdk)}


async def test_a_merge_keeps_every_statement(sdk: OmniMemorySDK, model: ScriptedModelServer) -> None:
    model.script["Resolving"] = deciding(merge)
    await remembered(sdk, said(SENTENCE, "I play the cello."))
    await remembered(sdk, said("My locker at the pool is number 15."))
    assert sorted(statements(await notes(sdk))) == [
        "I play the cello.",
        SENTENCE,
        "My locker at the pool is number 15.",
    ]
    await history_is_whole(sdk)
