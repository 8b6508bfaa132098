"""Memory for ``create_agent``: recalls into the system message, records what was said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.messages import AnyMessage, SystemMessage
from langgraph.config import get_config
from langgraph.runtime import Runtime

from langchain_omnimemory.connection import Connection
from langchain_omnimemory.messages import Visible, last_human_text
from langchain_omnimemory.recalling import Formatter, PromptRecall
from langchain_omnimemory.recording import Recorder
from langchain_omnimemory.scope import Defaults, Identity
from omnimemory.sdk import OmniMemorySDK

if TYPE_CHECKING:  # the oldest supported ones take no parameters at run time
    Request = ModelRequest[Any]
    Response = ModelResponse[Any]


@dataclass(frozen=True, slots=True)
class _Thread:
    """A thread at one moment: whose it is, its messages, and whether a checkpointer keeps them."""

    who: Identity
    messages: list[AnyMessage]
    kept: bool


class OmniMemoryMiddleware(AgentMiddleware):
    """Long-term memory for an agent.

    Before each model call the ``k`` best memories of the user, of all sessions, are added to the
    system message of that call, within ``token_budget`` tokens; they never enter the state, so no
    checkpoint holds them. What the thread shows already is not recalled.

    What people said is on disk before the model is called, final answers when the agent is done;
    each message once. An answer that an interrupted run left in the thread is recorded by the
    thread's next run. Tool calls, tool results and reasoning are not recorded.

    ``user_id`` and ``session_id`` come from the runtime's context, the config's ``configurable``
    or the constructor; the session defaults to the ``thread_id``. ``fail_open``: a failing recall
    is logged and the model called without memories; a failing write is always raised.
    ``formatter`` writes the text for the prompt itself; ``token_budget`` is then its own affair.
    """

    def __init__(
        self,
        *,
        app_id: str,
        user_id: str | None = None,
        session_id: str | None = None,
        memory: OmniMemorySDK | None = None,
        recall: bool = True,
        record: bool = True,
        k: int = 5,
        token_budget: int = 1000,
        fail_open: bool = True,
        formatter: Formatter | None = None,
    ) -> None:
        super().__init__()
        self.tools = []
        self._defaults = Defaults(app_id, user_id, session_id)
        self._connection = Connection(memory)
        self._recorder = Recorder() if record else None
        self._recall = PromptRecall(k, token_budget, fail_open, formatter) if recall else None

    def wrap_model_call(self, request: Request, handler: Callable[[Request], Response]) -> Response:
        thread = self._thread(request.state, request.runtime)
        block = self._connection.run(lambda sdk: self._prepare(sdk, thread, request))
        return handler(_with_block(request, block))

    async def awrap_model_call(
        self, request: Request, handler: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        thread = self._thread(request.state, request.runtime)
        block = await self._connection.arun(lambda sdk: self._prepare(sdk, thread, request))
        return await handler(_with_block(request, block))

    def after_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> None:
        thread = self._thread(state, runtime)
        self._connection.run(lambda sdk: self._keep(sdk, thread))

    async def aafter_agent(self, state: AgentState[Any], runtime: Runtime[Any]) -> None:
        thread = self._thread(state, runtime)
        await self._connection.arun(lambda sdk: self._keep(sdk, thread))

    def _thread(self, state: Mapping[str, Any], runtime: Runtime[Any]) -> _Thread:
        configurable = get_config().get("configurable", {})
        who = self._defaults.identity(
            context=runtime.context, configurable=configurable, thread_is_session=True
        )
        # Without a checkpointer the reducer gives the messages of a replayed history new ids each run.
        kept = configurable.get("__pregel_checkpointer") is not None
        return _Thread(who, list(state["messages"]), kept)

    async def _prepare(self, sdk: OmniMemorySDK, thread: _Thread, request: Request) -> str:
        """The recalled block. Recall comes first, so that it does not find what is said just now."""
        try:
            if self._recall is None:
                return ""
            shown = request.messages
            return await self._recall.block(sdk, thread.who, last_human_text(shown), Visible.of(shown))
        finally:
            await self._keep(sdk, thread)

    async def _keep(self, sdk: OmniMemorySDK, thread: _Thread) -> None:
        if self._recorder is not None:
            await self._recorder.record(sdk, thread.who, thread.messages, kept_ids=thread.kept)


def _with_block(request: Request, block: str) -> Request:
    if not block:
        return request
    system = request.system_message
    if system is None:
        return request.override(system_message=SystemMessage(content=block))
    if isinstance(system.content, str):
        content: Any = f"{system.content}\n\n{block}" if system.content else block
    else:
        content = [*system.content, {"type": "text", "text": block}]
    return request.override(system_message=system.model_copy(update={"content": content}))
