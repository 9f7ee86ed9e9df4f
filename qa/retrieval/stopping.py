"""Stopping."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qa.retrieval.feedback import Scores
from qa.retrieval.relevance import Relevance

START = 20.0  # patience, in papers
NOTHING_YET = 10.0  # more of it as long as nothing is found: the first answer may be well hidden
ONE = 18.0  # patience after the first answer, if it stood in the first round
LATE = 20  # papers; read before a later first answer, each gives 1 more, up to these
SEVERAL, EACH, MOST = 33.0, 3.0, 45.0  # the most after two answers, for each more, and ever
FOUND = 12.0  # patience that an answer gives
PARTLY_COSTS = 1 / 3  # a paper that answers in part is a sign that more are near
DOUBTED = 0.15  # standing at and below which an answer is taken for a misjudgement
TRUSTED = 0.35  # standing from which it is taken for true
FIRST_ROUND, ROUND, DRY_ROUND = 10, 10, 20  # papers; after a round without answers more at once
REMAINDER = 5  # papers that are rather read at once than in a round of their own


@dataclass(frozen=True, slots=True)
class ReadPaper:
    """One paper read: its verdict, and its `standing` among the candidates when it was chosen."""

    relevance: Relevance | None
    standing: float = 1.0


def relative_scores(scores: Scores) -> Scores:
    """Return how far above the middle candidate each of them stands, the best one being 1."""
    middle = float(np.median(scores)) if len(scores) else 0.0
    return (scores - middle) / max(float(scores.max(initial=0.0)) - middle, 1e-9)


def patience(history: Sequence[ReadPaper]) -> float:
    """Return how many more papers without an answer are to be borne; none at 0 or below.

    Unjudged papers cost nothing and give nothing. The first answer is the only lead there is:
    if it was long to find, it is followed further. Of later ones those that stood low when they
    were chosen give less: among many papers far from the question an erring judge says yes to some.
    """
    left, found = START, 0
    for before, read in enumerate(history):
        if read.relevance == Relevance.YES:
            found += 1
            if found == 1:
                left = ONE + (min(before, LATE) if before >= FIRST_ROUND else 0)
            else:
                trust = min(max((read.standing - DOUBTED) / (TRUSTED - DOUBTED), 0.0), 1.0)
                left = max(left - 1.0, min(left + trust * FOUND, _most(found)))
        elif read.relevance == Relevance.PARTLY:
            left -= PARTLY_COSTS
        elif read.relevance == Relevance.NO:
            left -= 1.0
    return left if found else left + NOTHING_YET


def _most(found: int) -> float:
    return min(SEVERAL + EACH * (found - 1), MOST)


def next_round(history: Sequence[ReadPaper], last: int) -> int:
    """Return how many papers to read next, 0 where reading on is no use.

    `last` is how many of the history's papers were the last round. A round reads no more than
    patience allows, so that nothing is read in vain, and leaves no small remainder for another.
    """
    if not history:
        return FIRST_ROUND
    fruitful = any(read.relevance == Relevance.YES for read in history[len(history) - last :])
    size = ROUND if fruitful else DRY_ROUND
    left = max(0, math.ceil(patience(history) - 1e-9))
    return left if left <= size + REMAINDER else size
