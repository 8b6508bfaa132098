"""How much work waits."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from omnimemory.ledger.operation import Operations, reads
from omnimemory.ledger.schema import OPEN, PARKED, tasks
from omnimemory.ledger.values import Backlog

_OPEN_TASKS = (
    select(tasks.c.status, func.count(), func.min(tasks.c.created_at)).where(OPEN).group_by(tasks.c.status)
)
_PARKED_TASKS = select(func.count()).select_from(tasks).where(PARKED)


class Backlogs(Operations):
    """Tasks that are not done."""

    @reads
    def backlog(self, conn: Connection) -> Backlog:
        """Tasks by status, done ones left out, and the age of the oldest one queued or running."""
        counts: dict[str, int] = {"parked": conn.execute(_PARKED_TASKS).scalar_one()}
        oldest = now = self._now()
        for status, count, created_at in conn.execute(_OPEN_TASKS):
            counts[status] = count
            oldest = min(oldest, created_at)
        return Backlog(tasks=counts, oldest_seconds=(now - oldest) / 1_000_000)
