"""Every backend answers as the embedded default does: the same memories, the same questions."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from benchmarks.backends_parity import Answers, Likeness, answers, likeness, made_up, remember
from omnimemory.stores.base import VectorStore
from omnimemory.stores.chroma_local import ChromaLocalStore
from omnimemory.stores.chroma_remote import ChromaRemoteStore
from omnimemory.stores.mongodb import MongoDBStore
from omnimemory.stores.postgres import PostgresStore
from omnimemory.stores.qdrant_local import QdrantLocalStore
from omnimemory.stores.qdrant_remote import QdrantRemoteStore
from omnimemory.stores.records import Filter, Hit
from tests.contract.servers_chroma import ChromaServer, chroma_server
from tests.contract.servers_mongodb import MongoServer, mongo_folder, mongo_server
from tests.contract.servers_postgres import PostgresServer, postgres
from tests.contract.servers_qdrant import SimulatedQdrant

__all__ = ["chroma_server", "mongo_folder", "mongo_server", "postgres"]

MATERIAL = made_up(200, 30, users=2)

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""pymongo 4.20 leaves a socket to the garbage collector when it cancels a connect of its own monitors."""


@dataclass(frozen=True)
class Reference:
    """A ledger that holds the material, and what the embedded default answers."""

    home: Path
    answers: Answers


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    home = tmp_path_factory.mktemp("parity")

    async def asked() -> Answers:
        await remember(home, QdrantLocalStore(home / "first"), MATERIAL)
        return await answers(home, QdrantLocalStore(home / "second"), MATERIAL.asked)

    yield Reference(home, asyncio.run(asked()))
    gc.collect()  # the sockets of the mark above, here and not in the tests of another file


async def compared(store: VectorStore, reference: Reference) -> Likeness:
    return likeness(await answers(reference.home, store, MATERIAL.asked), reference.answers)


async def check(store: VectorStore, reference: Reference) -> None:
    found = await compared(store, reference)
    assert found.dense <= 1e-3
    assert found.words <= 1e-2
    assert found.nominated >= 0.98
    assert found.overlap >= 0.9


class OtherWords(QdrantLocalStore):
    """Takes every second word of a query."""

    async def lexical(self, app_id: str, tokens: Sequence[str], where: Filter, *, limit: int) -> list[Hit]:
        return await super().lexical(app_id, tokens[::2], where, limit=limit)


def test_the_material_is_worth_comparing(reference: Reference) -> None:
    assert sum(map(bool, reference.answers.recalled)) >= len(MATERIAL.asked) * 2 // 3
    assert all(len(scores) == 60 for scores in reference.answers.dense)


async def test_a_backend_that_answers_otherwise_is_noticed(reference: Reference, tmp_path: Path) -> None:
    found = await compared(OtherWords(tmp_path / "other"), reference)
    assert found.dense <= 1e-3
    assert found.words > 1e-2
    assert found.nominated < 0.98
    assert found.overlap < 0.9


async def test_qdrant_s_own_engine_answers_alike(reference: Reference) -> None:
    with SimulatedQdrant() as server:
        await check(QdrantRemoteStore(server.url), reference)


async def test_chroma_in_a_folder_answers_alike(reference: Reference, tmp_path: Path) -> None:
    await check(ChromaLocalStore(tmp_path / "chroma"), reference)


async def test_chroma_on_a_server_answers_alike(reference: Reference, chroma_server: ChromaServer) -> None:
    database = f"parity-{uuid.uuid4().hex}"
    url = f"http://127.0.0.1:{chroma_server.port}/api/v2/tenants/default_tenant/databases"
    async with httpx.AsyncClient() as http:
        (await http.post(url, json={"name": database})).raise_for_status()
    await check(ChromaRemoteStore("127.0.0.1", port=chroma_server.port, database=database), reference)


async def test_postgresql_answers_alike(reference: Reference, postgres: PostgresServer) -> None:
    await check(PostgresStore(postgres.uri(), schema=f"s_{uuid.uuid4().hex}"), reference)


async def test_mongodb_answers_alike(reference: Reference, mongo_server: MongoServer) -> None:
    await check(MongoDBStore(mongo_server.uri(f"parity_{uuid.uuid4().hex}")), reference)
