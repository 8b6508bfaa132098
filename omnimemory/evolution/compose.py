"""How notes are made: from a draft, from several notes that become one, from one that loses statements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from omnimemory.core.ids import new_id
from omnimemory.core.notes import render_note
from omnimemory.core.proposals import Draft, Merge
from omnimemory.core.schemas import (
    Memory,
    MemoryKind,
    NoteSections,
    Scope,
    Statement,
    StatusReason,
)
from omnimemory.core.scoring import importance_of
from omnimemory.core.text import tokens
from omnimemory.evolution.plan import latest

_SAME_THING = 0.5
"""Share of the shorter side's words from which a line counts as telling what ended."""


def compose_note(
    draft: Draft,
    *,
    id: str,
    scope: Scope,
    turns: Sequence[Memory],
    metadata: Mapping[str, JsonValue],
    now: datetime,
) -> Memory:
    """The note that a draft over a window of turns becomes: version 1, active, statements s1, s2, ...

    A statement cites only turns of the window, whatever the draft claims; one that names none of
    them cites the whole window. ``scope`` has a user id; ``occurred_at`` is the latest turn's.
    """
    said = {turn.id: turn.occurred_at for turn in turns}
    statements = []
    for number, drafted in enumerate(draft.statements, start=1):
        sources = tuple(source for source in dict.fromkeys(drafted.sources) if source in said) or tuple(said)
        statements.append(
            Statement(
                id=f"s{number}",
                text=drafted.text,
                sources=sources,
                occurred_at=drafted.occurred_at or latest(*(said[source] for source in sources)),
            )
        )
    return _noted(
        draft,
        statements,
        id=id,
        app_id=scope.app_id,
        user_id=scope.user_id,
        session_id=scope.session_id,
        occurred_at=latest(*said.values()),
        created_at=now,
        sources=tuple(said),
        metadata=dict(metadata),
    )


def consolidated(
    merge: Merge, *, note: Memory, targets: Sequence[Memory], ended: frozenset[tuple[str, str]], now: datetime
) -> Memory | None:
    """The note that ``note`` and ``targets`` become, or None when the merge loses a statement.

    ``ended`` holds the contradicted statements as (memory id, statement id). Each merged statement
    takes its sources and time from the statements it carries on; one that carries none was made
    up and is left out. Scope is the new note's.
    """
    parts = {(memory.id, s.id): s for memory in (*targets, note) for s in memory.statements}
    carried: set[tuple[str, str]] = set()
    statements: list[Statement] = []
    for merged in merge.statements:
        known = [origin for origin in merged.origins if origin in parts]
        origins = [origin for origin in known if origin not in ended] or known
        if not origins or not merged.text.strip():
            continue
        carried.update(origins)
        statements.append(
            Statement(
                id=f"s{len(statements) + 1}",
                text=merged.text,
                sources=_union(parts[origin].sources for origin in origins),
                occurred_at=latest(*(parts[origin].occurred_at for origin in origins)),
            )
        )
    if parts.keys() - carried - ended:
        return None
    notes = (*targets, note)
    return _noted(
        merge,
        statements,
        id=new_id(),
        app_id=note.app_id,
        user_id=note.user_id,
        session_id=note.session_id,
        status_reason=StatusReason.CONSOLIDATED,
        occurred_at=latest(*(memory.occurred_at for memory in notes)),
        updated_at=latest(*(memory.updated_at for memory in notes)),
        created_at=now,
        sources=_remaining_sources(notes, ended, statements),
        metadata={key: value for memory in notes for key, value in memory.metadata.items()},
    )


def amended(old: Memory, *, ended: frozenset[str], now: datetime) -> Memory:
    """``old`` without the statements named in ``ended``; the others keep id, sources and date.

    The narrative goes, as it may tell what ended. So do terms and queries with a word that only
    ended statements had, and lines of the other sections where such words prevail.
    """
    gone = [statement for statement in old.statements if statement.id in ended]
    kept = [statement for statement in old.statements if statement.id not in ended]
    stale = words_of(gone) - words_of(kept)
    sections = old.sections or NoteSections()
    retold = [stale.intersection(tokens(statement.text)) for statement in gone]
    draft = Draft(
        sections=NoteSections(
            behavioral_patterns=_without(sections.behavioral_patterns, retold),
            experience_learnings=_without(sections.experience_learnings, retold),
            guidance=_without(sections.guidance, retold),
        ),
        tags=still_told(old.tags, stale),
        keywords=still_told(old.keywords, stale),
        queries=still_told(old.queries, stale),
        follow_ups=still_told(old.follow_ups, stale),
        depth=old.depth,
    )
    return _noted(
        draft,
        kept,
        id=new_id(),
        app_id=old.app_id,
        user_id=old.user_id,
        session_id=old.session_id,
        status_reason=StatusReason.AMENDED,
        occurred_at=old.occurred_at,
        updated_at=old.updated_at,
        created_at=now,
        sources=_remaining_sources((old,), frozenset((old.id, s) for s in ended), kept),
        metadata=old.metadata,
    )


def _noted(draft: Draft | Merge, statements: Sequence[Statement], **fields: object) -> Memory:
    return Memory.model_validate(
        {
            **fields,
            "kind": MemoryKind.NOTE,
            "text": render_note(
                draft.sections, (s.text for s in statements), tags=draft.tags, keywords=draft.keywords
            ),
            "sections": draft.sections,
            "statements": tuple(statements),
            "tags": draft.tags,
            "keywords": draft.keywords,
            "queries": draft.queries,
            "follow_ups": draft.follow_ups,
            "depth": draft.depth,
            "importance": importance_of(
                draft.depth, follow_ups=draft.follow_ups, tags=draft.tags, keywords=draft.keywords
            ),
        }
    )


def _union(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for group in groups for item in group))


def _remaining_sources(
    notes: Sequence[Memory], ended: frozenset[tuple[str, str]], statements: Sequence[Statement]
) -> tuple[str, ...]:
    """The turns of ``notes`` but for those that only ended statements came from."""
    alive = {source for statement in statements for source in statement.sources}
    gone = {
        source
        for memory in notes
        for statement in memory.statements
        if (memory.id, statement.id) in ended
        for source in statement.sources
    }
    return tuple(
        source for source in _union(memory.sources for memory in notes) if source not in gone - alive
    )


def words_of(statements: Iterable[Statement]) -> frozenset[str]:
    """The analysed words of the statements."""
    return frozenset(token for statement in statements for token in tokens(statement.text))


def still_told(terms: Iterable[str], stale: frozenset[str]) -> tuple[str, ...]:
    """The terms without a stale word."""
    return tuple(term for term in terms if stale.isdisjoint(tokens(term)))


def _without(section: str, retold: Sequence[frozenset[str]]) -> str:
    """The section's lines that do not tell one of the ended statements."""
    lines = [line for line in section.splitlines() if not any(_tells(line, words) for words in retold)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _tells(line: str, words: frozenset[str]) -> bool:
    own = frozenset(tokens(line))
    shorter = min(len(own), len(words))
    return shorter > 0 and len(own & words) / shorter >= _SAME_THING
