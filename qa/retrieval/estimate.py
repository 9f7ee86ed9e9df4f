"""The estimate of what is left: how many of the unread papers the judge would also call "yes".

Four figures of a reading tell: how many unread papers the scores promise (each score's worth is
learned from the papers read, by their held-out scores), how many answers turned up among the worst
fourth of the papers read by score (a judge that says yes at random finds them there), how many
papers are unread, and how many in a row brought no answer. A regression on their logarithms gives
the expected number, and its spread; the number is taken to be distributed as a negative binomial.
The coefficients were fitted to readings whose end is known: `benchmarks/README.md` says which, and
how often the interval held on corpora that were left out.

That the scores of the unread papers, calibrated on those read, tell what is left is the idea of
Lewis, Yang and Frieder (2021); that the yield of the last papers read does, that of the knee method
(Cormack and Grossman 2016) and of Callaghan and Müller-Hansen (2020), whose random sample costs
hundreds of papers before it can say "few".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qa.retrieval.scoring import Scores

LEVEL = 0.9  # probability that the interval holds the true number

# Coefficients of: 1, log promised, log yes among the worst, log unread, log papers without a yes.
MEAN = (-2.2, 0.28, 0.41, 0.64, -0.15)
# Coefficients of: 1, log yes among the worst, log papers without a yes, log yes among the last.
SPREAD = (-0.58, 1.47, -0.46, -0.21)
WORST = 0.25  # share of the papers read, by score
LAST = 100  # papers


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many papers this judge would call "yes" if it read all, those read included."""

    relevant: float  # the expected number
    low: int
    high: int
    recall: float  # the expected share of them that is among the papers read
    level: float = LEVEL  # probability that `low` to `high` holds the number


def estimate(
    answers: Sequence[bool], held_out: Sequence[float], unread: Scores, *, candidates: int
) -> Estimate:
    """Return the estimate for a reading.

    `answers` tells of each paper with a verdict, in reading order, whether it was "yes", `held_out`
    are their scores without their own verdict, `unread` the scores of the unread papers that have
    one. `candidates` is how many papers there are to read in all.
    """
    found, left = sum(answers), candidates - len(answers)
    if left <= 0 or not answers:
        whole = 1.0 if answers else 0.0
        return Estimate(float(found), found, found + max(left, 0), whole)
    missing = missing_distribution(figures(answers, held_out, unread, left), left)
    numbers = np.arange(left + 1)
    summed = np.cumsum(missing)
    low, high = np.searchsorted(summed, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    shares = found / np.maximum(found + numbers, 1) if found else (numbers == 0).astype(float)
    return Estimate(
        round(found + float(missing @ numbers), 1),
        found + int(low),
        found + min(int(high), left),
        round(float(missing @ shares), 3),
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a reading tells about the unread papers."""

    promised: float  # answers among the unread by their scores
    worst: int  # answers among the worst of the papers read
    unread: int
    barren: int  # papers read since the last answer
    last: int  # answers among the last papers read


def figures(
    answers: Sequence[bool], held_out: Sequence[float], unread: Scores, left: int
) -> Figures:
    """Return the figures of a reading; see `estimate`."""
    yes, scores = np.asarray(answers, dtype=float), np.asarray(held_out, dtype=float)
    since = np.flatnonzero(yes[::-1])
    return Figures(
        promised=float(calibrated(scores, yes, unread).sum()),
        worst=int(yes[scores < np.quantile(scores, WORST)].sum()),
        unread=left,
        barren=int(since[0]) if len(since) else len(yes),
        last=int(yes[-LAST:].sum()),
    )


def calibrated(scores: Scores, yes: Scores, others: Scores) -> Scores:
    """Return the probabilities of "yes" that others' scores stand for (Platt 1999).

    A logistic regression on the scores of the papers read, held by a weak prior: so that it has a
    slope where all or none were "yes".
    """
    middle, spread = float(scores.mean()), float(scores.std()) or 1.0
    features = np.stack([np.ones(len(scores)), (scores - middle) / spread], axis=1)
    prior = np.array([np.log((yes.sum() + 0.5) / (len(yes) - yes.sum() + 0.5)), 1.5])
    strength = np.array([0.05, 0.5])
    fitted = prior.copy()
    for _ in range(30):
        chance = 1 / (1 + np.exp(-features @ fitted))
        slope = features.T @ (yes - chance) - strength * (fitted - prior)
        curve = (features.T * (chance * (1 - chance))) @ features + np.diag(strength)
        step = np.clip(np.linalg.solve(curve, slope), -2, 2)
        fitted += step
        if np.abs(step).max() < 1e-6:
            break
    return np.asarray(1 / (1 + np.exp(-(fitted[0] + fitted[1] * (others - middle) / spread))))


def missing_distribution(seen: Figures, left: int) -> Scores:
    """Return the probability of each number of answers, from 0 to `left`, among the unread."""
    promised, worst = np.log(seen.promised + 0.1), np.log(seen.worst + 0.2)
    barren = np.log(seen.barren + 5)
    mean = np.exp(np.clip(np.dot(MEAN, [1, promised, worst, np.log(seen.unread), barren]), -7, 7))
    size = np.exp(np.clip(np.dot(SPREAD, [1, worst, barren, np.log(seen.last + 1)]), -3, 4))
    numbers = np.arange(1, left + 1)
    steps = np.log((numbers - 1 + size) / numbers * mean / (size + mean))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())
