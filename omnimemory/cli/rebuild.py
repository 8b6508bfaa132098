"""``omnimemory rebuild``: fill the store anew from the ledger, or another store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import Home, Json, settings_of

if TYPE_CHECKING:
    from omnimemory.core.settings import Settings

_PROVIDER = "OMNI_MEMORY_PROVIDER"
_LEDGER_URL = "OMNIMEMORY_LEDGER_URL"
_DOTENV = Path(".env")


def rebuild(
    to: Annotated[
        str | None,
        typer.Option(
            metavar="<provider>",
            help="Fill the store of this provider instead, which its settings describe as usual; the "
            "current one stays in use. What it holds of the applications and the ledger does not is removed.",
        ),
    ] = None,
    switch: Annotated[
        bool, typer.Option("--switch", help="With --to: at the end, set the provider in ./.env.")
    ] = False,
    app_id: Annotated[
        str | None, typer.Option(metavar="<id>", help="Only this application; all of them if left out.")
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Fill the vector store anew from the ledger, or with --to another one. Memories are not changed.

    With --to all of it is compared with the ledger at the end. Interrupted, the same command goes on
    where it was.
    """
    from omnimemory.core.errors import InvalidRequest

    if to is not None:
        _move(home, to=to, app_id=app_id, switch=switch, as_json=as_json)
    elif switch:
        raise InvalidRequest("--switch goes with --to PROVIDER")
    else:
        _rebuild_in_place(home, app_id=app_id, as_json=as_json)


def _rebuild_in_place(home: Path | None, *, app_id: str | None, as_json: bool) -> None:
    from omnimemory.cli.connect import connect, naming_daemon
    from omnimemory.cli.output import bars, console, print_document
    from omnimemory.ops.rebuild import rebuild as rebuild_store

    async def run(on_progress: Callable[[int, int], None]) -> int:
        async with connect(home) as sdk:
            return await sdk.run(lambda engine: rebuild_store(engine, app_id=app_id, on_progress=on_progress))

    with naming_daemon(settings_of(home).home), bars(console(errors=True)) as progress:
        bar = progress.add_task("Rebuilding", total=None)
        count = asyncio.run(run(lambda done, total: progress.update(bar, completed=done, total=total)))
    text = f"{count} {'memory' if count == 1 else 'memories'} rebuilt."
    print_document({"rebuilt": count}, text, as_json=as_json)


def _move(home: Path | None, *, to: str, app_id: str | None, switch: bool, as_json: bool) -> None:
    from omnimemory.cli.filling import fill_store, summary
    from omnimemory.cli.output import print_document

    settings, provider = settings_of(home), _provider(to)
    if switch:
        _check_switch(app_id)
    filled = fill_store(settings, provider, app_id=app_id, replace=provider != settings.provider)
    changes = _changes(settings, provider)
    if switch:
        _write(changes, home)
    apps = [app.model_dump() for app in filled]
    print_document(
        {"provider": provider, "apps": apps, "settings": changes, "switched": switch},
        f"{summary(filled, provider)}\n{_what_to_do(changes, switched=switch, app_id=app_id)}",
        as_json=as_json,
    )


def _provider(name: str) -> str:
    from omnimemory.core.errors import InvalidRequest
    from omnimemory.core.providers import canonical_provider
    from omnimemory.stores.registry import available_providers

    provider, known = canonical_provider(name), available_providers()
    if provider not in known:
        raise InvalidRequest(f"--to {name!r} names no store; choose {', '.join(known)}")
    return provider


def _check_switch(app_id: str | None) -> None:
    from omnimemory.core.errors import InvalidRequest

    if app_id is not None:
        raise InvalidRequest("--switch would leave the other applications behind; leave --app-id out")
    if not _DOTENV.is_file():
        raise InvalidRequest(f"--switch changes .env in the working directory, and {Path.cwd()} has none")


def _changes(settings: Settings, provider: str) -> dict[str, str]:
    """The settings that put ``provider`` in use, with the ledger where it is."""
    from omnimemory.ledger.ledger import file_url

    if provider == settings.provider:
        return {}
    changes = {_PROVIDER: provider}
    here, there = settings.ledger_place, settings.model_copy(update={"provider": provider}).ledger_place
    if here != there:  # the other provider would look for it elsewhere
        own_file = file_url(settings.home.absolute() / "ledger.db")
        changes[_LEDGER_URL] = str(own_file) if here is None else "${POSTGRES_URI}"
    return changes


def _write(changes: dict[str, str], home: Path | None) -> None:
    from dotenv import set_key

    from omnimemory.core.errors import ConfigError

    for name, value in changes.items():
        set_key(_DOTENV, name, value, quote_mode="auto", follow_symlinks=True)
    now = settings_of(home)
    if _PROVIDER in changes and now.provider != changes[_PROVIDER]:
        raise ConfigError(
            f".env now says {_PROVIDER}={changes[_PROVIDER]}, but the environment says {now.provider}, "
            "which wins; change it there"
        )


def _what_to_do(changes: dict[str, str], *, switched: bool, app_id: str | None) -> str:
    if not changes:
        return "It is the store in use."
    lines = "\n".join(f'    {name}="{value}"' for name, value in changes.items())
    later = "What is stored before the switch is brought over by running this once more."
    if switched:
        return f".env now says\n{lines}\nStart the processes that use it again. {later}"
    if app_id is not None:
        return f"To use it, bring over the other applications too and set\n{lines}\n{later}"
    return f"To use it, set\n{lines}\nand start the processes that use it again. {later}"
