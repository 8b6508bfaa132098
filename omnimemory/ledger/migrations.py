"""Brings a ledger to this version's schema: whole when it is new, step by step when it is older."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, insert, inspect, select, update

from omnimemory.core.errors import LedgerError
from omnimemory.ledger import locks, schema, speakers

Step = Callable[[Connection], None]


def _to_2(conn: Connection) -> None:
    """Who speaks where, and recall's calibrations."""
    schema.calibrations.create(conn)
    speakers.introduce(conn)


def _to_3(conn: Connection) -> None:
    """The REST API's keys, tokens by day, and parked tasks at hand."""
    schema.api_keys.create(conn)
    schema.token_days.create(conn)
    schema.parked_tasks.create(conn)


# STEPS[0] turns version 1 into 2, and so on; a step never changes once released
STEPS: tuple[Step, ...] = (_to_2, _to_3)

_KEY = "schema_version"
_STORED = select(schema.meta.c.value).where(schema.meta.c.key == _KEY)


def stored_version(conn: Connection) -> int:
    """The schema version of the ledger, 0 where there is none yet."""
    if not inspect(conn).has_table(schema.meta.name):
        return 0
    found = conn.execute(_STORED).scalar_one_or_none()
    return 0 if found is None else int(found)


def migrate_once(conn: Connection, steps: Sequence[Step] = STEPS) -> bool:
    """Take one step towards the newest version; to be run in a transaction of its own.

    Returns:
        Whether the ledger was changed, so that there may be another step.

    Raises:
        LedgerError: the ledger was written by a newer release.
    """
    locks.take(conn, locks.SCHEMA)
    newest = schema.VERSION + len(steps) - len(STEPS)
    version = stored_version(conn)
    if version > newest:
        raise LedgerError(
            f"this ledger has schema version {version} and this release of omnimemory knows {newest}; "
            "upgrade omnimemory, or name another ledger"
        )
    if version == 0:
        schema.metadata.create_all(conn)
        conn.execute(insert(schema.meta).values(key=_KEY, value=str(schema.VERSION)))
        return True
    reached = version
    if version < newest:
        steps[version - 1](conn)
        reached += 1
    # also where nothing changed: a ledger that cannot be written fails here, not at its first use
    conn.execute(update(schema.meta).where(schema.meta.c.key == _KEY).values(value=str(reached)))
    return reached > version
