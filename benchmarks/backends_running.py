"""The backends of the comparison, each with a server of its own where it needs one.

The servers are those of ``tests/contract``. No registry offers Qdrant's: a stand-in speaks its protocol
over the engine of qdrant-client's local mode; the MongoDB server is a wire-compatible one without
``$vectorSearch``, given a minute a call. Their speed says nothing about the real ones, the ratio to bare
calls does.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import backends_bare
from benchmarks.backends_bare import Searches
from omnimemory.stores.base import VectorStore


@dataclass(frozen=True, slots=True)
class Backend:
    """A store, to be opened, and the driver alone on what the store has written.

    ``exclusive``: only one of them is open at a time.
    """

    store: VectorStore
    bare: Callable[[], AbstractAsyncContextManager[Searches]]
    exclusive: bool = False


@contextmanager
def qdrant_local(folder: Path) -> Iterator[Backend]:
    from omnimemory.stores.qdrant_local import QdrantLocalStore

    yield Backend(QdrantLocalStore(folder), partial(backends_bare.qdrant_local, folder), exclusive=True)


@contextmanager
def qdrant_remote(_: Path) -> Iterator[Backend]:
    from omnimemory.stores.qdrant_remote import QdrantRemoteStore
    from tests.contract.servers_qdrant import SimulatedQdrant

    with SimulatedQdrant() as server:
        yield Backend(QdrantRemoteStore(server.url), partial(backends_bare.qdrant_remote, server.url))


@contextmanager
def chroma_local(folder: Path) -> Iterator[Backend]:
    from omnimemory.stores.chroma_local import ChromaLocalStore

    yield Backend(ChromaLocalStore(folder), partial(backends_bare.chroma_local, folder), exclusive=True)


@contextmanager
def chroma_remote(folder: Path) -> Iterator[Backend]:
    from omnimemory.stores.chroma_remote import ChromaRemoteStore
    from tests.contract.servers_chroma import ChromaServer

    server = ChromaServer(folder)
    server.start()
    try:
        store = ChromaRemoteStore("127.0.0.1", port=server.port)
        yield Backend(store, partial(backends_bare.chroma_remote, server.port))
    finally:
        server.stop()


@contextmanager
def postgresql(_: Path) -> Iterator[Backend]:
    from omnimemory.stores.postgres import PostgresStore
    from tests.contract.servers_postgres import PostgresServer

    data = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path is short
    server = PostgresServer(data)
    try:
        yield Backend(PostgresStore(server.uri()), partial(backends_bare.postgresql, server.uri()))
    finally:
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def mongodb(folder: Path) -> Iterator[Backend]:
    from omnimemory.stores.mongodb import MongoDBStore
    from tests.contract.servers_mongodb import MongoServer

    server = MongoServer(folder)
    server.start()
    try:
        uri = server.uri("omnimemory")
        yield Backend(MongoDBStore(uri, timeout=60.0), partial(backends_bare.mongodb, uri))
    finally:
        server.kill()


REFERENCE = "qdrant-local"
RUNNING: dict[str, Callable[[Path], AbstractContextManager[Backend]]] = {
    REFERENCE: qdrant_local,
    "qdrant-remote (simulated)": qdrant_remote,
    "chromadb-local": chroma_local,
    "chromadb-remote": chroma_remote,
    "postgresql": postgresql,
    "mongodb (simulated)": mongodb,
}
"""By the name in the table. Each takes a folder that does not exist yet."""
