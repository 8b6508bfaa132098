"""What each call answers, and how it says no."""

from __future__ import annotations

import base64
import hashlib
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.promises.talk import eventually

from .requests import ANN, BY_ID, SAID, SCOPED, V1, Ask
from .serving import opened


def conversation(*texts: str, **more: Any) -> dict[str, Any]:
    return {**ANN, "messages": [{"role": "user", "content": text} for text in texts], **more}


async def added(client: httpx.AsyncClient, *texts: str, **more: Any) -> str:
    """The id of the task that a conversation became."""
    answer = await client.post(f"{V1}/memories", json=conversation(*texts, **more))
    assert answer.status_code == 202, answer.text
    task: str = answer.json()["task_id"]
    return task


async def settled(client: httpx.AsyncClient) -> None:
    await client.post(f"{V1}/memory-batcher/flush", json={"app_id": "shop", "wait": True})


async def turns(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get(f"{V1}/memories", params={**ANN, "kinds": "turn"})
    found: list[dict[str, Any]] = answer.json()["memories"]
    return found


async def test_a_conversation_is_accepted_recalled_and_becomes_a_note() -> None:
    async with opened() as client:
        body = conversation("I prefer window seats.", "I live in Oslo.", session_id="monday")
        answer = await client.post(f"{V1}/memories", json=body)
        assert answer.status_code == 202
        accepted = answer.json()
        assert {name: accepted[name] for name in ("status", "app_id", "user_id", "session_id")} == {
            "status": "accepted",
            "app_id": "shop",
            "user_id": "ann",
            "session_id": "monday",
        }
        for ask in (
            client.get(f"{V1}/memories/query", params={**ANN, "query": "Which seats?", "n_results": 1}),
            client.post(f"{V1}/memories/query", json={**ANN, "query": "Which seats?", "n_results": 1}),
        ):
            found = (await ask).json()
            assert found["count"] == 1
            assert "window seats" in found["memories"][0]["memory_note"]
            assert found["memories"][0]["composite_score"] > 0
        await settled(client)
        path = f"{V1}/tasks/{accepted['task_id']}"
        task = (await client.get(path, params=ANN)).json()
        assert (task["status"], task["error"]) == ("done", None)
        listed = (await client.get(f"{V1}/tasks", params={**ANN, "statuses": "done"})).json()
        assert [one["task_id"] for one in listed["tasks"]] == [accepted["task_id"]]
        notes = (await client.get(f"{V1}/memories", params={**ANN, "kinds": "note"})).json()
        assert notes["count"] == 1


async def test_a_query_filters_explains_and_fills_a_budget() -> None:
    async with opened(synthesis=False) as client:
        await added(client, "I fly to Rome.", metadata={"topic": "travel"})
        await added(client, "I cook pasta as in Rome.", metadata={"topic": "food"})
        params = {**ANN, "query": "Rome", "filters": "topic:travel", "token_budget": "100", "explain": "true"}
        found = (await client.get(f"{V1}/memories/query", params=params)).json()
        assert [one["document"] for one in found["memories"]] == ["I fly to Rome."]
        assert "I fly to Rome." in found["block"]
        assert found["tokens"] <= 100
        assert found["memories"][0]["explanation"]
        body = {**ANN, "query": "Rome", "filters": {"topic": "food"}}
        found = (await client.post(f"{V1}/memories/query", json=body)).json()
        assert [one["document"] for one in found["memories"]] == ["I cook pasta as in Rome."]


async def test_a_listing_is_read_in_pages() -> None:
    async with opened(synthesis=False) as client:
        await added(client, *(f"Fact number {number}." for number in range(5)))
        seen: list[str] = []
        params = {**ANN, "limit": "2"}
        for expected in (2, 2, 1):
            page = (await client.get(f"{V1}/memories", params=params)).json()
            assert page["count"] == expected
            seen += [one["document"] for one in page["memories"]]
            params["cursor"] = page["next_cursor"]
        assert page["next_cursor"] is None
        assert seen == [f"Fact number {number}." for number in range(5)]


async def test_a_memory_is_changed_ended_and_brought_back() -> None:
    async with opened(synthesis=False) as client:
        await added(client, "I live in Oslo.")
        old = (await turns(client))[0]["memory_id"]
        changed = (
            await client.patch(f"{V1}/memories/{old}", params=ANN, json={"text": "I live in Rome."})
        ).json()
        assert (changed["success"], changed["document"]) == (True, "I live in Rome.")
        new = changed["memory_id"]
        chain = (await client.get(f"{V1}/memories/{old}/evolution", params=ANN)).json()
        assert [one["memory_id"] for one in chain["memories"]] == [old, new]
        again = await client.patch(f"{V1}/memories/{old}", params=ANN, json={"text": "I live in Bergen."})
        assert again.status_code == 409
        ended = await client.delete(f"{V1}/memories/{new}", params=ANN)
        assert ended.json() == {"success": True, "memory_id": new}
        assert (await client.delete(f"{V1}/memories/{new}", params=ANN)).status_code == 404
        back = (await client.post(f"{V1}/memories/{new}/restore", params=ANN)).json()
        assert (back["success"], back["document"]) == (True, "I live in Rome.")


@pytest.mark.parametrize(
    ("path", "media", "begins"),
    [
        ("graph", "text/plain", "graph"),
        ("graph?format=mermaid", "text/plain", "graph"),
        ("graph?format=dot", "text/plain", "digraph"),
        ("graph?format=html", "text/html", "<!DOCTYPE html>"),
        ("report", "text/markdown", "#"),
        ("report?format=text", "text/plain", ""),
        ("report?format=json", "application/json", "{"),
    ],
)
async def test_a_chain_is_drawn_and_reported(path: str, media: str, begins: str) -> None:
    async with opened(synthesis=False) as client:
        await added(client, "I live in Oslo.")
        memory = (await turns(client))[0]["memory_id"]
        joint = "&" if "?" in path else "?"
        answer = await client.get(f"{V1}/memories/{memory}/evolution/{path}{joint}app_id=shop")
        assert answer.headers["content-type"].partition(";")[0] == media
        assert re.match(
            begins.replace("graph", "(graph|flowchart)") if begins == "graph" else begins, answer.text
        )


async def test_a_batch_fills_and_is_handed_to_synthesis() -> None:
    async with opened(default_max_messages=2) as client:
        path = f"{V1}/memory-batcher/messages"
        one = (await client.post(path, json={**ANN, "role": "user", "content": "I like tea."})).json()
        assert (one["status"], one["pending_messages"], one["batch_size"]) == ("pending", 1, 2)
        assert one["last_delivery"] is None
        two = (await client.post(path, json={**ANN, "messages": SAID})).json()
        assert (two["status"], two["pending_messages"]) == ("flushed", 0)
        assert two["last_delivery"]["task_id"] == two["task_id"]
        await client.post(path, json={**ANN, "messages": SAID})
        flushed = (await client.post(f"{V1}/memory-batcher/flush", json={**ANN, "wait": True})).json()
        assert (flushed["status"], flushed["pending_messages"]) == ("flushed", 0)
        assert flushed["task_ids"] == [flushed["last_delivery"]["task_id"]]
        assert flushed["last_delivery"]["status"] == "done"


async def test_an_agent_stores_summarises_and_answers() -> None:
    async with opened() as client:
        stored = await client.post(f"{V1}/agent/memories", json={**ANN, "messages": "Ann lives in Oslo."})
        assert stored.status_code == 202
        summary = await client.post(f"{V1}/agent/summaries", json={**ANN, "messages": SAID})
        assert summary.status_code == 200
        assert summary.json()["delivery"] == "sync"
        await settled(client)
        answer = (
            await client.post(f"{V1}/agent/answers", json={**ANN, "query": "Where does Ann live?"})
        ).json()
        assert "Oslo" in answer["answer"]
        assert answer["memories"]


@pytest.mark.parametrize("ask", BY_ID, ids=str)
async def test_an_unknown_id_and_another_apps_id_answer_alike(ask: Ask) -> None:
    async with opened() as client:
        task = await added(client, "I live in Oslo.")
        memory = (await turns(client))[0]["memory_id"]
        answers = []
        for memory_id, task_id in ((memory, task), ("unknown", "unknown")):
            path = ask.path.format(memory_id=memory_id, task_id=task_id)
            answer = await client.request(ask.method, path, params={"app_id": "bakery"}, json=ask.body)
            assert answer.status_code == 404
            detail = answer.json()["detail"].replace(memory_id, "ID").replace(task_id, "ID")
            answers.append((answer.json()["code"], detail))
        assert answers[0] == answers[1]


@pytest.mark.parametrize("ask", [ask for ask in SCOPED if ask.stores], ids=str)
async def test_a_repeated_request_with_its_key_is_carried_out_once(ask: Ask) -> None:
    async with opened() as client:
        key = {"Idempotency-Key": "the key"}
        first = await client.post(ask.path, json=ask.body, headers=key)
        stored = await turns(client)
        again = await client.post(ask.path, json=ask.body, headers=key)
        assert again.headers["idempotent-replayed"] == "true"
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert len(await turns(client)) == len(stored)
        other = await client.post(ask.path, json={**(ask.body or {}), "session_id": "tuesday"}, headers=key)
        assert other.status_code == 409
        assert other.json()["code"] == "IdempotencyConflict"
        assert len(await turns(client)) == len(stored)


async def test_one_key_serves_one_path_and_a_restore_is_not_done_twice() -> None:
    async with opened(synthesis=False) as client:
        await added(client, "I live in Oslo.")
        memory = (await turns(client))[0]["memory_id"]
        await client.delete(f"{V1}/memories/{memory}", params=ANN)
        key = {"Idempotency-Key": "back"}
        path = f"{V1}/memories/{memory}/restore"
        first = await client.post(path, params=ANN, headers=key)
        assert first.status_code == 200
        assert (await client.post(path, params=ANN, headers=key)).json() == first.json()
        assert (await client.post(f"{V1}/memories", json=conversation("a"), headers=key)).status_code == 409


async def test_request_ids_are_kept_or_made_up() -> None:
    async with opened() as client:
        kept = await client.get("/nowhere", headers={"X-Request-ID": "trace-41"})
        assert kept.headers["x-request-id"] == kept.json()["request_id"] == "trace-41"
        for unusable in ("a b", "x" * 200, '"'):
            made = await client.get("/", headers={"X-Request-ID": unusable})
            assert made.headers["x-request-id"] not in ("", unusable)


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("POST", "/memories", {"content": b"{"}, 400),
        ("POST", "/memories", {"content": b'{"a": NaN}'}, 400),
        ("POST", "/memories", {"content": b'{"a": "\\ud800"}'}, 400),
        ("POST", "/memories", {"content": b'"\xff"'}, 400),
        ("POST", "/memories", {"content": b"[" * 100_000}, 400),
        ("POST", "/memories", {"content": b"{}"}, 422),
        ("POST", "/memories", {"content": b""}, 422),
        ("POST", "/memories", {"json": {**ANN, "messages": []}}, 422),
        ("POST", "/memories", {"json": {**ANN, "messages": [{"role": "user", "content": " "}]}}, 422),
        ("POST", "/memories", {"json": {**ANN, "messages": SAID, "mistake": 1}}, 422),
        ("POST", "/memories", {"json": {**ANN, "messages": SAID, "app_id": " "}}, 422),
        (
            "POST",
            "/memories",
            {
                "content": b'{"app_id": "a", "user_id": "b", "metadata": {"n": 1e999}, '
                b'"messages": [{"role": "user", "content": "a"}]}'
            },
            422,
        ),
        ("POST", "/memories", {"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ("PUT", "/memories", {"json": {}}, 405),
        ("DELETE", "/memories/query", {}, 405),
        ("GET", "/memories", {}, 422),
        ("GET", "/memories?app_id=shop&limit=0", {}, 422),
        ("GET", "/memories?app_id=shop&cursor=x", {}, 422),
        ("GET", "/memories?app_id=shop&said_after=yesterday", {}, 422),
        ("GET", "/memories/query?app_id=shop&query=%20", {}, 422),
        ("GET", "/nothing", {}, 404),
        ("POST", "/agent/summaries", {"json": {**ANN, "messages": "a", "callback_url": "ftp://a.b"}}, 422),
        ("POST", "/memory-batcher/messages", {"json": {**ANN, "role": "user"}}, 422),
    ],
)
async def test_what_cannot_be_used_is_refused_as_problem_details(
    method: str, path: str, sent: dict[str, Any], status: int
) -> None:
    async with opened() as client:
        sent = {"headers": {"Content-Type": "application/json"}, **sent}
        answer = await client.request(method, V1 + path, **sent)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert isinstance(problem["detail"], str)
        assert problem["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "sent", "words"),
    [
        ("POST", "/memories/query", {"json": {**ANN, "query": " "}}, "body.query: is blank; give it text"),
        (
            "GET",
            "/memories?app_id=shop&cursor=x",
            {},
            "query.cursor: must be the next_cursor of an earlier page",
        ),
        (
            "GET",
            "/memories/query?app_id=shop&query=a&filters=topic",
            {},
            "query.filters.0: must be a name and a text, as topic:travel",
        ),
    ],
)
async def test_a_refusal_says_in_words_what_is_wanted(
    method: str, path: str, sent: dict[str, Any], words: str
) -> None:
    async with opened() as client:
        answer = await client.request(method, V1 + path, **sent)
        assert (answer.status_code, answer.json()["detail"]) == (422, words)


async def test_an_accepted_conversation_is_counted_in_words() -> None:
    async with opened(synthesis=False) as client:
        for texts, words in (
            (["I live in Oslo."], "1 of 1 message is new and stored"),
            (["I live in Oslo.", "I like tea."], "2 of 2 messages are new and stored"),
        ):
            answer = await client.post(f"{V1}/memories", json=conversation(*texts))
            assert answer.json()["message"] == words


async def test_another_method_is_told_which_ones_there_are() -> None:
    async with opened() as client:
        assert (await client.put(f"{V1}/memories")).headers["allow"] == "GET, POST"
        assert (await client.put(f"{V1}/memories/query")).headers["allow"] == "GET, POST"
        assert (await client.put(f"{V1}/memories/some-id")).headers["allow"] == "DELETE, GET, PATCH"


async def test_a_model_that_does_not_answer_is_a_503_without_internals() -> None:
    async with opened(
        llm_base_url="http://127.0.0.1:9/v1", llm_model="m", llm_api_key="secret-key"
    ) as client:
        answer = await client.post(f"{V1}/agent/summaries", json={**ANN, "messages": SAID})
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "127.0.0.1" not in answer.text
        assert "secret" not in answer.text


@pytest.mark.parametrize("where", ["127.0.0.1", "10.0.0.8", "192.168.1.1", "169.254.169.254", "[::1]"])
async def test_a_callback_to_a_private_address_is_refused_at_once(where: str) -> None:
    async with opened() as client:
        body = {**ANN, "messages": "a"}
        url = f"http://{where}/hook"
        for sent in (
            {"json": {**body, "callback_url": url}},
            {"json": body, "headers": {"X-Callback-URL": url}},
        ):
            answer = await client.post(f"{V1}/agent/summaries", **sent)  # type: ignore[arg-type]
            assert answer.status_code == 422
            assert "public" in answer.json()["detail"]


async def test_a_callback_whose_name_leads_to_this_machine_is_parked_and_can_be_retried() -> None:
    async with opened() as client:
        body = {**ANN, "messages": "a", "callback_headers": {"Authorization": "Bearer hidden"}}
        answer = await client.post(
            f"{V1}/agent/summaries", json=body, headers={"X-Callback-URL": "http://localhost/hook"}
        )
        assert (answer.status_code, answer.json()["delivery"]) == (202, "webhook")
        await settled(client)
        path = f"{V1}/tasks/{answer.json()['task_id']}"
        task = await client.get(path, params=ANN)
        assert task.json()["status"] == "parked"
        assert "not public" in task.json()["result"]["deliveries"][0]["error"]
        assert "hidden" not in task.text
        assert (await client.post(f"{path}/retry", params=ANN)).json()["status"] in ("queued", "running")


async def test_the_server_tells_how_it_does() -> None:
    async with opened() as client:
        health = (await client.get("/health")).json()
        assert health["status"] == "ok"
        assert set(health["checks"]) == {"ledger", "store", "embedder", "model"}
        assert (await client.get("/health/live")).json() == {"status": "alive"}
        assert (await client.get("/health/ready")).json() == {"status": "ready"}
        assert "process_" in (await client.get("/metrics")).text
        assert (await client.get(f"{V1}/system/pool-stats")).json()["provider"] == "qdrant-local"


async def test_a_ledger_that_cannot_be_written_is_not_ready(home: Path) -> None:
    async with opened() as client:
        with closing(sqlite3.connect(home / "ledger.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # as a backup does that never ends
            asked = await client.get("/health/ready")
            assert asked.status_code == 503
            assert int(asked.headers["retry-after"]) > 0
            other.execute("ROLLBACK")

        async def ready_again() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await eventually(ready_again)


@pytest.mark.parametrize("path", ["/", "/health", "/health/live", "/health/ready", "/docs", "/redoc"])
async def test_head_is_answered_where_get_is_asked_by_those_who_watch(path: str) -> None:
    async with opened() as client:
        assert (await client.head(path)).status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_pages_run_their_own_scripts_and_reach_this_server_alone(path: str) -> None:
    async with opened() as client:
        answer = await client.get(path)
        rules = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
        assert rules["default-src"] == "'none'"
        assert "unsafe" not in rules["script-src"]
        scripts = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
        for script in scripts:
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in rules["script-src"]
        assert not [rule for rule in rules.values() if "//" in rule or "*" in rule]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_pages_load_nothing_from_elsewhere(path: str) -> None:
    async with opened() as client:
        page = (await client.get(path)).text
        loaded = re.findall(r'(?:src|href|spec-url)="([^"]+)"', page)
        assert len(loaded) >= 2
        assert all(one.startswith("/") for one in loaded)
        for one in loaded:
            assert (await client.get(one)).status_code == 200
