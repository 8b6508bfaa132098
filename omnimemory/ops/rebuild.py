"""Fill the store from the ledger again: it is a projection and may be lost at any time."""

from __future__ import annotations

from collections.abc import Callable

from omnimemory.core.errors import NotFound
from omnimemory.core.ids import check_id
from omnimemory.core.schemas import Scope
from omnimemory.engine import Engine
from omnimemory.ledger.ledger import Ledger


async def apps_of(ledger: Ledger, app_id: str | None) -> list[str]:
    """``app_id`` alone, or every app that holds a memory.

    Raises:
        NotFound: the ledger holds nothing of ``app_id``.
    """
    apps = await ledger.apps()
    if app_id is None:
        return apps
    if check_id(app_id, "app_id") not in apps:
        raise NotFound(f"the ledger holds nothing of app {app_id!r}; it has {_named(apps)}")
    return [app_id]


async def rebuild(
    engine: Engine, *, app_id: str | None = None, on_progress: Callable[[int, int], None] | None = None
) -> int:
    """Drop and refill the collections of ``app_id``, or of every app. How many memories they now hold.

    Nothing is lost when it is interrupted: the outbox keeps what is still to be delivered, and the
    engine delivers it at its next start. ``on_progress`` gets (memories delivered, memories in all).

    Raises:
        NotFound: the ledger holds nothing of ``app_id``.
        StoreError, ModelError: the store or the embedder does not work now.
    """
    scopes = [Scope(app_id=app) for app in await apps_of(engine.ledger, app_id)]
    total = sum([await engine.ledger.count(scope) for scope in scopes])
    delivered = 0
    for scope in scopes:
        await engine.projector.start_over(scope.app_id)
        async for count in engine.projector.deliver_app(scope.app_id):
            delivered += count
            if on_progress is not None:
                on_progress(min(delivered, total), total)
    return total  # the index lane may have delivered some of them meanwhile


def _named(apps: list[str]) -> str:
    if not apps:
        return "no memories at all: is this the right OMNIMEMORY_HOME, or OMNIMEMORY_LEDGER_URL?"
    shown = ", ".join(map(repr, apps[:10]))
    return shown if len(apps) <= 10 else f"{shown} and {len(apps) - 10} more"
