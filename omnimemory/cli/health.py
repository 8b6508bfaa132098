"""``omnimemory health`` and ``omnimemory info``: whether everything works, and what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from omnimemory.cli.options import Home, Json, settings_of

if TYPE_CHECKING:
    from rich.text import Text

    from omnimemory.parts import PartHealth
    from omnimemory.sdk import OmniMemorySDK

GUIDE = """\
OmniMemory is long-term memory for LLM applications.

What goes in   memory add          a conversation: kept word for word, and a note made of it
               memory batch add    messages as they come; a full batch becomes a note
               agent add-memory    one note, as an agent wants it
What comes out memory query        the most useful memories; --explain shows every number
               agent answer        an answer from the memories
               agent summarize     a summary of a conversation
What changes   memory update, delete, restore; memory evolution draws how a memory came to be
Behind it      tasks               background work; what gave up is kept and can be tried again
               daemon              one process that owns the data, so that commands share it
               serve, keys         the REST API and who may call it
               rebuild, reindex    the vector store made anew from the ledger
               health              whether everything works

A first try:
  omnimemory demo
  omnimemory memory add --app-id shop --user-id ann --message "user:I prefer dark mode"
  omnimemory memory query --app-id shop --query "user preferences"
"""


def health(as_json: Json = False, home: Home = None) -> None:
    """Try the ledger, the store, the embedder and the chat model."""
    from omnimemory.cli.connect import served_by_daemon, using
    from omnimemory.cli.failures import UNAVAILABLE
    from omnimemory.cli.output import print_document
    from omnimemory.core.errors import LedgerError, StoreError, StoreLocked
    from omnimemory.parts import PartHealth

    settings = settings_of(home)

    async def work(sdk: OmniMemorySDK) -> tuple[list[PartHealth], dict[str, object]]:
        parts = await sdk.run(lambda engine: engine.examine())
        known: dict[str, object] = {"daemon": await served_by_daemon(sdk), "home": str(settings.home)}
        if all(part.error is None for part in parts if part.part == "ledger"):
            stats = await sdk.get_connection_pool_stats()
            known |= (await sdk.describe()).model_dump()
            known |= {name: stats[name] for name in ("unfinished_tasks", "not_yet_indexed")}
        return parts, known

    try:
        parts, known = using(home, work)
    except StoreLocked:
        raise
    except (StoreError, LedgerError) as exc:  # it does not even open, so nothing else can be tried
        store = isinstance(exc, StoreError)
        opened = PartHealth(
            part="store" if store else "ledger",
            name=settings.provider if store else "ledger",
            error=str(exc),
        )
        parts, known = [opened], {"home": str(settings.home)}
    works = all(part.error is None for part in parts)
    document = {
        "status": "healthy" if works else "failing",
        **known,
        "checks": {part.part: _check(part) for part in parts},
    }
    print_document(document, _told(parts, known), as_json=as_json)
    if not works:
        raise typer.Exit(UNAVAILABLE)


def _check(part: PartHealth) -> dict[str, object]:
    """As the REST API tells it, and why."""
    found: dict[str, object] = {"status": "ok" if part.error is None else "failing", "name": part.name}
    return found if part.error is None else {**found, "error": part.error}


def _told(parts: Sequence[PartHealth], known: Mapping[str, object]) -> Text:
    """A line for each part, then what else is known."""
    from rich.text import Text

    from omnimemory.core.display import one_line

    text = Text()
    for part in parts:
        failed = part.error is not None
        text.append("failed  " if failed else "ok      ", "bold red" if failed else "green")
        name = "" if part.name == part.part else one_line(part.name)
        text.append(f"{part.part:<10}{name}".rstrip() + "\n")
        if part.error is not None:
            text.append(f"        {one_line(part.error, limit=1000)}\n")
    about = ("home", "daemon", "agents", "unfinished_tasks", "not_yet_indexed")
    shown = [f"{name.replace('_', ' ')}: {known[name]}" for name in about if name in known]
    return text.append("\n" + "\n".join(shown))


def info(as_json: Json = False, home: Home = None) -> None:
    """What OmniMemory does, and what the settings name here."""
    from importlib.metadata import version

    from omnimemory.attach.place import Place
    from omnimemory.cli.output import print_document

    settings = settings_of(home)
    daemon = Place(settings.home).running()
    found: dict[str, object] = {
        "version": version("omnimemory"),
        "home": str(settings.home),
        "provider": settings.provider,
        "chat_model": settings.llm_model or settings.llm_provider or "none: extractive agents",
        "embedder": settings.embedding_model or settings.embedding_provider or "wordllama",
        "batch_size": settings.default_max_messages,
        "daemon": None if daemon is None else daemon.pid,
    }
    lines = [f"{name}: {'not running' if value is None else value}" for name, value in found.items()]
    print_document(found, f"{GUIDE}\n" + "\n".join(lines), as_json=as_json)
