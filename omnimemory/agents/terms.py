"""Tags and keywords: said once, in the form that came first."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz import fuzz

from omnimemory.core.notes import is_nothing

_SAME = 88.0
"""Similarity (0..100) of the sorted words from which two terms count as one: plurals, typos, word order."""


def dedupe(terms: Iterable[str], limit: int) -> tuple[str, ...]:
    """The first ``limit`` terms that differ from all before them, trimmed, in the order given.

    Two terms are one when they agree up to case, punctuation, word order and small differences
    of spelling (rapidfuzz's token-sort ratio of at least 88). Empties and "N/A" are left out.
    Terms of up to three letters must agree exactly: ``C`` and ``C#``, ``Go`` and ``Git`` differ.
    """
    kept: list[str] = []
    keys: list[str] = []
    for term in terms:
        shown = " ".join(term.split()).strip(" ,;.")
        key = shown.casefold().replace("-", " ").replace("_", " ")
        if is_nothing(shown) or any(_same(key, other) for other in keys):
            continue
        if len(kept) == limit:
            break
        kept.append(shown)
        keys.append(key)
    return tuple(kept)


def _same(left: str, right: str) -> bool:
    if min(len(left), len(right)) <= 3 or any(c.isdigit() for c in left + right):
        return left == right
    return fuzz.token_sort_ratio(left, right) >= _SAME
