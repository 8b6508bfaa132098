"""Recording what is new in a conversation that is handed over again at every step."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from langchain_core.messages import BaseMessage

from langchain_omnimemory.messages import remembered
from langchain_omnimemory.scope import Identity
from omnimemory.core.schemas import Message, UserMessages
from omnimemory.sdk import OmniMemorySDK

_REMEMBERED = 50_000
"""Messages known to be stored; forgetting one costs a look into the ledger, never a double."""

_Key = tuple[Identity, str]


class Recorder:
    """Hands each message to the engine once per process; the engine itself stores none twice."""

    def __init__(self) -> None:
        self._stored: OrderedDict[_Key, int] = OrderedDict()

    async def record(
        self, sdk: OmniMemorySDK, who: Identity, messages: Sequence[BaseMessage], *, kept_ids: bool
    ) -> None:
        """Store what is new in ``messages``, a whole conversation up to now; one commit, or none.

        ``kept_ids`` says that messages keep their ids from one call to the next, as a checkpointer
        sees to. Without, only the ids of the exchange that is going on mean something; what came
        before is recognised by its content.

        Raises:
            OmniMemoryError: it could not be stored.
        """
        found = remembered(messages)
        if not kept_ids:
            found = _with_ids_of_last_exchange(found)
        new = [message for message in found if not self._knows(who, message)]
        if not any(message.id for message in new):
            return
        # Without kept ids the engine needs what came before, to see where the new begins.
        given = new if kept_ids else found
        await sdk.ingest_transcript(
            UserMessages(app_id=who.app_id, user_id=who.user_id, session_id=who.session_id, messages=given)
        )
        for message in new:
            self._learn(who, message)

    def _knows(self, who: Identity, message: Message) -> bool:
        return message.id is not None and self._stored.get((who, message.id)) == _print(message)

    def _learn(self, who: Identity, message: Message) -> None:
        if message.id is None:
            return
        self._stored[who, message.id] = _print(message)
        self._stored.move_to_end((who, message.id))
        while len(self._stored) > _REMEMBERED:
            self._stored.popitem(last=False)


def _print(message: Message) -> int:
    return hash((message.role, message.name, message.content))


def _with_ids_of_last_exchange(messages: Sequence[Message]) -> list[Message]:
    start = max((number for number, m in enumerate(messages) if m.role == "user"), default=0)
    return [
        message if number >= start else message.model_copy(update={"id": None})
        for number, message in enumerate(messages)
    ]
