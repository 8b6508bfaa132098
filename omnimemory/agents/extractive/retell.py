"""Summaries and answers made of sentences that were said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from omnimemory.agents.extractive.describe import central, describe
from omnimemory.agents.extractive.statements import choose
from omnimemory.core.notes import is_nothing
from omnimemory.core.proposals import MAX_STATEMENTS, Summary
from omnimemory.core.schemas import Memory, MemoryKind, ScoredMemory
from omnimemory.core.text import normalised, query_tokens, sentences, tokens

NOTHING_KNOWN = "I have no memory that answers this."
_FAST_SENTENCES = 5
_LENGTH = 1200
"""Characters of a fast summary."""
_QUOTED = 3
"""Sentences of an answer."""


def summarise(turns: Sequence[Memory], *, fast: bool) -> Summary:
    """The most central sentences in order; the full form also by section."""
    chosen = [item.statement.text for item in choose(turns, MAX_STATEMENTS)]
    said = chosen or [text for turn in turns for text in sentences(turn.text)]
    picked = central(said, _FAST_SENTENCES if fast else MAX_STATEMENTS)
    content = _bounded(picked)
    if fast:
        return Summary(content=content)
    about = describe(said, turns)
    fields = {
        **about.sections.model_dump(),
        "summary": content,
        "key_points": "\n".join(f"- {text}" for text in chosen),
        "follow_ups": "\n".join(f"- {text}" for text in about.follow_ups),
        "tags": ", ".join(about.tags),
        "keywords": ", ".join(about.keywords),
    }
    return Summary(content=content, structured={k: v for k, v in fields.items() if not is_nothing(v)})


def _bounded(texts: Sequence[str]) -> str:
    kept = ""
    for text in texts:
        if kept and len(kept) + len(text) >= _LENGTH:
            break
        kept = f"{kept} {text}".strip()
    return kept if len(kept) <= _LENGTH else kept[:_LENGTH].rsplit(" ", 1)[0] + " \u2026"


def reply(query: str, memories: Sequence[ScoredMemory]) -> str:
    """The sentences of the memories that share most words with the query, quoted with their dates."""
    asked = frozenset(query_tokens(query))
    said = [(scored, text, day) for scored in memories for text, day in _sentences_of(scored.memory)]
    spread = Counter(word for _, text, _ in said for word in asked & frozenset(tokens(text)))
    found: dict[str, tuple[float, str]] = {}
    for scored, text, day in said:
        shared = asked & frozenset(tokens(text))
        best = scored.matched_statement is not None and scored.matched_statement.text == text
        weight = sum(1 / spread[word] for word in shared) + 0.5 * best + 0.3 * scored.relevance / scored.rank
        if shared or best:
            line = f'"{text}" ({day})' if day else f'"{text}"'
            found[normalised(text)] = max(found.get(normalised(text), (0.0, "")), (weight, line))
    ranked = sorted(found.values(), key=lambda item: -item[0])
    strong = [line for weight, line in ranked if weight * 2 >= ranked[0][0]]
    return "From memory: " + " ".join(strong[:_QUOTED]) if strong else NOTHING_KNOWN


def _sentences_of(memory: Memory) -> list[tuple[str, str]]:
    """A memory's sentences with the day each was said ("" when unknown)."""
    if memory.kind is MemoryKind.NOTE and memory.statements:
        said = [
            (statement.text, statement.occurred_at or memory.occurred_at) for statement in memory.statements
        ]
    else:
        speaker = f"{memory.name}: " if memory.name else ""
        said = [(f"{speaker}{text}", memory.occurred_at) for text in sentences(memory.text)]
    return [(text, f"{when:%Y-%m-%d}" if when else "") for text, when in said]
