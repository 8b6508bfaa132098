"""One session's chat in the engine: its transcript, word for word, and what of it is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llama_index.core.base.llms.types import ChatMessage
from llama_index.memory.omnimemory.messages import Entry, to_entry, to_message, worth_remembering
from llama_index.memory.omnimemory.window import fitting, is_user, tokens_of

from omnimemory import Message, OmniMemorySDK, UserMessages

FIRST_READ = 64
"""Entries read at first; four times as many each time these do not fill the window."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The chat of one session; the transcript and the memories are kept by the engine's ledger."""

    sdk: OmniMemorySDK
    app_id: str
    user_id: str
    session_id: str

    async def append(self, messages: Sequence[ChatMessage]) -> None:
        """Extend the transcript, and remember what people said and were told."""
        entries = [to_entry(message) for message in messages]
        spoken = worth_remembering(messages)
        if spoken:
            await self.sdk.ingest(self._said(spoken), transcript=entries)
        else:
            await self.sdk.append_transcript(self.app_id, self.user_id, self.session_id, entries)

    async def replace(self, messages: Sequence[ChatMessage]) -> None:
        """Put another transcript in place; what it repeats is not remembered again."""
        entries = [to_entry(message) for message in messages]
        spoken = worth_remembering(messages)
        if spoken:
            await self.sdk.ingest_transcript(self._said(spoken), whole_history=True, transcript=entries)
        else:
            await self.sdk.replace_transcript(self.app_id, self.user_id, self.session_id, entries)

    async def clear(self) -> None:
        """Forget the transcript; memories stay."""
        await self.sdk.clear_transcript(self.app_id, self.user_id, self.session_id)

    async def messages(self) -> list[ChatMessage]:
        return [to_message(entry) for entry in await self.entries()]

    async def window(self, limit: int) -> list[ChatMessage]:
        """The newest messages that fit into ``limit`` tokens; see ``window.fitting``."""
        last = FIRST_READ
        while True:
            entries = await self.entries(last)
            complete = len(entries) < last
            if complete or (sum(map(tokens_of, entries)) > limit and any(map(is_user, entries))):
                return [to_message(entry) for entry in fitting(entries, limit, complete=complete)]
            last *= 4

    async def entries(self, last: int | None = None) -> list[Entry]:
        """The last entries of the transcript (None: all), oldest first."""
        return await self.sdk.get_transcript(self.app_id, self.user_id, self.session_id, last=last)

    def _said(self, spoken: list[Message]) -> UserMessages:
        return UserMessages(
            app_id=self.app_id, user_id=self.user_id, session_id=self.session_id, messages=spoken
        )
