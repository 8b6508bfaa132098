"""``omnimemory health`` and ``omnimemory info``: whether everything works, and what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnimemory.cli.options import Home, Json, settings_of

if TYPE_CHECKING:
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
    """Truly try the ledger, the store, the embedder and, where one is set, the chat model."""
    from omnimemory.cli.connect import served_by_daemon, using
    from omnimemory.cli.output import print_document

    async def work(sdk: OmniMemorySDK) -> dict[str, object]:
        await sdk.run(lambda engine: engine.check())
        described = await sdk.describe()
        stats = await sdk.get_connection_pool_stats()
        return {
            "status": "healthy",
            "daemon": await served_by_daemon(sdk),
            **described.model_dump(),
            "unfinished_tasks": stats["unfinished_tasks"],
            "not_yet_indexed": stats["not_yet_indexed"],
        }

    found = using(home, work)
    print_document(found, "\n".join(f"{name}: {value}" for name, value in found.items()), as_json=as_json)


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
