"""LangGraph's ``BaseStore`` on the ledger: exact key-value items that are also found by meaning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
)

from langchain_omnimemory.connection import Connection
from langchain_omnimemory.scope import Defaults
from omnimemory.core import items
from omnimemory.core.items import FoundItem, ItemOp, ItemResult
from omnimemory.sdk import OmniMemorySDK


class OmniMemoryStore(BaseStore):
    """A store for ``create_agent(store=...)``, graphs, and langmem's tools.

    Gets, puts, deletes, listings, filters and time to live (minutes) behave as LangGraph documents
    them; each ``batch`` is one transaction. ``search(query=...)`` ranks by composite score, the
    ``score`` of its results. Values are JSON objects.

    Items belong to the user when a ``user_id`` is given, else to the app; sessions share them.
    ``index`` names the fields that are searched where a put does not; the default is all of them.
    """

    supports_ttl = True

    def __init__(
        self,
        *,
        app_id: str,
        user_id: str | None = None,
        session_id: str | None = None,
        memory: OmniMemorySDK | None = None,
        index: Sequence[str] | None = None,
        ttl: TTLConfig | None = None,
    ) -> None:
        Defaults(app_id, user_id, session_id)
        self._app_id = app_id
        self._user_id = user_id
        self._connection = Connection(memory)
        self._index = None if index is None else tuple(index)
        self.ttl_config = ttl

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        given = list(ops)
        return self._connection.run(lambda sdk: self._carry_out(sdk, given))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        given = list(ops)
        return await self._connection.arun(lambda sdk: self._carry_out(sdk, given))

    async def _carry_out(self, sdk: OmniMemorySDK, ops: Sequence[Op]) -> list[Result]:
        ours = [self._ours(op) for op in ops]
        if not ours:
            return []
        results = await sdk.items_batch(self._app_id, ours, user_id=self._user_id)
        return [_theirs(result) for result in results]

    def _ours(self, op: Op) -> ItemOp:
        match op:
            case GetOp():
                return items.GetItem(namespace=_checked(op.namespace), key=op.key, refresh_ttl=op.refresh_ttl)
            case PutOp():
                index: Any = op.index
                if index is None:
                    index = self._index
                elif index is not False:
                    index = tuple(index)
                return items.PutItem(
                    namespace=_checked(op.namespace), key=op.key, value=op.value, index=index, ttl=op.ttl
                )
            case SearchOp():
                return items.SearchItems(
                    prefix=_checked(op.namespace_prefix),
                    query=op.query,
                    filter=op.filter,
                    limit=op.limit,
                    offset=op.offset,
                    refresh_ttl=op.refresh_ttl,
                )
            case ListNamespacesOp():
                return items.ListNamespaces(
                    matches=tuple(
                        items.NamespaceMatch(kind=condition.match_type, path=_checked(condition.path))
                        for condition in op.match_conditions or ()
                    ),
                    max_depth=op.max_depth,
                    limit=op.limit,
                    offset=op.offset,
                )
        raise ValueError(f"Unknown operation type: {type(op)}")


def _checked(namespace: Sequence[str]) -> tuple[str, ...]:
    """A namespace of labels that LangGraph allows; ``batch`` is called without its checks too."""
    for label in namespace:
        if not isinstance(label, str) or not label or "." in label or "\x00" in label:
            raise InvalidNamespaceError(
                f"the namespace label {label!r} of {tuple(namespace)} must be text that is not empty "
                "and has no period; encode an id that has one"
            )
    return tuple(namespace)


def _theirs(result: ItemResult) -> Result:
    if result is None:
        return None
    if isinstance(result, items.Item):
        return Item(
            namespace=result.namespace,
            key=result.key,
            value=result.value,
            created_at=result.created_at,
            updated_at=result.updated_at,
        )
    return [_found(entry) if isinstance(entry, FoundItem) else entry for entry in result]  # type: ignore[return-value]


def _found(item: FoundItem) -> SearchItem:
    return SearchItem(
        namespace=item.namespace,
        key=item.key,
        value=item.value,
        created_at=item.created_at,
        updated_at=item.updated_at,
        score=item.score,
    )
