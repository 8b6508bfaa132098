"""A session's chat for ``RunnableWithMessageHistory`` and everything else that takes a history.

Its base class is deprecated in LangChain; new agents take ``OmniMemoryMiddleware``.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage

from langchain_omnimemory.connection import Connection
from langchain_omnimemory.messages import from_entries, remembered, to_entry, whole, window
from langchain_omnimemory.scope import Defaults
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import UserMessages
from omnimemory.sdk import OmniMemorySDK


class OmniMemoryChatMessageHistory(BaseChatMessageHistory):
    """The messages of one session, exactly as they were added, and remembered as they come.

    ``last`` limits what is read to so many messages, never beginning in the middle of an exchange.
    With ``record`` (the default) people's messages and final answers become memories too, in the
    same commit. A message whose id the history holds is not added again; one with a known id and
    another content takes its place. Messages without an id are always new. ``clear`` empties the
    history and forgets no memory.

    Raises:
        ScopeError: an id is missing or not usable.
    """

    def __init__(
        self,
        *,
        app_id: str,
        user_id: str | None,
        session_id: str | None = None,
        memory: OmniMemorySDK | None = None,
        last: int | None = None,
        record: bool = True,
    ) -> None:
        super().__init__()
        if last is not None and last < 1:
            raise InvalidRequest(f"last must be at least 1, or None for all, got {last}")
        self._who = Defaults(app_id, user_id, session_id).identity()
        self._connection = Connection(memory)
        self._last = last
        self._record = record

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # a property, as the base's docs say
        """The session's messages in order."""
        return self._connection.run(self._read)

    async def aget_messages(self) -> list[BaseMessage]:
        return await self._connection.arun(self._read)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages at the end; on disk when this returns."""
        self._connection.run(lambda sdk: self._add(sdk, messages))

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        await self._connection.arun(lambda sdk: self._add(sdk, messages))

    def clear(self) -> None:
        """Empty the history. What was remembered stays; forgetting is ``delete_memory``."""
        self._connection.run(self._clear)

    async def aclear(self) -> None:
        await self._connection.arun(self._clear)

    async def _read(self, sdk: OmniMemorySDK) -> list[BaseMessage]:
        who = self._who
        # One more shows whether something was cut off.
        fetched = None if self._last is None else self._last + 1
        entries = await sdk.get_transcript(who.app_id, who.user_id, who.session_id, last=fetched)
        found = from_entries(entries)
        return found if self._last is None else window(found, self._last)

    async def _add(self, sdk: OmniMemorySDK, messages: Sequence[BaseMessage]) -> None:
        who = self._who
        given = [whole(message) for message in messages]
        held: list[BaseMessage] = []
        if any(message.id for message in given):
            held = from_entries(await sdk.get_transcript(who.app_id, who.user_id, who.session_id))
        new, changed = _sorted_out(held, given)
        if not (new or changed):
            return
        said = remembered([*changed.values(), *new]) if self._record else []
        together = UserMessages.model_construct(
            app_id=who.app_id, user_id=who.user_id, session_id=who.session_id, messages=said, metadata={}
        )
        entries = [to_entry(message) for message in new]
        if changed:
            kept = [changed.get(message.id or "", message) for message in held]
            entries = [to_entry(message) for message in (*kept, *new)]
            if said:
                await sdk.ingest_transcript(together, transcript=entries)
            else:
                await sdk.replace_transcript(who.app_id, who.user_id, who.session_id, entries)
        elif said:
            await sdk.ingest(together, transcript=entries)
        else:
            await sdk.append_transcript(who.app_id, who.user_id, who.session_id, entries)

    async def _clear(self, sdk: OmniMemorySDK) -> None:
        await sdk.clear_transcript(self._who.app_id, self._who.user_id, self._who.session_id)


def _sorted_out(
    held: Sequence[BaseMessage], given: Sequence[BaseMessage]
) -> tuple[list[BaseMessage], dict[str, BaseMessage]]:
    """What is new, and by id what takes the place of a held message."""
    known = {message.id: message for message in held if message.id}
    new: dict[str | int, BaseMessage] = {}
    changed: dict[str, BaseMessage] = {}
    for number, message in enumerate(given):
        if message.id not in known:
            new[message.id or number] = message
        elif message.id and to_entry(message) != to_entry(known[message.id]):
            changed[message.id] = message
    return list(new.values()), changed
