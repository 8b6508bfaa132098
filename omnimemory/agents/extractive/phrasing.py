"""What surrounds a claim in an English sentence: who vouches for it, cues of change, where clauses end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

_QUOTES = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u00ab": '"', "\u00bb": '"'}
)
_CONTRACTIONS = tuple(
    (re.compile(pattern, re.IGNORECASE), full)
    for pattern, full in (
        (r"\bcan't\b", "can not"), (r"\bwon't\b", "will not"), (r"\bcannot\b", "can not"), (r"n't\b", " not"),
        (r"\b(i)'m\b", r"\1 am"), (r"(\w)'re\b", r"\1 are"),
        (r"(\w)'ve\b", r"\1 have"), (r"(\w)'ll\b", r"\1 will"),
        (r"(\w)'d\b", r"\1 would"), (r"\b(he|she|it|that|there|who|what|here)'s\b", r"\1 is"),
        (r"\bany more\b(?=\s*(?:[.,;!)]|$))", "anymore"), (r"\bgoing to\b", "gonna"),
        (r"\b(?:can not|could not) (?:stand|bear)\b", "dislikes"),
    )
)  # fmt: skip
_RESOLVED_DATE = re.compile(r"\s*\((?:week of |weekend of )?[^()]*\b\d{4}(?:-\d\d-\d\d)?\)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_SPOKEN = re.compile(r'^(?P<who>[^"]{1,80}?) (?:said|says): "(?P<what>.+)"\W*$', re.DOTALL)
_QUOTED = re.compile(r'"[^"]*"|(?<!\w)\'[^\']{8,}\'(?!\w)')
_UNREAL = re.compile(
    r"\b(?:if|unless|would|could|might|may|should|shall|will|gonna|maybe|perhaps|possibly|probably|likely|"
    r"suppose|"
    r"supposing|supposedly|allegedly|imagine|imagined|imagines|wish|wishes|wished|hope|hopes|hoped|hoping|"
    r"dream|"
    r"dreams|dreamed|dreaming|dreamt|consider|considers|considering|considered|wonders?|wondering|wondered|"
    r"whether|"
    r"tempted|pretend\w*|almost|nearly|(?:think|thinks|thinking|thought|talks?|talking|talked) (?:of|about)|"
    r"(?:want|wants|wanted|like|likes|plans?|planned|planning|need|needs|needed|intends?|intended|tries|"
    r"try|trying|"
    r"tried|aims?|love|loves|supposed|about|expects?|expected|ought|refused|refuses|agreed|ready|afraid|"
    r"asked|"
    r"told (?:\w+)) (?:not )?to (?!be called|the\b|a\b|my\b|his\b|her\b|[A-Z])|planning on|feels? like|"
    r"looking (?:at|into|for)|interested in|what|let us|for example|e\.g|let's|in case|"
    r"as though|as if|in theory|someday|one day|eventually)\b"
)
_UNREAL_START = re.compile(
    r"^(?:Perhaps|Maybe|If|Unless|Suppose|Supposing|Imagine|Should|Were|Had|Would|Could|Might|Can|Do|Does|"
    r"Did|"
    r"Is|Are|What|Why|How|Let|Please|Whether|Say|Wish|Hopefully|Possibly|Probably|Supposedly|Allegedly|"
    r"Assuming|"
    r"Once|When|Until|Before|Whenever)\b"
)
_PLANNED = re.compile(
    r"\b(?:plans?|planned|planning|intends?|decided|aims?|signed up|hopes?|going|gonna|will)\b"
)
_SECONDHAND = re.compile(
    r"\b(?:according to|rumou?rs?|rumou?red|reportedly|jok(?:e|ed|es|ing|ingly)|sarcastically|fictional|"
    r"role-?play\w*|"
    r"lyrics?|titled|(?:in|from) (?:the|a|an|his|her|my|their|our|this|that|some) (?:\w+ )?(?:novel|book|"
    r"film|movie|"
    r"song|story|show|series|game|dream|play|episode|comic|poem|sketch|scene|example|article|simulation|"
    r"tale|myth)s?|"
    r"character|protagonist|hero|heroine|assum(?:e|es|ed)|believ(?:e|es|ed)|suspect(?:s|ed)?|guess(?:es|ed)?|"
    r"people say|they say|apparently|"
    r"(?<=, )(?:\w+ ){1,3}(?:says|said|thinks|claims|claimed|reckons)(?=\W*$)|"
    r"rumor has it|heard (?:that|a)|overheard)\b",
    re.IGNORECASE,
)
_CORRECTS = re.compile(
    r"^(?:correction|update|edit|i was (?:wrong|mistaken)(?: about [^,:]*| before| earlier)?|my mistake|"
    r"my bad|"
    r"i misspoke|i made a mistake|scratch that|oops|wait|no|sorry|apologies|i meant(?: to say)?|i mean|"
    r"(?:it |as it )?turns out|turned out|it turned out|to correct myself|strike that|"
    r"let me correct (?:that|myself)|"
    r"i (?:got|had) (?:that|this|it) wrong|i (?:said|told you|wrote|mentioned) [^,;.]{1,40}?,? but|"
    r"small correction|quick update|that's wrong|that is wrong|not anymore)\b[\s,:;.!-]*(?:but )?(?:that )?",
    re.IGNORECASE,
)
_OPENER = re.compile(
    r"^(?:as (?:i|we) (?:said|mentioned|told you)(?: before| earlier)?|by the way|btw|fyi|well|so|oh|yeah|"
    r"yes|yep|ok|"
    r"okay|hey|hi|hello|anyway|and|but|also|like|honestly|to be honest|for the record|just so you know|again|"
    r"note that|remember that|remember|please note that|please remember that|good news|bad news|big news|"
    r"news|right|"
    r"sure|ah|(?:just )?(?:a )?(?:quick )?reminder|"
    r"hmm|haha|lol|wow|fun fact|in short|basically|of course|luckily|unfortunately|sadly|finally|first|"
    r"first of all|"
    r"recently|lately)\b(?:[,:!.]+|(?<=that))\s*",
    re.IGNORECASE,
)
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_CHANGED = re.compile(
    r"\b(?:now|nowadays|these days|anymore|from now on|as of|instead|since then|again|currently|after all|"
    r"at present|"
    r"going forward|lately|no longer|changed|in fact|as of late|"
    rf"since (?:last|this|the|yesterday|then|{_MONTHS}))\b",
    re.IGNORECASE,
)
_TIME_FIRST = re.compile(
    r"^(?:these days|nowadays|now|today|currently|recently|lately|from now on|since then|at the moment|"
    r"then|(?:since|as of|from|starting) (?:(?:last|this|next) \w+|yesterday|"
    rf"(?:early |mid |late )?(?:{_MONTHS})(?: \d{{4}})?|(?:19|20)\d\d))\b,?\s+",
    re.IGNORECASE,
)
_ACTUALLY = re.compile(r"\b(?:actually|in fact|in reality|really is)\b,?\s*", re.IGNORECASE)
_SUBORDINATE = re.compile(
    r",?\s+(?:because|which|who|whose|while|although|though|whereas|so that|even though|except|when|"
    r"whenever|where|"
    r"as soon as|given that|in order to|due to|thanks to|that way|with which)\b.*$|\s+-+\s+.*$|"
    r"\s*[\u2013\u2014].*$|"
    r",?\s+since (?:i|he|she|it|we|they|my|his|her|our|their|the \w+ \w+s)\b.*$",
    re.IGNORECASE,
)
_JOINT = re.compile(
    r"\s*;\s*|\s*,?\s+(?:and|but|so)\s+(?=(?:i|he|she|it|we|they|my|his|her|our|their)\b)|,\s+but\s+|"
    r",\s+(?=(?:i|he|she|it|we|they|that|my|our)\s)|\s*,?\s+and\s+(?=(?:now|then|so)\b)|,\s+(?:so|"
    r"and)\s+(?=(?:the|[A-Z]\w+)\s)",
    re.IGNORECASE,
)


class Cue(IntEnum):
    """How strongly a sentence says that something known before holds no more."""

    NONE = 0
    CHANGE = 1
    ACTUALLY = 2
    CORRECTION = 3


class Standing(IntEnum):
    """Whether the speaker vouches for a clause."""

    ASSERTED = 0
    PLANNED = 1
    UNREAL = 2
    SECONDHAND = 3


@dataclass(frozen=True, slots=True)
class Clause:
    text: str
    standing: Standing
    cue: Cue


def plain(text: str) -> str:
    """Straight quotes, contractions written out, dates that we resolved left out."""
    found = _RESOLVED_DATE.sub("", text.translate(_QUOTES)).strip()
    for pattern, full in _CONTRACTIONS:
        found = pattern.sub(full, found)
    return " ".join(_THOUSANDS.sub("", found).split())


def body(text: str) -> str:
    """A plain text without its openers (``as I said,``): what is left to be compared word by word."""
    return _openers(plain(text))[1]


def spoken(text: str) -> tuple[str, str] | None:
    """Speaker and words of ``Ann said: "..."`` when that is the whole text."""
    match = _SPOKEN.match(text)
    return (match["who"], match["what"]) if match else None


def clauses(text: str) -> list[Clause]:
    """The main clauses of one plain sentence, each with its standing and the cues it carries."""
    body = _QUOTED.sub("", text)
    secondhand = bool(_SECONDHAND.search(body)) or len(body) < len(text) - 12
    question = text.rstrip("\"') ").endswith("?")
    cue, body = _openers(body)
    found: list[Clause] = []
    body = _SUBORDINATE.sub("", body)
    for part in _JOINT.split(body):
        if not part or not part.strip(" ,.;"):
            continue
        own = max(cue, _cue(part))
        _, part = _openers(part)
        part = _ACTUALLY.sub("", part).strip()
        part = _TIME_FIRST.sub("", part)
        standing = _standing(part, secondhand=secondhand, question=question)
        if found and found[0].standing is Standing.UNREAL and _UNREAL_START.match(found[0].text):
            standing = max(standing, Standing.UNREAL)
        found.append(Clause(part, standing, own))
    return found


def _openers(body: str) -> tuple[Cue, str]:
    cue = Cue.NONE
    for _ in range(6):
        if match := _CORRECTS.match(body):
            cue = Cue.CORRECTION
        elif match := _ACTUALLY.match(body):
            cue = max(cue, Cue.ACTUALLY)
        else:
            match = _OPENER.match(body)
        if not match or match.end() == 0 or match.end() >= len(body):
            break
        body = body[match.end() :]
    return cue, body


def _cue(part: str) -> Cue:
    if _ACTUALLY.search(part):
        return Cue.ACTUALLY
    return Cue.CHANGE if _CHANGED.search(part) else Cue.NONE


def _standing(part: str, *, secondhand: bool, question: bool) -> Standing:
    if secondhand:
        return Standing.SECONDHAND
    unreal = question or bool(_UNREAL.search(part) or _UNREAL_START.match(part))
    if unreal and not question and _PLANNED.search(part):
        return Standing.PLANNED
    return Standing.UNREAL if unreal else Standing.ASSERTED
