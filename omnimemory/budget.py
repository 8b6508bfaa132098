"""The daily cap on model tokens: past it tasks stay queued until the next day of UTC."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from omnimemory.ledger.ledger import Ledger
from omnimemory.ledger.spending import midnight_after
from omnimemory.ledger.values import Spent
from omnimemory.models.base import Usage

logger = logging.getLogger(__name__)


class DailyTokens:
    """Counts in the ledger, so that it holds over restarts and for all processes that share it.

    What is under way is finished: the cap may be passed by as much as the tasks at work still spend.
    While it is reached, ``ledger.held`` tells those who ask about a queued task.
    """

    def __init__(self, ledger: Ledger, cap: int | None) -> None:
        self._ledger = ledger
        self._cap = cap

    async def spent_until(self) -> datetime | None:
        """When tasks may go on; None while there is something left of the cap."""
        if self._cap is None or (await self.left() or 0) > 0:
            self._ledger.held = None
            return None
        until = midnight_after(self._ledger.today())
        if self._ledger.held is None:
            self._ledger.held = (
                f"the daily cap of {self._cap} model tokens is reached; "
                f"queued work goes on at {until:%Y-%m-%d %H:%M} UTC"
            )
            logger.warning("%s", self._ledger.held)
        return until

    async def today(self) -> int:
        """Tokens spent since midnight, input and output."""
        spent = await self._ledger.spent_on(self._ledger.today())
        return spent.input_tokens + spent.output_tokens

    async def left(self) -> int | None:
        """What is left of the cap for today; None without one."""
        return None if self._cap is None else max(0, self._cap - await self.today())


@asynccontextmanager
async def counted(ledger: Ledger) -> AsyncIterator[Usage]:
    """Usage that is written down at the end, for work that is no task; also where it failed."""
    usage = Usage()
    try:
        yield usage
    finally:
        if usage.calls:
            await ledger.spend(Spent(usage.calls, usage.input_tokens, usage.output_tokens))
