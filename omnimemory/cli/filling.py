"""What ``rebuild --to`` and ``reindex`` share: the parts, opened and filled under a progress bar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from typer import Exit

from omnimemory.cli.connect import naming_daemon
from omnimemory.cli.failures import INTERRUPTED
from omnimemory.cli.output import bars, console
from omnimemory.core.errors import StoreError, StoreLocked
from omnimemory.core.settings import Settings
from omnimemory.models.chunking import TokenCounter
from omnimemory.ops.fill import FilledApp, Filling, OnProgress
from omnimemory.ops.rebuild import apps_of
from omnimemory.stores.base import VectorStore
from omnimemory.wiring import embedder_from, ledger_from, store_from

Say = Callable[[str], None]


def fill_store(settings: Settings, provider: str, *, app_id: str | None, replace: bool) -> list[FilledApp]:
    """Fill the store of ``provider`` from the settings' ledger, and verify it. See ``Filling``.

    Where it is not the store in use, that one stays in use until the last look.

    Raises:
        StoreLocked: the store, or the one in use when it comes to the last look, is another process's.
    """
    stderr = console(errors=True)
    with bars(stderr) as progress:
        bar = progress.add_task("Opening", total=None)

        def on_progress(step: str, done: int, total: int) -> None:
            progress.update(bar, description=step, completed=done, total=total)

        try:
            return asyncio.run(
                _fill(
                    settings,
                    provider,
                    app_id=app_id,
                    replace=replace,
                    on_progress=on_progress,
                    say=partial(stderr.print, soft_wrap=True),
                )
            )
        except KeyboardInterrupt as exc:
            stderr.print("Interrupted. The same command again goes on where it was.")
            raise Exit(INTERRUPTED) from exc


async def _fill(
    settings: Settings,
    provider: str,
    *,
    app_id: str | None,
    replace: bool,
    on_progress: OnProgress,
    say: Say,
) -> list[FilledApp]:
    in_use = None if provider == settings.provider else store_from(settings)
    store = store_from(settings.model_copy(update={"provider": provider}))
    embedder = embedder_from(settings, given=None, counter=TokenCounter())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(embedder.aclose)
        with naming_daemon(settings.home):
            await stack.enter_async_context(store)
        await store.check()
        ledger = await stack.enter_async_context(ledger_from(settings))
        filling = Filling(
            ledger, store, embedder, apps=await apps_of(ledger, app_id), on_progress=on_progress
        )
        held, total = await filling.prepare(replace=replace)
        if held:
            say(f"Resuming: {provider} holds {held:,} memories, the ledger {total:,}.")
        await filling.fill()
        async with _kept_from_others(in_use, home=settings.home, filled=provider, say=say):
            return await filling.verify()


@asynccontextmanager
async def _kept_from_others(
    store: VectorStore | None, *, home: Path, filled: str, say: Say
) -> AsyncIterator[None]:
    """Hold an embedded store, so that nobody writes. One that does not open keeps nobody from writing."""
    async with AsyncExitStack() as stack:
        if store is not None:
            try:
                with naming_daemon(home):
                    await stack.enter_async_context(store)
            except StoreLocked as exc:
                raise StoreLocked(
                    f"{filled} is filled, but not verified while others may write: {exc}\n"
                    "Run this again after that: it goes on where it was"
                ) from exc
            except StoreError as exc:
                say(f"{store.provider} does not work and is left alone: {exc}")
        yield


def summary(filled: Sequence[FilledApp], provider: str) -> str:
    """What the store now holds, in a line."""
    memories, records = sum(app.memories for app in filled), sum(app.records for app in filled)
    written, removed = sum(app.written for app in filled), sum(app.removed for app in filled)
    return (
        f"{provider} holds what the ledger does: {counted(memories, 'memory', 'memories')} as "
        f"{counted(records, 'record', 'records')} in {counted(len(filled), 'app', 'apps')}, "
        f"checksums equal ({written:,} written, {removed:,} removed)."
    )


def counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
