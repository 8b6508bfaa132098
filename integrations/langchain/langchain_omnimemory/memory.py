"""Memory for existing chains: the last messages of the session, and what else is worth recalling.

Its base class is deprecated in LangChain; new agents take ``OmniMemoryMiddleware``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_classic.base_memory import BaseMemory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, get_buffer_string
from langchain_core.runnables import ensure_config
from pydantic import Field, PrivateAttr, model_validator

from langchain_omnimemory.connection import Connection
from langchain_omnimemory.history import OmniMemoryChatMessageHistory
from langchain_omnimemory.messages import Visible, last_human_text
from langchain_omnimemory.recalling import PromptRecall
from langchain_omnimemory.scope import Defaults, Identity
from omnimemory.core.errors import InvalidRequest
from omnimemory.sdk import OmniMemorySDK

_INPUTS = ("input", "question", "query")
_OUTPUTS = ("answer", "output", "response", "text", "result")


class OmniMemoryChatMemory(BaseMemory):
    """Short-term window plus long-term recall, under one variable of the prompt.

    The variable holds the session's last ``window`` messages, after the ``k`` best memories of all
    the user's sessions for the current input: messages with ``return_messages``, else text.
    ``save_context`` adds an exchange to the session and remembers it. The keys of inputs and
    outputs are ``input_key`` and ``output_key``, else the only one, else a usual name. ``clear``
    empties the session's messages and forgets no memory.
    """

    app_id: str
    user_id: str | None = None
    session_id: str | None = None
    memory_key: str = "history"
    input_key: str | None = None
    output_key: str | None = None
    return_messages: bool = False
    human_prefix: str = "Human"
    ai_prefix: str = "AI"
    window: int = Field(default=20, ge=1)
    recall: bool = True
    record: bool = True
    k: int = 5
    token_budget: int = 1000
    fail_open: bool = True
    memory: Any = Field(default=None, exclude=True, repr=False)

    _connection: Connection = PrivateAttr()
    _prompt_recall: PromptRecall = PrivateAttr()

    @model_validator(mode="after")
    def _connect(self) -> OmniMemoryChatMemory:
        Defaults(self.app_id, self.user_id, self.session_id)
        self._connection = Connection(self.memory)
        self._prompt_recall = PromptRecall(self.k, self.token_budget, self.fail_open)
        return self

    @property
    def memory_variables(self) -> list[str]:
        return [self.memory_key]

    @property
    def chat_memory(self) -> OmniMemoryChatMessageHistory:
        """The session's messages."""
        return self._history(self._identity())

    def load_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """What the prompt gets. Without an input there is nothing to recall for, only the window."""
        who, query = self._identity(), self._query(inputs)
        return self._connection.run(lambda sdk: self._load(sdk, who, query))

    async def aload_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        who, query = self._identity(), self._query(inputs)
        return await self._connection.arun(lambda sdk: self._load(sdk, who, query))

    def save_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Add an exchange: values may be text, a message or a list of messages.

        Raises:
            InvalidRequest: which key is meant cannot be told, or its value is no message.
        """
        self.chat_memory.add_messages(self._exchange(inputs, outputs))

    async def asave_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        await self.chat_memory.aadd_messages(self._exchange(inputs, outputs))

    def clear(self) -> None:
        """Empty the session's messages. What was remembered stays."""
        self.chat_memory.clear()

    async def aclear(self) -> None:
        await self.chat_memory.aclear()

    def _identity(self) -> Identity:
        return Defaults(self.app_id, self.user_id, self.session_id).identity(
            configurable=ensure_config().get("configurable", {}), thread_is_session=True
        )

    def _history(self, who: Identity) -> OmniMemoryChatMessageHistory:
        return OmniMemoryChatMessageHistory(
            app_id=who.app_id,
            user_id=who.user_id,
            session_id=who.session_id,
            memory=self._connection.open(),
            last=self.window,
            record=self.record,
        )

    async def _load(self, sdk: OmniMemorySDK, who: Identity, query: str) -> dict[str, Any]:
        recent = await self._history(who).aget_messages()
        block = ""
        if self.recall:
            block = await self._prompt_recall.block(sdk, who, query, Visible.of(recent))
        if self.return_messages:
            recalled: list[BaseMessage] = [SystemMessage(content=block)] if block else []
            return {self.memory_key: recalled + recent}
        text = get_buffer_string(recent, human_prefix=self.human_prefix, ai_prefix=self.ai_prefix)
        return {self.memory_key: "\n\n".join(part for part in (block, text) if part)}

    def _query(self, inputs: Mapping[str, Any]) -> str:
        candidates = self._candidates(inputs)
        if not candidates:
            return ""
        key = _key(candidates, self.input_key, _INPUTS, "input_key")
        return last_human_text(_messages(inputs[key], HumanMessage, key))

    def _exchange(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> list[BaseMessage]:
        said = _key(self._candidates(inputs), self.input_key, _INPUTS, "input_key")
        answered = _key(list(outputs), self.output_key, _OUTPUTS, "output_key")
        return [
            *_messages(inputs[said], HumanMessage, said),
            *_messages(outputs[answered], AIMessage, answered),
        ]

    def _candidates(self, inputs: Mapping[str, Any]) -> list[str]:
        return [key for key in inputs if key not in (self.memory_key, "stop")]


def _key(keys: Sequence[str], chosen: str | None, usual: Sequence[str], setting: str) -> str:
    named = ", ".join(map(repr, keys)) or "none"
    if chosen is not None:
        if chosen not in keys:
            raise InvalidRequest(f"{setting} is {chosen!r}, but the keys are {named}")
        return chosen
    if len(keys) == 1:
        return keys[0]
    found = next((name for name in usual if name in keys), None)
    if found is None:
        raise InvalidRequest(f"which key is meant? Set {setting} to one of: {named}")
    return found


def _messages(value: object, kind: type[HumanMessage | AIMessage], key: str) -> list[BaseMessage]:
    if isinstance(value, str):
        return [kind(content=value)]
    if isinstance(value, BaseMessage):
        return [value]
    if isinstance(value, list | tuple) and value:
        if all(isinstance(item, BaseMessage) for item in value):
            return list(value)
        if all(isinstance(item, dict) and "type" in item for item in value):
            return [kind(content=list(value))]
    raise InvalidRequest(
        f"the value of {key!r} is a {type(value).__name__}; text, a message, a list of messages "
        "or of content blocks is expected: name another key, or turn it into text first"
    )
