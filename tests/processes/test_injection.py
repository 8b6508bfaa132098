"""What reads like SQL or a MongoDB operator is text like any other, wherever it stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.core.items import FoundItem, GetItem, Item, PutItem, SearchItems
from omnimemory.core.schemas import Scope
from omnimemory.testing.scripted import HashEmbedder
from omnimemory.testing.store_records import EVERYTHING, HOSTILE, HOSTILE_TEXTS
from tests.contract.servers_mongodb import MongoServer
from tests.promises.talk import texts

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""pymongo 4.20 leaves a socket to the garbage collector when it cancels a connect of its own monitors."""

APP, USER = "app", "ann"
ATTACKS = (
    *HOSTILE,
    "1 OR 1=1",
    "x') OR ('1'='1",
    "x'::text; SELECT pg_sleep(9); --",
    "$$; DROP SCHEMA public CASCADE; $$",
    "%(name)s :name $1 ? {0}",
    '{"$where": "sleep(9000)"}',
    "$function",
    "metadata.user_id",
    "__proto__",
)


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[MongoServer]:
    server = MongoServer(tmp_path / "mongo")
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["postgresql", "mongodb"])
async def sdk(request: pytest.FixtureRequest) -> AsyncIterator[OmniMemorySDK]:
    """Without notes. With PostgreSQL the ledger is there, too."""
    if request.param == "postgresql":
        settings = {"postgres_uri": request.getfixturevalue("database")}
    else:
        settings = {"mongo_uri": request.getfixturevalue("mongo").uri("memories")}
    async with OmniMemorySDK(
        provider=request.param, embedder=HashEmbedder(), synthesis=False, **settings
    ) as opened:
        yield opened


async def found(sdk: OmniMemorySDK, query: str, user: str, *, app: str = APP, **narrower: Any) -> list[str]:
    return texts(await sdk.recall(app, query, user, similarity_threshold=-1, **narrower))


async def test_ids_keys_and_filters_are_plain_data(sdk: OmniMemorySDK) -> None:
    for user in ATTACKS:
        message = Message(id=user, role="user", content="I drink tea", name=user, metadata={user: user})
        await sdk.add_memory(UserMessages(app_id=APP, user_id=user, session_id=user, messages=[message]))
    await sdk.flush()
    for user in ATTACKS:
        (kept,) = await sdk.list_memories(APP, user, user)
        assert (kept.text, kept.name, kept.metadata) == ("I drink tea", user, {user: user})
        assert await found(sdk, "tea", user, session_id=user, filters={user: user}) == ["I drink tea"]
        assert await found(sdk, "tea", user, filters={user: "something else"}) == []
        assert await found(sdk, "tea", user, filters={f"{user}.x": user}) == []
        assert await found(sdk, "tea", f"{user}x") == []
    assert await sdk.run(lambda engine: engine.store.count(APP, EVERYTHING)) == len(ATTACKS)


async def test_no_operator_in_a_filter_matches(sdk: OmniMemorySDK) -> None:
    message = Message(role="user", content="I drink tea", metadata={"kind": "drink", "cups": 3})
    await sdk.add_memory(UserMessages(app_id=APP, user_id=USER, messages=[message]))
    await sdk.flush()
    assert await found(sdk, "tea", USER, filters={"kind": "drink", "cups": 3}) == ["I drink tea"]
    for key, value in (
        ("kind", '{"$ne": null}'),
        ("kind", "drink' OR 'x'='x"),
        ("$or", "drink"),
        ("kind' OR '1'='1", "drink"),
        ("kind.$ne", "x"),
        ("cups", "3"),
    ):
        assert await found(sdk, "tea", USER, filters={key: value}) == []


async def test_apps_named_like_attacks_keep_to_themselves(sdk: OmniMemorySDK) -> None:
    async def live(number: int, app: str) -> None:
        text = f"I drink sort {number} of tea"
        message = Message(role="user", content=text)
        await sdk.add_memory(UserMessages(app_id=app, user_id=USER, messages=[message]))
        await sdk.flush(Scope(app_id=app))
        assert await found(sdk, "tea", USER, app=app) == [text]

    await asyncio.gather(*(live(number, app) for number, app in enumerate(ATTACKS)))
    stored = await sdk.run(lambda engine: engine.store.collections())
    assert set(stored) == set(ATTACKS)
    memory_ids = {app: [one.id for one in await sdk.list_memories(app, USER)] for app in ATTACKS}
    assert [len(ids) for ids in memory_ids.values()] == [1] * len(ATTACKS)
    for app in ATTACKS:
        assert not await sdk.delete_memory(app, app)
        assert await sdk.get_memory("' OR '1'='1", app) is None


async def test_texts_are_stored_and_found_letter_by_letter(sdk: OmniMemorySDK) -> None:
    spoken = (*ATTACKS, *HOSTILE_TEXTS)
    for number, text in enumerate(spoken):
        user = f"user-{number}"
        message = Message(role="user", content=f"tea {text} tea")
        await sdk.add_memory(UserMessages(app_id=APP, user_id=user, messages=[message]))
    await sdk.flush()
    for number, text in enumerate(spoken):
        legible = text.replace("\x00", "\ufffd")  # as every message's
        assert await found(sdk, f"tea {text}", f"user-{number}") == [f"tea {legible} tea"]


async def test_items_are_kept_under_any_name(sdk: OmniMemorySDK) -> None:
    names = [name for name in ATTACKS if "." not in name and name.strip() == name]
    puts = [PutItem(namespace=("notes", name), key=name, value={name: name, "text": name}) for name in names]
    await sdk.items_batch(APP, puts, user_id=USER)
    gets = [GetItem(namespace=("notes", name), key=name) for name in names]
    for name, item in zip(names, await sdk.items_batch(APP, gets, user_id=USER), strict=True):
        assert isinstance(item, Item)
        assert item.value == {name: name, "text": name}
    searches = [SearchItems(prefix=("notes",), filter={name: name}) for name in names]
    for name, page in zip(names, await sdk.items_batch(APP, searches, user_id=USER), strict=True):
        assert isinstance(page, list)
        assert [one.key for one in page if isinstance(one, FoundItem)] == [name]
