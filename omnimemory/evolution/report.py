"""An evolution chain in words: counts, timeline, what changed between steps, insights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from omnimemory.core.base import Frozen
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Decision, Memory, MemoryKind, Operation, Status, StatusReason
from omnimemory.evolution.chain import Chain, Step, marked, members_of, names_of, shown, steps

FORMATS = ("markdown", "text", "json")

_LINE = 160


class Entry(Frozen):
    """One memory of the timeline. ``name`` (M1, M2, ...) is what the changes call it; ``headline`` is what
    changed about it, where something did."""

    name: str
    memory_id: str
    kind: MemoryKind
    status: Status
    reason: StatusReason
    version: int
    occurred_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    headline: str
    statements: tuple[str, ...]


class Change(Frozen):
    """One step, with the names of the memories it led from and to."""

    at: datetime
    operation: Operation
    before: tuple[str, ...]
    after: str | None
    reasoning: str
    confidence: float | None
    added: tuple[str, ...]
    kept: tuple[str, ...]
    ended: tuple[str, ...]

    @property
    def where(self) -> str:
        """From what to what."""
        before = ", ".join(self.before)
        if self.operation is Operation.SKIP:
            return f"{before} confirmed"
        return f"{before} -> {self.after}" if self.after else f"{before} ended"


class Report(Frozen):
    """What a report says, whatever its format."""

    memories: int
    by_status: dict[Status, int]
    by_kind: dict[MemoryKind, int]
    timeline: tuple[Entry, ...]
    changes: tuple[Change, ...]
    insights: tuple[str, ...]


def render_report(chain: Chain, *, format: str, decisions: Iterable[Decision] = ()) -> str:
    """Report on a chain of memories or their dict forms, in any order; an empty one is reported as such.

    ``decisions`` add operations that left no trace in the chain, reasons and confidence. ``json``
    gives the fields of ``Report``.

    Raises:
        InvalidRequest: an unknown format, or something in the chain is not a memory.
    """
    if format not in FORMATS:
        raise InvalidRequest(f"unknown report format {format!r}; use one of: {', '.join(FORMATS)}")
    report = build_report(chain, decisions=decisions)
    if format == "json":
        return report.model_dump_json(indent=2) + "\n"
    return _markdown(report) if format == "markdown" else _text(report)


def build_report(chain: Chain, *, decisions: Iterable[Decision] = ()) -> Report:
    """The typed form of ``render_report``."""
    members = members_of(chain)
    changes = steps(members, decisions)
    names = names_of(members)
    statuses = Counter(memory.status for memory in members)
    return Report(
        memories=len(members),
        by_status={status: statuses[status] for status in Status},
        by_kind=dict(Counter(memory.kind for memory in members)),
        timeline=tuple(_entry(memory, names[memory.id], changes) for memory in members),
        changes=tuple(
            Change(
                at=step.at,
                operation=step.operation,
                before=tuple(names.get(old, old) for old in step.from_ids),
                after=None if step.to_id is None else names.get(step.to_id, step.to_id),
                reasoning=step.reasoning,
                confidence=step.confidence,
                added=step.added,
                kept=step.kept,
                ended=step.ended,
            )
            for step in changes
        ),
        insights=_insights(members, changes),
    )


def _entry(memory: Memory, name: str, changes: Sequence[Step]) -> Entry:
    return Entry(
        name=name,
        memory_id=memory.id,
        kind=memory.kind,
        status=memory.status,
        reason=memory.status_reason,
        version=memory.version,
        occurred_at=memory.occurred_at,
        created_at=memory.created_at,
        ended_at=memory.ended_at,
        headline=marked(memory, changes)[0][1],
        statements=tuple(statement.text for statement in memory.statements),
    )


def _insights(members: Sequence[Memory], changes: Sequence[Step]) -> tuple[str, ...]:
    if not members:
        return ()
    made = [step for step in changes if step.operation is not Operation.SKIP]
    operations = Counter(str(step.operation) for step in made)
    found = [f"{_count(len(made), 'revision')}{_listed(operations)}."]
    if confirmed := len(changes) - len(made):
        found.append(f"Confirmed by repetition {_count(confirmed, 'time')}.")
    said = [memory.occurred_at or memory.created_at for memory in members]
    found.append(f"Said between {_date(min(said))} and {_date(max(said))} ({_span(max(said) - min(said))}).")
    ended = [memory.ended_at - memory.created_at for memory in members if memory.ended_at]
    if ended:
        mean = sum(ended, timedelta()) / len(ended)
        found.append(f"A replaced or ended memory was active for {_span(mean)} on average.")
    if merged := sum(memory.status_reason is StatusReason.CONSOLIDATED for memory in members):
        found.append(f"{_percent(merged, len(members))} of the memories took part in a consolidation.")
    added, gone = sum(len(step.added) for step in made), sum(len(step.ended) for step in made)
    found.append(f"Statements added along the way: {added}; ended: {gone}.")
    if why := next((step.reasoning for step in reversed(made) if step.reasoning), ""):
        found.append(f"Most recent reason: {shown(why, _LINE)}")
    turns = {source for memory in members for source in memory.sources}
    if turns:
        found.append(f"Evidence: {_count(len(turns), 'turn')}.")
    current = [memory for memory in members if memory.is_active]
    known = sum(len(memory.statements) or 1 for memory in current)
    if current:
        found.append(f"Now: {len(current)} active, with {_count(known, 'statement')}.")
    else:
        found.append("Now: nothing of it is active.")
    return tuple(found)


def _markdown(report: Report) -> str:
    lines = ["# Memory evolution report", ""]
    if not report.memories:
        return "\n".join([*lines, "No memories: this chain is empty.", ""])
    lines += ["| Status | Memories |", "|---|---|"]
    lines += [f"| {status} | {count} |" for status, count in report.by_status.items()]
    lines += [f"| **total** | **{report.memories}** |", "", "## Timeline", ""]
    for e in report.timeline:
        said = _plain(shown(e.headline, _LINE))
        lines.append(f"- **{e.name}** {_plain(e.memory_id)} {_state(e)}: {said}")
    if report.changes:
        lines += ["", "## What changed"]
    for number, change in enumerate(report.changes, start=1):
        lines += ["", f"### {number}. {_title(change)}"]
        if change.reasoning:
            lines += ["", f"> {_plain(change.reasoning)}"]
        if facts := _facts(change):
            lines += ["", *(f"- {label}: {_plain(text)}" for label, text in facts)]
    lines += ["", "## Insights", "", *(f"- {_plain(insight)}" for insight in report.insights)]
    return "\n".join(lines).rstrip() + "\n"


def _text(report: Report) -> str:
    lines = ["MEMORY EVOLUTION REPORT", ""]
    if not report.memories:
        return "\n".join([*lines, "No memories: this chain is empty.", ""])
    counts = ", ".join(f"{count} {status}" for status, count in report.by_status.items())
    lines += [f"{report.memories} in all: {counts}", "", "TIMELINE"]
    lines += [f"  {e.name}  {e.memory_id}  {_state(e)}: {shown(e.headline, _LINE)}" for e in report.timeline]
    if report.changes:
        lines += ["", "WHAT CHANGED"]
    for number, change in enumerate(report.changes, start=1):
        lines.append(f"  {number}. {_title(change)}")
        if change.reasoning:
            lines.append(f"     because: {' '.join(change.reasoning.split())}")
        lines += [f"     {label}: {' '.join(text.split())}" for label, text in _facts(change)]
    lines += ["", "INSIGHTS", *(f"  {insight}" for insight in report.insights)]
    return "\n".join(lines) + "\n"


def _state(entry: Entry) -> str:
    said = _date(entry.occurred_at or entry.created_at)
    end = f", ended {_date(entry.ended_at)}" if entry.ended_at else ""
    return f"{said}, {entry.status} ({entry.reason.replace('_', ' ')}{end})"


def _title(change: Change) -> str:
    sure = "" if change.confidence is None else f", confidence {change.confidence:.2f}"
    return f"{change.operation} {change.where} ({_date(change.at)}{sure})"


def _facts(change: Change) -> list[tuple[str, str]]:
    groups = (("ended", change.ended), ("added", change.added))
    facts = [(label, text) for label, texts in groups for text in texts]
    return [*facts, ("carried on", _count(len(change.kept), "statement"))] if change.kept else facts


def _plain(text: str) -> str:
    """The text on one line, with the signs that Markdown reads escaped."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _listed(operations: Counter[str]) -> str:
    return f" ({', '.join(f'{n} {name}' for name, n in operations.most_common())})" if operations else ""


def _date(time: datetime) -> str:
    return f"{time:%Y-%m-%d}"


def _span(duration: timedelta) -> str:
    if duration < timedelta(hours=1):
        return _count(round(duration.total_seconds() / 60), "minute")
    if duration < timedelta(days=2):
        return _count(round(duration.total_seconds() / 3600), "hour")
    return _count(duration.days, "day")


def _percent(part: int, whole: int) -> str:
    return f"{round(100 * part / whole)} %"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
