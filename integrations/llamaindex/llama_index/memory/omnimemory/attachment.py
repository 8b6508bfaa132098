"""Which engine an object of the framework works with, across copies, JSON and processes.

LlamaIndex writes a memory out as JSON between two runs on one ``Context`` and builds it again from
that. An engine cannot travel so; what travels is the key of its ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from omnimemory.core.errors import ConfigError, InvalidRequest
from omnimemory.core.ids import content_hash
from omnimemory.sdk import OmniMemorySDK

T = TypeVar("T")

_given: dict[str, OmniMemorySDK] = {}
"""The SDKs that callers handed over, by the key of their ledger; the newest of each counts."""


class Attachment:
    """An engine, resolved at first use: the given one, the one of ``key``, or the environment's."""

    def __init__(self, memory: OmniMemorySDK | None = None, *, key: str | None = None) -> None:
        if memory is not None and not isinstance(memory, OmniMemorySDK):
            raise InvalidRequest(f"memory must be an OmniMemorySDK, got {type(memory).__name__}")
        self.key = key
        self._sdk = memory
        if memory is not None:
            self.key = _key_of(memory)
            _given[self.key] = memory

    @property
    def sdk(self) -> OmniMemorySDK:
        """The SDK.

        Raises:
            ConfigError: this was made with an SDK of other settings, which the process does not
                have; nothing is read from or written to another ledger instead.
        """
        if self._sdk is None:
            self._sdk = _given.get(self.key) if self.key else None
        if self._sdk is None:
            opened = OmniMemorySDK()
            if self.key not in (None, _key_of(opened)):
                opened.close_blocking(drain=False)
                raise ConfigError(
                    "this memory was made with an OmniMemorySDK of other settings; set OMNIMEMORY_HOME or "
                    "OMNIMEMORY_LEDGER_URL as there, or make an object with memory=<that SDK> first"
                )
            self._sdk = opened
        return self._sdk

    def run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The blocking form of one of our coroutines; works inside a running loop too."""
        return self.sdk.run_blocking(call)

    def __deepcopy__(self, memo: dict[int, Any]) -> Attachment:
        return self

    def __reduce__(self) -> tuple[Callable[[str | None], Attachment], tuple[str | None]]:
        return _attached, (self.key,)


def _attached(key: str | None) -> Attachment:
    return Attachment(key=key)


def _key_of(memory: OmniMemorySDK) -> str:
    """Names the ledger without telling where it is."""
    settings = memory.settings
    postgres = settings.postgres_uri.get_secret_value() if settings.postgres_uri else ""
    return content_hash(settings.ledger_url or "", str(settings.home.absolute()), postgres)[:16]
