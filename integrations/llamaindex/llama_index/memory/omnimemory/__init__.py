"""OmniMemory for LlamaIndex: long-term memory for agents, chat engines and query engines.

    from llama_index.memory.omnimemory import OmniMemory

Importing this loads neither LlamaIndex nor the engine; the first class that is used does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from omnimemory.core.errors import ConfigError

if TYPE_CHECKING:
    from llama_index.memory.omnimemory.block import OmniMemoryBlock
    from llama_index.memory.omnimemory.memory import OmniMemory
    from llama_index.memory.omnimemory.models import LlamaIndexChatModel, LlamaIndexEmbedder
    from llama_index.memory.omnimemory.reranker import LlamaIndexReranker
    from llama_index.memory.omnimemory.retriever import OmniMemoryRetriever
    from llama_index.memory.omnimemory.tools import OmniMemoryToolSpec

__all__ = [
    "LlamaIndexChatModel",
    "LlamaIndexEmbedder",
    "LlamaIndexReranker",
    "OmniMemory",
    "OmniMemoryBlock",
    "OmniMemoryRetriever",
    "OmniMemoryToolSpec",
]
_HOMES = {
    "LlamaIndexChatModel": "models",
    "LlamaIndexEmbedder": "models",
    "LlamaIndexReranker": "reranker",
    "OmniMemory": "memory",
    "OmniMemoryBlock": "block",
    "OmniMemoryRetriever": "retriever",
    "OmniMemoryToolSpec": "tools",
}


def __getattr__(name: str) -> Any:
    """The public classes on first use.

    Raises:
        ConfigError: LlamaIndex is not installed; says how to install it.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import_module("llama_index.core")
    except ModuleNotFoundError as exc:
        raise ConfigError(
            f'{name} needs llama-index-core; run: pip install "omnimemory[llamaindex]"'
        ) from exc
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
