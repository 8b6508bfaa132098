"""Who is let in: API keys, what they are bound to, and this machine alone without any."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from omnimemory.api.server import create_app
from omnimemory.core.errors import ConfigError, InvalidRequest, NotFound
from omnimemory.core.settings import Settings
from omnimemory.ledger.api_keys import Right
from omnimemory.ledger.ledger import Ledger, file_url

from .requests import ANN, BY_ID, SCOPED, SERVER, V1, Ask
from .serving import bearer, opened

ELSEWHERE = "203.0.113.9"


async def asked(client: httpx.AsyncClient, ask: Ask, **how: object) -> httpx.Response:
    return await client.request(ask.method, ask.path, params=ask.params, json=ask.body, **how)  # type: ignore[arg-type]


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def keys(*given: Mapping[str, object]) -> str:
    return json.dumps(given)


def test_the_table_of_requests_names_every_call() -> None:
    described = {
        (method.upper(), path)
        for path, calls in create_app().openapi()["paths"].items()
        for method in calls
        if path not in ("/", "/health/live", "/health/ready")
    }
    assert {(ask.method, ask.path) for ask in [*SCOPED, *BY_ID, *SERVER]} == described


@pytest.mark.parametrize("ask", [*SCOPED, *BY_ID, *SERVER], ids=str)
async def test_without_keys_other_machines_are_refused_and_told_what_to_set(ask: Ask) -> None:
    async with opened(peer=ELSEWHERE) as client:
        answer = await asked(client, ask)
        assert answer.status_code == 403
        assert "OMNIMEMORY_API_KEYS" in answer.json()["detail"]


async def test_without_keys_the_pages_are_for_this_machine_too() -> None:
    async with opened(peer=ELSEWHERE) as client:
        for path in ("/", "/docs", "/redoc", "/openapi.json", "/docs/assets/swagger-ui.css"):
            assert (await client.get(path)).status_code == 403
        for path in ("/health/live", "/health/ready"):
            assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "memory.example"},
        {"Host": "127.0.0.1.example"},
        {"Host": "[::1"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
    ],
    ids=str,
)
async def test_without_keys_what_may_come_from_elsewhere_is_refused(headers: dict[str, str]) -> None:
    async with opened() as client:
        assert (await client.get("/", headers=headers)).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8001", "127.0.0.1", "127.8.8.8:1", "[::1]:8001"])
async def test_without_keys_this_machine_is_let_in(host: str) -> None:
    async with opened() as client:
        answer = await client.get("/", headers={"Host": host, "Origin": "http://localhost:3000"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, bearer("wrong"), {"X-API-Key": "wrong"}, {"Authorization": "Basic a"}]
)
async def test_with_keys_a_request_needs_one(headers: dict[str, str]) -> None:
    async with opened(api_keys="right") as client:
        for ask in [*SCOPED, *BY_ID, *SERVER]:
            answer = await asked(client, ask, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_key_opens_the_server_to_other_machines_in_either_header() -> None:
    async with opened(peer=ELSEWHERE, api_keys="one, two") as client:
        for headers in (bearer("one"), bearer("two"), {"X-API-Key": "two"}):
            headers |= {"Host": "memory.example"}
            assert (await client.get(f"{V1}/memories", params=ANN, headers=headers)).status_code == 200
        for path in ("/", "/docs", "/redoc", "/openapi.json"):
            assert (await client.get(path, headers={"Host": "memory.example"})).status_code == 200


@pytest.mark.parametrize("ask", [*SCOPED, *BY_ID], ids=str)
async def test_a_key_is_refused_for_other_apps_and_users(ask: Ask) -> None:
    bound = keys(
        {"key": "other-app", "apps": ["bakery"]},
        {"key": "other-user", "apps": ["shop"], "users": ["bob"]},
    )
    async with opened(api_keys=bound) as client:
        for key in ("other-app", "other-user"):
            assert (await asked(client, ask, headers=bearer(key))).status_code == 403


async def test_a_users_key_may_not_read_the_whole_app() -> None:
    async with opened(api_keys=keys({"key": "ann", "apps": ["shop"], "users": ["ann"]})) as client:
        headers = bearer("ann")
        assert (await client.get(f"{V1}/memories", params=ANN, headers=headers)).status_code == 200
        whole = await client.get(f"{V1}/memories", params={"app_id": "shop"}, headers=headers)
        assert whole.status_code == 403
        assert "user_id" in whole.json()["detail"]


@pytest.mark.parametrize("ask", [*SCOPED, *BY_ID, *SERVER], ids=str)
async def test_a_key_does_only_what_it_has_the_right_to(ask: Ask) -> None:
    each = keys(*({"key": right.value, "rights": [right.value]} for right in Right))
    async with opened(api_keys=each) as client:
        for right in Right:
            answer = await asked(client, ask, headers=bearer(right.value))
            assert (answer.status_code != 403) is (right.value == ask.right)


async def test_keys_of_the_ledger_count_until_they_are_revoked(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnimemory.api.security.REFRESH_SECONDS", 0)
    async with opened() as client, Ledger(file_url(home / "ledger.db")) as ledger:
        key, secret = await ledger.create_api_key("shop", apps=["shop"], rights=[Right.READ])
        path = f"{V1}/memories"
        assert (await client.get(path, params=ANN)).status_code == 401
        assert (await client.get(path, params=ANN, headers=bearer(secret))).status_code == 200
        other, _ = await ledger.create_api_key("another")
        revoked = await ledger.revoke_api_key(key.id)
        assert revoked.revoked_at is not None
        assert (await client.get(path, params=ANN, headers=bearer(secret))).status_code == 401
        assert [one.id for one in await ledger.api_keys()] == [key.id, other.id]


@pytest.mark.parametrize("bound", [{"apps": ["shop"]}, {"users": ["ann"]}], ids=str)
async def test_a_bound_key_watches_the_server_only_where_that_is_said(bound: dict[str, list[str]]) -> None:
    given = keys({"key": "k", **bound}, {"key": "watching", **bound, "rights": ["read", "monitor"]})
    async with opened(api_keys=given) as client:
        for ask in SERVER:
            assert (await asked(client, ask, headers=bearer("k"))).status_code == 403
            assert (await asked(client, ask, headers=bearer("watching"))).status_code == 200
        assert (await client.get(f"{V1}/memories", params=ANN, headers=bearer("k"))).status_code == 200


async def test_a_made_key_has_the_rights_of_a_configured_one(tmp_path: Path) -> None:
    async with Ledger(file_url(tmp_path / "ledger.db")) as ledger:
        bound, _ = await ledger.create_api_key("shop", apps=["shop"])
        free, _ = await ledger.create_api_key("all")
        named, _ = await ledger.create_api_key("watch", apps=["shop"], rights=[Right.MONITOR])
    assert bound.rights == {Right.READ, Right.WRITE}
    assert free.rights == set(Right)
    assert named.rights == {Right.MONITOR}


@pytest.mark.parametrize(
    ("host", "given", "warned"),
    [("0.0.0.0", None, True), ("0.0.0.0", "k", False), ("127.0.0.1", None, False)],
)
async def test_a_start_beyond_this_machine_without_keys_is_warned_of(
    host: str, given: str | None, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(api_host=host, api_keys=given):
        assert ("OMNIMEMORY_API_KEYS" in caplog.text) is warned


async def test_the_ledger_holds_no_secret(tmp_path: Path) -> None:
    async with Ledger(file_url(tmp_path / "ledger.db")) as ledger:
        key, secret = await ledger.create_api_key("shop")
        assert secret not in repr(key)
        with pytest.raises(NotFound):
            await ledger.revoke_api_key("unknown")
        with pytest.raises(InvalidRequest):
            await ledger.create_api_key("no app", apps=[])
    held = contents(tmp_path)
    assert key.hash.encode() in held
    assert secret.encode() not in held
    assert secret.rpartition("_")[2].encode() not in held


@pytest.mark.parametrize(
    "text",
    ['[{"label": "no key"}]', "[{]", '[{"key": "a", "rights": ["fly"]}]', '[{"key": "a", "apps": []}]'],
)
async def test_keys_that_cannot_be_read_stop_the_start_and_are_not_shown(text: str) -> None:
    app = create_app(Settings.load({"api_keys": text}))
    with pytest.raises(ConfigError, match="OMNIMEMORY_API_KEYS"):
        async with app.router.lifespan_context(app):
            pass


async def test_no_web_page_may_call_unless_its_origin_is_named() -> None:
    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    async with opened(api_keys="k") as client:
        answer = await client.options(f"{V1}/memories", headers=asks)
        assert "access-control-allow-origin" not in answer.headers
    async with opened(api_keys="k", cors_origins="https://app.example, https://b.example") as client:
        answer = await client.options(f"{V1}/memories", headers=asks)
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        refused = await client.options(f"{V1}/memories", headers=asks | {"Origin": "https://c.example"})
        assert "access-control-allow-origin" not in refused.headers
