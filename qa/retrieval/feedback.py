"""Relevance feedback: what the verdicts on the papers read teach about which to read next.

After each round the question moves: its vector toward the papers that qualify and away from those
that do not (Rocchio), its terms by the words that distinguish the ones from the others. The moved
question is put to the store again, and its candidates are scored again with all their sentences.

The constants were chosen on labelled questions by simulation with perfect and with erring judges.
Near the chosen values results hardly change.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa.index.embedding.base import FloatArray
from qa.retrieval.query import Query
from qa.retrieval.relevance import Relevance
from qa.retrieval.scoring import Scores, similarity, unit

GOOD = {Relevance.YES: 1.0, Relevance.PARTLY: 0.4}  # weight of a paper as an example
TOWARD, AWAY = 1.0, 0.25  # steps of the vector, the question's own having length 1
EXPANSION = 2.0  # weight of all new terms together, the question's own together having 1
NEW_TERMS = 30
AWAY_TERMS = 0.5  # weight of the words of papers that do not qualify
# A word in fewer papers says which paper, a word in more papers says nothing about the topic.
RARE, COMMON = 2, 0.2  # papers; share of the papers
KEYWORDS = 0.5  # weight of the keyword score in a candidate's score


@dataclass(frozen=True, slots=True)
class JudgedPapers:
    """The papers read, row by row: verdicts, abstract vectors (n, d), and counts of words."""

    relevances: Sequence[Relevance | None]
    vectors: FloatArray
    counts: Sequence[Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class CorpusStatistics:
    """What is common in the corpus: its size, mean vector (d,) and words' document frequencies."""

    papers: int
    mean: FloatArray
    frequency: Callable[[str], int]  # how many papers have a word


def rocchio(question: Query, judged: JudgedPapers, corpus: CorpusStatistics) -> Query:
    """Return the question moved by the verdicts, by Rocchio's formula (1971).

    It starts from the question as it was asked. Papers without a usable verdict do not count.
    """
    good = _shares(
        [GOOD.get(relevance, 0.0) if relevance else 0.0 for relevance in judged.relevances]
    )
    bad = _shares([float(relevance == Relevance.NO) for relevance in judged.relevances])
    # Seen from the corpus's mean, papers differ by topic; seen from zero they are all alike.
    papers = judged.vectors - corpus.mean
    vector = question.vector + TOWARD * unit(good @ papers) - AWAY * unit(bad @ papers)
    terms = _expanded(question.terms, _distinguishing_terms(judged, good, bad, corpus))
    return Query(unit(vector).astype(np.float32), terms)


def _shares(weights: Sequence[float]) -> Scores:
    """Return the weights (n,) made to sum to one; all zero where there are none."""
    shares = np.asarray(weights, dtype=np.float64)
    return shares / max(float(shares.sum()), 1e-9)


def _distinguishing_terms(
    judged: JudgedPapers, good: Scores, bad: Scores, corpus: CorpusStatistics
) -> dict[str, float]:
    """Return the words, by weight, that tell the good papers from the bad and the corpus."""
    shares = good - AWAY_TERMS * bad if good.any() else good
    total: Counter[str] = Counter()
    for counts, share in zip(judged.counts, shares.tolist(), strict=True):
        weights = {term: 1 + math.log(count) for term, count in counts.items()} if share else {}
        length = math.hypot(*weights.values())
        for term, weight in weights.items():
            total[term] += share * weight / length
    return _best_terms(total, corpus)


def _best_terms(total: Mapping[str, float], corpus: CorpusStatistics) -> dict[str, float]:
    """Return the NEW_TERMS best of the words by weight x log(papers / papers that have it)."""
    best: list[tuple[float, str]] = []
    highest = math.log(max(corpus.papers / RARE, 1.0))
    for term, weight in sorted(total.items(), key=lambda item: (-item[1], item[0])):
        # Looking a word up costs most of a round's time, so stop when none can be among the best.
        if weight <= 0 or (len(best) == NEW_TERMS and weight * highest <= best[-1][0]):
            break
        having = corpus.frequency(term)
        if RARE <= having <= COMMON * corpus.papers:
            best.append((weight * math.log(corpus.papers / having), term))
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
