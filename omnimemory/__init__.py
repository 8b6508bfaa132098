"""OmniMemory: long-term memory for LLM applications.

from omnimemory import OmniMemorySDK
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnimemory.core.schemas import Message, Scope, UserMessages
    from omnimemory.sdk import AgentMemorySDK, OmniMemorySDK, SyncOmniMemorySDK

__version__ = "0.1.0"
__all__ = [
    "AgentMemorySDK",
    "Message",
    "OmniMemorySDK",
    "Scope",
    "SyncOmniMemorySDK",
    "UserMessages",
    "__version__",
]
_SCHEMAS = frozenset({"Message", "Scope", "UserMessages"})


def __getattr__(name: str) -> Any:
    """Public names on first use, so that importing a part does not import the whole."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("omnimemory.core.schemas" if name in _SCHEMAS else "omnimemory.sdk"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
