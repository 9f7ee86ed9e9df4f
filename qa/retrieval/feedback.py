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

from qa.retrieval.query import Query
from qa.retrieval.relevance import Relevance
from qa.retrieval.scoring import similarity

FloatArray = NDArray[np.float32]
Scores = NDArray[np.float64]

GOOD = {Relevance.YES: 1.0, Relevance.PARTLY: 0.4}  # how much a paper stands for what is sought
TOWARD, AWAY = 1.0, 0.25  # steps of the vector, the question's own having length 1
EXPANSION = 2.0  # weight of all new terms together, the question's own together having 1
NEW_TERMS = 30
AWAY_TERMS = 0.5
RARE, COMMON = 2, 0.2  # papers; share of papers: words outside tell one paper, or nothing

KEYWORDS = 0.5  # share of the keyword score in a candidate's score


@dataclass(frozen=True, slots=True)
class JudgedPapers:
    """Papers read, row by row: verdicts, vectors (n, d), and how often they have each word."""

    relevances: Sequence[Relevance | None]
    vectors: FloatArray
    counts: Sequence[Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class CorpusStatistics:
    """The corpus that papers stand out from: its size, mean vector (d,) and words' frequencies."""

    papers: int
    mean: FloatArray
    frequency: Callable[[str], int]  # how many papers have a word


def rocchio(question: Query, lessons: JudgedPapers, background: CorpusStatistics) -> Query:
    """Return the question moved by the verdicts.

    Always starts from the question as it was asked. Unjudged papers teach nothing.
    """
    good = _shares(
        [GOOD.get(relevance, 0.0) if relevance else 0.0 for relevance in lessons.relevances]
    )
    bad = _shares([float(relevance == Relevance.NO) for relevance in lessons.relevances])
    # Seen from the corpus's mean, papers differ by topic; seen from zero they are all alike.
    papers = lessons.vectors - background.mean
    vector = question.vector + TOWARD * _unit(good @ papers) - AWAY * _unit(bad @ papers)
    terms = _expanded(question.terms, _distinguishing_terms(lessons, good, bad, background))
    return Query(_unit(vector).astype(np.float32), terms)


def _shares(weights: Sequence[float]) -> Scores:
    """Return the weights (n,) made to sum to one; all zero where there are none."""
    shares = np.asarray(weights, dtype=np.float64)
    return shares / max(float(shares.sum()), 1e-9)


def _unit(vector: NDArray[np.floating]) -> NDArray[np.floating]:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-9 else vector


def _distinguishing_terms(
    lessons: JudgedPapers, good: Scores, bad: Scores, background: CorpusStatistics
) -> dict[str, float]:
    """Return the words, by weight, that tell the good papers from the bad and the background."""
    shares = good - AWAY_TERMS * bad if good.any() else good
    total: Counter[str] = Counter()
    for counts, share in zip(lessons.counts, shares.tolist(), strict=True):
        weights = {term: 1 + math.log(count) for term, count in counts.items()} if share else {}
        length = math.hypot(*weights.values())
        for term, weight in weights.items():
            total[term] += share * weight / length
    return _best_terms(total, background)


def _best_terms(total: Mapping[str, float], background: CorpusStatistics) -> dict[str, float]:
    """Return the NEW_TERMS best of the words by weight x log(papers / papers that have it)."""
    best: list[tuple[float, str]] = []
    highest = math.log(max(background.papers / RARE, 1.0))
    for term, weight in sorted(total.items(), key=lambda item: (-item[1], item[0])):
        # Looking a word up costs most of a round's time, so stop when none can be among the best.
        if weight <= 0 or (len(best) == NEW_TERMS and weight * highest <= best[-1][0]):
            break
        having = background.frequency(term)
        if RARE <= having <= COMMON * background.papers:
            best.append((weight * math.log(background.papers / having), term))
            best = sorted(best, key=lambda item: (-item[0], item[1]))[:NEW_TERMS]
    return {term: weight for weight, term in best}


def _expanded(own: Mapping[str, float], new: Mapping[str, float]) -> dict[str, float]:
    """Return the question's own terms, made to sum to 1, and new ones, to sum to EXPANSION."""
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
    dense = similarity(vector, papers)
    scores = (1 - KEYWORDS) * _spread(dense) + KEYWORDS * _spread(np.asarray(keyword))
    return scores / max(float(scores.max()), 1e-9)


def _spread(values: NDArray[np.floating]) -> Scores:
    """Return the values min-max normalised; all zero where they are all the same."""
    low, high = float(values.min()), float(values.max())
    spread = (values.astype(np.float64) - low) / ((high - low) or 1.0)
    return np.asarray(spread, dtype=np.float64)
