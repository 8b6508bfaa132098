"""The names of who speaks, as words of a question. Pure.

In a talk between Ann and Bob each turn is about one of them, so their names tell turns apart by
speaker only, which the words of the lexical leg do well. In a vector they drown the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from omnimemory.core.text import tokens

_WORD = re.compile(r"[^\W\d_]+(?:[-'\u2019][^\W\d_]+)*")
_POSSESSIVE = re.compile(r"['\u2019](?:s|S)?$")
_LONGEST = 64


def name_words(text: str) -> frozenset[str]:
    """The words of a text, case folded and without possessive endings, as names are compared by."""
    return frozenset(_key(word) for word in _WORD.findall(text))


def without_names(question: str, names: Collection[str]) -> str:
    """The question with the words in ``names`` left out; whole when they are all it asks about."""
    if not names:
        return question
    rest = _WORD.sub(lambda found: "" if _key(found[0]) in names else found[0], question)
    rest = " ".join(rest.split())
    named = {token for name in names for token in tokens(name)}
    return rest if rest and not set(tokens(question)) <= named else question


def _key(word: str) -> str:
    return _POSSESSIVE.sub("", word).casefold()[:_LONGEST]
