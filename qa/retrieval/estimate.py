"""The estimate of what is left: how many of the unread papers the judge would also call "yes".

There are two ways to miss an answer. Relevant papers may be left: how many, the scores of the
unread papers tell (what a score is worth is learned from the papers read, by held-out scores), and
how many papers in a row brought no answer. And a judge may say "yes" now and then where no other
would: then any unread paper may be a "yes", at the rate at which the papers read with the lowest
scores were. Each way gives a number distributed as a negative binomial, whose mean and spread are a
regression on these figures; a logistic regression tells which way it is, and the estimate mixes
both by its probability.

The coefficients were fitted to simulated readings whose end is known, a fifth of them with a judge
that errs at random; `benchmarks/README.md` says which, and how often the interval held on corpora
left out of the fit.

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

# Coefficients of regressions, each beginning with the constant's; the figures are logarithms.
LEFT_MEAN = (3.651, 0.232, -1.148)  # promised, barren
LEFT_SIZE = (-0.625, -0.261, 0.451)  # barren, last
RANDOM_MEAN = (-0.98, 0.231, 0.806, 0.037)  # rate among the low, unread, promised
RANDOM_SIZE = (0.541, 0.461)  # read
IS_RANDOM = (-3.481, -0.549, 2.276, 0.165, -0.24)  # low, lowest, read, found

LOW, LOWEST = 0.5, 0.25  # shares of the papers read, by score
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
    missing = missing_distribution(figures(answers, held_out, unread, left))
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
    unread: int
    read: int
    found: int  # answers among the papers read
    low: int  # answers among the half of the papers read that has the lowest scores
    lowest: int  # answers among the fourth with the lowest
    barren: int  # papers read since the last answer
    last: int  # answers among the last papers read


def figures(
    answers: Sequence[bool], held_out: Sequence[float], unread: Scores, left: int
) -> Figures:
    """Return the figures of a reading; see `estimate`."""
    yes, scores = np.asarray(answers, dtype=float), np.asarray(held_out, dtype=float)
    found = np.flatnonzero(yes)
    lowest, low = np.quantile(scores, [LOWEST, LOW])
    return Figures(
        promised=float(calibrated(scores, yes, unread).sum()),
        unread=left,
        read=len(yes),
        found=len(found),
        low=int(yes[scores < low].sum()),
        lowest=int(yes[scores < lowest].sum()),
        barren=len(yes) - 1 - int(found[-1]) if len(found) else len(yes),
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


def missing_distribution(seen: Figures) -> Scores:
    """Return the probability of each number of answers, from 0 to all, among the unread papers."""
    promised, barren = np.log(seen.promised + 0.1), np.log(seen.barren + 5)
    low, lowest = np.log(seen.low + 0.2), np.log(seen.lowest + 0.2)
    rate = np.log((seen.low + 0.5) / (LOW * seen.read + 5))
    read, last = np.log(seen.read), np.log(seen.last + 1)
    unread, found = np.log(seen.unread), np.log(seen.found + 1)
    left = _negative_binomial(
        np.dot(LEFT_MEAN, [1, promised, barren]), np.dot(LEFT_SIZE, [1, barren, last]), seen.unread
    )
    random = _negative_binomial(
        np.dot(RANDOM_MEAN, [1, rate, unread, promised]),
        np.dot(RANDOM_SIZE, [1, read]),
        seen.unread,
    )
    share = 1 / (1 + np.exp(-np.dot(IS_RANDOM, [1, low, lowest, read, found])))
    return np.asarray((1 - share) * left + share * random)


def _negative_binomial(log_mean: float, log_size: float, most: int) -> Scores:
    """Return the probabilities of 0 to `most`, which add up to 1."""
    mean, size = np.exp(np.clip(log_mean, -7, 7)), np.exp(np.clip(log_size, -3, 4))
    numbers = np.arange(1, most + 1)
    steps = np.log((numbers - 1 + size) / numbers * mean / (size + mean))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())
