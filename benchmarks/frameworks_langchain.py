"""LangChain's agent with OmniMemory, with LangChain's own vector store, and without a memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever
from langchain_omnimemory import OmniMemoryMiddleware, OmniMemoryRetriever
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from pydantic import PrivateAttr

from benchmarks.frameworks_contest import APP, Asked, Contest, K, Material, Replies, Turn, as_prompt


async def contests(material: Material) -> list[Contest]:
    store = await _stock(material)
    ours = OmniMemoryRetriever(app_id=APP, k=K, memory=material.memory)
    return [
        Contest(
            name="create_agent with OmniMemoryMiddleware",
            ours=_turns(OmniMemoryMiddleware(app_id=APP, k=K, memory=material.memory)),
            stock={"InMemoryVectorStore retriever": _turns(_Retrieval(store))},
            without=_turns(),
            commits=2,
        ),
        Contest(
            name="OmniMemoryRetriever for LangChain",
            ours=lambda asked: ours.ainvoke(asked.text, user_id=asked.user),
            stock={"InMemoryVectorStore retriever": lambda asked: _of(store, asked.user).ainvoke(asked.text)},
        ),
    ]


class _Instant(BaseChatModel):
    """Answers at once."""

    _replies: Replies = PrivateAttr(default_factory=Replies)

    @property
    def _llm_type(self) -> str:
        return "instant"

    def _generate(self, *_args: Any, **_kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=self._replies.next()))])

    async def _agenerate(self, *_args: Any, **_kwargs: Any) -> ChatResult:
        return self._generate()


class _Embeddings(Embeddings):
    def __init__(self, material: Material) -> None:
        self._material = material

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return await self._material.rows(texts)

    async def aembed_query(self, text: str) -> list[float]:
        return (await self._material.rows([text]))[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError("the benchmark awaits")

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError("the benchmark awaits")


class _Retrieval(AgentMiddleware[Any, Any]):
    """The plainest retrieval step: the last message's nearest documents, in the system message."""

    def __init__(self, store: InMemoryVectorStore) -> None:
        super().__init__()
        self._store = store

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        user = get_config()["configurable"]["user_id"]
        found = await _of(self._store, user).ainvoke(str(request.messages[-1].text))
        block = as_prompt([document.page_content for document in found])
        return await handler(request.override(system_message=SystemMessage(content=block)))


async def _stock(material: Material) -> InMemoryVectorStore:
    store = InMemoryVectorStore(_Embeddings(material))
    await store.aadd_documents(
        [Document(page_content=text, metadata={"user_id": user}) for user, text in material.texts]
    )
    return store


def _of(store: InMemoryVectorStore, user: str) -> VectorStoreRetriever:
    """Retrieves what one user said."""

    def theirs(document: Document) -> bool:
        return bool(document.metadata["user_id"] == user)

    return store.as_retriever(search_kwargs={"k": K, "filter": theirs})


def _turns(*middleware: AgentMiddleware[Any, Any]) -> Turn:
    agent: Any = create_agent(_Instant(), middleware=middleware, checkpointer=InMemorySaver())

    async def turn(asked: Asked) -> None:
        config = {"configurable": {"thread_id": asked.session, "user_id": asked.user}}
        answer = await agent.ainvoke({"messages": [("user", asked.text)]}, config=config)
        assert answer["messages"][-1].type == "ai"

    return turn
