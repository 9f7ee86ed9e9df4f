"""Question."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa.corpus.words import STOP_WORDS
from qa.errors import UsageError

LONGEST = 2000  # characters; far above any question, far below any model's context


def checked_question(text: str) -> str:
    """The question in one line; raises UsageError if there is none, or if it is a book."""
    if not isinstance(text, str):
        raise UsageError(f"The question is {text!r:.80}, which is no text.")
    question = _in_a_line(text)
    if not question:
        raise UsageError('The question is empty. Ask like this: ask "which papers ...?"')
    if len(question) > LONGEST:
        raise UsageError(
            f"The question has {len(question):,} characters; {LONGEST:,} are the most. "
            "Ask it more briefly."
        )
    return question


def _in_a_line(text: str) -> str:
    return " ".join(_sound(text).split())


def _sound(text: str) -> str:
    """The text without halves of surrogate pairs, which no file and no server takes."""
    return text.encode("utf-8", "replace").decode()


_WORD = re.compile(r"[^\W_]+")

# "which papers …", "list all the papers that …", "for graphs, which papers …", "studies on …"
_ASKING = re.compile(
    r"""
    (^|,\s*)
    (?:
      (?:(?: please | can\ you | could\ you | i\ am | i['\u2019]m | looking\ for | show | give
           | find | list | name | tell | me | us | a\ list\ of | are\ there | is\ there | do | does
           | which | what | how\ many | in | all | any | some | every | each | of | the | these
           | those | a | other | recent )\s+)+
      (?: papers? | articles? | publications? | stud(?:y|ies) | preprints? | abstracts?
        | (?<=which\ )works )
      | (?: papers | articles | publications | studies )  # without a word before: "papers on …"
    )
    \b
    (?:\s+(?: are\ there | there\ are | do\ we\ have | in\ (?:the|this)\ corpus | that | which
            | are\ about | about | on )\b)*
    [\s,:]*
    """,
    re.IGNORECASE | re.VERBOSE,
)

_OWN_WORK = re.compile(
    r"\b(?:we|our|ours|here|in this|proposed|introduces?|presents?"
    r"|this (?:paper|work|study|article|method|approach))\b",
    re.IGNORECASE,
)

_NUMBER_ASKED = re.compile(
    r"\b(?:how (?:many|much|long|short|far|fast|deep|large|big|small|often|high|low)"
    r"|what (?:\w+ ){0,2}?(?:share|fraction|percentage|proportion|number|rate|ratio|score|error"
    r"|accuracy|speed-?up|factor|size|value|average)|by what factor)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it is put to the store: a unit vector (d,) and weighted terms."""

    vector: NDArray[np.float32]
    terms: Mapping[str, float]


def strip_asking(question: str) -> str:
    """Return the question without the words that only ask for papers.

    An embedding of "which papers train without X?" lies near texts about papers; one of "train
    without X" near texts about X.
    """
    text = _ASKING.sub(r"\1", question.strip(), count=1).strip().rstrip("?").strip()
    return text if _WORD.search(text) else question.strip()


def content_words(question: str) -> list[str]:
    """Return the question's words in lower case that tell something, each once, in order."""
    words = list(dict.fromkeys(_WORD.findall(strip_asking(question).lower())))
    return [word for word in words if word not in STOP_WORDS] or words


def keyword_terms(question: str) -> dict[str, float]:
    """Return the terms to look for in the keyword index, with their weights."""
    return dict.fromkeys(content_words(question), 1.0)


def tells_own_work(sentence: str) -> bool:
    """Tell whether the authors speak of what they did, and not of what others have done."""
    return _OWN_WORK.search(sentence) is not None


def asks_for_number(question: str) -> bool:
    """Tell whether the answer is likely to be a figure."""
    return _NUMBER_ASKED.search(question) is not None
