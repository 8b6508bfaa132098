"""``OmniMemory``: the chat of a session, and what its user said in all others, as one LlamaIndex memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
from llama_index.core.memory import BaseMemory, InsertMethod
from llama_index.core.utils import get_tokenizer
from llama_index.memory.omnimemory.conversation import Conversation
from llama_index.memory.omnimemory.longterm import LongTerm
from llama_index.memory.omnimemory.messages import text_of, without_echo, worth_remembering
from llama_index.memory.omnimemory.tokens import PER_MESSAGE
from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from omnimemory import OmniMemorySDK
from omnimemory.core.ids import new_id
from omnimemory.core.scope import SessionId


def _plain(value: object) -> object:
    return value.value if isinstance(value, InsertMethod) else value


@dataclass(slots=True)
class _TurnRecall:
    """What was recalled for a user's message; good until the next one.

    ``ahead``: it was asked for before the message was put. ``answered``: the turn is over.
    """

    query: str
    block: str
    ahead: bool
    answered: bool = False


class OmniMemory(LongTerm, BaseMemory):
    """Short-term window and long-term memory for agents and chat engines.

    The transcript lives in the engine's ledger. ``get`` gives its newest messages, whole turns of at
    most ``token_limit`` tokens, and before them a system message with what was recalled for the
    last user message: once for each user turn, nothing when nothing is useful. ``put`` remembers
    user messages and final answers. ``set`` replaces the transcript; what it repeats is not
    remembered again. ``reset`` clears the transcript and forgets no memory.

    Every method has an async form of its own; the blocking ones work inside a running loop too.
    All raise ``OmniMemoryError`` when the engine fails; only recall does not (``fail_open``).
    """

    session_id: SessionId = Field(
        default_factory=new_id, description="The conversation; a new one when it is not given."
    )
    token_limit: int = Field(
        default=30_000, ge=1, description="Tokens that get returns at most, the recalled block included."
    )
    insert_method: Annotated[Literal["system", "user"], BeforeValidator(_plain)] = Field(
        default="system",
        description="Recalled memories as a system message, or in front of the last user message.",
    )

    _turn: _TurnRecall | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _budget_within_limit(self) -> OmniMemory:
        if self.token_budget >= self.token_limit:
            raise ValueError(
                f"token_budget ({self.token_budget}) must leave room for messages in token_limit "
                f"({self.token_limit})"
            )
        return self

    @classmethod
    def class_name(cls) -> str:
        return "OmniMemory"

    @classmethod
    def from_defaults(  # type: ignore[override]  # named arguments: a misspelt one is an error
        cls,
        chat_history: Sequence[ChatMessage] | None = None,
        *,
        app_id: str | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        k: int | None = None,
        token_limit: int | None = None,
        token_budget: int | None = None,
        insert_method: InsertMethod | Literal["system", "user"] | None = None,
        fail_open: bool | None = None,
        memory: OmniMemorySDK | None = None,
    ) -> OmniMemory:
        """A memory of one user's session. ``chat_history`` becomes its transcript, as with ``set``.

        Raises:
            ScopeError: no ``app_id`` or ``user_id``; neither is assumed.
        """
        fields = {
            "app_id": app_id,
            "user_id": user_id,
            "session_id": session_id,
            "k": k,
            "token_limit": token_limit,
            "token_budget": token_budget,
            "insert_method": insert_method,
            "fail_open": fail_open,
        }
        made = cls(memory=memory, **{name: value for name, value in fields.items() if value is not None})
        if chat_history:
            made.set(list(chat_history))
        return made

    @property
    def tokenizer_fn(self) -> Callable[[str], list[Any]]:
        """LlamaIndex's tokenizer; chat engines count their prefix messages with it."""
        return get_tokenizer()

    async def aget(
        self,
        input: str | ChatMessage | None = None,
        *,
        initial_token_count: int = 0,
        **kwargs: Any,  # noqa: ARG002  # chat engines and agents pass what other memories take
    ) -> list[ChatMessage]:
        """The newest messages and what was recalled for ``input``, by default the last user message.

        ``initial_token_count`` is what the prompt holds already. The messages are new objects.
        """
        limit = self.token_limit - self.token_budget - PER_MESSAGE - initial_token_count
        window = await self._conversation.window(limit)
        block = await self._recalled_for(input, window)
        return self._with_block(window, block) if block else window

    async def aget_all(self) -> list[ChatMessage]:
        """The whole transcript, without anything recalled."""
        return await self._conversation.messages()

    async def aput(self, message: ChatMessage) -> None:
        """Add one message; see ``aput_messages``."""
        await self.aput_messages([message])

    async def aput_messages(self, messages: list[ChatMessage]) -> None:
        """Add messages to the transcript, and remember user messages and final answers.

        Raises:
            MessageError: one of them cannot be kept; then none is.
        """
        if kept := without_echo(messages):
            await self._conversation.append(kept)
            self._follow(kept)

    async def aset(self, messages: list[ChatMessage]) -> None:
        """Put ``messages`` in the transcript's place; of them only what is new is remembered."""
        await self._conversation.replace(without_echo(messages))
        self._turn = None

    async def areset(self) -> None:
        """Clear the transcript. Memories stay: forgetting is the SDK's ``delete_memory``."""
        await self._conversation.clear()
        self._turn = None

    def get(
        self,
        input: str | ChatMessage | None = None,
        *,
        initial_token_count: int = 0,
        **kwargs: Any,  # noqa: ARG002  # chat engines and agents pass what other memories take
    ) -> list[ChatMessage]:
        """See ``aget``."""
        return self._attachment.run(lambda: self.aget(input, initial_token_count=initial_token_count))

    def get_all(self) -> list[ChatMessage]:
        """See ``aget_all``."""
        return self._attachment.run(self.aget_all)

    def put(self, message: ChatMessage) -> None:
        """See ``aput``."""
        self._attachment.run(lambda: self.aput(message))

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """See ``aput_messages``."""
        self._attachment.run(lambda: self.aput_messages(messages))

    def set(self, messages: list[ChatMessage]) -> None:
        """See ``aset``."""
        self._attachment.run(lambda: self.aset(messages))

    def reset(self) -> None:
        """See ``areset``."""
        self._attachment.run(self.areset)

    @property
    def _conversation(self) -> Conversation:
        return Conversation(self._attachment.sdk, self.app_id, self.user_id, self.session_id)

    async def _recalled_for(self, input: str | ChatMessage | None, window: Sequence[ChatMessage]) -> str:
        asked = text_of(input) if isinstance(input, ChatMessage) else (input or "").strip()
        last = next((text_of(m) for m in reversed(window) if m.role == MessageRole.USER), "")
        query = asked or last
        turn = self._turn
        if turn is None or turn.query != query or (asked and turn.answered):
            block = await self.recalled_block(query, [query, *map(text_of, window)])
            turn = self._turn = _TurnRecall(query, block, ahead=bool(asked) and asked != last)
        return turn.block

    def _follow(self, messages: Sequence[ChatMessage]) -> None:
        """Keep the recalled block for as long as its turn goes on."""
        turn = self._turn
        if turn is None:
            return
        asked = [text_of(message) for message in messages if message.role == MessageRole.USER]
        if asked and not (turn.ahead and asked == [turn.query]):
            self._turn = None
            return
        if asked:
            turn.ahead = False
        turn.answered = turn.answered or any(m.role == "assistant" for m in worth_remembering(messages))

    def _with_block(self, window: Sequence[ChatMessage], block: str) -> list[ChatMessage]:
        messages = list(window)
        users = [position for position, message in enumerate(messages) if message.role == MessageRole.USER]
        if self.insert_method == "user" and users:
            last = messages[users[-1]]
            last.blocks = [TextBlock(text=block), *last.blocks]
        else:
            leading = next(
                (i for i, message in enumerate(messages) if message.role != MessageRole.SYSTEM), len(messages)
            )
            messages.insert(leading, ChatMessage(role=MessageRole.SYSTEM, content=block))
        return messages
