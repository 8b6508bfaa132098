"""Key-value items: batches of operations in one transaction, in order, and expiry.

A namespace is stored as the inside of its JSON array, each label with a comma behind it, in ASCII:
exact for any text, and what begins with a namespace is one range of an index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, or_, select, update

from omnimemory.core.item_filter import matches
from omnimemory.core.item_memory import item_text, text_key
from omnimemory.core.items import (
    ANY_LABEL,
    APP_USER,
    FoundItem,
    GetItem,
    Item,
    ItemOp,
    ItemResult,
    ListNamespaces,
    PutItem,
    SearchItems,
    fits,
)
from omnimemory.core.schemas import Scope
from omnimemory.ledger import item_memories, locks
from omnimemory.ledger.operation import Operations, reads, writes
from omnimemory.ledger.rows import AnyRow, chunked, moment, opaque
from omnimemory.ledger.schema import item_namespaces, items

Scores = Mapping[str, float]
"""Composite scores by the ``text_key`` of an item's text, best first."""

_MICROSECONDS_A_MINUTE = 60_000_000
_PAGE = 200

_i = items.c
_n = item_namespaces.c
_OWN = (_n.app_id == bindparam("app"), _n.user_id == bindparam("user"))
_LIVE = or_(_i.expires_at.is_(None), _i.expires_at > bindparam("now"))
_BELOW = (*_OWN, _n.path >= bindparam("low"), _n.path < bindparam("high"))
_ROWS = select(*_i, _n.path).join(item_namespaces, _n.seq == _i.namespace)
_ONE = _ROWS.where(*_OWN, _n.path == bindparam("path"), _i.key == bindparam("key"))
# the namespaces as a set: so the rows come in order from the index, and reading can stop early
_FOUND = (
    _ROWS.where(_i.namespace.in_(select(_n.seq).where(*_BELOW)), _LIVE)
    .order_by(_i.namespace, _i.seq)
    .execution_options(yield_per=_PAGE)
)
_RANKED = _ROWS.where(*_BELOW, _LIVE, _i.text_key.in_(bindparam("texts", expanding=True)))
_NAMESPACES = select(_n.path).where(*_BELOW, exists().where(_i.namespace == _n.seq, _LIVE))
_NAMESPACE = select(_n.seq).where(*_OWN, _n.path == bindparam("path"))
_EXPIRED = (
    select(_i.seq, _i.namespace, _i.memory_id, _n.app_id, _n.user_id)
    .join(item_namespaces, _n.seq == _i.namespace)
    .where(_i.expires_at <= bindparam("now"))
    .order_by(_i.expires_at)
    .limit(bindparam("limit"))
)
_NEXT_EXPIRY = select(func.min(_i.expires_at)).where(_i.expires_at.is_not(None))
_INSERT = insert(items)
_INSERT_NAMESPACE = insert(item_namespaces)
_UPDATE = update(items).where(_i.seq == bindparam("at"))
_REFRESH = (
    update(items)
    .where(_i.seq.in_(bindparam("seqs", expanding=True)), _i.ttl.is_not(None))
    .values(expires_at=bindparam("now") + _i.ttl)
)


class Items(Operations):
    """Items of a user, or with no user in the scope the app's own."""

    async def items_batch(
        self, scope: Scope, ops: Sequence[ItemOp], *, scores: Mapping[int, Scores] | None = None
    ) -> Sequence[ItemResult]:
        """The results of the operations, in their order, out of one transaction.

        Reads see what was stored before the batch, whatever it puts; of several puts of one key the
        last counts. ``scores`` has, by the position of a search, what ranks its items. Only a batch
        that puts something, or gives an item its time again, costs a commit.

        Raises:
            InvalidRequest: a filter cannot be used, or a value is no JSON; nothing is stored.
        """
        puts = {(op.namespace, op.key): op for op in ops if isinstance(op, PutItem)}
        if puts:
            return await self._put_items(scope, ops, scores or {}, list(puts.values()))
        results, used = await self._read_items(scope, ops, scores or {})
        if used:
            await self._refresh_items(used)
        return results

    @writes
    def sweep_items(self, conn: Connection, *, limit: int = 500) -> int:
        """Delete up to ``limit`` expired items, of every app, and end their memories. Returns how many."""
        expired = {"now": self._now(), "limit": limit}
        users = {(row.app_id, row.user_id) for row in conn.execute(_EXPIRED, expired)}
        locks.take(conn, *(locks.of_user(*user) for user in users))
        found = conn.execute(_EXPIRED, expired).all()  # again: others may have put some anew
        rows = [row for row in found if (row.app_id, row.user_id) in users]
        _drop(conn, rows, now=expired["now"])
        return len(rows)

    @reads
    def items_next_expiry(self, conn: Connection) -> datetime | None:
        """When the next item expires, perhaps long past; None while none will."""
        at: int | None = conn.execute(_NEXT_EXPIRY).scalar_one()
        return None if at is None else moment(at)

    @reads
    def _read_items(
        self, conn: Connection, scope: Scope, ops: Sequence[ItemOp], scores: Mapping[int, Scores]
    ) -> tuple[list[ItemResult], list[int]]:
        reading = _Reading(conn, scope, self._now())
        return [reading.result(op, scores.get(at)) for at, op in enumerate(ops)], reading.used

    @writes
    def _put_items(
        self,
        conn: Connection,
        scope: Scope,
        ops: Sequence[ItemOp],
        scores: Mapping[int, Scores],
        puts: Sequence[PutItem],
    ) -> list[ItemResult]:
        locks.take(conn, locks.of_user(scope.app_id, scope.user_id or APP_USER))
        now = self._now()
        reading = _Reading(conn, scope, now)
        results = [reading.result(op, scores.get(at)) for at, op in enumerate(ops)]
        _refresh(conn, reading.used, now)
        for put in puts:
            _put(conn, scope, put, now)
        return results

    @writes
    def _refresh_items(self, conn: Connection, seqs: Sequence[int]) -> None:
        _refresh(conn, seqs, self._now())


class _Reading:
    """The reads of one batch. ``used`` are the perishable items that get their time again."""

    def __init__(self, conn: Connection, scope: Scope, now: int) -> None:
        self._conn = conn
        self._place = _place(scope) | {"now": now}
        self._now = now
        self.used: list[int] = []

    def result(self, op: ItemOp, scores: Scores | None) -> ItemResult:
        match op:
            case GetItem():
                return self._get(op)
            case SearchItems():
                return self._search(op, scores or {})
            case ListNamespaces():
                return self._namespaces(op)
            case PutItem():
                return None

    def _get(self, op: GetItem) -> Item | None:
        row = _one(self._conn, self._place, op.namespace, op.key)
        if row is None or not _is_live(row, self._now):
            return None
        self._touch(row, op.refresh_ttl)
        return Item.model_validate(_fields(row))

    def _search(self, op: SearchItems, scores: Scores) -> list[FoundItem]:
        ranked = self._ranked(op, scores)
        page: list[tuple[AnyRow, float | None]] = [
            (row, scores[row.text_key]) for row in ranked[op.offset : op.offset + op.limit]
        ]
        missing = op.limit - len(page)
        if missing:
            seen = {row.seq for row in ranked}
            with self._conn.execute(_FOUND, self._place | _below(op.prefix)) as rows:
                others = (row for row in rows if row.seq not in seen and _wanted(row, op))
                start = max(0, op.offset - len(ranked))
                page += [(row, None) for row in islice(others, start, start + missing)]
        for row, _ in page:
            self._touch(row, op.refresh_ttl)
        return [FoundItem.model_validate({**_fields(row), "score": score}) for row, score in page]

    def _ranked(self, op: SearchItems, scores: Scores) -> list[AnyRow]:
        found = [
            row
            for texts in chunked(list(scores))
            for row in self._conn.execute(_RANKED, self._place | _below(op.prefix) | {"texts": list(texts)})
            if _wanted(row, op)
        ]
        return sorted(found, key=lambda row: (-scores[row.text_key], row.namespace, row.seq))

    def _namespaces(self, op: ListNamespaces) -> list[tuple[str, ...]]:
        paths = self._conn.execute(_NAMESPACES, self._place | _below(_literal_prefix(op))).scalars()
        found = [labels for labels in map(_labels, paths) if all(fits(labels, match) for match in op.matches)]
        if op.max_depth is not None:
            found = list({labels[: op.max_depth] for labels in found})
        return sorted(found)[op.offset : op.offset + op.limit]

    def _touch(self, row: AnyRow, refresh: bool) -> None:
        if refresh and row.ttl is not None:
            self.used.append(row.seq)


def _place(scope: Scope) -> dict[str, object]:
    return {"app": scope.app_id, "user": scope.user_id or APP_USER}


def _path(namespace: Iterable[str]) -> str:
    return "".join(f"{json.dumps(label)}," for label in namespace)


def _labels(path: str) -> tuple[str, ...]:
    return tuple(json.loads(f"[{path[:-1]}]"))


def _below(prefix: Sequence[str]) -> dict[str, object]:
    """The range of paths that begin with the prefix: up to the text that follows all of them."""
    low = _path(prefix)
    return {"low": low, "high": low[:-1] + "-" if low else "#"}


def _literal_prefix(op: ListNamespaces) -> tuple[str, ...]:
    """The longest beginning that the matches fix, so that only namespaces below it are read."""
    fixed = [
        match.path[: match.path.index(ANY_LABEL)] if ANY_LABEL in match.path else match.path
        for match in op.matches
        if match.kind == "prefix"
    ]
    return max(fixed, key=len, default=())


def _one(conn: Connection, place: Mapping[str, object], namespace: Sequence[str], key: str) -> AnyRow | None:
    return conn.execute(_ONE, {**place, "path": _path(namespace), "key": opaque(key)}).one_or_none()


def _is_live(row: AnyRow, now: int) -> bool:
    return row.expires_at is None or row.expires_at > now


def _wanted(row: AnyRow, op: SearchItems) -> bool:
    return not op.filter or matches(json.loads(row.value), op.filter)


def _fields(row: AnyRow) -> dict[str, object]:
    return {
        "namespace": _labels(row.path),
        "key": json.loads(row.key),
        "value": json.loads(row.value),
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }


def _put(conn: Connection, scope: Scope, put: PutItem, now: int) -> None:
    place = _place(scope)
    row = _one(conn, place, put.namespace, put.key)
    if row is not None and (put.value is None or not _is_live(row, now)):
        _drop(conn, [row], now=now)
        row = None
    if put.value is None:
        return
    ttl = None if put.ttl is None else round(put.ttl * _MICROSECONDS_A_MINUTE)
    text = item_text(put.value, put.index)
    memory_id = None if row is None else row.memory_id
    values = {
        "value": opaque(put.value),
        "updated_at": now,
        "ttl": ttl,
        "expires_at": None if ttl is None else now + ttl,
        "memory_id": item_memories.keep(conn, scope, put, text, memory_id, now=now),
        "text_key": text_key(text) if text else None,
    }
    if row is not None:
        conn.execute(_UPDATE.values(**values), {"at": row.seq})
        return
    new = {"namespace": _namespace(conn, place, put.namespace), "key": opaque(put.key), "created_at": now}
    conn.execute(_INSERT, {**values, **new})


def _namespace(conn: Connection, place: Mapping[str, object], namespace: Sequence[str]) -> int:
    path = _path(namespace)
    known: int | None = conn.execute(_NAMESPACE, {**place, "path": path}).scalar_one_or_none()
    if known is not None:
        return known
    new = {"app_id": place["app"], "user_id": place["user"], "path": path}
    made = conn.execute(_INSERT_NAMESPACE, new).inserted_primary_key
    assert made is not None
    return int(made[0])


def _drop(conn: Connection, rows: Sequence[AnyRow], *, now: int) -> None:
    """Delete items, end their memories, and forget namespaces that hold nothing more."""
    item_memories.end(conn, [row.memory_id for row in rows if row.memory_id is not None], now=now)
    for part in chunked(rows):
        conn.execute(delete(items).where(_i.seq.in_([row.seq for row in part])))
        emptied = _n.seq.in_({row.namespace for row in part})
        conn.execute(delete(item_namespaces).where(emptied, ~exists().where(_i.namespace == _n.seq)))


def _refresh(conn: Connection, seqs: Sequence[int], now: int) -> None:
    for part in chunked(seqs):
        conn.execute(_REFRESH, {"seqs": list(part), "now": now})
