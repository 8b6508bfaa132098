"""Which sentences of a conversation are worth remembering, each made to stand alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Flag, auto

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.agents.extractive.claims import is_english, read
from omnimemory.agents.extractive.dates import with_dates
from omnimemory.agents.extractive.durable import changes, substance
from omnimemory.agents.extractive.phrasing import Standing, clauses, plain
from omnimemory.agents.extractive.third_person import quoted, third_person
from omnimemory.core.proposals import DraftStatement
from omnimemory.core.schemas import Memory
from omnimemory.core.text import normalised, sentences, tokens

LONGEST = 400
"""Characters of a statement; a longer sentence is no statement."""

_ENOUGH = 3
_GENERIC = frozenset({"assistant", "ai", "bot", "system", "tool", "agent", "chatbot", "model"})
_CHATTER = re.compile(
    r"^(?:hi|hello|hey|thanks|thank you|thx|great|cool|awesome|nice|ok|okay|sure|yes|no|yeah|wow|bye|"
    r"goodbye|see you|"
    r"good (?:morning|night|evening|luck)|you're welcome|no problem|sounds good|got it|i see|i (?:hope|"
    r"wish|guess) |"
    r"congrat\w*|happy (?:birthday|new year)|haha|lol|lovely|perfect|i appreciate|take care|"
    r"talk (?:to you )?soon|"
    r"i (?:have|had) a question|i(?:'m| am) (?:sorry|glad|happy to hear|good|fine|back|here)\b|"
    r"i (?:think|believe|know|understand|agree|feel)\b|let me know|i need (?:some )?help|i need you|"
    r"i(?:'ll| will) (?:\w+ )?(?:let you know|keep you|check|do that|try that|give (?:it|that))|(?:i |"
    r"john )?gotta go|have a )(?:\b|$)",
    re.IGNORECASE,
)
_PREFERENCE = re.compile(
    r"\b(?:prefers?|preferred|favou?rites?|likes?|loves?|enjoys?|hates?|dislikes?|can't stand|always|never|"
    r"usually|"
    r"rather|fond of|keen on|fan of|allergic|avoids?|struggles?|tends? to|works? best|learns? best|"
    r"every (?:day|morning|"
    r"week|evening))\b",
    re.IGNORECASE,
)
_WISH = re.compile(
    r"^(?:please\s+)?(?:always|never|from now on|keep|call me|remember|don't|do not|stop|avoid|answer|"
    r"reply|respond|"
    r"use|give me|format|write)\b(?=.*\b(?:always|never|from now on|short|concise|brief|detailed|answers?|"
    r"repl(?:y|ies)|"
    r"call me|remember|in future|bullet|examples?|tone|every time)\b)",
    re.IGNORECASE,
)
WORKED = re.compile(
    r"\b(?:worked|works (?:well|fine|great|now|perfectly)|fixed|solved|resolved|helped|succeeded|"
    r"did the trick|"
    r"paid off|sped up|faster now|was a success|improved|no longer (?:fails|crashes))\b",
    re.IGNORECASE,
)
FAILED = re.compile(
    r"\b(?:failed|fails|fail|(?:did not|didn't|does not|doesn't) (?:work|help)|crash(?:ed|es)|broke|"
    r"gave up on|backfired|"
    r"went wrong|useless|waste of|made (?:it|things) worse|kept (?:failing|crashing)|no success|too slow)\b",
    re.IGNORECASE,
)
PLANS = re.compile(
    r"\b(?:plans?|planning|going to|will|next (?:week|month|year|\w+day)|tomorrow|intends?|wants? to|"
    r"signed up|booked|"
    r"looking forward|needs? to|hopes? to)\b",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(
    r"^(?:and |but |so )?(?:it|he|she|they|this|that|these|those|there)\b(?!'?s? no\b)", re.I
)


class Trait(Flag):
    """What a chosen statement is good for beyond being true."""

    FACT = 0
    PREFERENCE = auto()
    WORKED = auto()
    FAILED = auto()
    PLAN = auto()
    CHANGE = auto()


@dataclass(frozen=True, slots=True)
class Chosen:
    """A statement with the sentence it was made of, its weight and its traits."""

    statement: DraftStatement
    weight: int
    traits: Trait


def choose(turns: Sequence[Memory], limit: int) -> list[Chosen]:
    """The ``limit`` weightiest statements of the turns, in order of saying, none twice."""
    found: dict[str, Chosen] = {}
    for turn in turns:
        for chosen in _of_turn(turn):
            found.setdefault(normalised(chosen.statement.text), chosen)
    everything = list(found.values())
    heavy = sorted(range(len(everything)), key=lambda i: (-everything[i].weight, i))[:limit]
    return [everything[i] for i in sorted(heavy)]


def choose_all(turns: Sequence[Memory], limit: int) -> list[Chosen]:
    """Like ``choose`` for what was saved on purpose: small talk alone is left out, never everything."""
    chosen = [
        Chosen(_drafted(text, turn), 1, traits_of(text))
        for turn in turns
        for text in sentences(turn.text)
        if not _CHATTER.match(text) or len(tokens(text)) > 4
    ]
    spoken = [turn for turn in turns if turn.text.strip()]
    return chosen[:limit] or [Chosen(_drafted(t.text.strip(), t), 1, Trait.FACT) for t in spoken[:1]]


def traits_of(text: str) -> Trait:
    """What patterns tell about a statement."""
    found = Trait.FACT
    for pattern, trait in (
        (_PREFERENCE, Trait.PREFERENCE), (WORKED, Trait.WORKED), (FAILED, Trait.FAILED), (PLANS, Trait.PLAN),
    ):  # fmt: skip
        if pattern.search(text):
            found |= trait
    if (
        Trait.FAILED in found
        and Trait.WORKED in found
        and re.search(r"n't work|not work|n't help|not help", text)
    ):
        found &= ~Trait.WORKED
    return found


def is_person(turn: Memory) -> bool:
    """Whether a turn is a person's: the user's, or one of a named partner in a chat between people."""
    if turn.role == "user" or turn.role is None:
        return True
    return turn.role == "assistant" and bool(turn.name) and (turn.name or "").casefold() not in _GENERIC


def _of_turn(turn: Memory) -> Iterator[Chosen]:
    if turn.role in ("system", "tool"):
        return
    who = turn.name or "User"
    before: Chosen | None = None
    for sentence in sentences(turn.text):
        for part in _parts(sentence):
            if before is not None and _POINTS_BACK.match(part) and _joinable(before, part):
                joined = f"{before.statement.text} {with_dates(part, turn.occurred_at)}"
                traits = before.traits | traits_of(part)
                before = Chosen(_drafted(joined, turn, dated=True), before.weight, traits)
                continue
            if before is not None:
                yield before
            before = _weighed(part, turn, who) if is_person(turn) else _outcome(part, turn)
    if before is not None:
        yield before


def _joinable(before: Chosen, part: str) -> bool:
    """Whether a remark only points back (``It's a beagle``) and belongs to the sentence before."""
    short = len(part) <= 120 and len(before.statement.text) + len(part) < LONGEST
    own = re.search(r"\b(?:I|me|my|you|your|we|us|our)\b", part, re.IGNORECASE)
    return (
        short
        and not own
        and not part.endswith("?")
        and len(tokens(part)) >= 2
        and before.statement.text[-1:] in ".!"
    )


def _parts(sentence: str) -> list[str]:
    """A sentence cut where the speaker makes a new main clause: facts that may end apart stand apart."""
    cut = re.split(r"\s*;\s+|,?\s+(?:and|but)\s+(?=(?:I|I'm|I've|my|My)\b)", sentence)
    if any(len(part.split()) < 3 for part in cut):
        cut = [sentence]
    found: list[str] = []
    for part in cut:
        match = re.match(r"^(?P<a>I(?:'m|'ve)? .{6,}?) and (?P<now>now )?(?P<verb>[a-z]+) (?P<b>.+)$", part)
        first = re.match(r"^I (?:(?:\w{3,}ly|just|now|also|still|always) )?([a-z]+)", part)
        if match and first:
            forms = {lex.VERB_FORMS.get(w, ("", ""))[1] for w in (first[1], match["verb"])}
            finite = forms <= {lex.BASE, lex.PAST} and not re.search(
                r"\bto [a-z]+", match["a"].replace("to the ", "")
            )
            if finite and match["b"].split()[0] in lex.PREPOSITIONS | {"as"}:
                found += [match["a"] + ".", f"I {match['now'] or ''}{match['verb']} {match['b']}"]
                continue
        found.append(part)
    return [part[0].upper() + part[1:] if part[:1].islower() else part for part in (_ended(p) for p in found)]


def _ended(part: str) -> str:
    return part if part[-1:] in ".!?\u3002\uff01\uff1f\u2026\"')" else part + "."


def _bare(part: str) -> str:
    """Without the word that only opens the turn (``Well,``, ``So``)."""
    bare = re.sub(
        r"^(?:well|so|oh|yeah|yep|yup|nope|ah|aw|haha|wow|and|but|anyway|honestly|by the way|btw|"
        r"hey)\b[,!]?\s+",
        "",
        part,
        flags=re.I,
    )
    return bare[:1].upper() + bare[1:] if len(bare.split()) > 2 else part


def _drafted(text: str, turn: Memory, *, dated: bool = False) -> DraftStatement:
    shown = text if dated else with_dates(text, turn.occurred_at)
    return DraftStatement(text=shown, sources=(turn.id,), occurred_at=turn.occurred_at)


def _weighed(part: str, turn: Memory, who: str) -> Chosen | None:
    words = part.split()
    if part.rstrip("\"') ").endswith(("?", "\uff1f")) or len(part) > LONGEST:
        return None
    if not is_english(part):
        return (
            Chosen(_drafted(quoted(part, who), turn), _ENOUGH, Trait.FACT)
            if max(len(tokens(part)), len(words)) >= 3
            else None
        )
    if _WISH.match(part):
        return Chosen(_drafted(quoted(part, who), turn), 5, Trait.PREFERENCE)
    if len(words) < 3 or _CHATTER.match(part) or (_POINTS_BACK.match(part) and len(words) < 8):
        return None
    part = _bare(part)
    text = third_person(part, who)
    weight, traits = _weight(part, text)
    return Chosen(_drafted(text, turn), weight, traits) if weight >= _ENOUGH else None


def _weight(part: str, text: str) -> tuple[int, Trait]:
    traits = traits_of(text)
    told = clauses(plain(part))
    if (
        told
        and all(clause.standing in (Standing.UNREAL, Standing.SECONDHAND) for clause in told)
        and not (traits & (Trait.PLAN | Trait.PREFERENCE))
    ):
        return 0, traits
    claims = read(text)
    weight = substance(part, claims)
    weight += (
        2 * (Trait.PREFERENCE in traits)
        + 3 * bool(traits & (Trait.WORKED | Trait.FAILED))
        + (Trait.PLAN in traits)
    )
    weight += bool(re.search(r"\b(?:I|I'm|I've|[Mm]y|[Ww]e|[Oo]ur)\b", part))
    if any(changes(claim) for claim in claims if claim.standing in (Standing.ASSERTED, Standing.PLANNED)):
        traits |= Trait.CHANGE
    if _POINTS_BACK.match(part):
        weight -= 2
    return weight, traits


def _outcome(part: str, turn: Memory) -> Chosen | None:
    """An assistant's sentence is kept when it reports how something ended."""
    traits = traits_of(part) & (Trait.WORKED | Trait.FAILED)
    told = clauses(plain(part))
    asserted = bool(told) and all(clause.standing is Standing.ASSERTED for clause in told)
    if (
        not traits
        or not asserted
        or len(part.split()) < 5
        or re.search(r"\b(?:if|should|try|let me|glad|great)\b", part, re.I)
    ):
        return None
    own = re.search(r"\b(?:I|you|your|my|we|our)\b", part, re.IGNORECASE)
    return Chosen(_drafted(quoted(part, turn.name or "Assistant") if own else part, turn), _ENOUGH, traits)
