"""Fill the store from the ledger again: it is a projection and may be lost at any time."""

from __future__ import annotations

from collections.abc import Callable

from omnimemory.core.schemas import Scope
from omnimemory.engine import Engine


async def rebuild(
    engine: Engine, *, app_id: str | None = None, on_progress: Callable[[int, int], None] | None = None
) -> int:
    """Drop and refill the collections of ``app_id``, or of every app. How many memories they now hold.

    Nothing is lost when it is interrupted: the outbox keeps what is still to be delivered, and the
    engine delivers it at its next start. ``on_progress`` gets (memories delivered, memories in all).

    Raises:
        StoreError, ModelError: the store or the embedder does not work now.
    """
    apps = await engine.ledger.apps() if app_id is None else [app_id]
    scopes = [Scope(app_id=app) for app in apps]
    total = sum([await engine.ledger.count(scope) for scope in scopes])
    delivered = 0
    for scope in scopes:
        await engine.projector.start_over(scope.app_id)
        async for count in engine.projector.deliver_app(scope.app_id):
            delivered += count
            if on_progress is not None:
                on_progress(min(delivered, total), total)
    return total  # the index lane may have delivered some of them meanwhile
