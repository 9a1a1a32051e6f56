"""What may be known of a comment once it is gone: its length, a guess of its language, and which word lists it touched.

Comments are people's own words. They are looked at exactly once, here, by ingest (and by a backtest of raw facts) and
then dropped; the journal keeps only what `scan` returns. Word lists come from the rule sets in force
(`[words.<language>] safety = ["…"]`); the name of a list becomes the flag. All lists are tried whatever language the
comment seems to be in: guesses on two sentences are poor, and missing a cry for help costs more than a false flag,
which a person looks at anyway.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from unicodedata import normalize

from streams.words import DEFAULT_WORDS, STOP_WORDS

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u00b4": "'", "`": "'"})
_WORD = re.compile(r"[^\W\d_]+")
_LANGUAGE_HITS = 2


class CommentTraits(NamedTuple):
    """All that outlives a comment: characters, ISO 639-1 code or None, names of the lists that matched (sorted)."""

    length: int
    language: str | None
    flags: tuple[str, ...]


def fold_case(text: str) -> str:
    """Bring text into the form words are compared in: compatibility-normalised, case-folded, with plain apostrophes."""
    return normalize("NFKC", normalize("NFKC", text).casefold()).translate(_APOSTROPHES)


def guess_language(text: str) -> str | None:
    """Guess the language by counting stop words.

    Returns: the ISO 639-1 code whose stop words occur most often, or None when fewer than two occur or two languages
    draw.
    """
    return _guess(fold_case(text))


def _guess(folded: str) -> str | None:
    words = _WORD.findall(folded)
    ranked = sorted(
        ((sum(word in stop for word in words), language) for language, stop in STOP_WORDS.items()), reverse=True
    )
    (best, language), (second, _) = ranked[0], ranked[1]
    return language if best >= _LANGUAGE_HITS and best > second else None


def _pattern(phrases: Iterable[str]) -> re.Pattern[str] | None:
    folded = {" ".join(fold_case(phrase).split()) for phrase in phrases} - {""}
    if not folded:
        return None
    # Longest first is not needed for a yes or no; sorting makes the compiled pattern the same on every machine.
    choices = "|".join(r"\s+".join(map(re.escape, phrase.split(" "))) for phrase in sorted(folded))
    return re.compile(rf"(?<!\w)(?:{choices})(?!\w)")


class CommentScanner:
    """The word lists of all rule sets in force, compiled once; immutable."""

    __slots__ = ("_patterns",)

    def __init__(self, lists: Iterable[Mapping[str, Mapping[str, Iterable[str]]]]) -> None:
        """Compile the union of `lists`, each one rule set's `words` table: language → list name → words or phrases."""
        union: dict[str, set[str]] = {}
        for words in lists:
            for by_name in words.values():
                for name, phrases in by_name.items():
                    union.setdefault(name, set()).update(phrases)
        compiled = ((name, _pattern(phrases)) for name, phrases in sorted(union.items()))
        self._patterns = tuple((name, pattern) for name, pattern in compiled if pattern is not None)

    def scan(self, comment: str) -> CommentTraits:
        """Look at a comment once. Words match whole and without regard to case; spaces in a phrase match any white
        space.
        """
        folded = fold_case(comment)
        flags = tuple(name for name, pattern in self._patterns if pattern.search(folded))
        return CommentTraits(len(comment), _guess(folded), flags)


def default_scanner() -> CommentScanner:
    """The scanner that is in force until a rule set brings lists of its own."""
    return CommentScanner([DEFAULT_WORDS])
