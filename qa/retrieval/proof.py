"""Proof: which sentences of an abstract state what is asked, where no judge has pointed at any.

A sentence is worth its cosine with the question, more if it has the question's words, tells a
result or the authors' own work, or has the kind of figure that is asked for, and less if it defines
something or tells what others have done. Where a set of papers is asked for, what the authors did
or meant to do counts most. What tells nothing about the work (copyright, funding, left-over LaTeX)
is never shown. The weights were chosen on 37 facts and on 41 sentences that were read, of four
corpora; near them results change little.
"""

# ruff: noqa: RUF001 (patterns contain a multiplication sign)

import re
from collections.abc import Callable, Sequence

import numpy as np

from qa.retrieval.query import (
    QuestionForm,
    asks_for_number,
    content_words,
    form_of,
    word_start,
)
from qa.retrieval.scoring import best_first

WORDS = 0.1  # all of the question's words in it
FIGURE = 0.15  # a figure, where a number is asked for
UNIT = 0.1  # in the unit that is asked for: "how long" and minutes
RESULT = 0.1  # it tells what was found; half of that where a set of papers is asked for
OWN = 0.05  # the authors speak of their own work
RELEASE = 0.2  # it says that code or data are available, where that is asked for
AIM = 0.1  # … and say what they did, or meant to: this shows that a paper belongs to a set
BACKGROUND = 0.1  # taken off a first sentence, and off one that defines, or tells what others do
LEAST = 0.2  # cosine; what is farther from the question and has none of its words proves nothing

_FIGURE = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half|twice|none"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty)\b",
    re.IGNORECASE,
)
_UNITS = (  # what is asked, and what the answer then has
    (
        r"\bhow (?:long|fast|soon)\b|\bwhat time\b",
        r"\b(?:second|minute|hour|day|week|month|year)s?\b",
    ),
    (r"\bshare|fraction|percent|proportion|how much\b", r"%|\bper ?cent\b"),
    (r"\bspeed-?up|factor|how (?:many times|much faster)\b", r"\d ?(?:x|×|times|-?fold)\b"),
)
_RESULT = re.compile(
    r"\b(?:achiev|show|find|found|demonstrat|outperform|improv|reduc|result|observ|reach|obtain"
    r"|yield|reveal|increas|decreas|sav(?:es?|ed|ing)\b|prov(?:es?|ed)\b|only\b|just\b)",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"\b(?:we|our|ours|here|in this|proposed|introduces?|presents?"
    r"|this (?:paper|work|study|article|method|approach))\b",
    re.IGNORECASE,
)
_AIM = re.compile(
    r"""
    \b(?:we|the\ authors?
         |(?:this|the\ present|our)\ (?:paper|work|study|article|thesis|research))\s+
       (?:\w+ly\s+|(?:also|first|further|then|therefore)\s+)?
       (?:aim|analy[sz]|appl[iy]|assess|build|built|compar|conduct|demonstrat|deriv|describe
         |describing|design|develop|establish|evaluat|examine|examining|explor|extend|find|found
         |formulat|identif|introduc|investigat|mak|measur|offer|present|propos|prov|provide
         |providing|report|review|show|stud(?:y|ies|ied)|suggest|survey|test|use)\w*
    | \b(?:aims?|objectives?|goals?|purpose)\ (?:of\ (?:this|our|the)\b.{0,30}?)?
       (?:is|are|was|were)\b
    | \bour\ (?:approach|experiments|findings|framework|method|results|study)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_DEFINITION = re.compile(
    r"^[^,.;:]{3,90}?\b(?:is|are|refers? to|relates? to|exemplif\w+|denotes?|aims?)\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\b(?:recent(?:ly)?|(?:has|have) (?:been|become|shown)|widely|commonly|typically|usually"
    r"|traditional(?:ly)?|standard|existing|previous|prior|conventional|well[- ]known|remains?"
    r"|challeng\w+|crucial|important|although|despite)\b",
    re.IGNORECASE,
)
_TELLS_NOTHING = re.compile(
    r"""
    ©|\(c\)\s*\d{4}|\bcopyright\b|all\ rights\ reserved|\blicensee\b|creative\ commons|published\ by
    |\b(?:funded|supported|sponsored)\ (?:in\ part\ )?by\b|\bgrants?\ (?:no|number|agreement)\b
    |^funding\b|\bconflicts?\ of\ interest\b|\backnowledge?ments?\b
    |\b(?:trial\ registration|clinicaltrials\.gov|prospero|isrctn)\b
    |\\(?:begin|end|item|label|cite|ref|section|maketitle)\b
    |^(?:accepted|to\ appear|presented|published|submitted)\ (?:at|in|to)\b|^keywords?\b|^\W*$
    """,
    re.IGNORECASE | re.VERBOSE,
)
_RELEASE = re.compile(
    r"\b(?:code|source|models?|data(?:set)?s?|demo|project page|website|implementation)\b"
    r".{0,60}\b(?:available|released?|found|accessible|at http)|https?://|github\.com",
    re.IGNORECASE,
)
_RELEASE_ASKED = re.compile(
    r"\b(?:code|open.?source|github|releas\w*|available|implementation|demo|url|link)\b",
    re.IGNORECASE,
)
_LETTERS = re.compile(r"[^\W\d_]{2,}")


def best_sentences(
    question: str, sentences: Sequence[str], cosines: Sequence[float], count: int = 1
) -> tuple[int, ...]:
    """Return the indexes of up to `count` sentences that state what is asked, the best first.

    `cosines` are the sentences' cosines with the question. Empty where none proves anything.
    """
    words = [word_start(word) for word in content_words(question)]
    shares = [
        sum(word in text.lower() for word in words) / max(1, len(words)) for text in sentences
    ]
    wanted = _RELEASE_ASKED.search(question) is not None
    usable = [
        is_about_the_work(text, release_asked=wanted) and (cosine >= LEAST or share > 0)
        for text, cosine, share in zip(sentences, cosines, shares, strict=True)
    ]
    scores = np.asarray(cosines, dtype=np.float64) + WORDS * np.asarray(shares)
    bonus = _bonus_for(question)
    scores = scores + [bonus(text) for text in sentences]
    scores[:1] -= BACKGROUND
    return tuple(place for place in best_first(scores) if usable[place])[:count]


def is_about_the_work(sentence: str, *, release_asked: bool = False) -> bool:
    """Tell whether a sentence says something about the work: no copyright, no LaTeX, no funding."""
    if _TELLS_NOTHING.search(sentence) or len(_LETTERS.findall(sentence)) < 3:
        return False
    return release_asked or _RELEASE.search(sentence) is None or len(sentence) > 250


def _bonus_for(question: str) -> Callable[[str], float]:
    """Return what tells how much speaks for a sentence besides its nearness to the question."""
    number, release = asks_for_number(question), _RELEASE_ASKED.search(question) is not None
    is_set = form_of(question) == QuestionForm.SET
    units = [unit for asked, unit in _UNITS if re.search(asked, question, re.IGNORECASE)]

    def bonus(sentence: str) -> float:
        own, result = bool(_OWN.search(sentence)), bool(_RESULT.search(sentence))
        defines = not own and not result and _DEFINITION.match(sentence) is not None
        worth = -BACKGROUND * (defines or _OTHERS.search(sentence) is not None)
        if number:
            in_unit = any(re.search(unit, sentence, re.IGNORECASE) for unit in units)
            return (
                worth + RESULT * result + FIGURE * bool(_FIGURE.search(sentence)) + UNIT * in_unit
            )
        worth += OWN * own
        if release and _RELEASE.search(sentence):
            return worth + RELEASE
        if is_set:
            return worth + RESULT / 2 * result + AIM * bool(_AIM.search(sentence))
        return worth + RESULT * result

    return bonus
