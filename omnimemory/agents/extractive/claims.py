"""What a sentence claims: subject, relation, value, and whether it holds, held or is over. English only.

A shallow reading by word order: subject up to the first finite verb, then the verb, then chunks
by preposition. What it cannot read gives no claim, and without a claim nothing is contradicted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.agents.extractive.joints import SHARED, apart, parted, predicate_start, words_of
from omnimemory.agents.extractive.phrasing import Clause, Cue, Standing, clauses, plain, spoken
from omnimemory.agents.extractive.predicates import Predicate, read_predicate
from omnimemory.agents.extractive.values import Value, stems, value_of
from omnimemory.core.text import detect_language, sentences

Subject = tuple[str, ...]

_LEADING = re.compile(
    r"^(?:in|on|at|for|after|since|as of|from|during|with|by|until|this|last|over)\b[^,]{2,60},\s+", re.I
)
_NOT_BUT = re.compile(
    r"\b(?:not|no longer) (?!only\b|just\b|merely\b)(?P<old>[^,;]+?),? but (?P<new>[^,;]+)$", re.IGNORECASE
)
_RATHER = re.compile(
    r",? (?:instead of|rather than|in place of|and not|as opposed to)(?: at| in| on)? (?P<old>.+)$|"
    r", (?:not|no more|no longer) (?:at |in |on |from |the |a |an )*(?P<old2>.+)$",
    re.IGNORECASE,
)
_STILL = re.compile(r"\s+(?:now|anymore|these days|nowadays|any longer)$", re.IGNORECASE)
_OVER = re.compile(r"\b(?P<verb>prefers?) (?P<new>[^,;]+?) (?:over|to|than) (?P<old>[^,;]+)$", re.IGNORECASE)
_WHERE = lex.wordset("in at on near outside inside under behind beside above below")
_TELLING = lex.wordset("the and she he they with now has have not longer my to his i does")
_NOW = re.compile(r"^(?:(?:in|at|for|with|on|as|to) (?P<placed>.+)|(?P<bare>[A-Z].*))$")
_CALLED = re.compile(r"\b(?:called|named)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing a sentence says.

    ``subject`` is a path of stems, owner first (``("user", "sister")``). ``relation`` is the
    canonical name of what is said of it. ``former`` holds the stems of a value that is said to be
    replaced. ``parts`` are the chunks of the predicate by preposition. ``ended``: the state itself
    is over, ``value`` says which.
    """

    subject: Subject
    relation: str
    verb: str
    value: Value
    rest: frozenset[str] = frozenset()
    parts: tuple[tuple[str, Value], ...] = ()
    former: frozenset[str] = frozenset()
    negated: bool = False
    ended: bool = False
    past: bool = False
    additive: bool = False
    cue: Cue = Cue.NONE
    standing: Standing = Standing.ASSERTED

    @property
    def content(self) -> frozenset[str]:
        return frozenset(self.value.stems) | self.rest

    @property
    def holds(self) -> bool:
        """Whether the state is said to hold now."""
        return self.standing is Standing.ASSERTED and not (self.negated or self.ended or self.past)


def is_english(text: str) -> bool:
    """Whether the English reading applies; two plain function words outvote a detector misled by names."""
    return detect_language(text) == "en" or len(_TELLING & set(text.lower().split())) >= 2


_FIXING = frozenset({"schedule", "set", "book", "plan", "fix"})
_PERSONS = dict.fromkeys(("i", "me", "myself", "user's"), "user") | dict.fromkeys(
    ("users", "users'"), "userbase"
)
"""The one user, and the many that a product has."""

LONGEST = 600
"""Characters up to which a text is read as a statement."""


@lru_cache(maxsize=1 << 10)
def read(text: str) -> tuple[Claim, ...]:
    """The claims of a statement; () for what is not English or cannot be read."""
    if len(text) > LONGEST or not is_english(text):
        return ()
    quoted = spoken(plain(text))
    if quoted is None:
        return tuple(claim for sentence in sentences(plain(text)) for claim in _sentence(sentence))
    speaker = stems(quoted[0].split())
    claims = [claim for sentence in sentences(quoted[1]) for claim in _sentence(sentence)]
    return tuple(_spoken_by(speaker, claim) for claim in claims)


def _spoken_by(speaker: Subject, claim: Claim) -> Claim:
    """A quoted claim: the speaker vouches for what he says of himself, not for what he says of others."""
    if claim.subject[:1] in (("user",), ("we",)):
        owner = speaker if claim.subject[0] == "user" else (*speaker, "we")
        return replace(claim, subject=owner + claim.subject[1:])
    return replace(claim, standing=max(claim.standing, Standing.SECONDHAND))


def _sentence(text: str) -> list[Claim]:
    found: list[Claim] = []
    carried: Subject = ()
    for clause in clauses(apart(text)):
        read_here = _clause(clause, carried) or _elliptic(clause, found)
        for claim in read_here:
            carried = carried or claim.subject
            found.append(claim)
    return found or _elided(text)


def _elided(text: str) -> list[Claim]:
    """``Switched from A to B.``: said by the user of himself."""
    words = words_of(text)
    if not words or lex.VERB_FORMS.get(words[0].lower(), ("", ""))[1] != lex.PAST:
        return []
    return _sentence(f"I {text[:1].lower()}{text[1:]}")


def _elliptic(clause: Clause, found: Sequence[Claim]) -> list[Claim]:
    """``used to live in Lisbon, now in Porto``: another value for what has just been said to be over."""
    match = _NOW.match(clause.text.rstrip(" .!,"))
    ended = found[-1] if found else None
    if match is None or ended is None or not ended.ended or not ended.verb:
        return []
    value = value_of(words_of(match["placed"] or match["bare"]))
    now = replace(ended, value=value, rest=frozenset(), parts=(), ended=False)
    return [replace(now, cue=max(clause.cue, Cue.CHANGE), standing=clause.standing)]


def _clause(clause: Clause, carried: Subject) -> list[Claim]:
    text, former, contrast = _contrasted(clause.text.rstrip(" .!,"))
    cue = max(clause.cue, contrast)
    lead = _LEADING.match(text)
    if lead:
        text = text[lead.end() :] + (" " + lead[0].rstrip(", ") if lead[0][:4].lower() == "for " else "")
    words = words_of(text)
    if former and contrast and clause.text[:4].lower() == "not " and predicate_start(words) is None:
        bare = Claim(carried or ("user",), "use", "use", value_of(words), former=former)
        return [replace(bare, cue=cue, standing=clause.standing)]
    found: list[Claim] = []
    for part in parted(words):
        start = predicate_start(part)
        subject, own = _subject(part[:start], carried) if start else (carried, part)
        if start is None or not subject:
            continue
        predicate = read_predicate(_unowned(part[start:], subject))
        if predicate is None:
            continue
        told = _told(predicate, subject, clause)
        if told is not None:
            return found + told
        if any(word.lower() == "new" for word in own):
            cue = max(cue, Cue.CHANGE)
        base = Claim(
            subject, "", predicate.verb, predicate.value, former=former, cue=cue, standing=clause.standing
        )
        found += _mutual(base, part[:start], predicate) or _claims(base, predicate)
        carried = subject
    return found


def _unowned(words: list[str], subject: Subject) -> list[str]:
    """``Ann's`` after the subject Ann as ``their``: whose it is goes without saying."""
    return [
        "their" if w.lower().endswith("'s") and stems_or_self([w.lower()[:-2]]) == subject[:1] else w
        for w in words
    ]


def _mutual(base: Claim, words: list[str], predicate: Predicate) -> list[Claim]:
    """``Ann and Bob broke up`` as the end of what each had with the other."""
    split = base.verb in ("break", "split") and "up" in predicate.tail
    parting = split or base.verb in ("divorce", "separate")
    names = [w for w in words if w.lower() not in lex.DETERMINERS | {"both"}]
    if not parting or len(names) != 3 or names[1].lower() != "and" or predicate.negated:
        return []
    pairs = ((names[0], names[2]), (names[2], names[0]))
    ended = replace(base, verb="", ended=True, cue=max(base.cue, Cue.CHANGE))
    return [replace(ended, subject=stems_or_self([one]), value=value_of([other])) for one, other in pairs]


def _contrasted(text: str) -> tuple[str, frozenset[str], Cue]:
    """The clause without what it names as replaced, the stems of that, and the cue it gives."""
    if match := _NOT_BUT.search(text):
        return text[: match.start()] + match["new"], _former(match["old"]), Cue.CORRECTION
    if match := _OVER.search(text):
        kept = f"{text[: match.start()]}{match['verb']} {match['new']}"
        return kept, _former(match["old"]), Cue.NONE
    if match := _RATHER.search(text):
        return text[: match.start()], _former(match["old"] or match["old2"]), Cue.CORRECTION
    return text, frozenset(), Cue.NONE


def _former(text: str) -> frozenset[str]:
    return frozenset(stems(words_of(_STILL.sub("", text))))


def _told(predicate: Predicate, subject: Subject, clause: Clause) -> list[Claim] | None:
    """Claims within ``Ann said that ...``: hearsay unless she speaks of herself; None if nothing is told."""
    if predicate.verb not in lex.SAYING or predicate.passive:
        return None
    words = list(predicate.tail)
    while words and words[0].lower() in ("that", "me", "us", "to", "the", "assistant"):
        words.pop(0)
    inner = _clause(Clause(" ".join(words), clause.standing, clause.cue), subject)
    if not inner:
        return None
    honest = predicate.verb in lex.HONEST and not predicate.negated
    return [
        each if honest and each.subject == subject else replace(each, standing=Standing.SECONDHAND)
        for each in inner
    ]


def _subject(words: list[str], carried: Subject) -> tuple[Subject, list[str]]:
    """The path of stems a noun phrase names, owner first; () when it only points (``it``)."""
    kept = [w for w in words if w.lower() not in lex.ADVERBS]
    if kept[:1] == [SHARED]:
        return carried, kept
    lowered = [w.lower() for w in kept]
    owner: Subject = ()
    if not kept or "and" in lowered or "or" in lowered:
        return tuple(sorted(stems(kept))) if kept else (), kept
    if lowered[0] in ("he", "she", "they", "it") and len(kept) == 1:
        return (carried if lowered[0] != "it" else ()), kept
    if (lowered[0] in lex.VAGUE and len(kept) == 1) or lowered[0] in (
        "this",
        "that",
        "these",
        "those",
        "there",
    ):
        return (), kept
    if lowered[0] in ("his", "her", "their", "its"):
        if not carried:
            return (), kept
        owner, kept = carried[:1], kept[1:]
    elif lowered[0] == "my":
        owner, kept = ("user",), kept[1:]
    elif lowered[0] == "our":
        owner, kept = ("we",), kept[1:]
    elif lowered[0] in ("we", "us"):
        return ("we",), kept
    cut = next((i for i, w in enumerate(kept) if i and w.lower() in lex.PREPOSITIONS), len(kept))
    names = [w for w in kept[:cut] if w.lower() not in lex.TOPICLESS]
    another = ("other",) if {"other", "another"} & set(lowered) else ()
    of = [w for w in kept[cut:] if w.lower() not in lex.TOPICLESS]
    path = owner + stems_or_self(of) + another + stems_or_self(names)
    return path, kept


def stems_or_self(words: list[str]) -> Subject:
    """Stems of a noun phrase without its determiners; ``I`` and ``the user`` are one person."""
    people = [_PERSONS.get(w.lower(), w) for w in words]
    bare = [w for w in people if w.lower() not in lex.DETERMINERS | lex.PREPOSITIONS]
    return stems(bare) if bare else ()


def _claims(base: Claim, predicate: Predicate) -> list[Claim]:
    claim = replace(
        base,
        rest=predicate.rest,
        parts=predicate.parts,
        former=base.former | predicate.former,
        negated=predicate.negated,
        ended=predicate.ended,
        past=predicate.past,
        additive=predicate.additive,
        cue=max(base.cue, predicate.cue),
        relation=_relation(predicate),
    )
    if claim.relation == "when" and predicate.passive:
        claim = replace(claim, past=False)
    claim = _named(claim, predicate)
    found = [claim]
    if predicate.topic:
        words = [
            w for w in predicate.topic if w.lower() not in lex.DETERMINERS and not w.lower().endswith("'s")
        ]
        topic = Value.of(value_of(words), stems(words))
        moved = replace(claim, subject=_owner(base.subject) + topic.stems, rest=frozenset())
        relation = "name" if predicate.verb == "call" else _be_relation("", claim.value)
        found.append(replace(moved, relation=relation, verb="be", cue=max(claim.cue, Cue.CHANGE)))
    for i, word in enumerate(predicate.tail):
        if i and _CALLED.search(word) and i + 1 < len(predicate.tail):
            thing = [w for w in predicate.tail[:i] if w.lower() not in lex.DETERMINERS]
            subject = base.subject + stems(thing[-1:])
            name = value_of(list(predicate.tail[i + 1 : i + 3]))
            found.append(
                replace(claim, subject=subject, relation="name", verb="be", value=name, rest=frozenset())
            )
    return found


def _owner(subject: Subject) -> Subject:
    return subject if subject[-1:] == ("we",) else subject[:1]


def _named(claim: Claim, predicate: Predicate) -> Claim:
    if predicate.verb in ("call", "name") and predicate.passive:
        return replace(claim, relation="name", verb="be")
    if claim.verb == "be" and claim.subject[-1:] == ("name",) and len(claim.subject) > 1:
        return replace(claim, relation="name", subject=claim.subject[:-1])
    if claim.verb == "be" and claim.subject[-1:] == ("home",) and len(claim.subject) > 1:
        return replace(claim, relation="place", subject=claim.subject[:-1])
    return claim


def _relation(predicate: Predicate) -> str:
    """The canonical relation: several verbs state the same fact about a subject."""
    verb, prep, value = predicate.verb, predicate.prep, predicate.value
    if verb in ("live", "settle", "base", "locate") and prep in _WHERE and value.is_definite:
        return "place"
    if verb == "move" and prep in ("to", "into", "from") and not predicate.topic:
        return "place"
    if value.is_time and (verb in ("start", "begin") or (predicate.passive and verb in _FIXING)):
        return "when"
    if (verb == "work" and prep in ("at", "for") and value.is_definite) or verb in ("join", "employ", "hire"):
        return "employer"
    if kind := _condition(predicate):
        return kind
    if verb in ("attend", "enroll") or (verb == "study" and prep == "at" and not value.is_time):
        return "school"
    if (verb == "come" and prep == "from") or (verb == "be" and prep == "from"):
        return "origin"
    if verb == "be":
        return _be_relation(prep, value)
    return f"{verb} {prep}".strip()


def _condition(predicate: Predicate) -> str:
    """What a person is: profession, family, diet or age; "" for anything else."""
    verb, value = predicate.verb, predicate.value
    states = verb in ("be", "become")
    titled = verb in ("work", "promote", "be") and (verb == "be") != (predicate.prep != "")
    engaged = verb == "work" and predicate.prep == "as" and bool(value.words & lex.DETERMINERS)
    if engaged or (value.is_occupation and (titled or verb == "become")):
        return "role"
    if verb == "marry" or (states and "marital" in value.kinds):
        return "marital"
    if states and "diet" in value.kinds:
        return "diet"
    aged = verb == "be" and "old" in value.words | predicate.rest and "number" in value.kinds
    return "age" if aged else ""


def _be_relation(prep: str, value: Value) -> str:
    if value.is_time:
        return "when"
    if prep in _WHERE and not value.is_state:
        return "place"
    return "be" if prep == "" or prep in ("at", "to") else f"be {prep}"
