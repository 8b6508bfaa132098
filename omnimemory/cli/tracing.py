"""``omnimemory memory evolution``: how a memory came to be what it is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omnimemory.cli.options import AppId, Home, Json, MemoryId, OnlyUser

if TYPE_CHECKING:
    from rich.text import Text

    from omnimemory.core.schemas import Decision, Memory
    from omnimemory.evolution.report import Change
    from omnimemory.sdk import OmniMemorySDK


class Form(StrEnum):
    HTML = "html"
    DOT = "dot"
    MERMAID = "mermaid"
    MARKDOWN = "markdown"
    TEXT = "text"


GRAPHS = (Form.HTML, Form.DOT, Form.MERMAID)
_ENDINGS = {
    ".html": Form.HTML,
    ".htm": Form.HTML,
    ".dot": Form.DOT,
    ".gv": Form.DOT,
    ".mmd": Form.MERMAID,
    ".mermaid": Form.MERMAID,
    ".md": Form.MARKDOWN,
    ".txt": Form.TEXT,
}


def evolution(
    memory_id: MemoryId,
    app_id: AppId,
    user_id: OnlyUser = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write a picture or a report to this file.", dir_okay=False),
    ] = None,
    format: Annotated[
        Form | None,
        typer.Option(
            help="What to write, or without --output to print: a picture (html, dot, mermaid) or a report "
            "(markdown, text). By the file's ending if left out."
        ),
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Draw the chain of a memory as a tree, from any of its members."""
    from omnimemory.cli.advice import command, where_not_found
    from omnimemory.cli.connect import using
    from omnimemory.cli.output import console, print_json
    from omnimemory.core.errors import InvalidRequest, NotFound

    form = format or (None if output is None else _ENDINGS.get(output.suffix.lower()))
    if output is not None and form is None:
        raise InvalidRequest(f"--output {output}: name its --format: {', '.join(Form)}")
    if output is not None and not output.parent.is_dir():
        raise InvalidRequest(f"--output: there is no folder {output.parent}; make it, or name another")

    async def work(sdk: OmniMemorySDK) -> tuple[list[Memory], list[Decision]]:
        chain = await sdk.traverse_memory_evolution_chain(app_id, memory_id, user_id)
        ids = [memory.id for memory in chain]
        return chain, await sdk.list_decisions(app_id, user_id, memory_ids=ids) if ids else []

    with where_not_found(command("memory", "list", app_id=app_id, home=home)):
        chain, decisions = using(home, work)
        if not chain:
            raise NotFound(f"no memory {memory_id!r} in this app")
    drawn = None if form is None else _rendered(form, chain, decisions)
    if output is not None and drawn is not None:
        _write(output, drawn)
    if as_json:
        print_json(
            {
                "memories": [memory.to_dict() for memory in chain],
                "count": len(chain),
                "decisions": [decision.model_dump(mode="json") for decision in decisions],
                "output": None if output is None else str(output),
            }
        )
    elif output is not None:
        console(errors=True).print(f"Written: {output}", soft_wrap=True)
    elif drawn is not None:
        typer.echo(drawn)
    else:
        _draw(chain, decisions)


def _rendered(form: Form, chain: list[Memory], decisions: list[Decision]) -> str:
    from omnimemory.sdk import OmniMemorySDK

    if form in GRAPHS:
        return OmniMemorySDK.generate_evolution_graph(chain, format=form.value, decisions=decisions)
    return OmniMemorySDK.generate_evolution_report(chain, format=form.value, decisions=decisions)


def _write(output: Path, text: str) -> None:
    from omnimemory.core.errors import InvalidRequest

    try:
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InvalidRequest(
            f"--output: {output} cannot be written ({exc.strerror}); name another file"
        ) from exc


def _draw(chain: list[Memory], decisions: list[Decision]) -> None:
    """What stands today with what it took the place of, then each step: what it changed, and why."""
    from omnimemory.cli.output import console
    from omnimemory.demo.show import lineage
    from omnimemory.evolution.report import build_report

    out = console()
    out.print(lineage(chain))
    for change in build_report(chain, decisions=decisions).changes:
        out.print()
        out.print(_told(change))


def _told(change: Change) -> Text:
    from rich.text import Text

    from omnimemory.core.display import plain

    text = Text.assemble(
        (change.operation.value, "bold"),
        f"  {change.where}  ",
        (f"{change.at:%Y-%m-%d}", "cyan"),
        ("" if change.confidence is None else f"  confidence {change.confidence:.2f}", "dim"),
    )
    why = (("why", change.reasoning),) if change.reasoning else ()
    facts = (*why, *(("ended", one) for one in change.ended), *(("added", one) for one in change.added))
    for name, fact in facts:
        text.append(f"\n  {name:<6}", "dim").append(" ".join(plain(fact).split()))
    return text
