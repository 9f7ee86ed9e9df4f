"""Relevance feedback: what the verdicts on the papers read teach about which to read next.

A linear support vector machine on the words, word pairs and the vector of each abstract, with the
question as one more relevant paper. It is regularised so strongly that with few verdicts it is
Rocchio's formula (1971): toward the papers that qualify, away from the others. The settings are
those of ASReview's "ELAS u4" (van de Schoot et al. 2021; squared hinge loss, all irrelevant papers
together weighing a tenth of the relevant ones). While few papers are found to qualify, the ranking
for the question as it was asked counts too.

Near the chosen constants results hardly change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa.index.embedding.base import FloatArray
from qa.index.word_matrix import WordMatrix
from qa.retrieval.query import Query
from qa.retrieval.relevance import Relevance, Verdict
from qa.retrieval.scoring import Scores, unit

GOOD = {Relevance.YES: 1.0, Relevance.PARTLY: 0.4}  # weight of a paper as a relevant example
COST = 0.11  # of an error in training, beside the squared length of the weights
RATIO = 9.8  # weight of all relevant papers, all irrelevant ones together having 1
VECTORS = 0.05  # weight of the product of two vectors; that of two rows of words has 1
ASKED = 1.0  # weight of the ranking for the question as asked; with so many papers that qualify
ASKED_HALVES = 10.0  # it counts half
MOST_EXAMPLES = 2000  # the last verdicts that are learned from: the time grows with their cube
STEPS = 20  # of Newton's method at most; two or three are enough
SHOWN_TERMS = 30


@dataclass(frozen=True, slots=True)
class Pool:
    """The papers that feedback ranks, row by row, and the question among them."""

    ids: Sequence[str]
    words: WordMatrix
    vectors: FloatArray  # (n, d), each less the corpus's mean and of length 1
    asked: Scores  # (n,) of the ranking for the question as asked
    question_words: NDArray[np.float32]  # (columns of `words`,)
    question_vector: FloatArray  # (d,), as `vectors`


@dataclass(frozen=True, slots=True)
class Learned:
    """The pool's scores (n,) after the verdicts; their spread is 1.

    `held_out` are those of the papers read, by id, each from the verdicts on the others: they tell
    how much a score is worth.
    """

    scores: Scores
    held_out: Mapping[str, float]
    moved: Query  # the question with what was learned: its vector, and the words that tell


class Feedback:
    """Learns for one question, again after each round; products of papers are kept between."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._row = {id_: row for row, id_ in enumerate(pool.ids)}
        self._known: dict[int, int] = {}  # row → place in the products
        self._products = np.zeros((0, 0))
        self._with_question = self._products_with(pool.question_words, pool.question_vector)
        self._asked = standardised(pool.asked)

    def learn(self, verdicts: Sequence[Verdict]) -> Learned:
        """Return the scores that the verdicts teach; those without a usable one do not count."""
        usable = [v for v in verdicts if v.relevance and v.paper_id in self._row][-MOST_EXAMPLES:]
        rows = [self._row[verdict.paper_id] for verdict in usable]
        good = np.array([GOOD.get(v.relevance or Relevance.NO, 0.0) for v in usable])
        weights, held_out = train(*self._examples(rows, good))
        words = self.pool.words.combined(rows, weights[:-1])
        words += weights[-1] * self.pool.question_words
        vector = weights[:-1] @ self.pool.vectors[rows] + weights[-1] * self.pool.question_vector
        scores = self._products_with(words, VECTORS * vector) + weights.sum()
        spread = max(float(scores.std()), 1e-9)
        asked = ASKED / (1 + good.sum() / ASKED_HALVES) * self._asked
        apart = held_out[:-1] / spread + asked[rows]
        ids = [verdict.paper_id for verdict in usable]
        terms = self.pool.words.top_words(words, SHOWN_TERMS)
        return Learned(
            scores / spread + asked,
            dict(zip(ids, apart.tolist(), strict=True)),
            Query(unit(vector).astype(np.float32), terms),
        )

    def _products_with(self, words: NDArray[np.float32], vector: NDArray[np.floating]) -> Scores:
        dense = np.asarray(self.pool.vectors @ vector, dtype=np.float64)
        return np.asarray(self.pool.words.products(words) + dense, dtype=np.float64)

    def _examples(self, rows: Sequence[int], good: Scores) -> tuple[Scores, Scores, Scores]:
        """Return products (n + 1, n + 1), targets and costs (n + 1,) of the rows and the question.

        The constant 1 in the products stands for the intercept.
        """
        self._add([row for row in rows if row not in self._known])
        places = [self._known[row] for row in rows]
        with_question = self._with_question[rows]
        question = self.pool.question_words
        itself = float(question @ question) + VECTORS
        products = np.empty((len(rows) + 1, len(rows) + 1))
        products[:-1, :-1] = self._products[np.ix_(places, places)]
        products[-1, :-1] = products[:-1, -1] = with_question
        products[-1, -1] = itself
        good = np.append(good, 1.0)
        bad = (good == 0).sum()
        weights = np.where(good > 0, good, good.sum() / (RATIO * max(bad, 1)))
        costs = COST * weights * len(weights) / weights.sum()
        return products + 1.0, np.where(good > 0, 1.0, -1.0), costs

    def _add(self, rows: Sequence[int]) -> None:
        """Compute the products of more papers with each other and with those known."""
        known = list(self._known)
        products = np.zeros((len(known) + len(rows),) * 2)
        products[: len(known), : len(known)] = self._products
        self._known.update({row: place for place, row in enumerate(rows, start=len(known))})
        known += rows
        for row in rows:
            place = self._known[row]
            dense = self.pool.vectors[known] @ self.pool.vectors[row]
            product = self.pool.words.products(self.pool.words.row(row), known) + VECTORS * dense
            products[place, :] = products[:, place] = product
        self._products = products


def train(products: Scores, targets: Scores, costs: Scores) -> tuple[Scores, Scores]:
    """Return the weights (n,) of the examples, and each one's score without itself (n,).

    They minimise half the squared length of the separating vector plus half the sum of cost x
    max(0, 1 - target x score)^2, by Newton's method on the products (Chapelle 2007, "Training a
    support vector machine in the primal"). The scores without an example follow from the inverse
    at hand (Cawley and Talbot 2004), with the other support vectors unchanged.
    """
    support = np.ones(len(targets), bool)
    for _ in range(STEPS):
        places = np.flatnonzero(support)
        inverse = np.linalg.inv(products[np.ix_(places, places)] + np.diag(1 / costs[places]))
        weights = np.zeros(len(targets))
        weights[places] = inverse @ targets[places]
        scores = products @ weights
        wanted = targets * scores < 1
        if (wanted == support).all() or not wanted.any():
            break
        support = wanted
    held_out = scores.copy()
    held_out[places] = targets[places] - weights[places] / np.diag(inverse)
    return weights, held_out


def standardised(values: NDArray[np.floating]) -> Scores:
    """Return the values with mean 0 and standard deviation 1; all 0 where they are the same."""
    centred = values.astype(np.float64) - values.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-9))
