"""A chat model that answers from a script and keeps what it was asked; and what the ledger then holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from omnimemory import OmniMemorySDK, SyncOmniMemorySDK

APP = "my-app"
USER = "ana"


class ScriptedChat(BaseChatModel):
    """Answers with the next of ``replies`` (the last one again and again); an exception is raised."""

    replies: list[Any] = Field(default_factory=lambda: ["Noted."])
    prompts: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        reply = self.replies[min(len(self.prompts), len(self.replies) - 1)]
        self.prompts.append(list(messages))
        if isinstance(reply, Exception):
            raise reply
        return AIMessage(content=reply) if isinstance(reply, str) else reply.model_copy(deep=True)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        reply = self._next(messages)
        if reply.tool_calls:
            parts = [
                tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=n)
                for n, call in enumerate(reply.tool_calls)
            ]
            yield ChatGenerationChunk(message=AIMessageChunk(content=reply.content, tool_call_chunks=parts))
            return
        for word in reply.text.split(" "):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=word + " "))
            if run_manager:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk

    @property
    def systems(self) -> list[str]:
        """The system text of each prompt."""
        return ["\n".join(str(m.text) for m in prompt if m.type == "system") for prompt in self.prompts]


def agent_of(model: BaseChatModel, tools: Any = None, **options: Any) -> Any:
    """``create_agent``; its overloads know no plain dict as an input."""
    return create_agent(model, tools, **options)


def calls(name: str, **args: Any) -> AIMessage:
    """An answer that calls a tool."""
    return AIMessage(content="", tool_calls=[{"name": name, "args": args, "id": f"call-{name}"}])


def turns(
    sdk: OmniMemorySDK, *, user_id: str | None = USER, session_id: str | None = None, app_id: str = APP
) -> list[tuple[str | None, str]]:
    """Who said what, in order, as the ledger holds it."""
    page = SyncOmniMemorySDK(sdk).list_memories(app_id, user_id, session_id, kinds=("turn",), limit=1000)
    return [(memory.role, memory.text) for memory in page]
