"""Words."""

import re

# In a corpus of papers these tell nothing: function words, and what questions are made of.
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


def content_word_spans(text: str, *, since: int = 0) -> tuple[tuple[int, int], ...]:
    """Return where in a text (start, end) the words that tell something stand."""
    words = _WORD.finditer(text, since)
    return tuple(word.span() for word in words if word[0].lower() not in STOP_WORDS)
