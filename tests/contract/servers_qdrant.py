"""A server that speaks Qdrant's HTTP and gRPC on loopback, over qdrant-client's own local engine.

No registry offers Qdrant's server, so the store under test speaks real HTTP or gRPC to this one: what
it sends is parsed by the client's models, what it gets is built from them. Filters, scores and order
are Qdrant's own simulation. A real server is tested besides where QDRANT_URL is set.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import warnings
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import uvicorn
from qdrant_client import AsyncQdrantClient, models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.contract.servers_qdrant_grpc import grpc_server

Answer = Callable[[Request], Awaitable[object]]


class Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


class SimulatedQdrant:
    """Listens on ``port`` and ``grpc_port`` from ``start`` to ``stop``; what was stored outlives a stop.

    ``api_key`` must come with each request when it is set. ``keeps_metadata`` False behaves like a
    server before 1.16.
    """

    def __init__(self, *, api_key: str | None = None, keeps_metadata: bool = True) -> None:
        self.api_key = api_key
        self.keeps_metadata = keeps_metadata
        self.indexes: dict[str, dict[str, models.PayloadSchemaType | models.PayloadSchemaParams]] = {}
        self.port = free_port()
        self.grpc_port = free_port()
        self._client = AsyncQdrantClient(":memory:", force_disable_check_same_thread=True)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        config = uvicorn.Config(
            Starlette(routes=self._routes()),
            port=self.port,
            log_level="critical",
            lifespan="off",
            timeout_graceful_shutdown=0,
        )
        self._server = server = _Server(config)

        async def serve() -> None:
            beside = await grpc_server(self._client, self.grpc_port, api_key=self.api_key)
            await server.serve()
            await beside.stop(None)

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self._thread.start()
        assert server.ready.wait(20), "the simulated Qdrant server did not start"

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(20)
            self._server = self._thread = None

    async def clear(self) -> None:
        """Drop what is stored."""
        for found in (await self._client.get_collections()).collections:
            await self._client.delete_collection(found.name)
        self.indexes.clear()

    def _routes(self) -> list[Route]:
        one = "/collections/{name}"
        answers: list[tuple[str, str, Answer]] = [
            ("GET", "/collections", self._list),
            ("GET", f"{one}/exists", self._exists),
            ("GET", one, self._describe),
            ("PUT", one, self._create),
            ("PATCH", one, self._update),
            ("DELETE", one, self._drop),
            ("PUT", f"{one}/index", self._index),
            ("PUT", f"{one}/points", self._upsert),
            ("POST", f"{one}/points", self._retrieve),
            ("POST", f"{one}/points/delete", self._delete),
            ("POST", f"{one}/points/scroll", self._scroll),
            ("POST", f"{one}/points/count", self._count),
            ("POST", f"{one}/points/query", self._query),
        ]
        return [Route(path, self._guarded(answer), methods=[method]) for method, path, answer in answers]

    def _guarded(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            if self.api_key is not None and request.headers.get("api-key") != self.api_key:
                return Response("Must provide an API key or an Authorization bearer token", 401)
            try:
                result = await answer(request)
            except Refused as refused:
                said = json.dumps({"status": {"error": str(refused)}, "time": 0.0})
                return Response(said, refused.status, media_type="application/json")
            body = models.InlineResponse200().model_dump(mode="json") | {"status": "ok", "time": 0.0}
            body["result"] = _plain(result)
            return Response(json.dumps(body), media_type="application/json")

        return respond

    async def _known(self, request: Request) -> str:
        name = str(request.path_params["name"])
        if not await self._client.collection_exists(name):
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return name

    async def _list(self, request: Request) -> object:
        return await self._client.get_collections()

    async def _exists(self, request: Request) -> object:
        return {"exists": await self._client.collection_exists(request.path_params["name"])}

    async def _describe(self, request: Request) -> object:
        info = await self._client.get_collection(await self._known(request))
        if not self.keeps_metadata:
            info.config.metadata = None
        return info

    async def _create(self, request: Request) -> object:
        name = str(request.path_params["name"])
        asked = models.CreateCollection.model_validate_json(await request.body())
        if await self._client.collection_exists(name):
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        self.indexes[name] = {}
        return await self._client.create_collection(
            name,
            vectors_config=asked.vectors,
            sparse_vectors_config=asked.sparse_vectors,
            metadata=asked.metadata,
        )

    async def _update(self, request: Request) -> object:
        asked = models.UpdateCollection.model_validate_json(await request.body())
        return await self._client.update_collection(await self._known(request), metadata=asked.metadata)

    async def _drop(self, request: Request) -> object:
        return await self._client.delete_collection(request.path_params["name"])

    async def _index(self, request: Request) -> object:
        name = await self._known(request)
        asked = models.CreateFieldIndex.model_validate_json(await request.body())
        assert asked.field_schema is not None
        self.indexes[name][asked.field_name] = asked.field_schema
        return _DONE

    async def _upsert(self, request: Request) -> object:
        asked = models.PointsList.model_validate_json(await request.body())
        with warnings.catch_warnings(action="ignore"):  # that a local engine is slow with many points
            return await self._client.upsert(await self._known(request), asked.points)

    async def _retrieve(self, request: Request) -> object:
        asked = models.PointRequest.model_validate_json(await request.body())
        return await self._client.retrieve(
            await self._known(request),
            asked.ids,
            with_payload=asked.with_payload or False,
            with_vectors=asked.with_vector or False,
        )

    async def _delete(self, request: Request) -> object:
        asked = models.FilterSelector.model_validate_json(await request.body())
        return await self._client.delete(await self._known(request), asked)

    async def _scroll(self, request: Request) -> object:
        asked = models.ScrollRequest.model_validate_json(await request.body())
        points, following = await self._client.scroll(
            await self._known(request),
            scroll_filter=asked.filter,
            limit=asked.limit or 10,
            offset=asked.offset,
            with_payload=asked.with_payload or False,
            with_vectors=asked.with_vector or False,
        )
        return models.ScrollResult(points=points, next_page_offset=following)

    async def _count(self, request: Request) -> object:
        asked = models.CountRequest.model_validate_json(await request.body())
        return await self._client.count(await self._known(request), count_filter=asked.filter, exact=True)

    async def _query(self, request: Request) -> object:
        asked = models.QueryRequest.model_validate_json(await request.body())
        return await self._client.query_points(
            await self._known(request),
            query=asked.query,
            using=asked.using,
            query_filter=asked.filter,
            limit=asked.limit or 10,
            with_payload=asked.with_payload or False,
        )


_DONE = models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
