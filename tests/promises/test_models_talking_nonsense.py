"""Whatever a model answers: nothing acknowledged is lost, nothing claims to be done that is not, and the
task says what happened.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from omnimemory import AgentMemorySDK, OmniMemorySDK
from omnimemory.core.errors import InvalidModelOutput, ModelError, ModelUnavailable, RateLimited
from omnimemory.core.schemas import (
    AgentMemoryRequest,
    ConversationSummaryRequest,
    Task,
)
from omnimemory.testing.model_server import ScriptedModelServer
from omnimemory.testing.replies import TEXT, Fault, Reply, Request
from omnimemory.testing.scripted import HashEmbedder

from .checks import Acknowledged, history_is_whole, nothing_is_lost, recalled_at_once
from .minds import (
    EPISODE,
    agents_of,
    deciding,
    decision,
    narrative,
    replace,
    sensible,
)
from .talk import APP, QUICK, USER, eventually, notes, remembered, said, settled, statements, turns

SENTENCE = "My locker at the pool is number 14."
NONSENSE: dict[str, tuple[Reply, str]] = {
    "broken JSON": ('{"narrative": "My lock', "InvalidModelOutput"),
    "prose": ("Sure! Here is what I think about this conversation.", "InvalidModelOutput"),
    "nothing": ("", "InvalidModelOutput"),
    "a list": ("[1, 2, 3]", "InvalidModelOutput"),
    "another schema": (
        json.dumps({"statements": 7, "worked_strategies": {"a": 1}, "decisions": "no", "overview": {}}),
        "InvalidModelOutput",
    ),
    "500": (Fault.error(500), "ModelUnavailable"),
    "429": (Fault.rate_limited(0), "RateLimited"),
    "401": (Fault.error(401), "ModelError"),
    "dropped connection": (Fault.drop(), "ModelUnavailable"),
    "no answer": (Fault.hang(), "ModelUnavailable"),
    "a web page": (Fault.raw("<html>Gateway</html>"), "Model"),
}
nonsense = pytest.mark.parametrize(("reply", "error"), NONSENSE.values(), ids=NONSENSE)
SOME = ("prose", "500", "no answer")
some_nonsense = pytest.mark.parametrize(("reply", "error"), [NONSENSE[name] for name in SOME], ids=SOME)
"""For what shares its reading of answers with the agents that meet all of it."""


@pytest.fixture
async def sdk(model: ScriptedModelServer) -> AsyncIterator[OmniMemorySDK]:
    """A memory over the scripted model; whoever fails, fails twice and is parked."""
    agents = agents_of(model, patience=0.25)
    async with OmniMemorySDK(
        agents=agents, embedder=HashEmbedder(256), resolve_again_seconds=3600, **QUICK
    ) as opened:
        yield opened
        await opened.run(lambda _engine: agents.aclose())


def parked_because(task: Task, error: str) -> None:
    assert task.status == "parked"
    assert task.error is not None
    assert task.error.startswith(error)
    assert not (task.result or {}).get("memory_ids")


@nonsense
@pytest.mark.parametrize("agent", ["Episode", "Narrative"])
async def test_a_failed_synthesis_loses_nothing_and_can_be_retried(
    sdk: OmniMemorySDK, model: ScriptedModelServer, agent: str, reply: Reply, error: str
) -> None:
    model.script[agent] = reply
    answer = await sdk.add_memory(said(SENTENCE))
    await recalled_at_once(sdk, SENTENCE, "which locker number?")
    parked_because(await settled(sdk, answer["task_id"]), error)
    assert await notes(sdk) == []
    model.script[agent] = sensible()[agent]
    await sdk.retry_task(answer["task_id"], APP)
    await nothing_is_lost(sdk, [Acknowledged(SENTENCE, answer["task_id"])])
    assert statements(await notes(sdk)) == [SENTENCE]


@some_nonsense
async def test_a_failed_agent_memory_loses_nothing_and_can_be_retried(
    sdk: OmniMemorySDK, model: ScriptedModelServer, reply: Reply, error: str
) -> None:
    model.script["Narrative"] = reply
    request = AgentMemoryRequest(app_id=APP, user_id=USER, messages=SENTENCE)
    answer = await sdk.add_agent_memory(request)
    await recalled_at_once(sdk, SENTENCE, "which locker number?")
    parked_because(await settled(sdk, answer["task_id"]), error)
    model.script["Narrative"] = json.dumps({"narrative": SENTENCE})
    await sdk.retry_task(answer["task_id"], APP)
    await nothing_is_lost(sdk, [Acknowledged(SENTENCE, answer["task_id"])])
    assert statements(await notes(sdk)) == [SENTENCE]


@nonsense
async def test_a_failed_resolver_keeps_both_notes_and_a_later_pass_resolves_them(
    sdk: OmniMemorySDK, model: ScriptedModelServer, reply: Reply, error: str
) -> None:
    await remembered(sdk, said(SENTENCE))
    model.script["Resolving"] = reply
    task = await remembered(sdk, said("My locker at the pool is number 15."))
    old, new = await notes(sdk)
    assert (old.unresolved, new.unresolved) == (False, True)
    assert task.status == "done"
    assert task.result is not None
    assert task.result["unresolved"] == [new.id]
    (stored,) = await sdk.list_decisions(APP, USER, memory_ids=[new.id])
    assert stored.reasoning.startswith("Kept beside the linked notes: ")
    second = await second_pass(sdk)
    parked_because(second, error)
    model.script["Resolving"] = deciding(replace)
    await sdk.retry_task(second.task_id, APP)
    assert (await settled(sdk, second.task_id)).status == "done"
    (left,) = await notes(sdk)
    assert (left.id, left.unresolved) == (new.id, False)
    await history_is_whole(sdk)


async def second_pass(sdk: OmniMemorySDK) -> Task:
    """The task of the second look at what could not be resolved, queued as the idle worker queues it."""
    queued = await sdk.run(lambda engine: engine.ledger.queue_resolutions(stored_before=datetime.now(UTC)))
    assert len(queued) == 1
    await sdk.flush(wait=False)  # wakes the worker
    return await settled(sdk, queued[0])


async def test_what_was_not_resolved_is_resolved_without_anybody_asking(model: ScriptedModelServer) -> None:
    agents = agents_of(model)
    ends_it = json.dumps({"decisions": [decision("M1", "DELETE", contradicted=["M1.s1"])]})
    model.script["Resolving"] = ["", "", ends_it]
    async with OmniMemorySDK(
        agents=agents, embedder=HashEmbedder(256), resolve_again_seconds=0.05, **QUICK
    ) as sdk:
        await remembered(sdk, said(SENTENCE))
        await remembered(sdk, said("My locker at the pool is number 15."))

        async def resolved() -> bool:
            return statements(await notes(sdk)) == ["My locker at the pool is number 15."]

        await eventually(resolved)
        await sdk.flush()
        tasks = await sdk.list_tasks(APP, USER)
        assert [(task.kind, task.status) for task in tasks if task.kind == "resolve"] == [("resolve", "done")]
        await sdk.run(lambda _engine: agents.aclose())


async def test_a_note_gets_one_second_pass_and_no_endless_row_of_them(
    sdk: OmniMemorySDK, model: ScriptedModelServer
) -> None:
    await remembered(sdk, said(SENTENCE))
    model.script["Resolving"] = "no"
    await remembered(sdk, said("My locker at the pool is number 15."))
    parked = await second_pass(sdk)
    assert parked.attempts == QUICK["task_attempts"]
    with pytest.raises(AssertionError):
        await second_pass(sdk)


async def test_a_rate_limit_is_waited_out_as_long_as_the_endpoint_says(
    model: ScriptedModelServer,
) -> None:
    asked: list[float] = []

    def busy(request: Request) -> Reply:
        asked.append(time.monotonic())
        return Fault.rate_limited(1) if len(asked) == 1 else EPISODE

    model.script["Episode"] = busy
    agents = agents_of(model)
    async with OmniMemorySDK(agents=agents, embedder=HashEmbedder(), retry_base_seconds=0.01) as sdk:
        task = await remembered(sdk, said(SENTENCE))
        assert (task.status, task.attempts) == ("done", 2)
        assert asked[1] - asked[0] >= 1
        await sdk.run(lambda _engine: agents.aclose())


async def test_a_parked_task_does_not_hold_up_what_comes_after(
    sdk: OmniMemorySDK, model: ScriptedModelServer
) -> None:
    def choosy(request: Request) -> Reply:
        asked = str(request["messages"][-1]["content"])
        return "nonsense" if "locker" in asked else narrative(request)

    model.script["Narrative"] = choosy
    first = await sdk.add_memory(said(SENTENCE))
    second = await sdk.add_memory(said("I play the cello."))
    assert (await settled(sdk, first["task_id"])).status == "parked"
    assert (await settled(sdk, second["task_id"])).status == "done"
    assert [task.task_id for task in await sdk.list_tasks(APP, USER, statuses=["parked"])] == [
        first["task_id"]
    ]


async def test_labels_that_were_never_shown_cite_the_whole_window(
    sdk: OmniMemorySDK, model: ScriptedModelServer
) -> None:
    model.script["Narrative"] = json.dumps(
        {"narrative": "x", "statements": [{"text": SENTENCE, "turns": ["T99", "M1.s1", "../etc"]}]}
    )
    await remembered(sdk, said(SENTENCE, "I play the cello."))
    (note,) = await notes(sdk)
    assert set(note.statements[0].sources) == {turn.id for turn in await turns(sdk)}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("", InvalidModelOutput),
        (Fault.error(500), ModelUnavailable),
        (Fault.rate_limited(0), RateLimited),
        (Fault.drop(), ModelUnavailable),
        (Fault.hang(), ModelUnavailable),
        (Fault.raw("<html>"), ModelError),
    ],
)
async def test_summaries_and_answers_fail_by_name(
    sdk: OmniMemorySDK, model: ScriptedModelServer, reply: Reply, error: type[ModelError]
) -> None:
    await remembered(sdk, said(SENTENCE))
    model.script[TEXT] = reply
    with pytest.raises(error):
        await sdk.summarize_conversation(
            ConversationSummaryRequest(app_id=APP, user_id=USER, messages=SENTENCE)
        )
    with pytest.raises(error):
        await AgentMemorySDK(sdk).answer_query(APP, "which locker number?", USER)


@some_nonsense
async def test_a_summary_that_fails_is_parked_and_never_posted(
    model: ScriptedModelServer, reply: Reply, error: str
) -> None:
    model.script["ConversationSummary"] = reply
    agents = agents_of(model, patience=0.25)
    async with OmniMemorySDK(
        agents=agents, embedder=HashEmbedder(), webhook_allow_private=True, **QUICK
    ) as sdk:
        request = ConversationSummaryRequest(
            app_id=APP, user_id=USER, messages=SENTENCE, callback_url="http://127.0.0.1:9/summary"
        )
        answer = await sdk.summarize_conversation(request)
        task = await settled(sdk, answer["task_id"])
        parked_because(task, error)
        assert not (task.result or {}).get("deliveries")
        await sdk.run(lambda _engine: agents.aclose())
