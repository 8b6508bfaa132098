"""Where a sentence joins two predicates, and where the predicate of a clause begins."""

from __future__ import annotations

import re

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.agents.extractive.heads import verb_at

_WORD = re.compile(r"[^\W_]+(?:['&+#./:@-]+[^\W_]+)*(?:'s?(?![^\W_])|\+\+|#)?|[%\u20ac$\u00a3]")
_BREAK = re.compile(r"\s*,\s+|\s+-+\s+|\s*[\u2013\u2014]\s*|\s+(?=(?:and|but)\s)")
_COMMA_BUT = re.compile(r"\b(?P<head>(?:not|no longer) [^,;]{2,60}), but (?=(?P<next>\w+))", re.IGNORECASE)
_ENDS = re.compile(
    r"\b(?:no longer|not|anymore|never|used to|stopped|quit|gave up|left|sold|dropped|ditched|cancelled|"
    r"canceled|retired|until)\b",
    re.IGNORECASE,
)
_ELLIPTIC = re.compile(r"^(?:(?:and|but)\s+)?now\s+", re.IGNORECASE)
_CONJUNCTION = re.compile(r"^(?:and|but)\s+", re.IGNORECASE)
SHARED = "\0"
"""Stands for the subject of the predicate before."""


def words_of(text: str) -> list[str]:
    """Words as they stand, apostrophes and inner signs kept (``Ann's``, ``C++``, ``10:30``)."""
    return _WORD.findall(text)


def apart(text: str) -> str:
    """The sentence with ``;`` where a comma, a dash, ``and`` or ``but`` begins another main clause.

    Hearsay stays whole: what follows may still be the words of another.
    """
    text = _COMMA_BUT.sub(_contrasted, text)
    if any(lex.VERB_FORMS.get(word.lower(), ("", ""))[0] in lex.SAYING for word in words_of(text)):
        return text
    pieces: list[str] = []
    start = 0
    for joint in _BREAK.finditer(text):
        head, tail = text[start : joint.start()], text[joint.end() :]
        if _opens(head, tail):
            pieces.append(head)
            start = joint.end()
    pieces.append(text[start:])
    return "; ".join([pieces[0], *(_CONJUNCTION.sub("", piece) for piece in pieces[1:])])


def _contrasted(match: re.Match[str]) -> str:
    """``not A, but B`` as one phrase, unless B is a predicate of its own."""
    verb = lex.VERB_FORMS.get(match["next"].lower(), ("", ""))[1] in (lex.THIRD, lex.PAST)
    clause = verb or match["next"].lower() in lex.PRONOUNS | lex.DETERMINERS | lex.BE | lex.HAVE | lex.ADVERBS
    return match[0] if clause else f"{match['head']} but "


def _opens(head: str, tail: str) -> bool:
    """Whether ``head`` is a clause already and ``tail`` begins another one."""
    before, after = words_of(head), words_of(_CONJUNCTION.sub("", tail))
    if predicate_start(before) is None or len(after) < 2:
        return False
    ended = bool(_ENDS.search(head))
    if _ELLIPTIC.match(tail):
        return True
    first = after[0].lower()
    if ended and len(after) > 2 and lex.VERB_FORMS.get(first, ("", ""))[1] in (lex.THIRD, lex.PAST):
        return not tail[:4].lower().startswith("and ")
    named = after[0][:1].isupper() or (first in lex.DETERMINERS | lex.PRONOUNS and first != "no")
    start = predicate_start(after[:7]) if named else None
    return start is not None and start < 5 and not {w.lower() for w in after[:start]} & {"and", "or", "who"}


def parted(words: list[str]) -> list[list[str]]:
    """``A lives in B and works at C`` as two predicates; the second has no subject of its own."""
    for i, word in enumerate(words):
        if word.lower() in ("and", "but") and 1 < i < len(words) - 1:
            following = words[i + 1].lower()
            form = lex.VERB_FORMS.get(following, ("", ""))[1]
            finite = following in lex.BE | lex.HAVE | lex.DO or form in (lex.THIRD, lex.PAST)
            bare = form == lex.BASE and i + 2 < len(words) and words[-1].lower() in ("instead", "now")
            if finite or bare or following in ("now", "no", "has"):
                return [words[:i], *parted([SHARED, *words[i + 1 :]])]
    return [words]


def predicate_start(words: list[str]) -> int | None:
    """Index of the first word of the predicate, None where no finite verb is found."""
    if words[:1] == [SHARED]:
        return 1 if len(words) > 1 else None
    for known in (True, False):
        for i in range(1, len(words)):
            if verb_at(words, i) if known else _looks_finite(words, i):
                while i > 1 and words[i - 1].lower() in lex.ADVERBS | lex.NEGATIONS:
                    i -= 1
                if i > 2 and [w.lower() for w in words[i - 2 : i]] == ["no", "longer"]:
                    i -= 2
                return i
    return None


def _looks_finite(words: list[str], i: int) -> bool:
    """Whether an unknown word has the ending of a finite verb and the place of one."""
    word, before = words[i], words[i - 1].lower()
    if not (word.isalpha() and word.islower() and len(word) > 3) or word in lex.KINDS | lex.NUMBERS:
        return False
    if word in lex.PRONOUNS | lex.PREPOSITIONS | lex.ADVERBS | lex.DETERMINERS or word in lex.VERB_FORMS:
        return False
    nominal = before in lex.DETERMINERS | lex.PREPOSITIONS | lex.TOPICLESS or before.endswith(("'s", "'"))
    last = i == len(words) - 1 and i > 1
    finite = word.endswith(("s", "ed")) and not word.endswith(("ss", "us", "is", "eed"))
    return finite and not nominal and not last
