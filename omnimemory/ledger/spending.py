"""Model tokens by day, so that a daily cap holds over restarts and for all processes of a ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from omnimemory.ledger import locks
from omnimemory.ledger.operation import Operations, reads, writes
from omnimemory.ledger.rows import moment
from omnimemory.ledger.schema import token_days
from omnimemory.ledger.values import Spent

_d = token_days.c
_OF = select(_d.calls, _d.input_tokens, _d.output_tokens).where(_d.day == bindparam("of"))


def add(conn: Connection, spent: Spent, *, at: int) -> None:
    """Count towards the day (UTC) of ``at``, in microseconds."""
    if not spent.calls:
        return
    day = moment(at).date().toordinal()
    locks.take(conn, ("tokens",))
    changed = (
        update(token_days)
        .where(_d.day == day)
        .values(
            calls=_d.calls + spent.calls,
            input_tokens=_d.input_tokens + spent.input_tokens,
            output_tokens=_d.output_tokens + spent.output_tokens,
        )
    )
    if conn.execute(changed).rowcount == 0:
        row = {
            "day": day,
            "calls": spent.calls,
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
        }
        conn.execute(insert(token_days), row)


class Spending(Operations):
    """What the chat model has cost. Days are those of UTC."""

    @writes
    def spend(self, conn: Connection, spent: Spent) -> None:
        """Count what no task did, such as an answer."""
        add(conn, spent, at=self._now())

    @reads
    def spent_on(self, conn: Connection, day: date) -> Spent:
        """Calls and tokens of a day."""
        row = conn.execute(_OF, {"of": day.toordinal()}).one_or_none()
        return Spent() if row is None else Spent(*row)

    def today(self) -> date:
        """The day by the ledger's clock."""
        return moment(self._now()).date()


def midnight_after(day: date) -> datetime:
    """When ``day`` is over."""
    return datetime.fromordinal(day.toordinal() + 1).replace(tzinfo=UTC)
