"""The stopping rule: how many papers to read next, and when reading on is of no more use.

The rule keeps a budget of papers without an answer. Each paper that does not answer takes from it,
each that answers gives some back: one answer at the top of the ranking needs little reading, many
answers need more. Reading stops when the budget is used up.
"""

import math
from collections.abc import Sequence

import numpy as np

from qa.retrieval.relevance import ReadPaper, Relevance
from qa.retrieval.scoring import Scores

# The budget, in papers without an answer.
START = 20.0  # at the beginning
NOTHING_YET = 10.0  # more of it until a first answer is found: it may rank low
ONE = 18.0  # after the first answer, if it was in the first round
LATE = 20  # after a later first answer: 1 more for each paper read before it, up to so many
SEVERAL, EACH, MOST = 33.0, 3.0, 45.0  # at most after two answers, more for each further one, ever
FOUND = 12.0  # what a further answer gives back
PARTLY_COSTS = 1 / 3  # a paper that answers in part is a sign that more are near

# An answer far down among the candidates may be a mistake of the judge: it gives back less.
DOUBTED = 0.15  # relative score up to which an answer gives back nothing
TRUSTED = 0.35  # relative score from which it gives back all

FIRST_ROUND, ROUND, DRY_ROUND = 10, 10, 20  # papers a round; more at once after one without answers
REMAINDER = 5  # papers that are read with this round rather than in one of their own


def relative_scores(scores: Scores) -> Scores:
    """Return scores (n,) on a scale where the median candidate has 0 and the best one 1."""
    middle = float(np.median(scores)) if len(scores) else 0.0
    return (scores - middle) / max(float(scores.max(initial=0.0)) - middle, 1e-9)


def papers_left(history: Sequence[ReadPaper]) -> float:
    """Return the budget: how many more papers without an answer may be read; 0 or less: stop.

    `history` are the papers read, in order. Those without a usable verdict do not count. The first
    answer is the only lead there is: the longer it took to find, the further it is followed.
    """
    left, found = START, 0
    for before, read in enumerate(history):
        if read.relevance == Relevance.YES:
            found += 1
            if found == 1:
                left = ONE + (min(before, LATE) if before >= FIRST_ROUND else 0)
            else:
                trust = min(max((read.relative_score - DOUBTED) / (TRUSTED - DOUBTED), 0.0), 1.0)
                left = max(left - 1.0, min(left + trust * FOUND, _most(found)))
        elif read.relevance == Relevance.PARTLY:
            left -= PARTLY_COSTS
        elif read.relevance == Relevance.NO:
            left -= 1.0
    return left if found else left + NOTHING_YET


def _most(found: int) -> float:
    return min(SEVERAL + EACH * (found - 1), MOST)


def next_round(history: Sequence[ReadPaper], last: int) -> int:
    """Return how many papers to read next; 0: stop.

    `last` is how many of the history's papers were the last round. A round reads no more than the
    budget allows, so that nothing is read in vain, and leaves no small remainder for another round.
    """
    if not history:
        return FIRST_ROUND
    fruitful = any(read.relevance == Relevance.YES for read in history[len(history) - last :])
    size = ROUND if fruitful else DRY_ROUND
    left = max(0, math.ceil(papers_left(history) - 1e-9))
    return left if left <= size + REMAINDER else size
