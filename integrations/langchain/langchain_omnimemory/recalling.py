"""Recall for a prompt: what the prompt shows already is left out, the rest is framed and fits a budget."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_omnimemory.messages import Visible
from langchain_omnimemory.scope import Identity
from omnimemory.core.errors import InvalidRequest, OmniMemoryError
from omnimemory.core.schemas import ScoredMemory
from omnimemory.sdk import OmniMemorySDK

logger = logging.getLogger(__name__)

Formatter = Callable[[Sequence[ScoredMemory]], str]
"""Turns memories, best first, into the text for the prompt; empty text adds nothing."""


@dataclass(frozen=True, slots=True)
class PromptRecall:
    """How memories come into a prompt: the best ``k``, in at most ``token_budget`` tokens.

    With ``fail_open`` a failing recall is logged and adds nothing. ``formatter`` writes the text
    itself; the budget is then its own affair.
    """

    k: int = 5
    token_budget: int = 1000
    fail_open: bool = True
    formatter: Formatter | None = None

    def __post_init__(self) -> None:
        for name, value in (("k", self.k), ("token_budget", self.token_budget)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidRequest(f"{name} must be a whole number of at least 1, got {value!r}")

    async def block(self, sdk: OmniMemorySDK, who: Identity, query: str, visible: Visible) -> str:
        """A text for the prompt from all the user's sessions; empty when there is nothing to add.

        Raises:
            OmniMemoryError: recall failed, without ``fail_open``.
        """
        if not query:
            return ""
        try:
            found = await sdk.recall(
                who.app_id,
                query,
                user_id=who.user_id,
                n_results=self.k,
                token_budget=None if self.formatter else self.token_budget,
                shown=(*visible.ids, *visible.texts),
            )
        except OmniMemoryError as exc:
            if not self.fail_open:
                raise
            logger.warning("recall failed, going on without memories: %s: %s", type(exc).__name__, exc)
            return ""
        if self.formatter is not None and found.memories:
            return self.formatter(found.memories)
        return found.block
