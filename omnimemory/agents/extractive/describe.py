"""A note's sections, tags, keywords, queries, follow-ups and depth, all read off its statements."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from omnimemory.agents.extractive import lexicon as lex
from omnimemory.agents.extractive.claims import read
from omnimemory.agents.extractive.statements import PLANS, Trait, traits_of
from omnimemory.agents.extractive.values import stems
from omnimemory.agents.terms import dedupe
from omnimemory.core.proposals import MAX_FOLLOW_UPS, MAX_KEYWORDS, MAX_QUERIES, MAX_TAGS
from omnimemory.core.schemas import Depth, Memory, NoteSections
from omnimemory.core.text import sentences, tokens

_NAME = re.compile(r"(?<![.!?\"] )(?<!^)\b[A-Z][\w+#-]*(?:\s+[A-Z][\w+#-]*){0,2}")
_WORD = re.compile(r"[^\W\d_][\w+#-]*")
_DULL = frozenset(
    ("user", "said", "assistant", "thing", "things", "something", "lot", "bit", "way", "time", "day",
     "just", "much", "many", "today", "yesterday", "like", "good", "great", "going", "got", "get", "gets",
     "make", "makes", "made", "want", "wants", "need", "needs")
)  # fmt: skip
_QUESTIONS = {
    "place": "Where does {who} live?", "employer": "Where does {who} work?",
    "role": "What does {who} do for a living?",
    "diet": "What does {who} eat?", "marital": "Is {who} married?", "school": "Where does {who} study?",
    "origin": "Where is {who} from?", "name": "What is {who} called?", "age": "How old is {who}?",
    "when": "When is {who}?", "use": "What does {who} use?", "prefer": "What does {who} prefer?",
    "like": "What does {who} like?", "dislike": "What does {who} dislike?", "have": "What does {who} have?",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Description:
    """Everything of a note but its statements."""

    sections: NoteSections
    tags: tuple[str, ...]
    keywords: tuple[str, ...]
    queries: tuple[str, ...]
    follow_ups: tuple[str, ...]
    depth: Depth


def describe(texts: Sequence[str], turns: Sequence[Memory] = ()) -> Description:
    """Describe a note by the texts of its statements; ``turns`` may add what was left open."""
    names, words = _terms(texts)
    tags = dedupe([*names, *words], MAX_TAGS)
    return Description(
        sections=_sections(texts),
        tags=tuple(tag.lower() if tag.islower() else tag for tag in tags),
        keywords=dedupe([*words, *names], MAX_KEYWORDS),
        queries=_queries(texts),
        follow_ups=_follow_ups(texts, turns),
        depth=_depth(texts),
    )


def central(texts: Sequence[str], count: int) -> list[str]:
    """The sentences that share most words with the others, in the order given."""
    bags = [frozenset(tokens(text)) for text in texts]
    spread = Counter(word for bag in bags for word in bag)
    weights = [sum(spread[w] - 1 for w in bag) / (len(bag) + 4) + len(bag) / 40 for bag in bags]
    best = sorted(range(len(texts)), key=lambda i: (-weights[i], i))[:count]
    return [texts[i] for i in sorted(best)]


def _sections(texts: Sequence[str]) -> NoteSections:
    traits = {text: traits_of(text) for text in texts}
    habits = [text for text in texts if Trait.PREFERENCE in traits[text]]
    worked = [text for text in texts if Trait.WORKED in traits[text]]
    failed = [text for text in texts if Trait.FAILED in traits[text]]
    learnt = [f"- Worked: {t}" for t in worked] + [f"- Failed: {t}" for t in failed if t not in worked]
    advice = [f"- Recommended: {t}" for t in dict.fromkeys([*_wanted(habits), *worked])]
    advice += [f"- Avoid: {t}" for t in dict.fromkeys([*_unwanted(habits), *failed]) if t not in worked]
    return NoteSections(
        summary=" ".join(central(texts, 3 if len(texts) > 4 else 1)),
        behavioral_patterns="\n".join(f"- {text}" for text in habits),
        experience_learnings="\n".join(learnt),
        guidance="\n".join(advice),
    )


def _unwanted(habits: Sequence[str]) -> list[str]:
    negative = re.compile(
        r"\b(?:not|n't|never|hates?|dislikes?|avoids?|allergic|can't|don't|doesn't|stop)\b", re.I
    )
    return [text for text in habits if negative.search(text) or "n't" in text]


def _wanted(habits: Sequence[str]) -> list[str]:
    unwanted = set(_unwanted(habits))
    wish = re.compile(
        r"\b(?:prefers?|likes?|loves?|enjoys?|always|please|favou?rites?|best|use|answer|keep)\b", re.I
    )
    return [text for text in habits if text not in unwanted and wish.search(text)]


def _terms(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names as they are written, and the most telling other words, both by frequency."""
    names: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for text in texts:
        names.update(name for name in _NAME.findall(text) if not _is_pointer(name))
        for word in _WORD.findall(text):
            lowered = word.lower()
            verb = lex.VERB_FORMS.get(lowered, ("", ""))[1]
            plain = lowered not in _DULL and lowered not in lex.ADVERBS and verb not in (lex.THIRD, lex.PAST)
            if (
                word[:1].islower()
                and len(word) > 2
                and plain
                and lowered not in lex.NUMBERS
                and _is_content(lowered)
            ):
                words[lowered] += 1
    order = {word: -count * 100 - min(len(word), 12) for word, count in words.items()}
    return [name for name, _ in names.most_common()], sorted(order, key=lambda word: order[word])


def _is_pointer(name: str) -> bool:
    return (
        name.split()[0].casefold() in _DULL | lex.PRONOUNS | lex.DETERMINERS | lex.PREPOSITIONS | lex.ADVERBS
    )


def _is_content(word: str) -> bool:
    return bool(stems([word]))


def _queries(texts: Sequence[str]) -> tuple[str, ...]:
    """Questions that the statements answer, by the relation each one states."""
    asked: list[str] = []
    for text in texts:
        who = _subject_words(text)
        for claim in read(text):
            key = claim.relation if claim.relation in _QUESTIONS else claim.verb
            if who and key in _QUESTIONS and not claim.past:
                asked.append(_QUESTIONS[key].format(who=who))
                break
    return tuple(dict.fromkeys(asked))[:MAX_QUERIES]


def _subject_words(text: str) -> str:
    match = re.match(
        r"^(?:Actually, |Correction: )?((?:[Tt]he |[A-Z])[\w'-]*(?:(?<='s) \w+| [A-Z][\w'-]*|"
        r"(?<=[Tt]he) \w+){0,2})",
        text,
    )
    return (
        ""
        if match is None
        else match[1].replace("User", "the user", 1)
        if match[1].startswith("User")
        else match[1]
    )


def _follow_ups(texts: Sequence[str], turns: Sequence[Memory]) -> tuple[str, ...]:
    """Plans, then the last question that nobody answered."""
    found = [text for text in texts if PLANS.search(text)]
    if turns and turns[-1].role == "user":
        found += [text for text in sentences(turns[-1].text) if text.endswith("?") and len(text.split()) > 3]
    return tuple(dict.fromkeys(found))[:MAX_FOLLOW_UPS]


def _depth(texts: Sequence[str]) -> Depth:
    if not texts:
        return Depth.UNKNOWN
    traits = sum(traits_of(text) is not Trait.FACT for text in texts)
    amount = len(texts) + traits
    return Depth.HIGH if amount >= 9 else Depth.MEDIUM if amount >= 4 else Depth.LOW
