"""What a turn owes to the talk it stands in, and how much it says by itself. Pure.

Each rule was measured alone (docs/RECALL.md): an answer is found by the question it answers, a
short turn by what was said around it, and a turn that says little is seldom what is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from itertools import zip_longest

from omnimemory.core.lexical import date_words
from omnimemory.core.text import detect_language, sentences, tokens

WINDOW_WORDS = 80
"""Index words up to which a turn borrows, from each side; a longer turn stands by itself."""
SUBSTANTIAL_WORDS = 20
"""Index words, outside of questions, from which a turn counts as saying something in full."""
_LONGEST_QUESTION = 300
_ASKS = re.compile("[?\uff1f\u061f][\"'\u201d\u2019\u00bb)\\]*_]*\\s*$")
_QUESTION_MARK = re.compile("[?\uff1f\u061f]")


def turn_words(
    speaker: str,
    said: datetime | None,
    text: str,
    *,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The index words a turn is found by: its own (speaker, date, text) and its context's.

    ``before`` and ``after`` are the texts around it, the nearest first; of each, the
    nearest words that the turn lacks of ``WINDOW_WORDS``. A short turn's language is told with theirs.
    """
    language = detect_language("\n".join((*before[:1], text, *after[:1])))
    own = _words(text, language)
    context: list[str] = []
    room = WINDOW_WORDS - len(own)
    for previous, following in zip_longest(before, after, fillvalue=""):
        if room <= 0:
            break
        nearest = (_words(previous, language)[-room:], _words(following, language)[:room])
        context += nearest[0] + nearest[1]
        room -= sum(map(len, nearest))
    date = tokens(date_words(said)) if said else ()
    return (*tokens(speaker), *date, *own), tuple(context)


def turn_meaning(speaker: str, text: str, *, before: str = "") -> str:
    """The text a turn is embedded by: its speaker, its words, and the question it was asked before."""
    question = closing_question(before)
    return f"{question} {speaker}: {text}" if question else f"{speaker}: {text}"


def closing_question(text: str) -> str:
    """The question that a text ends with, "" when it ends otherwise."""
    if not _ASKS.search(text[-40:]):
        return ""
    for last in sentences(text[-4 * _LONGEST_QUESTION :])[-1:]:  # none in a bare question mark
        if _ASKS.search(last) and len(last) <= _LONGEST_QUESTION:
            return last
    return ""


def substance(text: str) -> float:
    """How much a turn says, 0..1: its index words outside of questions, full from twenty on."""
    said = len(tokens(text))
    if said and _QUESTION_MARK.search(text):
        said = sum(len(tokens(sentence)) for sentence in sentences(text) if not _ASKS.search(sentence))
    return min(1.0, said / SUBSTANTIAL_WORDS)


@lru_cache(maxsize=256)
def _words(text: str, language: str) -> tuple[str, ...]:
    """``tokens``, kept for the moment: a turn is read again as its neighbours' neighbour."""
    return tokens(text, language=language)
