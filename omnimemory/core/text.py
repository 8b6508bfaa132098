"""The analyser: text in, index words out. One for documents and queries, for every store. Pure.

Language is told by script and, within Latin script, by counting function words. A text with
no clear majority over English counts as English, so that names, code and short phrases get
the same stems wherever they stand; ``query_tokens`` bridges what is left.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Protocol

import snowballstemmer  # type: ignore[import-untyped]  # ships no types

from omnimemory.core.word_lists import (
    FUNCTION_BIGRAMS,
    FUNCTION_WORDS,
    HAN_FUNCTION_CHARACTERS,
    IRREGULAR_ENGLISH,
)

ANALYSER = "unicode-2"
"""Fingerprint of the analyser's behaviour: any change of the tokens it gives changes it."""

LATIN_LANGUAGES = ("en", "de", "es", "fr", "it", "pt", "nl", "sv")

_STEMMERS = {
    "en": "english", "de": "german", "es": "spanish", "fr": "french", "it": "italian", "pt": "portuguese",
    "nl": "dutch", "sv": "swedish", "ru": "russian", "ar": "arabic", "hi": "hindi", "el": "greek",
    "hy": "armenian", "ta": "tamil",
}  # fmt: skip
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u1049\u1050-\u109f\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\uac00-\ud7af"  # Hangul
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_UNSPACED_START = re.compile(f"[{_UNSPACED}]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_MARKS = (  # combining marks: letters to a reader, not to Python's \w
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7\u0610-\u061a"
    "\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7-\u06e8\u06ea-\u06ed\u0900-\u0963\u0966-\u0dff"
)
_LETTER = rf"(?:(?![{_UNSPACED}])[^\W_]|[{_MARKS}])"
_WORD = re.compile(rf"[{_UNSPACED}]+|\d{{1,3}}(?:,\d{{3}})+(?!\d)|c\+\+|[cf]\#|{_LETTER}+(?:'{_LETTER}+)*")
_ASCII_WORD = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)|c\+\+|[cf]#|[a-z0-9]+(?:'[a-z0-9]+)*")
_MAX_WORD = 64
_SIGNS = re.compile(r"([^\w\s]{64})[^\w\s]+")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_HYPHENED = re.compile(rf"(?<![^\W_])(?<![{_MARKS}]){_LETTER}++(?:[-\u2010]{_LETTER}++)+")  # in linear time
_INVISIBLE = (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF)
_OPTIONAL = (0x640, *range(0x64B, 0x660), 0x670, 0x93C)  # Arabic tatweel and vowel signs; the nukta
_ZEROS = (0x660, 0x6F0, *range(0x966, 0xDF0, 0x80), 0xE50, 0xED0)  # of the digits in other scripts
_APOSTROPHES = dict.fromkeys(map(ord, "\u2019\u2018\u02bc\uff07\u0060"), "'")
_VARIANTS = (  # what writers of one word write now one way, now the other
    dict.fromkeys((*_INVISIBLE, *_OPTIONAL), "")
    | {zero + digit: str(digit) for zero in _ZEROS for digit in range(10)}
    | str.maketrans("\u0622\u0623\u0625\u0671", "\u0627" * 4)  # alef with its signs: alef
    | str.maketrans("\u0649\u06cc\u06a9", "\u064a\u064a\u0643")  # Persian and Egyptian yeh and kaf
    | str.maketrans("\u0451\u0901\u0131\u0142\u0111\u00f0\u00f8", "\u0435\u0902ilddo")
    | str.maketrans({"\u00e6": "ae", "\u0153": "oe", "\u00fe": "th"})
    | _APOSTROPHES
)
_NASAL = re.compile("[\u0919\u091e\u0923\u0928\u092e]\u094d(?=[\u0915-\u0939])")  # also written as a dot
_UMLAUTS = str.maketrans({"\u00e4": "ae", "\u00f6": "oe", "\u00fc": "ue"})
_DIGRAPH = re.compile("([aou])e(?=[bcdfghjklmnpqrstvwxz])")
_UNTYPED_ACCENTS = {
    "es": (("cion", "ci\u00f3n"), ("sion", "si\u00f3n")),
    "pt": (("cao", "\u00e7\u00e3o"), ("coes", "\u00e7\u00f5es")),
}
_BRITISH_OUR = re.compile("(?<=[a-z]{3})our")
_ELIDED = re.compile("[ldjcnsmt]|(?:lors|puis|jus)?qu|dell|all|nell|sull|dall|coll|un|quest|quell")
_CONTRACTED = re.compile(
    "s|re|ve|ll|d|m|em|[dt][ae]n?|n[iu\u00fc]n|y[aeiu\u00fc]"
)  # the last three: Turkish cases
_SCRIPTS = (
    ("ja", re.compile("[\u3041-\u309f\u30a1-\u30ff]")),
    ("zh", _HAN),
    ("ko", re.compile("[\u1100-\u11ff\uac00-\ud7af]")),
    ("ru", re.compile("[\u0400-\u052f]")),
    ("ar", re.compile("[\u0600-\u06ff\u0750-\u077f]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("hy", re.compile("[\u0530-\u058f]")),
    ("ta", re.compile("[\u0b80-\u0bff]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("lo", re.compile("[\u0e80-\u0eff]")),
    ("my", re.compile("[\u1000-\u109f]")),
    ("km", re.compile("[\u1780-\u17ff]")),
)
_SCRIPT_LANGUAGES = frozenset(language for language, _ in _SCRIPTS)
_LATIN = re.compile("[a-z\u00df-\u024f]")
_TELLTALES = {"ñ": "es", "¿": "es", "¡": "es", "ß": "de", "ã": "pt", "õ": "pt", "å": "sv", "œ": "fr"}


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...  # noqa: N802  # snowball's name


def tokens(text: str, *, language: str | None = None) -> tuple[str, ...]:
    """The index words of a text, in order, with repetitions.

    NFKC, case folded, one spelling of each letter; function words left out; stems of the text's
    language (or of ``language``, ISO 639-1), accents of Latin letters folded after stemming. A
    hyphened word also stands joined, right after its parts. Scripts without spaces, and Korean,
    give overlapping character bigrams, Han characters also themselves (many are words). Not empty
    unless the text holds no letter and no digit: a text of function words alone keeps them.
    """
    words = _words(text)
    return _index_words(words, language or _language_of(text, words)[0])


def query_tokens(text: str) -> tuple[str, ...]:
    """The distinct index words to look a query up by.

    A query is short, so its language is less sure than a document's: the words that the
    documents would hold had the text been taken for English are added, and when nothing told
    the language, or its main script is another, those of every Latin-script language.
    Words no document holds cost nothing.
    """
    words = _words(text)
    language, clear = _language_of(text, words)
    words = [word for word in words if _analysed(word, language)] or words
    found = dict.fromkeys(_index_words(words, language))
    latin = list(dict.fromkeys(spelling for word in words for spelling in _latin_spellings(word)))
    for other in ("en",) if clear and language in LATIN_LANGUAGES else LATIN_LANGUAGES:
        found.update(dict.fromkeys(_index_words(latin, other)))
    if language == "ar":  # a bare word may begin like a word with an article or preposition
        found.update(dict.fromkeys(words))
    return tuple(found)


def detect_language(text: str) -> str:
    """The ISO 639-1 code of the text's main language; "en" when nothing tells."""
    return _language_of(text, _words(text))[0]


def normalised(text: str) -> str:
    """The form under which two texts are the same to a reader: for collapsing duplicates."""
    folded = " ".join(_composed(text).casefold().translate(_APOSTROPHES).split())
    start, end = 0, len(folded)
    while start < end and not _speaks(folded[start]):
        start += 1
    while end > start and not _speaks(folded[end - 1]):
        end -= 1
    return folded[start:end] or folded


def _speaks(character: str) -> bool:
    """Whether a character at a text's edge is more than punctuation: not of categories P, Z and C."""
    return unicodedata.category(character)[0] not in "PZC"


def _words(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_WORD.findall(_HYPHENED.sub(_joined_too, text.lower()))
    return _WORD.findall(_HYPHENED.sub(_joined_too, _plain(text)))


def _plain(text: str) -> str:
    """The text in one case, one width and one spelling of each letter."""
    return _NASAL.sub("\u0902", _composed(text).casefold().translate(_VARIANTS))


def _composed(text: str) -> str:
    """NFKC. Runs of signs are cut at 64: Python's normalisation takes quadratic time on marks."""
    return unicodedata.normalize("NFKC", _SIGNS.sub(r"\1", text))


def _joined_too(hyphened: re.Match[str]) -> str:
    """``self-care`` as ``self-care selfcare``: people write it together, apart and hyphened."""
    joined = re.sub("[-\u2010]", "", hyphened[0])
    return hyphened[0] if joined.isdigit() else f"{hyphened[0]} {joined}"


def _index_words(words: list[str], language: str) -> tuple[str, ...]:
    found: list[str] = []
    for word in words:
        found += _analysed(word, language)
    if not found:
        for word in words:
            found += _analysed(word, language, keep=True)
    return tuple(found)


def _analysed(word: str, language: str, *, keep: bool = False) -> tuple[str, ...]:
    """The index words of one word or unspaced run; () for a function word unless ``keep``."""
    if word[0] >= "\u0e00" and _UNSPACED_START.match(word):
        return _bigrams(word, keep=keep)
    return _analysed_word(word[:_MAX_WORD], language, keep)


@lru_cache(maxsize=1 << 14)
def _analysed_word(word: str, language: str, keep: bool) -> tuple[str, ...]:
    if word.isascii() and word.isdigit():
        return (word.lstrip("0") or "0",)
    if "," in word:
        return (word.replace(",", ""),)
    if "'" in word:
        main = _without_apostrophe(word)
        if not main and not keep:
            return ()
        word = main or word.replace("'", "")
    if ordinal := _ORDINAL.fullmatch(word):
        return (ordinal[1].lstrip("0") or "0",)
    own = _language_of_word(word, language)
    if not keep and _folded(word) in _stop_words(own):
        return ()
    return (_folded(_stem(word, own)) or word,)


def _language_of_word(word: str, language: str) -> str:
    """A text's language, but for a word of another script; a Latin one among those counts as English."""
    if not _is_latin(word):
        return _script_of(word)
    return "en" if language in _SCRIPT_LANGUAGES else language


def _is_latin(word: str) -> bool:
    return _LATIN.match(_folded(word)) is not None


def _stem(word: str, language: str) -> str:
    if language == "en":
        word = _folded(word)
        known = IRREGULAR_ENGLISH.get(word) or IRREGULAR_ENGLISH.get(word.removesuffix("s"))
        word = known or _BRITISH_OUR.sub("or", word)
    for typed, meant in _UNTYPED_ACCENTS.get(language, ()):
        if word.endswith(typed):
            word = word.removesuffix(typed) + meant
    return _stemmer(language).stemWord(word) if language in _STEMMERS else word


@lru_cache(maxsize=1 << 12)
def _latin_spellings(word: str) -> tuple[str, ...]:
    """A query's word and, as umlauts are also typed as two letters, how documents may hold it.

    () for a word of another script.
    """
    return (word, word.translate(_UMLAUTS), _DIGRAPH.sub(r"\1", word)) if _is_latin(word) else ()


def _without_apostrophe(word: str) -> str:
    """A contraction's or possessive's main word; "" where it is all grammar (``don't``)."""
    head, _, tail = word.rpartition("'")
    if tail == "t" and head.endswith("n"):
        return ""
    if _CONTRACTED.fullmatch(tail):
        return head.replace("'", "")
    if _ELIDED.fullmatch(head):
        return tail
    return word.replace("'", "")


def _bigrams(run: str, *, keep: bool) -> tuple[str, ...]:
    if len(run) == 1:
        return (run,) if keep or run not in HAN_FUNCTION_CHARACTERS else ()
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    if not keep:
        pairs = [pair for pair in pairs if pair not in FUNCTION_BIGRAMS]
    singles = [c for c in run if c not in HAN_FUNCTION_CHARACTERS and _HAN.match(c)]
    return tuple(pairs + singles)


def _folded(word: str) -> str:
    """The word without the accents of Latin and Greek letters; other scripts' marks are letters."""
    return word if word.isascii() else _unaccented(word[:_MAX_WORD])


@lru_cache(maxsize=1 << 14)
def _unaccented(word: str) -> str:
    kept: list[str] = []
    for character in unicodedata.normalize("NFD", word):
        if "\u0300" <= character <= "\u036f" and kept and kept[-1] < "\u0400":
            continue
        kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))


@lru_cache(maxsize=32)
def _stemmer(language: str) -> _Stemmer:
    made: _Stemmer = snowballstemmer.stemmer(_STEMMERS[language])
    return made


@lru_cache(maxsize=32)
def _stop_words(language: str) -> frozenset[str]:
    return frozenset(_folded(_plain(word)) for word in FUNCTION_WORDS.get(language, ()))


@lru_cache(maxsize=1)
def _votes() -> dict[str, tuple[str, ...]]:
    """For each function word of a Latin-script language, the languages it speaks for."""
    votes: dict[str, tuple[str, ...]] = {}
    for language in LATIN_LANGUAGES:
        for word in _stop_words(language):
            votes[word] = (*votes.get(word, ()), language)
    return votes


def _language_of(text: str, words: list[str]) -> tuple[str, bool]:
    """The main language, and whether the text tells it.

    Within Latin script the language with most different function words, two at least; English on a tie.
    """
    script = "" if text.isascii() else _main_script(text)
    if script:
        return script, True
    votes = _votes()
    counts = dict.fromkeys(LATIN_LANGUAGES, 0)
    for word in set(words):
        for language in votes.get(_folded(word.partition("'")[0]), ()):
            counts[language] += 1
    if not text.isascii():
        for character in text.lower():
            if character in _TELLTALES:
                counts[_TELLTALES[character]] += 1
    best, most = max(counts.items(), key=lambda item: item[1])
    if most < 2:  # one word proves nothing: "die", "war" and "ya" are English too
        best = "en"
    return best, counts[best] == most > 0 and sum(count == most for count in counts.values()) == 1


def _main_script(text: str) -> str:
    """The language of the script most letters are of, "" for Latin; any kana makes Han Japanese."""
    folded = text.casefold()
    counts = {language: len(pattern.findall(folded)) for language, pattern in _SCRIPTS}
    if counts["ja"]:
        counts["ja"] += counts.pop("zh")
    best, most = max(counts.items(), key=lambda item: item[1])
    # a Han character carries about as much as two Latin letters
    weight = 2 if best in ("zh", "ja", "ko") else 1
    return best if most and most * weight >= len(_LATIN.findall(folded)) else ""


@lru_cache(maxsize=1 << 12)
def _script_of(word: str) -> str:
    return next((language for language, pattern in _SCRIPTS if pattern.search(word)), "")


_ABBREVIATION = re.compile(
    r"[djs]r|m[rst]|mrs|prof|st|vs|etc|approx|dept|vol|inc|ltd|corp|gen|gov|sen|hon|capt|lt|col|sgt|jan|feb|apr"
    r"|jun|jul|aug|sept?|oct|nov|dec|bzw|ca|usw|sog|ggf|nr|uds?|srta|s?ra|dra|mme|mlle|dhr|mevr|bijv|ph\.d"
    r"|[^\W\d_](?:\.[^\W\d_])+|p\.ej|p\.ex|t\.ex|bl\.a|\u0433|\u0443\u043b"
)
_LINE = re.compile(r"\s*[\r\n\u2028\u2029]+\s*")
_BULLET = re.compile(r"^(?:[-*+\u2022\u2023\u25cf\u25aa\u2013\u2014>#]+\s+|\(?\d{1,3}[.)]\s+)+")
_STOPS = "[.!?\u2026\u203d\u061f\u06d4]"
_END = re.compile(
    rf"(?<!{_STOPS}){_STOPS}++[\"'\u201d\u2019\u00bb)\]*_]*+(?=\s)"  # before a space
    r"|[\u3002\uff01\uff1f\uff0e\uff61\u0964\u0965]+[\"'\u201d\u2019\u300d\u300f\uff09]*"  # anywhere
)


def sentences(text: str) -> list[str]:
    """The sentences of a text, trimmed, in order; list markers and headings' signs dropped.

    Made for chat: a line break ends a sentence; abbreviations, initials, decimals and
    ellipses that go on in lower case do not.
    """
    found: list[str] = []
    for line in _LINE.split(text.strip()):
        start = 0
        body = _BULLET.sub("", line)
        for end in _END.finditer(body):
            if _ends_sentence(body, end):
                found.append(body[start : end.end()].strip())
                start = end.end()
        found.append(body[start:].strip())
    return [sentence for sentence in found if any(c.isalnum() for c in sentence)]


def _ends_sentence(line: str, end: re.Match[str]) -> bool:
    mark = end[0].rstrip("\"'\u201d\u2019\u00bb)]*_")
    following = line[end.end() : end.end() + _MAX_WORD].lstrip().lstrip("\"'\u201c\u2018\u00ab(*_")[:1]
    if not following or mark not in (".", "...", "\u2026"):
        return True
    if following.islower():
        return False
    if mark != ".":
        return True
    last = line[max(0, end.start() - _MAX_WORD) : end.start()].rsplit(None, 1)[-1:] or [""]
    word = last[0].lstrip("\"'\u201c\u2018(\u00ab").casefold()
    if word in ("a.m", "p.m", "etc"):
        return following.isupper()
    is_initial = len(word) == 1 and word.isalpha() and word != "i"
    return not (_ABBREVIATION.fullmatch(word) or is_initial)
