"""Analyse a question: check it, and find the part to embed and the terms for the keyword index."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from qa.corpus.words import STOP_WORDS
from qa.errors import UsageError

TOPIC = 5  # content words, at most, of a question without a verb: "local learning rules"
LONGEST = 2000  # characters of a question; far below any model's context

_NO_CONTENT = frozenset({"published", "written", "released", "come", "exist", "write", "publish"})
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

# "what work exists on …", "what is known about …", "is there evidence that …"
_ASKING_FOR_WORK = re.compile(
    r"""
    ^(?:
      (?: what | which | is\ there | are\ there | find | show\ me | give\ me | summari[sz]e )\s+
      (?:(?: any | all | the )\s+)? (?:(?!\w*s\b)[\w-]+\s+){0,2}?
      (?: work | research | evidence | literature | findings | results )\b
      (?:\s+(?: is\ there | are\ there | there\ is | exists? | do\ we\ have | is\ available
              | (?: has | have ) \ been \ (?: done | published | reported ) )\b)?
      (?:\s+(?: on | about | for | of | that | into | which )\b)?
      | what\s+(?: is | has\ been | was | do\ we | (?: do | does ) \ (?:the\ )?
                (?: papers | researchers | authors | people | literature ))
        \s+(?: known | know | done | tried | said | say | written | published | proposed | reported
              | found | learned )
        \s+(?: about | on | for | of | to )\b
    )
    [\s,:]*
    """,
    re.IGNORECASE | re.VERBOSE,
)

_NUMBER_ASKED = re.compile(
    r"\b(?:how (?:many|much|long|short|far|fast|deep|large|big|small|often|high|low)"
    r"|what (?:\w+ ){0,2}?(?:share|fraction|percentage|proportion|number|rate|ratio|score|error"
    r"|accuracy|speed-?up|factor|size|value|average|mean|median|prevalence|incidence|dose)"
    r"|by what factor)\b",
    re.IGNORECASE,
)


# "which methods …", "how can memory be saved?", "who proposes …": several papers answer.
_SEVERAL_ASKED = re.compile(
    r"^(?:(?:which|what)\s+(?:\w+\s+)?(?!is\b|was\b|does\b|has\b)\w{3,}(?<!s)s\b"
    r"|who\s+(?:else\s+)?(?!is\b|was\b|does\b)(?:have\b|\w{2,}s\b)"
    r"|how\s+(?:can|could|do\s+(?:we|you|people))\b|(?:list|find|show|give|name)\b)",
    re.IGNORECASE,
)
# "theoretical results on …": no question, and no statement either.
_KIND_OF_WORK = re.compile(
    r"^(?:[\w-]+\s+){0,3}?(?:algorithms|analyses|analysis|applications|approaches|attempts"
    r"|comparisons|evidence|experiments|explanations|findings|literature|methods|models|papers"
    r"|reports|research|results|reviews|solutions|strategies|studies|surveys|techniques|theories"
    r"|theory|trials|ways|work)\s+(?:about|against|for|in|into|of|on|that|to|using|which|with)\b",
    re.IGNORECASE,
)
_FACT_ASKED = re.compile(
    r"^(?:who|whose|when|where"
    r"|(?:(?:by|at|to|from|in|on|for|with)\s+)?(?:what|which)\s+(?!is\b|are\b|was\b|were\b|do))\b",
    re.IGNORECASE,
)
_ASKING_WORD = re.compile(
    r"^(?:what|which|who|why|how|when|where|compare|explain|describe)\b", re.IGNORECASE
)


class QuestionForm(StrEnum):
    """How many papers a question is after, by its form."""

    SET = "set"  # all that deal with something: "which papers …", or a topic
    FACT = "fact"  # one fact, which one paper states
    EXPLANATION = "explanation"  # how something works, or whether, which a few papers say


def form_of(question: str) -> QuestionForm:
    """Return how many papers the question is after, by its words."""
    asked = question.strip()
    if strip_asking(asked) != asked.rstrip("?").strip() or _SEVERAL_ASKED.match(asked):
        return QuestionForm.SET
    if asks_for_number(asked) or _FACT_ASKED.match(asked):
        return QuestionForm.FACT
    if not asked.endswith((".", "?")) and not _ASKING_WORD.match(asked):
        is_topic = len(content_words(asked)) <= TOPIC
        if is_topic or _KIND_OF_WORK.match(asked):
            return QuestionForm.SET
    return QuestionForm.EXPLANATION


def checked_question(text: str) -> str:
    """Return the question on one line; raises UsageError if it is empty or too long."""
    if not isinstance(text, str):
        raise UsageError(f"The question is {text!r:.80}, which is not a text.")
    question = on_one_line(text)
    if not question:
        raise UsageError('The question is empty. Ask like this: ask "which papers ...?"')
    if len(question) > LONGEST:
        raise UsageError(
            f"The question has {len(question):,} characters; {LONGEST:,} are the most. "
            "Ask it more briefly."
        )
    return question


def on_one_line(text: str) -> str:
    """Return the text with single spaces between its words, encodable as UTF-8."""
    return " ".join(encodable(text).split())


def encodable(text: str) -> str:
    """Return the text with ? for halves of surrogate pairs, which UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it is put to the indexes: a unit vector (d,) and weighted terms for BM25."""

    vector: NDArray[np.float32]
    terms: Mapping[str, float]


def strip_asking(question: str) -> str:
    """Return the question without the words that only ask for papers.

    An embedding of "which papers train without X?" lies near texts about papers; one of "train
    without X" near texts about X.
    """
    text = _ASKING.sub(r"\1", question.strip(), count=1)
    text = _ASKING_FOR_WORK.sub("", text, count=1).strip().rstrip("?").strip()
    return text if _WORD.search(text) else question.strip()


def content_words(question: str) -> list[str]:
    """Return the question's words in lower case, each once; stop words only if it has no others."""
    words = list(dict.fromkeys(_WORD.findall(strip_asking(question).lower())))
    return [word for word in words if word not in STOP_WORDS] or words


def has_content(question: str) -> bool:
    """Tell whether it asks for more than papers, as "which papers are there?" does not."""
    words = _WORD.findall(strip_asking(question).lower())
    return any(word not in STOP_WORDS and word not in _NO_CONTENT for word in words)


def word_start(word: str) -> str:
    """Return the part of a word that its forms share: all but three letters, at least four."""
    return word[: max(4, len(word) - 3)]


def keyword_terms(question: str) -> dict[str, float]:
    """Return the terms to look for in the keyword index, with their weights."""
    return dict.fromkeys(content_words(question), 1.0)


def asks_for_number(question: str) -> bool:
    """Return whether the answer is likely to be a number."""
    return _NUMBER_ASKED.search(question) is not None
