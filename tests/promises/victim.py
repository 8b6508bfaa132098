"""A process that is killed: it stores what it is told to, says what was acknowledged, and goes on.

Run by path with its orders as JSON; ``process.Victim`` is the other side.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.stores.qdrant_local import QdrantLocalStore
from omnimemory.stores.records import Record, RecordKind

COMMIT_IS_LATE = 5.0
"""Seconds between acknowledgement and commit in the build that is broken on purpose."""


@dataclass(frozen=True)
class Orders:
    """What to store, and how. ``messages`` are (message id, text); ``callers`` store them at once."""

    home: str
    app: str
    user: str
    call: str
    messages: list[list[str]]
    settings: dict[str, Any] = field(default_factory=dict)
    callers: int = 1
    stall_at_the_store: bool = False
    acknowledge_before_commit: bool = False


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class StallingStore(QdrantLocalStore):
    """Never takes a note: the moment at which a note is in the ledger and nowhere else lasts."""

    async def upsert(self, app_id: str, records: Sequence[Record]) -> None:
        if any(record.kind is RecordKind.NOTE for record in records):
            say(applied=True)
            await asyncio.Event().wait()
        await super().upsert(app_id, records)


def break_the_promise() -> None:
    """Make the writing lane answer its callers before it commits.

    Reaches into the lane on purpose: no public switch may exist that loses turns.
    """
    from omnimemory.ledger import lane

    run_group = lane.Lane._run_group  # noqa: SLF001

    class Hasty:
        def __init__(self, conn: Any, group: Any) -> None:
            self._conn, self._group = conn, group

        def exec_driver_sql(self, statement: str) -> object:
            if statement == "COMMIT" and "writer" in threading.current_thread().name:
                lane._answer(self._group)  # noqa: SLF001
                threading.Event().wait(COMMIT_IS_LATE)
            return self._conn.exec_driver_sql(statement)

        def __getattr__(self, name: str) -> object:
            return getattr(self._conn, name)

    def hasty(self: lane.Lane, conn: Any, group: Any) -> None:
        run_group(self, Hasty(conn, group), group)  # type: ignore[arg-type]

    lane.Lane._run_group = hasty  # type: ignore[method-assign]  # noqa: SLF001


async def store(sdk: OmniMemorySDK, orders: Orders) -> None:
    waiting = iter(orders.messages)

    async def caller() -> None:
        for message_id, text in waiting:
            message = Message(id=message_id, role="user", content=text)
            conversation = UserMessages(app_id=orders.app, user_id=orders.user, messages=[message])
            call = sdk.ingest if orders.call == "batch" else sdk.add_memory
            answer = await call(conversation)
            say(id=message_id, text=text, task_id=answer["task_id"])

    await asyncio.gather(*(caller() for _ in range(orders.callers)))


async def store_old_chats(sdk: OmniMemorySDK, orders: Orders) -> None:
    messages = [Message(role="user", content=text) for _, text in orders.messages]
    chat = UserMessages(app_id=orders.app, user_id=orders.user, messages=messages)
    await sdk.add_many([chat], on_progress=lambda done, total: say(done=done, total=total))


async def live(orders: Orders) -> None:
    taken = StallingStore(Path(orders.home) / "qdrant") if orders.stall_at_the_store else None
    async with OmniMemorySDK(home=orders.home, store=taken, **orders.settings) as sdk:
        await sdk.warm_up()
        if orders.acknowledge_before_commit:
            break_the_promise()
        await (store_old_chats if orders.call == "many" else store)(sdk, orders)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(live(Orders(**json.loads(sys.argv[1]))))
