"""An LLM that answers from a script and keeps every prompt; the framework around it is the real one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from pydantic import PrivateAttr

from omnimemory import OmniMemorySDK

APP = "my-app"
USER = "user-123"


class ScriptedLLM(FunctionCallingLLM):
    """Gives its answers in turn, the last one for good: a text, a message, or an error to raise."""

    _answers: list[str | ChatMessage | Exception] = PrivateAttr()
    _prompts: list[list[ChatMessage]] = PrivateAttr(default_factory=list)

    def __init__(self, *answers: str | ChatMessage | Exception) -> None:
        super().__init__()
        self._answers = list(answers) or ["Understood."]

    @property
    def prompts(self) -> list[list[ChatMessage]]:
        """Every prompt as messages, a completion's as one message."""
        return self._prompts

    @property
    def last_prompt(self) -> str:
        return as_text(self._prompts[-1])

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_function_calling_model=True, is_chat_model=True, model_name="scripted")

    def _answer(self, messages: Sequence[ChatMessage]) -> ChatMessage:
        self._prompts.append([message.model_copy(deep=True) for message in messages])
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return ChatMessage(role=MessageRole.ASSISTANT, content=answer)
        return answer.model_copy(deep=True)

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return ChatResponse(message=self._answer(messages))

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self.chat(messages)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        answer = self._answer(messages)

        def words() -> ChatResponseGen:
            yield ChatResponse(message=answer, delta=answer.content or "")

        return words()

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        answer = self._answer(messages)

        async def words() -> AsyncGenerator[ChatResponse, None]:
            yield ChatResponse(message=answer, delta=answer.content or "")

        return words()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        answer = self._answer([ChatMessage(role=MessageRole.USER, content=prompt)])
        return CompletionResponse(text=answer.content or "")

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return self.complete(prompt)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        raise NotImplementedError

    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        raise NotImplementedError

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[Any],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> dict[str, Any]:
        return {"messages": chat_history or []}

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        return [
            ToolSelection(
                tool_id=block.tool_call_id or "",
                tool_name=block.tool_name,
                tool_kwargs=block.tool_kwargs if isinstance(block.tool_kwargs, dict) else {},
            )
            for block in response.message.blocks
            if isinstance(block, ToolCallBlock)
        ]


def as_text(messages: Sequence[ChatMessage]) -> str:
    return "\n".join(f"{message.role.value}: {message.content}" for message in messages)


def user(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.USER, content=text)


def assistant(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, content=text)


def calling(tool: str, call_id: str = "call-1", remark: str | None = None, **arguments: Any) -> ChatMessage:
    """An assistant's message that calls a tool, perhaps with a remark."""
    call = ToolCallBlock(tool_call_id=call_id, tool_name=tool, tool_kwargs=arguments)
    return ChatMessage(
        role=MessageRole.ASSISTANT, blocks=[*([TextBlock(text=remark)] if remark else []), call]
    )


def result(text: str, call_id: str = "call-1") -> ChatMessage:
    return ChatMessage(role=MessageRole.TOOL, content=text, additional_kwargs={"tool_call_id": call_id})


async def turns(sdk: OmniMemorySDK, user_id: str = USER, session_id: str | None = None) -> list[str]:
    """What is remembered of what was said, oldest first."""
    page = await sdk.list_memories(APP, user_id, session_id, kinds=["turn"], limit=1000)
    return [memory.text for memory in page]


async def told(sdk: OmniMemorySDK, *texts: str, user_id: str = USER) -> None:
    """The user said this long ago, in another session."""
    from omnimemory import Message, UserMessages

    messages = [Message(role="user", content=text) for text in texts]
    await sdk.ingest(UserMessages(app_id=APP, user_id=user_id, session_id="earlier", messages=messages))
