"""Relevance feedback: what the verdicts on the papers read teach about which to read next.

After each round the question moves: its vector toward the papers that qualify and away from those
that do not (Rocchio), its terms by the words that set the ones apart from the others. The moved
question is put to the store anew, and its candidates are scored again with all their sentences.
Reading stops when patience is used up: each paper that does not answer costs some, each that does
gives some back, so that one answer at the top needs little reading and many answers need more.

The constants were chosen on labelled questions by simulation with perfect and with erring judges;
around the chosen values the results hardly depend on them.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Scores = NDArray[np.float64]

YES, PARTLY, NO = "yes", "partly", "no"  # what a verdict may be; None: there is no usable one

GOOD = {YES: 1.0, PARTLY: 0.4}  # how much a paper stands for what is sought
TOWARD, AWAY = 1.0, 0.25  # steps of the vector, the question's own having length 1
EXPANSION = 2.0  # weight of all new terms together, the question's own together having 1
NEW_TERMS = 30
AWAY_TERMS = 0.5
RARE, COMMON = 2, 0.3  # papers; share of papers: words outside tell one paper, or nothing

KEYWORDS = 0.5  # share of the keyword score in a candidate's score
SENTENCE = 0.7  # share of the best sentence in the score by vectors, the rest is the abstract's

START = 20.0  # patience, in papers, before anything is found
ONE, SEVERAL, EACH, MOST = 18.0, 27.0, 3.0, 40.0  # the most after one answer, two, each more, ever
FOUND = 12.0  # patience that an answer gives
PARTLY_COSTS = 1 / 3  # a paper that answers in part is a sign that more are near
DOUBTED, TRUSTED = 0.1, 0.3  # standing: an answer below is taken for a misjudgement, above for true

FIRST_ROUND, ROUND, DRY_ROUND = 10, 10, 20  # papers; after a round without answers more at once
REMAINDER = 5  # papers that are rather read at once than in a round of their own


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it is put to the store: a unit vector (d,) and weighted terms."""

    vector: FloatArray
    terms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """Papers read, row by row: verdicts, vectors (n, d) and weighted terms (see `term_weights`)."""

    relevances: Sequence[str | None]
    vectors: FloatArray
    terms: Sequence[Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Read:
    """One paper read: its verdict, and its `standing` among the candidates when it was chosen."""

    relevance: str | None
    standing: float = 1.0


def term_weights(
    counts: Mapping[str, int], frequency: Callable[[str], int], papers: int
) -> dict[str, float]:
    """Return the tf-idf of a paper's words as a unit vector, too rare and too common ones left out.

    `frequency` gives the number of the corpus's `papers` that have a word.
    """
    known = ((term, count, frequency(term)) for term, count in counts.items())
    raw = {
        term: (1 + math.log(count)) * math.log(papers / having)
        for term, count, having in known
        if RARE <= having <= COMMON * papers
    }
    length = math.sqrt(sum(weight * weight for weight in raw.values()))
    return {term: weight / length for term, weight in raw.items()} if length else {}


def learn(question: Query, judged: Judged, mean: FloatArray) -> Query:
    """Return the question moved by the verdicts; `mean` (d,) is the mean vector of the corpus.

    Always starts from the question as it was asked. Unjudged papers teach nothing.
    """
    good = _shares([GOOD.get(relevance or "", 0.0) for relevance in judged.relevances])
    bad = _shares([float(relevance == NO) for relevance in judged.relevances])
    # Seen from the corpus's mean, papers differ by topic; seen from zero they are all alike.
    away_from_mean = judged.vectors - mean
    vector = (
        question.vector + TOWARD * _unit(good @ away_from_mean) - AWAY * _unit(bad @ away_from_mean)
    )
    terms = _expanded(question.terms, judged.terms, good - AWAY_TERMS * bad if good.any() else good)
    return Query(_unit(vector).astype(np.float32), terms)


def _shares(weights: Sequence[float]) -> Scores:
    """Return the weights (n,) made to sum to one; all zero where there are none."""
    shares = np.asarray(weights, dtype=np.float64)
    return shares / max(float(shares.sum()), 1e-9)


def _unit(vector: NDArray[np.floating]) -> NDArray[np.floating]:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else vector


def _expanded(
    own: Mapping[str, float], papers: Sequence[Mapping[str, float]], shares: Scores
) -> dict[str, float]:
    """Return the question's own terms (sum 1) and the best of the papers' (sum EXPANSION)."""
    total: Counter[str] = Counter()
    for terms, share in zip(papers, shares.tolist(), strict=True):
        if share:
            for term, weight in terms.items():
                total[term] += share * weight
    best = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:NEW_TERMS]
    new = {term: weight for term, weight in best if weight > 0}
    expanded = {term: weight / (sum(own.values()) or 1.0) for term, weight in own.items()}
    scale = EXPANSION / (sum(new.values()) or 1.0)
    for term, weight in new.items():
        expanded[term] = expanded.get(term, 0.0) + scale * weight
    return expanded


def rescore(vector: FloatArray, papers: Sequence[FloatArray], keyword: Sequence[float]) -> Scores:
    """Return the candidates' scores (n,), from 0 to 1, the best being 1.

    `papers` are their vectors, (1 + sentences, d) each with the abstract as row 0; `keyword` are
    their keyword scores for the moved question's terms, 0 where none of the terms occurs.
    """
    if not papers:
        return np.zeros(0)
    cosines = np.concatenate(papers) @ vector
    starts = np.cumsum([0, *(len(rows) for rows in papers[:-1])])
    # The abstract is among the rows: a paper without a sentence of its own still has a best row.
    best = np.maximum.reduceat(cosines, starts)
    dense = SENTENCE * best + (1 - SENTENCE) * cosines[starts]
    scores = (1 - KEYWORDS) * _spread(dense) + KEYWORDS * _spread(np.asarray(keyword))
    return scores / max(float(scores.max()), 1e-9)


def standing(scores: Scores) -> Scores:
    """Return how far above the middle candidate each of them stands, the best one being 1."""
    middle = float(np.median(scores)) if len(scores) else 0.0
    return (scores - middle) / max(float(scores.max(initial=0.0)) - middle, 1e-9)


def _spread(values: NDArray[np.floating]) -> Scores:
    """Return the values min-max normalised; all zero where they are all the same."""
    low, high = float(values.min()), float(values.max())
    spread = (values.astype(np.float64) - low) / ((high - low) or 1.0)
    return np.asarray(spread, dtype=np.float64)


def patience(history: Sequence[Read]) -> float:
    """Return how many more papers without an answer are to be borne; none at 0 or below.

    Unjudged papers cost nothing and give nothing. An answer that stood low when it was chosen
    gives less: among many papers far from the question an erring judge says yes to some.
    """
    left, found = START, 0
    for read in history:
        if read.relevance == YES:
            found += 1
            trust = min(max((read.standing - DOUBTED) / (TRUSTED - DOUBTED), 0.0), 1.0)
            left = max(left - 1.0, min(left + trust * FOUND, _most(found)))
        elif read.relevance == PARTLY:
            left -= PARTLY_COSTS
        elif read.relevance == NO:
            left -= 1.0
    return left


def _most(found: int) -> float:
    return ONE if found < 2 else min(SEVERAL + EACH * (found - 1), MOST)


def next_round(history: Sequence[Read], last: int) -> int:
    """Return how many papers to read next, 0 where reading on is no use.

    `last` is how many of the history's papers were the last round. A round reads no more than
    patience allows, so that nothing is read in vain, and leaves no small remainder for another.
    """
    if not history:
        return FIRST_ROUND
    fruitful = any(read.relevance == YES for read in history[len(history) - last :])
    size = ROUND if fruitful else DRY_ROUND
    left = max(0, math.ceil(patience(history) - 1e-9))
    return left if left <= size + REMAINDER else size
