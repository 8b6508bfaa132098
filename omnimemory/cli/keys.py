"""``omnimemory keys``: who may call the REST API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from omnimemory.cli.options import Home, Json, Yes, settings_of

if TYPE_CHECKING:
    from omnimemory.cli.listing import Listing
    from omnimemory.ledger.api_keys import ApiKey
    from omnimemory.ledger.ledger import Ledger

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True)


class Right(StrEnum):
    READ = "read"
    WRITE = "write"
    MONITOR = "monitor"


@app.callback()
def group() -> None:
    """Make, list and revoke keys of the REST API."""


@app.command()
def create(
    label: Annotated[str, typer.Option(metavar="<text>", help="What the key is for.")],
    app_id: Annotated[
        list[str] | None, typer.Option(metavar="<id>", help="Only for this application; may be repeated.")
    ] = None,
    user_id: Annotated[
        list[str] | None, typer.Option(metavar="<id>", help="Only for this user; may be repeated.")
    ] = None,
    right: Annotated[
        list[Right] | None,
        typer.Option(
            metavar="<right>",
            help=f"{', '.join(Right)}; may be repeated. All if left out, but no monitor for a bound key.",
        ),
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Make a key. Its secret is shown once."""
    from omnimemory.cli.output import console, print_json
    from omnimemory.ledger import api_keys

    rights = [api_keys.Right(one.value) for one in right] if right else None
    key, secret = _with_ledger(
        home, lambda ledger: ledger.create_api_key(label, apps=app_id, users=user_id, rights=rights)
    )
    if as_json:
        print_json(_document(key) | {"secret": secret})
        return
    typer.echo(secret)
    console(errors=True).print(
        f"Key {key.id} is made. Keep the secret: it is not shown again. Servers that run know it in seconds.",
        soft_wrap=True,
    )


@app.command("list")
def list_keys(as_json: Json = False, home: Home = None) -> None:
    """List the keys, revoked ones too. Those of OMNIMEMORY_API_KEYS are not among them."""
    from omnimemory.cli.advice import command
    from omnimemory.cli.output import print_document

    keys = _with_ledger(home, lambda ledger: ledger.api_keys())
    make = command("keys", "create", "--label", "NAME", home=home)
    text = _listing(keys) if keys else f"No keys; {make} makes one."
    print_document([_document(key) for key in keys], text, as_json=as_json)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="As `keys list` shows it.")],
    yes: Yes = False,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """End a key for good."""
    from omnimemory.cli.advice import command, where_not_found
    from omnimemory.cli.changing import confirm
    from omnimemory.cli.output import print_document

    confirm(f"Revoke key {key_id}?", yes=yes)
    with where_not_found(command("keys", "list", home=home)):
        key = _with_ledger(home, lambda ledger: ledger.revoke_api_key(key_id))
    print_document(_document(key), f"Key {key.id} is revoked.", as_json=as_json)


def _with_ledger(home: Path | None, work: Callable[[Ledger], Awaitable[T]]) -> T:
    """Keys are the ledger's alone, so a server or a daemon that runs is no hindrance."""
    from omnimemory.wiring import ledger_from

    async def run() -> T:
        async with ledger_from(settings_of(home)) as ledger:
            return await work(ledger)

    return asyncio.run(run())


def _document(key: ApiKey) -> dict[str, object]:
    return key.model_dump(mode="json") | {"rights": sorted(key.rights), "active": key.is_active}


def _listing(keys: list[ApiKey]) -> Listing:
    from omnimemory.cli.listing import Column, Listing, identified
    from omnimemory.core.display import one_line

    columns = (
        identified("key"),
        Column("state"),
        Column("made", lead="made "),
        Column("rights"),
        Column("apps", lead="apps "),
        Column("users", lead="users "),
        Column("label", prose=True),
    )
    rows = [
        (
            key.id,
            "active" if key.is_active else "revoked",
            f"{key.created_at:%Y-%m-%d}" if key.created_at else "-",
            ",".join(sorted(key.rights)),
            one_line(",".join(key.apps)) if key.apps else "all",
            one_line(",".join(key.users)) if key.users else "all",
            one_line(key.label),
        )
        for key in keys
    ]
    return Listing(columns, rows)
