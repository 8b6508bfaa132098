"""The demo's report as a page for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, ConsoleRenderable, Group
from rich.rule import Rule
from rich.text import Text
from rich.tree import Tree

from omnimemory.cli.output import headline, said_on, scores_listing
from omnimemory.core.display import one_line, plain
from omnimemory.core.schemas import Memory, Operation
from omnimemory.demo.report import Answer, Change, DemoReport, TenancyCheck, Timings, UserNotes
from omnimemory.evolution.chain import names_of

_STYLES = {Operation.UPDATE: "magenta", Operation.DELETE: "red", Operation.SKIP: "cyan"}
_NOTES_SHOWN = 8
_CHANGES_SHOWN = 20


def show(report: DemoReport, console: Console) -> None:
    """Print the whole report."""
    console.print(heading(report))
    for title, body in (
        ("Notes", notes(report.notes)),
        ("Evolution", evolution(report.evolution)),
        ("One chain", lineage(report.chain)),
        ("Recall", recall(report.recall)),
        ("Tenancy", tenancy(report.tenancy)),
        ("Timings", timings(report.timings)),
    ):
        console.print()
        console.print(Rule(title, align="left", style="dim") if console.is_terminal else title)
        console.print(body)
    for error in report.gave_up:
        console.print(Text(f"gave up, kept for a retry: {plain(error)}", style="red"))
    console.print()
    console.print(Text(f"Written: {report.graph}" if report.graph else "No graph: there are no notes."))


def heading(report: DemoReport) -> ConsoleRenderable:
    return Group(
        Text(f"OmniMemory demo: {plain(report.data)}", style="bold"),
        Text(
            f"{report.turns} turns in {report.sessions} sessions of {len(report.notes)} users; "
            f"agents: {report.agents}; embedder: {report.embedder}; store: {report.store}"
        ),
        Text(f"data kept in {report.home}" if report.home else "data not kept; --home keeps it", style="dim"),
    )


def notes(users: Sequence[UserNotes]) -> ConsoleRenderable:
    """The active notes of each user with their statements."""
    trees = []
    for user in users:
        tree = Tree(Text(f"{plain(user.user_id)}: {_counted(len(user.notes), 'note')}", style="bold"))
        for note in user.notes[:_NOTES_SHOWN]:
            branch = tree.add(_note_label(note))
            for statement in note.statements:
                branch.add(Text(one_line(statement.text)))
        if len(user.notes) > _NOTES_SHOWN:
            tree.add(Text(f"and {len(user.notes) - _NOTES_SHOWN} more", style="dim"))
        trees.append(tree)
    return Group(*trees)


def _note_label(note: Memory) -> Text:
    tags = "  " + one_line(", ".join(note.tags), limit=80) if note.tags else ""
    return Text.assemble((said_on(note), "cyan"), (tags, "dim"))


def evolution(changes: Sequence[Change]) -> ConsoleRenderable:
    """Every UPDATE, DELETE and SKIP: what it was about, what ended, what took its place and why."""
    if not changes:
        return Text("Nothing changed: no note repeats, extends or contradicts an older one.")
    counts = {operation: sum(c.operation is operation for c in changes) for operation in _STYLES}
    parts: list[ConsoleRenderable] = [
        Text(", ".join(f"{number} {operation}" for operation, number in counts.items()))
    ]
    parts.extend(_change(change) for change in changes[:_CHANGES_SHOWN])
    if len(changes) > _CHANGES_SHOWN:
        parts.append(Text(f"and {len(changes) - _CHANGES_SHOWN} more", style="dim"))
    return Group(*parts)


def _change(change: Change) -> Text:
    text = Text("\n")
    text.append(f"{change.operation.value:<6}", style=f"bold {_STYLES.get(change.operation, '')}".strip())
    text.append(f" {plain(change.user_id)}")
    if change.said_at is not None:
        text.append(f"  {change.said_at:%Y-%m-%d}", style="cyan")
    if change.confidence is not None:
        text.append(f"  confidence {change.confidence:.2f}", style="dim")
    for name, value in _change_lines(change):
        text.append(f"\n  {name:<7}", style="dim")
        text.append(value, style="strike" if name == "ended" else "")
    return text


def _change_lines(change: Change) -> Iterator[tuple[str, str]]:
    yield "note", one_line(change.before)
    for ended in change.contradicted:
        yield "ended", one_line(ended)
    if change.after is not None:
        yield "became", one_line(change.after, limit=240)
    if change.reasoning:
        yield "why", one_line(change.reasoning, limit=300)


def lineage(chain: Sequence[Memory]) -> ConsoleRenderable:
    """A chain as a tree: what stands today, and below each memory those it took the place of.

    Their names are those that reports of the chain, in its order, give them.
    """
    if not chain:
        return Text("No note has a history yet.")
    names = names_of(chain)
    earlier: dict[str | None, list[Memory]] = {}
    for memory in chain:
        later = memory.next_id if memory.next_id in names and memory.next_id != memory.id else None
        earlier.setdefault(later, []).append(memory)
    return Group(*(_branch(memory, names, earlier) for memory in earlier.get(None, [])))


def _branch(memory: Memory, names: Mapping[str, str], earlier: dict[str | None, list[Memory]]) -> Tree:
    tree = Tree(_member(memory, names[memory.id]))
    for older in earlier.get(memory.id, []):
        tree.add(_branch(older, names, earlier))
    return tree


def _member(memory: Memory, name: str) -> Text:
    return Text.assemble(
        (f"{name}  {memory.status.value} ({memory.status_reason.value})", "bold"),
        (f"  {said_on(memory)}", "cyan"),
        (f"  {plain(memory.id)}\n", "dim"),
        (headline(memory, limit=240), "" if memory.is_active else "strike dim"),
    )


def recall(answers: Sequence[Answer]) -> ConsoleRenderable:
    """Each question with what came back and the numbers that ranked it."""
    if not answers:
        return Text("No question to ask: there are no notes.")
    parts: list[ConsoleRenderable] = []
    for answer in answers:
        line = Text.assemble((f"{plain(answer.user_id)} asks: ", "bold"), one_line(answer.question))
        if answer.found is not None:
            line.append(*("  found", "green") if answer.found else ("  not found", "red"))
        parts += [line, scores_listing(answer.results) if answer.results else Text("nothing came back")]
    return Group(*parts)


def tenancy(checks: Sequence[TenancyCheck]) -> ConsoleRenderable:
    """Who asked for whose facts, and that nothing of theirs came back."""
    if not checks:
        return Text("Nothing to check: no user has words of their own.")
    lines = Text()
    for check in checks:
        kept = not check.leaked
        lines.append("kept  " if kept else "LEAK  ", style="green" if kept else "bold red")
        lines.append(f"{plain(check.asker)} asks what only {plain(check.owner)} said: ")
        lines.append(one_line(check.question, limit=90) + "\n", style="italic")
        own = "the answer" if check.owner_found else "nothing"
        lines.append(
            f"      {_counted(check.returned, 'memory', 'memories')} back, "
            f"{len(check.leaked)} of {plain(check.owner)}'s; {plain(check.owner)} gets {own}\n",
            style="dim",
        )
        for leak in check.leaked:
            lines.append(f"      {one_line(leak)}\n", style="red")
    leaks = sum(bool(check.leaked) for check in checks)
    lines.append(
        f"{_counted(len(checks), 'question')}, {leaks or 'none'} answered from another user's memory",
        style="bold red" if leaks else "bold green",
    )
    return lines


def timings(measured: Timings) -> ConsoleRenderable:
    rows = (
        ("turns not stored before", f"{measured.turns}"),
        ("turns a second, message to note", f"{measured.turns_per_second:,.0f}"),
        ("acknowledge a session, p50", f"{measured.acknowledge_p50_ms:.1f} ms"),
        ("all notes written after", f"{measured.synthesis_seconds:.2f} s"),
        (f"recall, p50 of {measured.recalls}", f"{measured.recall_p50_ms:.2f} ms"),
    )
    return Text("\n".join(f"{name:<34}{value:>12}" for name, value in rows))


def _counted(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
