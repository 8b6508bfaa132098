"""A first-person sentence retold of its speaker, where the grammar is simple; else quoted as it was said."""

from __future__ import annotations

import re

from omnimemory.agents.extractive import lexicon as lex

_HARD = re.compile(
    r"\b(?:we|us|our|ours|ourselves|you|your|yours|let's|i'd|myself|mine|am i|do i|have i)\b|"
    r"[\"\u201c\u201d]",
    re.I,
)
_FIRST = re.compile(r"\b(?:i|i'm|i've|i'll|me|my)\b", re.IGNORECASE)
_ADVERBS = "|".join(sorted(lex.ADVERBS | {"never", "not", "no longer"}, key=len, reverse=True))
_SUBJECT = re.compile(rf"\bI(?P<gap>(?:\s+(?:{_ADVERBS}|\w{{3,}}ly))*)\s+(?P<verb>[a-z]+(?:'t)?)\b")
_OBJECTS = "|".join(
    sorted(
        lex.DETERMINERS | {"it", "them", "him", "her", "to", "in", "at", "for", "with", "as", "on", "from"}
    )
)
_JOINED = re.compile(rf"(?P<join>\b(?:and|but|or)\s+(?:\w+ly\s+)?)(?P<verb>[a-z]+)(?=\s+(?:{_OBJECTS})\b)")
_NOW_JOINED = re.compile(r"(?P<join>\b(?:and|but)\s+)(?P<verb>[a-z]+)(?=\s[^,;]*\b(?:instead|now)\b)")
_UNINFLECTED = lex.MODALS | lex.BE | lex.HAVE | lex.PREPOSITIONS | {"did"}
_AUXILIARIES = {
    "am": "is",
    "have": "has",
    "do": "does",
    "don't": "doesn't",
    "haven't": "hasn't",
    "was": "was",
}
_OTHERS = re.compile(
    r"\b(?:they|them|their|he|him|his|she|her|people|children)\b|\b(?:and|with|for|of|by) [A-Z]", re.UNICODE
)
_SINGULAR = lex.BE | lex.HAVE | lex.DO | lex.ADVERBS | lex.NEGATIONS | {"this", "as", "does", "sometimes"}
_ELIDED = re.compile(r"^(?:(?:just|finally|also|recently|already)\s+)?(?P<verb>[a-z]+)\s", re.IGNORECASE)


def third_person(sentence: str, who: str) -> str:
    """``I moved to Bergen`` as ``Ann moved to Bergen``; ``Ann said: "..."`` where retelling could distort.

    A sentence without first or second person stays as it is.
    """
    text = sentence.replace("\u2019", "'")
    elided = _ELIDED.match(text)
    if (
        elided
        and not _FIRST.match(text)
        and lex.VERB_FORMS.get(elided["verb"].lower(), ("", ""))[1] == lex.PAST
    ):
        text = "I " + text[0].lower() + text[1:]
    if _HARD.search(text):
        return quoted(sentence, who)
    if not _FIRST.search(text):
        return text
    text = re.sub(r"\bi(?=['\s])", "I", text)
    for short, full in (("I'm", "I am"), ("I've", "I have"), ("I'll", "I will")):
        text = re.sub(rf"\b{short}\b", full, text)
    present = False

    def told(match: re.Match[str]) -> str:
        nonlocal present
        verb = match["verb"]
        form = lex.VERB_FORMS.get(verb, ("", ""))[1]
        if verb in _AUXILIARIES:
            verb = _AUXILIARIES[verb]
        elif form == lex.BASE or (not form and verb not in _UNINFLECTED and not verb.endswith(("ed", "'t"))):
            verb, present = lex.third_person(verb), True
        return f"{who}{match['gap']} {verb}"

    text = _SUBJECT.sub(told, text)
    if re.search(r"\bI\b", text):
        return quoted(sentence, who)
    text = (_JOINED if present else _NOW_JOINED).sub(_conjugated, text)
    text = re.sub(r"\bmy\b", lambda match: _owned(text[: match.start()], who), text, flags=re.IGNORECASE)
    return re.sub(r"\bme\b", who, text)


def _owned(before: str, who: str) -> str:
    """``their`` where the clause has the owner as its subject and could mean nobody else; else the name."""
    clause = re.split(r"[,;:]\s|\b(?:but|because|so|that|when|while|if)\s", before)[-1]
    match = re.match(rf"^\W*(?:and )?{re.escape(who)}(?P<told>(?:\s+\S+)+)\s*$", clause)
    if match is None or _OTHERS.search(match["told"]):
        return f"{who}'s"
    verbs = {lex.VERB_FORMS.get(word.lower(), ("", ""))[0] for word in match["told"].split()}
    nouns = [word for word in match["told"].split() if word not in lex.VERB_FORMS]
    plural = any(re.fullmatch(r"[a-z]+[^su\W]s", word) for word in nouns if word not in _SINGULAR)
    return f"{who}'s" if verbs & lex.PERSONAL or plural else "their"


def quoted(sentence: str, who: str) -> str:
    """The sentence as it was said, with its speaker."""
    straight = sentence.replace("\u201c", "'").replace("\u201d", "'").replace('"', "'")
    return f'{who} said: "{straight}"'


def _conjugated(match: re.Match[str]) -> str:
    verb = match["verb"]
    if lex.VERB_FORMS.get(verb, ("", ""))[1] == lex.BASE:
        verb = lex.third_person(verb)
    return match["join"] + verb
