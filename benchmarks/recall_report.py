"""What the recall benchmark found: the JSON form, and the tables."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from benchmarks.recall_quality import DEPTH, MEASURES, Qualities, Quality
from omnimemory.core.base import Frozen


class Data(Frozen):
    """What was asked of what, and what of the file could not be used.

    ``unknown_gold`` counts gold ids without a turn, ``questions_left_out`` those with no other gold.
    """

    name: str
    file: str
    conversations: int
    turns: int
    questions: int
    blank_turns: int
    unknown_gold: int
    questions_left_out: int


class Parts(Frozen):
    """What OmniMemory was made of."""

    store: str
    embedder: str


class QueryTime(Frozen):
    """Milliseconds of one query after the other, its embedding included."""

    p50: float
    p95: float


class Method(Qualities):
    """How well one method finds, and what that takes; None where it was not measured.

    LangChain's queries run in batches, so that none has a time of its own.
    """

    query_ms: QueryTime | None
    index_seconds: float
    index_mb: float | None = None
    ledger_mb: float | None = None
    rss_growth_mb: float | None = None


class WithNotes(Method):
    """Notes compete with turns for the same ten places.

    The figures count a place only when the gold turn itself is in it: a note costs its place. In
    ``counting_statements`` a note stands for the turns that the statement which matched cites, in
    ``counting_citations`` for all that it cites, on average ``turns_per_note``: kind to notes, the
    more the longer they are. ``notes_in_ten`` is a query's mean.
    """

    counting_statements: Qualities
    counting_citations: Qualities
    notes_in_ten: float
    turns_per_note: float


class Foreign(Frozen):
    """Each conversation asked the next one's questions: memories returned, mean; share without any.

    ``own_results`` is the mean for its own questions.
    """

    results: float
    without_results: float
    questions: int
    own_results: float


class Report(Frozen):
    data: Data
    parts: Parts
    versions: dict[str, str]
    omnimemory: Method
    langchain: Method
    bm25: Method
    omnimemory_with_notes: WithNotes | None
    foreign: Foreign | None

    def as_json(self) -> str:
        return self.model_dump_json(by_alias=True, indent=2)


def show(report: Report, console: Console) -> None:
    """The tables, and below them what they were measured on."""
    console.print(_quality_table(report))
    console.print(_cost_table(report))
    for line in _remarks(report):
        console.print(line, highlight=False, markup=False)


def _qualities(report: Report) -> Iterator[tuple[str, Qualities]]:
    yield "OmniMemory", report.omnimemory
    yield "LangChain, same embedder", report.langchain
    yield "BM25", report.bm25
    if report.omnimemory_with_notes is not None:
        yield "OmniMemory with notes", report.omnimemory_with_notes
        yield "  counting statements", report.omnimemory_with_notes.counting_statements
        yield "  counting citations", report.omnimemory_with_notes.counting_citations


def _quality_table(report: Report) -> Table:
    data = report.data
    title = f"{data.name}: {data.turns:,} turns, {data.questions:,} questions (95 % intervals)"
    table = Table(title=title, title_justify="left")
    table.add_column("category")
    table.add_column("questions", justify="right")
    table.add_column("method")
    for measure in MEASURES:
        table.add_column(measure, justify="right")
    categories = list(report.omnimemory.categories)
    for category in ("overall", *categories, "adversarial"):
        for name, found in _qualities(report):
            quality = _of(found, category)
            if quality is not None:
                first = found is report.omnimemory
                count = f"{quality.questions:,}"
                table.add_row(*((category, count) if first else ("", "")), name, *_cells(quality))
        table.add_section()
    return table


def _of(found: Qualities, category: str) -> Quality | None:
    if category == "overall":
        return found.overall
    return found.categories.get(category, found.adversarial)


def _cells(quality: Quality) -> list[str]:
    means = quality.model_dump(by_alias=True, include={"r5", "r10", "all10", "ndcg10"})
    intervals = quality.intervals.model_dump(by_alias=True)
    return [
        f"{means[measure]:.3f} [dim]({intervals[measure][0]:.3f}-{intervals[measure][1]:.3f})[/]"
        for measure in MEASURES
    ]


def _cost_table(report: Report) -> Table:
    table = Table()
    headings = ("query p50", "query p95", "index", "index on disk", "ledger", "memory growth")
    table.add_column("method")
    for heading in headings:
        table.add_column(heading, justify="right")
    for name, found in _qualities(report):
        if isinstance(found, Method):
            time = found.query_ms
            table.add_row(
                name,
                _number(None if time is None else time.p50, "ms"),
                _number(None if time is None else time.p95, "ms"),
                _number(found.index_seconds, "s"),
                _number(found.index_mb, "MB"),
                _number(found.ledger_mb, "MB"),
                _number(found.rss_growth_mb, "MB"),
            )
    return table


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.2f} {unit}"


def _remarks(report: Report) -> Iterator[str]:
    data, notes, foreign = report.data, report.omnimemory_with_notes, report.foreign
    if notes is not None:
        yield (
            f"Notes among {DEPTH} results: {notes.notes_in_ten:.2f}, "
            f"each citing {notes.turns_per_note:.1f} turns."
        )
    if foreign is not None:
        yield (
            f"Questions of another conversation ({foreign.questions:,}): {foreign.results:.2f} of {DEPTH} "
            f"memories returned, none for {foreign.without_results:.1%}; own questions: "
            f"{foreign.own_results:.2f}."
        )
    if data.blank_turns or data.unknown_gold or data.questions_left_out:
        yield (
            f"Left out: {data.blank_turns} blank turns, {data.unknown_gold} gold ids without a turn, "
            f"{data.questions_left_out} questions without any other gold."
        )
    yield f"{report.parts.store}, {report.parts.embedder}."
    yield ", ".join(f"{name} {version}" for name, version in report.versions.items())
