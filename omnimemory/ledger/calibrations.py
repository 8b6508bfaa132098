"""What recall measured on an app's stored texts, and the texts to measure it on."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from omnimemory.core.schemas import Memory
from omnimemory.ledger import locks
from omnimemory.ledger.operation import Operations, reads, writes
from omnimemory.ledger.rows import memory_of
from omnimemory.ledger.schema import calibrations, memories
from omnimemory.ledger.values import Chance

_c, _m = calibrations.c, memories.c
_OF = (_c.app_id == bindparam("app"), _c.embedder == bindparam("of_embedder"))
_KEPT = select(_c.mean, _c.deviation, _c.documents).where(*_OF)
_oldest = (
    select(_m.seq, _m.document, func.row_number().over(order_by=_m.seq).label("place"))
    .where(_m.app_id == bindparam("app"))
    .order_by(_m.seq)
    .limit(bindparam("of"))
    .subquery()
)
_SAMPLE = (
    select(_oldest.c.seq, _oldest.c.document)
    .where(_oldest.c.place % bindparam("step") == 0)
    .order_by(_oldest.c.seq)
)
_REACHED = select(_m.seq).where(_m.app_id == bindparam("app")).order_by(_m.seq).offset(bindparam("before"))


class CalibrationRows(Operations):
    """The cosines that chance gives, by app and embedder."""

    @reads
    def calibration(self, conn: Connection, app_id: str, embedder: str) -> Chance | None:
        """What was kept last for this app and embedder."""
        row = conn.execute(_KEPT, {"app": app_id, "of_embedder": embedder}).one_or_none()
        return None if row is None else Chance(*row)

    @writes
    def keep_calibration(self, conn: Connection, app_id: str, embedder: str, chance: Chance) -> None:
        """Keep it, instead of what was kept before."""
        locks.take(conn, ("calibration", app_id, embedder))
        conn.execute(delete(calibrations).where(*_OF), {"app": app_id, "of_embedder": embedder})
        conn.execute(
            insert(calibrations).values(
                app_id=app_id,
                embedder=embedder,
                mean=chance.mean,
                deviation=chance.deviation,
                documents=chance.documents,
            )
        )

    @reads
    def sample(self, conn: Connection, app_id: str, *, of: int, size: int) -> list[Memory]:
        """``size`` memories, evenly spaced among the app's first ``of``; none while it has fewer.

        The same ones whenever it is asked, as far as none of them is erased.
        """
        if conn.execute(_REACHED.limit(1), {"app": app_id, "before": of - 1}).first() is None:
            return []
        rows = conn.execute(_SAMPLE, {"app": app_id, "of": of, "step": max(1, of // size)})
        return [memory_of(row) for row in rows]
