"""The Resolver agent: what a new note means for the old notes near it, and the note they become.

One call decides and consolidates. The model names notes and statements by labels (``N`` is the new
note, ``M2.s1`` the first statement of the second old one); what it names otherwise has no effect.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from omnimemory.agents.asking import Asker
from omnimemory.agents.fields import DepthOf, FollowUps, Keywords, Output, Prose, Queries, Tags, Text, Texts
from omnimemory.agents.transcript import DATA_NOTICE, day, entry, framed, label_key, one_line
from omnimemory.core.proposals import (
    MAX_CONSOLIDATED_STATEMENTS,
    Merge,
    MergedStatement,
    Resolution,
    Verdict,
)
from omnimemory.core.schemas import Depth, Link, Memory, NoteSections, Operation
from omnimemory.models.base import Prompt, Usage

_log = logging.getLogger(__name__)
_AGENT = "resolver"

Origin = tuple[str, str]
"""A statement by (memory id, statement id)."""

_SYSTEM = f"""\
You keep the long-term memory of one person consistent. A new note N has come in; the old notes M1, M2,
... are near it. Decide what N means for each old note, and consolidate where notes belong together.

{DATA_NOTICE}

Decisions, at most one for each old note
- UPDATE: N adds to it, refines it or partly replaces it. N and every note marked UPDATE become one
  consolidated note. In `contradicted`, name its statements that N shows to hold no longer.
- DELETE: what it says holds no longer, because N contradicts it. In `contradicted`, name the statements
  that N contradicts; its others are kept. Naming none means all of them.
- SKIP: it already says what N says. In `repeats`, name the statements of N that it already says. If every
  decision is SKIP, N is thrown away, so each statement of N must then be named by one of them.
- No decision: both can stand beside each other. A shared topic, another person, another time or a
  different detail is no contradiction. When in doubt, decide nothing.
- Nothing can end a statement that was said later than what contradicts it. Compare the dates.
- confidence: 0 to 1. reasoning: one sentence, without labels, for the person whose memory it is.

The consolidated note, only with UPDATE, else null
- It loses nothing: every statement of N and of each note marked UPDATE is named in `carries` of some
  consolidated statement, or in `contradicted` of its note's decision.
- It invents nothing: every statement carries at least one label. Merge statements that say the same.
- At most {MAX_CONSOLIDATED_STATEMENTS} statements, one self-contained fact each, with names, numbers and
  dates as they were written.
- summary and the other sections read as one note about the present state; Markdown bullets are fine.
- Leave out what `contradicted` names. No labels in any text. Keep the notes' language."""


def _as_operation(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _share(value: float) -> float:
    """0 .. 1; a per cent value counts as one, what is no number as 0."""
    share = value / 100 if 1 < value <= 100 else value
    return 0.0 if math.isnan(share) else min(1.0, max(0.0, share))


class NoteDecision(Output):
    """What the new note means for one old note."""

    memory: Text = Field("", description="label of the old note, such as M1")
    reasoning: Text = Field("", description="why, in one sentence")
    operation: Annotated[Literal["UPDATE", "DELETE", "SKIP"], BeforeValidator(_as_operation)]
    confidence: Annotated[float, AfterValidator(_share)] = Field(0.0, description="0 to 1")
    contradicted: Texts = Field((), description="its statements that hold no longer, such as M1.s2")
    repeats: Texts = Field((), description="SKIP: the statements of N it already says, such as N.s1")


class ConsolidatedStatement(Output):
    """One fact of the consolidated note."""

    text: Text = Field("", description="one self-contained sentence")
    carries: Texts = Field((), description="labels of the statements it carries on, such as N.s1, M1.s2")


class ConsolidatedNote(Output):
    """What the new note and every old note marked UPDATE become."""

    summary: Prose = Field("", description="the narrative, in two to eight sentences")
    behavioral_patterns: Prose = Field("", description="how the person behaves")
    experience_learnings: Prose = Field("", description="what worked and what failed")
    guidance: Prose = Field("", description="what to do and what to avoid")
    statements: tuple[ConsolidatedStatement, ...] = ()
    tags: Tags = ()
    keywords: Keywords = ()
    queries: Queries = ()
    follow_ups: FollowUps = ()
    depth: DepthOf = "unknown"


class Resolving(Output):
    """Decisions about the old notes, and the consolidated note where one is UPDATE."""

    decisions: tuple[NoteDecision, ...] = ()
    consolidated: ConsolidatedNote | None = Field(None, description="null unless a decision is UPDATE")


@dataclass(frozen=True, slots=True)
class _Labels:
    """The labels under which notes and statements are shown, and what they mean."""

    notes: dict[str, Memory]
    statements: dict[str, Origin]

    @classmethod
    def of(cls, note: Memory, links: Sequence[Link]) -> _Labels:
        notes = {"N": note} | {f"M{number}": link.memory for number, link in enumerate(links, start=1)}
        statements = {
            f"{label}.s{number}": (memory.id, statement.id)
            for label, memory in notes.items()
            for number, statement in enumerate(memory.statements, start=1)
        }
        return cls(notes, statements)

    def old_note(self, label: str) -> Memory | None:
        key = label_key(label)
        return next((m for shown, m in self.notes.items() if shown != "N" and label_key(shown) == key), None)

    def origins(self, labels: Iterable[str], allowed: Iterable[str]) -> tuple[tuple[Origin, ...], int]:
        """The statements named, of the notes with the ``allowed`` ids, and how many labels named none."""
        known = {label_key(shown): origin for shown, origin in self.statements.items()}
        wanted = [known.get(label_key(label)) for label in labels]
        owners = frozenset(allowed)
        found = [origin for origin in wanted if origin is not None and origin[0] in owners]
        return tuple(dict.fromkeys(found)), len(wanted) - len(found)

    def shown(self, origins: Iterable[Origin]) -> str:
        names = {origin: label for label, origin in self.statements.items()}
        return ", ".join(names[origin] for origin in origins)


async def resolve(asker: Asker, note: Memory, links: Sequence[Link], *, usage: Usage) -> Resolution:
    """One call, and a second one when the first answer would lose statements.

    Raises:
        InvalidModelOutput: the second answer would lose statements too, or is unusable.
        ModelError: the model failed.
    """
    reply = await asker.ask(
        Prompt(system=_SYSTEM, user=_material(note, links)),
        Resolving,
        agent=_AGENT,
        usage=usage,
        check=lambda reply: _complaint(reply, note, links),
    )
    resolution = interpret(reply, note, links)
    if resolution.ignored:
        _log.info("resolver: %d labels of the model's answer had no effect", resolution.ignored)
    return resolution


def interpret(reply: Resolving, note: Memory, links: Sequence[Link]) -> Resolution:
    """The reply with ids for labels.

    One verdict for each note: the most confident one, the first among equals. A verdict names only
    its own note's statements. A DELETE that names none means all of them, and its reasoning says so;
    one that names only made-up labels is dropped. Without an UPDATE there is no merge. A
    merged statement carries on statements of the new note and of UPDATE targets that were not
    contradicted; one that carries none is dropped. ``ignored`` counts the labels and decisions
    that had no effect.
    """
    labels = _Labels.of(note, links)
    verdicts: dict[str, Verdict] = {}
    ignored = 0
    for decision in sorted(reply.decisions, key=lambda decision: -decision.confidence):
        memory = labels.old_note(decision.memory)
        if memory is None or memory.id in verdicts:
            ignored += 1
            continue
        verdict, unknown = _verdict(decision, memory, labels)
        ignored += unknown
        if verdict is not None:
            verdicts[memory.id] = verdict
    merge, unknown = _merge(reply.consolidated, note, tuple(verdicts.values()), labels)
    return Resolution(
        verdicts=tuple(verdicts[link.memory.id] for link in links if link.memory.id in verdicts),
        merge=merge,
        ignored=ignored + unknown,
    )


def missing(note: Memory, links: Sequence[Link], resolution: Resolution) -> tuple[Origin, ...]:
    """The statements that a consolidation would lose, as (memory id, statement id), in order.

    Where a verdict is UPDATE, every statement of the new note and of each UPDATE target must be
    an origin of some merged statement, or be contradicted by its note's verdict.
    """
    updates = {v.memory_id: v for v in resolution.verdicts if v.operation is Operation.UPDATE}
    if not updates:
        return ()
    merged = resolution.merge.statements if resolution.merge else ()
    kept = {origin for statement in merged for origin in statement.origins}
    kept |= {(v.memory_id, statement_id) for v in updates.values() for statement_id in v.contradicted}
    notes = [note, *(link.memory for link in links if link.memory.id in updates)]
    needed = [(memory.id, statement.id) for memory in notes for statement in memory.statements]
    return tuple(origin for origin in needed if origin not in kept)


def unrepeated(reply: Resolving, note: Memory, links: Sequence[Link]) -> tuple[Origin, ...]:
    """The new note's statements that would be thrown away although no old note says them.

    Only where every verdict is SKIP is the new note thrown away at all.
    """
    resolution = interpret(reply, note, links)
    skipped = all(verdict.operation is Operation.SKIP for verdict in resolution.verdicts)
    if not resolution.verdicts or not skipped:
        return ()
    named = (label for decision in reply.decisions for label in decision.repeats)
    repeated, _ = _Labels.of(note, links).origins(named, {note.id})
    return tuple(origin for s in note.statements if (origin := (note.id, s.id)) not in repeated)


def _verdict(decision: NoteDecision, memory: Memory, labels: _Labels) -> tuple[Verdict | None, int]:
    operation = Operation(decision.operation)
    reasoning = decision.reasoning
    origins, unknown = labels.origins(decision.contradicted, {memory.id})
    contradicted = tuple(statement_id for _, statement_id in origins)
    if operation is Operation.SKIP:
        contradicted, unknown = (), len(decision.contradicted)
    elif operation is Operation.DELETE and not contradicted:
        if decision.contradicted:
            return None, unknown
        contradicted = tuple(statement.id for statement in memory.statements)
        reasoning = f"{reasoning} (No statement was named, so all of them.)".strip()
    verdict = Verdict(
        memory_id=memory.id,
        operation=operation,
        confidence=decision.confidence,
        reasoning=reasoning,
        contradicted=contradicted,
    )
    return verdict, unknown


def _merge(
    proposed: ConsolidatedNote | None, note: Memory, verdicts: Sequence[Verdict], labels: _Labels
) -> tuple[Merge | None, int]:
    updates = [verdict for verdict in verdicts if verdict.operation is Operation.UPDATE]
    if proposed is None or not updates:
        return None, 0
    targets = {note.id, *(verdict.memory_id for verdict in updates)}
    ended = {(verdict.memory_id, one) for verdict in updates for one in verdict.contradicted}
    statements = []
    ignored = 0
    for statement in proposed.statements:
        named, unknown = labels.origins(statement.carries, targets)
        origins = tuple(origin for origin in named if origin not in ended)
        ignored += unknown + len(named) - len(origins)
        if statement.text and origins:
            statements.append(MergedStatement(text=one_line(statement.text), origins=origins))
    merge = Merge(
        sections=NoteSections(
            summary=proposed.summary,
            behavioral_patterns=proposed.behavioral_patterns,
            experience_learnings=proposed.experience_learnings,
            guidance=proposed.guidance,
        ),
        statements=tuple(statements),
        tags=proposed.tags,
        keywords=proposed.keywords,
        queries=proposed.queries,
        follow_ups=proposed.follow_ups,
        depth=Depth(proposed.depth),
    )
    return merge, ignored


def _complaint(reply: Resolving, note: Memory, links: Sequence[Link]) -> str | None:
    """What is wrong with a well-formed reply.

    Too many statements are not: the engine then amends the old notes instead of merging them.
    """
    labels = _Labels.of(note, links)
    resolution = interpret(reply, note, links)
    updates = any(verdict.operation is Operation.UPDATE for verdict in resolution.verdicts)
    if updates and resolution.merge is None:
        return "A decision is UPDATE, but there is no consolidated note: write it, or choose otherwise."
    if lost := missing(note, links, resolution):
        return (
            f"The consolidated note loses {labels.shown(lost)}: name each in `carries` of a statement, "
            "or, where N contradicts it, in `contradicted` of its note's decision."
        )
    if lost := unrepeated(reply, note, links):
        return (
            f"Every decision is SKIP, but no old note is said to repeat {labels.shown(lost)}: name each in "
            "`repeats` where that is so, else leave the decision out or choose UPDATE."
        )
    return None


def _material(note: Memory, links: Sequence[Link]) -> str:
    labels = _Labels.of(note, links)
    old = "\n\n".join(_shown(label, memory) for label, memory in labels.notes.items() if label != "N")
    parts = [framed("new_note", _shown("N", note)), framed("old_notes", old)]
    ties = [
        f"{labels.shown([(note.id, pair.new_id)])} and {labels.shown([(link.memory.id, pair.old_id)])}"
        for link in links
        for pair in link.pairs
        if {(note.id, pair.new_id), (link.memory.id, pair.old_id)} <= set(labels.statements.values())
    ]
    if ties:
        parts.append("Statements that lie close together: " + "; ".join(ties) + ".")
    return "\n\n".join(parts)


def _shown(label: str, memory: Memory) -> str:
    sections = memory.sections or NoteSections(summary=memory.text)
    named = (
        ("summary", sections.summary),
        ("behavioral patterns", sections.behavioral_patterns),
        ("experience learnings", sections.experience_learnings),
        ("guidance", sections.guidance),
    )
    lines = [f"{label} | said {day(memory.occurred_at)}"]
    lines += [entry(f"  {name}", text) for name, text in named if text]
    lines += [
        entry(f"{label}.s{number} | {day(statement.occurred_at or memory.occurred_at)}", statement.text)
        for number, statement in enumerate(memory.statements, start=1)
    ]
    return "\n".join(lines)
