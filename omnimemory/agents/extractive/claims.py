"""What a sentence claims: subject, relation, value, and whether it holds, held or is over. English only.

A shallow reading by word order: subject up to the first finite verb, then the verb, then chunks
by preposition. What it cannot read gives no claim, and without a claim nothing is contradicted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.agents.extractive.phrasing import Clause, Cue, Standing, clauses, plain, spoken
from omnimemory.agents.extractive.predicates import Predicate, read_predicate, verb_at
from omnimemory.agents.extractive.values import Value, stems, value_of
from omnimemory.core.text import detect_language, sentences

Subject = tuple[str, ...]

_WORD = re.compile(r"[^\W_]+(?:['&+#./:@-]+[^\W_]+)*(?:'s?(?![^\W_])|\+\+|#)?|[%\u20ac$\u00a3]")
_LEADING = re.compile(
    r"^(?:in|on|at|for|after|since|as of|from|during|with|by|until|this|last|over)\b[^,]{2,60},\s+", re.I
)
_NOT_BUT = re.compile(r"\bnot (?P<old>[^,;]+?),? but (?P<new>[^,;]+)$", re.IGNORECASE)
_RATHER = re.compile(
    r",? (?:instead of|rather than|in place of|and not|as opposed to)(?: at| in| on)? (?P<old>.+)$|"
    r", not (?:at |in |on |from |the |a |an )*(?P<old2>.+)$",
    re.IGNORECASE,
)
_OVER = re.compile(r"\b(?P<verb>prefers?) (?P<new>[^,;]+?) (?:over|to|than) (?P<old>[^,;]+)$", re.IGNORECASE)
_WHERE = frozenset({"in", "at", "on", "near", "outside"})
_TELLING = frozenset(
    (
        "the",
        "and",
        "she",
        "he",
        "they",
        "with",
        "now",
        "has",
        "have",
        "not",
        "longer",
        "my",
        "to",
        "his",
        "i",
        "does",
    )
)
_CALLED = re.compile(r"\b(?:called|named)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing a sentence says.

    ``subject`` is a path of stems, owner first (``("user", "sister")``). ``relation`` is the
    canonical name of what is said of it. ``former`` holds the stems of a value that is said to be
    replaced. ``ended``: the state itself is over, ``value`` says which.
    """

    subject: Subject
    relation: str
    verb: str
    value: Value
    rest: frozenset[str] = frozenset()
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


LONGEST = 600
"""Characters up to which a text is read as a statement."""


@lru_cache(maxsize=1 << 13)
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
    for clause in clauses(text):
        for claim in _clause(clause, carried):
            carried = carried or claim.subject
            found.append(claim)
    return found


def _clause(clause: Clause, carried: Subject) -> list[Claim]:
    text, former, cue = clause.text.rstrip(" .!,"), frozenset[str](), clause.cue
    if match := _NOT_BUT.search(text):
        former, text = frozenset(stems(_words(match["old"]))), f"{text[: match.start()]}{match['new']}"
        cue = Cue.CORRECTION
    elif match := _OVER.search(text):
        former = frozenset(stems(_words(match["old"])))
        text = f"{text[: match.start()]}{match['verb']} {match['new']}"
    elif match := _RATHER.search(text):
        former = frozenset(stems(_words(match["old"] or match["old2"])))
        text = text[: match.start()]
        cue = Cue.CORRECTION
    lead = _LEADING.match(text)
    if lead:
        text = text[lead.end() :] + (" " + lead[0].rstrip(", ") if lead[0][:4].lower() == "for " else "")
    words = _words(text)
    found: list[Claim] = []
    for part in _shared_subject(words):
        start = _predicate_start(part)
        subject, own = _subject(part[:start], carried) if start else (carried, part)
        if start is None or not subject:
            continue
        predicate = read_predicate(part[start:])
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
        found += _claims(base, predicate)
        carried = subject
    return found


def _told(predicate: Predicate, subject: Subject, clause: Clause) -> list[Claim] | None:
    """Claims within ``Ann said that ...``: hearsay unless she speaks of herself; None without such a verb."""
    if predicate.verb not in lex.SAYING or predicate.passive:
        return None
    words = list(predicate.tail)
    while words and words[0].lower() in ("that", "me", "us", "to", "the", "assistant"):
        words.pop(0)
    inner = _clause(Clause(" ".join(words), clause.standing, clause.cue), subject)
    honest = predicate.verb in lex.HONEST and not predicate.negated
    return [
        each if honest and each.subject == subject else replace(each, standing=Standing.SECONDHAND)
        for each in inner
    ]


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _shared_subject(words: list[str]) -> list[list[str]]:
    """``A lives in B and works at C`` as two predicates; the second has no subject of its own."""
    for i, word in enumerate(words):
        if word.lower() in ("and", "but") and 1 < i < len(words) - 1:
            following = words[i + 1].lower()
            form = lex.VERB_FORMS.get(following, ("", ""))[1]
            finite = following in lex.BE | lex.HAVE | lex.DO or form in (lex.THIRD, lex.PAST)
            if finite or following in ("now", "no", "has"):
                return [words[:i], *_shared_subject(["\0", *words[i + 1 :]])]
    return [words]


def _predicate_start(words: list[str]) -> int | None:
    """Index of the first word of the predicate, None where no finite verb is found."""
    if words[:1] == ["\0"]:
        return 1 if len(words) > 1 else None
    for i in range(1, len(words)):
        if verb_at(words, i):
            while i > 1 and words[i - 1].lower() in lex.ADVERBS | lex.NEGATIONS:
                i -= 1
            if i > 2 and [w.lower() for w in words[i - 2 : i]] == ["no", "longer"]:
                i -= 2
            return i
    return None


def _subject(words: list[str], carried: Subject) -> tuple[Subject, list[str]]:
    """The path of stems a noun phrase names, owner first; () when it only points (``it``)."""
    kept = [w for w in words if w.lower() not in lex.ADVERBS]
    if kept[:1] == ["\0"]:
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
    of = [w for w in kept[cut:] if w.lower() not in lex.TOPICLESS]
    path = owner + stems_or_self(of) + stems_or_self(names)
    return path, kept


def stems_or_self(words: list[str]) -> Subject:
    """Stems of a noun phrase without its determiners; ``I`` and ``the user`` are one person."""
    people = ["user" if w.lower() in ("i", "me", "myself", "user's", "users'") else w for w in words]
    bare = [w for w in people if w.lower() not in lex.DETERMINERS | lex.PREPOSITIONS]
    return stems(bare) if bare else ()


def _claims(base: Claim, predicate: Predicate) -> list[Claim]:
    claim = replace(
        base,
        rest=predicate.rest,
        former=base.former | predicate.former,
        negated=predicate.negated,
        ended=predicate.ended,
        past=predicate.past,
        additive=predicate.additive,
        cue=max(base.cue, predicate.cue),
        relation=_relation(predicate),
    )
    claim = _named(claim, predicate)
    found = [claim]
    if predicate.topic:
        words = [
            w for w in predicate.topic if w.lower() not in lex.DETERMINERS and not w.lower().endswith("'s")
        ]
        topic = Value.of(value_of(words), stems(words))
        moved = replace(claim, subject=_owner(base.subject) + topic.stems, rest=frozenset())
        found.append(
            replace(moved, relation=_be_relation("", claim.value), verb="be", cue=max(claim.cue, Cue.CHANGE))
        )
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
    if verb in ("live", "settle", "base", "locate") and prep in _WHERE and not value.is_time:
        return "place"
    if verb == "move" and prep in ("to", "into", "from") and not predicate.topic:
        return "place"
    if predicate.passive and verb in ("schedule", "set", "book", "plan", "fix") and value.is_time:
        return "when"
    if (verb == "work" and prep in ("at", "for") and not value.is_time) or verb in ("join", "employ", "hire"):
        return "employer"
    if kind := _condition(predicate):
        return kind
    if verb in ("attend", "enroll") or (verb == "study" and prep == "at"):
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
    if value.is_occupation and (titled or verb == "become"):
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
