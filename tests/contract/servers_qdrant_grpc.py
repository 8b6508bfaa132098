"""The gRPC side of the simulated Qdrant server: the same local engine, reached by protocol buffers."""

# ruff: noqa: N802  # the protocol names the methods
from __future__ import annotations

from typing import Any

import grpc  # type: ignore[import-untyped]
from qdrant_client import AsyncQdrantClient, models
from qdrant_client import grpc as wire
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc


async def grpc_server(client: AsyncQdrantClient, port: int, *, api_key: str | None) -> Any:
    """A started ``grpc.aio.Server`` over ``client``."""
    server = grpc.aio.server(interceptors=[_Guard(api_key)])
    wire.add_CollectionsServicer_to_server(_Collections(client), server)  # type: ignore[no-untyped-call]
    wire.add_PointsServicer_to_server(_Points(client), server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return server


class _Guard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    def __init__(self, api_key: str | None) -> None:
        self._api_key = api_key

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        given = dict(details.invocation_metadata).get("api-key")
        if self._api_key is None or given == self._api_key:
            return await continuation(details)

        async def refuse(request: object, context: Any) -> None:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Must provide an API key")

        return grpc.unary_unary_rpc_method_handler(refuse)


class _Servicer:
    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client

    async def _known(self, request: Any, context: Any) -> str:
        name = str(request.collection_name)
        if not await self._client.collection_exists(name):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Not found: Collection `{name}` doesn't exist!")
        return name


class _Collections(_Servicer, wire.CollectionsServicer):
    async def List(self, request: Any, context: Any) -> Any:
        found = (await self._client.get_collections()).collections
        described = [RestToGrpc.convert_collection_description(one) for one in found]
        return wire.ListCollectionsResponse(collections=described)

    async def CollectionExists(self, request: Any, context: Any) -> Any:
        exists = await self._client.collection_exists(request.collection_name)
        return wire.CollectionExistsResponse(result=wire.CollectionExists(exists=exists))

    async def Get(self, request: Any, context: Any) -> Any:
        info = await self._client.get_collection(await self._known(request, context))
        described = RestToGrpc.convert_collection_info(info)
        return wire.GetCollectionInfoResponse(result=described)

    async def Create(self, request: Any, context: Any) -> Any:
        name = str(request.collection_name)
        if await self._client.collection_exists(name):
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, f"Collection `{name}` already exists!")
        done = await self._client.create_collection(
            name,
            vectors_config=GrpcToRest.convert_vectors_config(request.vectors_config),
            sparse_vectors_config=GrpcToRest.convert_sparse_vector_config(request.sparse_vectors_config),
            metadata=GrpcToRest.convert_payload(request.metadata),
        )
        return wire.CollectionOperationResponse(result=done)

    async def Update(self, request: Any, context: Any) -> Any:
        name = await self._known(request, context)
        metadata = GrpcToRest.convert_payload(request.metadata)
        done = await self._client.update_collection(name, metadata=metadata)
        return wire.CollectionOperationResponse(result=done)

    async def Delete(self, request: Any, context: Any) -> Any:
        done = await self._client.delete_collection(request.collection_name)
        return wire.CollectionOperationResponse(result=done)


class _Points(_Servicer, wire.PointsServicer):
    async def CreateFieldIndex(self, request: Any, context: Any) -> Any:
        await self._known(request, context)
        return _DONE

    async def Upsert(self, request: Any, context: Any) -> Any:
        name = await self._known(request, context)
        await self._client.upsert(name, [GrpcToRest.convert_point_struct(point) for point in request.points])
        return _DONE

    async def Delete(self, request: Any, context: Any) -> Any:
        name = await self._known(request, context)
        await self._client.delete(name, GrpcToRest.convert_points_selector(request.points))
        return _DONE

    async def Get(self, request: Any, context: Any) -> Any:
        found = await self._client.retrieve(
            await self._known(request, context),
            [GrpcToRest.convert_point_id(each) for each in request.ids],
            with_payload=GrpcToRest.convert_with_payload_interface(request.with_payload),
        )
        return wire.GetResponse(result=[RestToGrpc.convert_retrieved_point(each) for each in found])

    async def Scroll(self, request: Any, context: Any) -> Any:
        found, following = await self._client.scroll(
            await self._known(request, context),
            scroll_filter=_filter(request),
            limit=request.limit,
            offset=GrpcToRest.convert_point_id(request.offset) if request.HasField("offset") else None,
            with_payload=GrpcToRest.convert_with_payload_interface(request.with_payload),
        )
        return wire.ScrollResponse(
            result=[RestToGrpc.convert_retrieved_point(each) for each in found],
            next_page_offset=None if following is None else RestToGrpc.convert_extended_point_id(following),
        )

    async def Count(self, request: Any, context: Any) -> Any:
        name = await self._known(request, context)
        found = await self._client.count(name, count_filter=_filter(request), exact=True)
        return wire.CountResponse(result=RestToGrpc.convert_count_result(found))

    async def Query(self, request: Any, context: Any) -> Any:
        found = await self._client.query_points(
            await self._known(request, context),
            query=GrpcToRest.convert_query(request.query),
            using=request.using,
            query_filter=_filter(request),
            limit=request.limit,
            with_payload=GrpcToRest.convert_with_payload_interface(request.with_payload),
        )
        return wire.QueryResponse(result=[RestToGrpc.convert_scored_point(each) for each in found.points])


def _filter(request: Any) -> models.Filter | None:
    return GrpcToRest.convert_filter(request.filter) if request.HasField("filter") else None


_DONE = wire.PointsOperationResponse(
    result=wire.UpdateResult(operation_id=0, status=wire.UpdateStatus.Completed)
)
