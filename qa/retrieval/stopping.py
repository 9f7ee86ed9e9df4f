"""The stopping rule: how many papers to read next, and when to stop.

With a recall to reach, reading stops when the expected share of the answers found has reached it;
see `estimate`. Else the rule suits a person who waits. It keeps a budget: the number of papers
without an answer that may still be read. The first answer sets it anew, a further answer adds to
it. So a question with one answer at the top of the ranking needs little reading, and one with many
answers needs more, but never more than MOST_PAPERS.
"""

import math
from collections.abc import Sequence

import numpy as np

from qa.retrieval.relevance import ReadPaper, Relevance
from qa.retrieval.scoring import Scores

# The budget, in papers without an answer.
AT_START = 30.0
AFTER_FIRST_ANSWER = 18.0  # if the first answer was in the first round
MOST_FOR_LATE_ANSWER = 20  # else one more for each paper read before it, but at most this many
PER_ANSWER = 12.0  # added for a further answer
LIMIT = 45.0  # after any number of answers
PARTLY_COSTS = 1 / 3  # taken off for a paper that answers in part: more may be near

# An answer with a low relative score may be a mistake of the judge: it adds less.
DOUBTED = 0.15  # relative score up to which an answer adds nothing
TRUSTED = 0.35  # relative score from which it adds all

ROUND = 10  # papers; twice as many after a round in which no paper answered
REMAINDER = 5  # papers; fewer than these are read with the round before
MOST_PAPERS = 400  # read without a recall to reach
MOST_SECONDS = 600.0  # spent judging without a recall to reach


def relative_scores(scores: Scores) -> Scores:
    """Return scores (n,) on a scale where the median candidate has 0 and the best one 1."""
    middle = float(np.median(scores)) if len(scores) else 0.0
    return (scores - middle) / max(float(scores.max(initial=0.0)) - middle, 1e-9)


def papers_left(history: Sequence[ReadPaper]) -> float:
    """Return the budget: how many more papers without an answer may be read; 0 or less: stop.

    `history` are the papers read, in order. Those without a usable verdict do not count. The first
    answer is the only lead there is: the longer it took to find, the further it is followed.
    """
    left, found = AT_START, 0
    for before, read in enumerate(history):
        if read.relevance == Relevance.YES:
            found += 1
            if found == 1:
                late = min(before, MOST_FOR_LATE_ANSWER) if before >= ROUND else 0
                left = AFTER_FIRST_ANSWER + late
            else:
                trust = min(max((read.relative_score - DOUBTED) / (TRUSTED - DOUBTED), 0.0), 1.0)
                left = max(left - 1.0, min(left + trust * PER_ANSWER, LIMIT))
        elif read.relevance == Relevance.PARTLY:
            left -= PARTLY_COSTS
        elif read.relevance == Relevance.NO:
            left -= 1.0
    return left


def next_round(history: Sequence[ReadPaper], last: int) -> int:
    """Return how many papers to read next; 0: stop.

    `last` is how many of the history's papers were the last round. A round reads no more than the
    budget allows, so that nothing is read in vain, and leaves no small remainder for another round.
    """
    left = max(0, math.ceil(papers_left(history) - 1e-9))
    size = round_size(history, last)
    return left if left <= size + REMAINDER and history else size


def round_size(history: Sequence[ReadPaper], last: int) -> int:
    """Return how many papers a round reads where nothing limits it."""
    fruitful = any(read.relevance == Relevance.YES for read in history[len(history) - last :])
    return ROUND if fruitful or not history else 2 * ROUND
