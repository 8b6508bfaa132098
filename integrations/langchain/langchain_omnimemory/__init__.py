"""OmniMemory for LangChain and LangGraph.

Importing this loads no framework: each class brings in what it needs at its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_omnimemory.history import OmniMemoryChatMessageHistory
    from langchain_omnimemory.memory import OmniMemoryChatMemory
    from langchain_omnimemory.middleware import OmniMemoryMiddleware
    from langchain_omnimemory.models import LangChainChatModel, LangChainEmbeddings
    from langchain_omnimemory.reranker import LangChainReranker
    from langchain_omnimemory.retriever import OmniMemoryRetriever
    from langchain_omnimemory.store import OmniMemoryStore
    from langchain_omnimemory.toolkit import OmniMemoryToolkit

__all__ = [
    "LangChainChatModel",
    "LangChainEmbeddings",
    "LangChainReranker",
    "OmniMemoryChatMemory",
    "OmniMemoryChatMessageHistory",
    "OmniMemoryMiddleware",
    "OmniMemoryRetriever",
    "OmniMemoryStore",
    "OmniMemoryToolkit",
]
_MODULES = {
    "LangChainChatModel": "models",
    "LangChainEmbeddings": "models",
    "LangChainReranker": "reranker",
    "OmniMemoryChatMemory": "memory",
    "OmniMemoryChatMessageHistory": "history",
    "OmniMemoryMiddleware": "middleware",
    "OmniMemoryRetriever": "retriever",
    "OmniMemoryStore": "store",
    "OmniMemoryToolkit": "toolkit",
}
_FRAMEWORKS = ("langchain", "langchain_classic", "langchain_core", "langgraph")


def __getattr__(name: str) -> Any:
    """A public class on first use.

    Raises:
        ImportError: its framework is not installed; the message holds the install line.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] not in _FRAMEWORKS:
            raise
        raise ImportError(
            f'{name} needs {exc.name}, which is not installed; run: pip install "omnimemory[langchain]"',
            name=exc.name,
        ) from exc
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
