"""Words and names: which words carry content, and the form in which names are compared."""

import re
import unicodedata

# Words that do not tell one paper from another: function words, and the words that questions about
# papers are made of.
_STOP_WORDS = """
    a about above after again against all also am among an and any are as at be became because
    become been before being below between both but by can cannot could deal deals did do does
    doing done down during each either else ever every few find for found from further get give
    gives go had has have having he her here hers him his how however i if in instead into is it
    its itself just let like many may me might more most much must my near neither no nor not of
    off on once one only onto or other our out over own per please rather s same say says she
    should show shows since so some such t than that the their them then there these they this
    those through thus to together too toward under until up upon us use used uses using very was
    way ways we were what when where whether which while who whom whose why will with within
    without would you your
    abstract abstracts according article articles author authors describe described describes
    discuss discussed discusses list mention mentioned mentions name paper papers present
    presented presents propose proposed proposes publication publications research studies study
    tell
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

_WORD = re.compile(r"[^\W_]+")
_SCOPUS_NUMBER = re.compile(r"\s*\(\d{5,}\)")  # behind each author's name
_OTHER_AUTHORS = re.compile(r"(?:and )?others|et al\.?", re.IGNORECASE)


def content_word_spans(text: str, *, since: int = 0) -> tuple[tuple[int, int], ...]:
    """Return (start, end) of each word from offset `since` on that is no stop word."""
    words = _WORD.finditer(text, since)
    return tuple(word.span() for word in words if word[0].lower() not in STOP_WORDS)


def folded(text: str) -> str:
    """Return the text without case, accents and needless space, so that Muller finds Müller."""
    if not text.isascii():
        letters = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(text.casefold().split())


def author_name(text: str) -> str:
    """Return an author's name as `Given Family`.

    It may be given so, as `Family, Given`, or as `Family, Given, Jr`. "et al." is no name: for it
    the result is empty.
    """
    parts = [part.strip() for part in _SCOPUS_NUMBER.sub("", text).split(",")]
    if len(parts) in (2, 3):
        family, given, *suffix = parts
        return " ".join(part for part in (given, family, *suffix) if part)
    name = ", ".join(parts)
    return "" if _OTHER_AUTHORS.fullmatch(name) else name
