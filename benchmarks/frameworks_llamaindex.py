"""LlamaIndex's agent and chat engine with OmniMemory, with LlamaIndex's own parts, and without a memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.chat_engine import ContextChatEngine, SimpleChatEngine
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import LLM
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import BaseMemory, ChatMemoryBuffer, Memory
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import MetadataFilters
from llama_index.memory.omnimemory import OmniMemory, OmniMemoryRetriever
from pydantic import PrivateAttr

from benchmarks.frameworks_contest import APP, Asked, Contest, K, Material, Replies, Turn, as_prompt

NewMemory = Callable[[Asked], BaseMemory]
"""A memory for the session of a question."""


async def contests(material: Material) -> list[Contest]:
    replies = Replies()

    def reply(*_args: Any, **_kwargs: Any) -> ChatMessage:
        return ChatMessage(role=MessageRole.ASSISTANT, content=replies.next())

    llm = MockFunctionCallingLLM(is_chat_model=True, response_generator=reply)
    retriever_of = await _stock(material)

    def omnimemory(asked: Asked) -> BaseMemory:
        return OmniMemory.from_defaults(
            app_id=APP, user_id=asked.user, session_id=asked.session, k=K, memory=material.memory
        )

    def ours(asked: Asked) -> BaseRetriever:
        return OmniMemoryRetriever(app_id=APP, user_id=asked.user, k=K, memory=material.memory)

    return [
        Contest(
            name="FunctionAgent with OmniMemory",
            ours=_agent_turns(llm, omnimemory),
            stock={
                "its Memory": _agent_turns(llm, _stock_memory),
                "its Memory and a VectorStoreIndex retriever": _agent_turns(llm, _stock_memory, retriever_of),
            },
            without=_agent_turns(llm, _buffer),
            commits=2,
        ),
        Contest(
            name="SimpleChatEngine with OmniMemory",
            ours=_chat_turns(llm, omnimemory),
            stock={
                "its Memory": _chat_turns(llm, _stock_memory),
                "ContextChatEngine, its Memory and a VectorStoreIndex": _chat_turns(
                    llm, _stock_memory, retriever_of
                ),
            },
            without=_chat_turns(llm, _buffer),
            commits=2,
        ),
        Contest(
            name="OmniMemoryRetriever for LlamaIndex",
            ours=lambda asked: ours(asked).aretrieve(asked.text),
            stock={"VectorStoreIndex retriever": lambda asked: retriever_of(asked).aretrieve(asked.text)},
        ),
    ]


def _stock_memory(asked: Asked) -> BaseMemory:
    return Memory.from_defaults(session_id=asked.session)


def _buffer(_asked: Asked) -> BaseMemory:
    """What agents and chat engines take by default."""
    return ChatMemoryBuffer.from_defaults()


class _Embedding(BaseEmbedding):
    _material: Material = PrivateAttr()

    def __init__(self, material: Material) -> None:
        super().__init__(model_name=material.embedder.name, embed_batch_size=256)
        self._material = material

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return (await self._material.rows([query]))[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return (await self._material.rows([text]))[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        raise NotImplementedError("the benchmark awaits")

    def _get_text_embedding(self, text: str) -> list[float]:
        raise NotImplementedError("the benchmark awaits")


RetrieverOf = Callable[[Asked], BaseRetriever]
"""Retrieves what the user of a question said."""


async def _stock(material: Material) -> RetrieverOf:
    """Over nodes that bring their vectors: building an index embeds with blocking calls only."""
    rows = await material.rows([text for _, text in material.texts])
    nodes = [
        TextNode(text=text, metadata={"user_id": user}, embedding=row)
        for (user, text), row in zip(material.texts, rows, strict=True)
    ]
    index = VectorStoreIndex(nodes, embed_model=_Embedding(material))

    def retriever_of(asked: Asked) -> BaseRetriever:
        filters = MetadataFilters.from_dict({"user_id": asked.user})
        return index.as_retriever(similarity_top_k=K, filters=filters)

    return retriever_of


def _agent_turns(llm: LLM, new_memory: NewMemory, retriever_of: RetrieverOf | None = None) -> Turn:
    agent = FunctionAgent(llm=llm, system_prompt="You help.", streaming=False)
    memory_of = _kept(new_memory)

    async def turn(asked: Asked) -> None:
        found = [] if retriever_of is None else await retriever_of(asked).aretrieve(asked.text)
        said = f"{as_prompt([node.text for node in found])}\n\n{asked.text}" if found else asked.text
        assert str(await agent.run(said, memory=memory_of(asked)))

    return turn


def _chat_turns(llm: LLM, new_memory: NewMemory, retriever_of: RetrieverOf | None = None) -> Turn:
    memory_of = _kept(new_memory)

    async def turn(asked: Asked) -> None:
        memory = memory_of(asked)
        engine = (
            SimpleChatEngine.from_defaults(llm=llm, memory=memory)
            if retriever_of is None
            else ContextChatEngine.from_defaults(retriever_of(asked), llm=llm, memory=memory)
        )
        assert str(await engine.achat(asked.text))

    return turn


def _kept(new_memory: NewMemory) -> Callable[[Asked], BaseMemory]:
    """Keeps one memory for each session."""
    found: dict[str, BaseMemory] = {}

    def memory_of(asked: Asked) -> BaseMemory:
        if asked.session not in found:
            found[asked.session] = new_memory(asked)
        return found[asked.session]

    return memory_of
