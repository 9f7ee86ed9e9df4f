"""The estimate of what is left: how many of the unread papers the judge would also call "yes".

There are two ways to miss an answer. Relevant papers may be left: how many, the scores of the
unread papers tell (what a score is worth is learned from the papers read, by held-out scores), and
how many papers in a row brought no answer. And a judge may say "yes" now and then where no other
would: then any unread paper may be a "yes". How often is not known, so the estimate mixes several
rates, each weighed by how well a calibration that never falls below it fits the verdicts, and by
how many of the papers with the lowest scores were "yes". For each rate the number is distributed
as a negative binomial.

The coefficients were fitted to simulated readings whose end is known, 15 % of them with a judge
that errs at random on a twentieth or a tenth of the papers; `benchmarks/README.md` says which, and
how often the interval held on corpora left out of the fit.

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
LEFT_MEAN = (1.19, 0.456, -1.035)  # promised, barren
LEFT_SIZE = (1.755, -2.001, 0.761)  # barren, last
NEVER_ERRS = (3.459, 1.045, -0.369, -0.94, -0.857)  # found, read, low, lowest

# A judge that errs: the least probability of "yes", whatever the score, among the papers read.
FLOORS = np.array([0, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3])
UNREAD_SHARE = 0.585  # of it, among the unread: errors are rarer farther down
ERRING_SIZE = 90.0  # of the negative binomial: little more spread than by chance alone
EVIDENCE = 0.143  # exponent of the likelihoods: the verdicts of near papers say the same

LOW, LOWEST = 0.5, 0.25  # shares of the papers read, by score
LAST = 100  # papers
SURELY = 1e-9  # the least probability of either verdict, so that logarithms are finite
STEPS, CLOSE = 40, 1e-6  # of the fit: at most so many, until it gains less


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
    floors: Scores  # log-likelihood of each of FLOORS, up to a constant


def figures(
    answers: Sequence[bool], held_out: Sequence[float], unread: Scores, left: int
) -> Figures:
    """Return the figures of a reading; see `estimate`."""
    yes, scores = np.asarray(answers, dtype=float), np.asarray(held_out, dtype=float)
    found = np.flatnonzero(yes)
    lowest, low = np.quantile(scores, [LOWEST, LOW])
    fits = [Calibration.fitted(scores, yes, floor) for floor in FLOORS]
    return Figures(
        promised=float(fits[0].probabilities(unread).sum()),
        unread=left,
        read=len(yes),
        found=len(found),
        low=int(yes[scores < low].sum()),
        lowest=int(yes[scores < lowest].sum()),
        barren=len(yes) - 1 - int(found[-1]) if len(found) else len(yes),
        last=int(yes[-LAST:].sum()),
        floors=np.array([fit.evidence for fit in fits]),
    )


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a score is worth: the probability of "yes", never below a floor."""

    middle: float
    spread: float
    coefficients: tuple[float, float]
    floor: float
    evidence: float  # logarithm of the likelihood of the verdicts, over all coefficients

    @classmethod
    def fitted(cls, scores: Scores, yes: Scores, floor: float) -> "Calibration":
        """Fit a logistic regression (Platt 1999) above the floor to the papers read.

        A weak prior gives it a slope where all or none were "yes".
        """
        middle, spread = float(scores.mean()), float(scores.std()) or 1.0
        features = np.stack([np.ones(len(scores)), (scores - middle) / spread], axis=1)
        prior = np.array([np.log((yes.sum() + 0.5) / (len(yes) - yes.sum() + 0.5)), 1.5])
        strength = np.array([0.05, 0.5])

        def fit_of(at: Scores) -> tuple[float, Scores, Scores]:
            """Return the logarithm of the posterior, its slope and its curvature."""
            above = 1 / (1 + np.exp(-features @ at))
            chance = np.clip(floor + (1 - floor) * above, SURELY, 1 - SURELY)
            logs = yes * np.log(chance) + (1 - yes) * np.log1p(-chance)
            value = float(logs.sum() - (strength * (at - prior) ** 2).sum() / 2)
            rise = (1 - floor) * above * (1 - above)
            slope = features.T @ ((yes - chance) / (chance * (1 - chance)) * rise)
            curve = (features.T * (rise**2 / (chance * (1 - chance)))) @ features
            return value, slope - strength * (at - prior), curve + np.diag(strength)

        fitted = prior
        value, slope, curve = fit_of(fitted)
        for _ in range(STEPS):
            step = np.clip(np.linalg.solve(curve, slope), -2, 2)
            tried = fit_of(fitted + step)
            while tried[0] < value and np.abs(step).max() > CLOSE:
                step = step / 2
                tried = fit_of(fitted + step)
            if tried[0] - value < CLOSE:
                break
            fitted = fitted + step
            value, slope, curve = tried
        spread_of_fit = float(np.linalg.slogdet(curve)[1]) / 2  # Laplace's approximation
        at = (float(fitted[0]), float(fitted[1]))
        return cls(middle, spread, at, floor, value - spread_of_fit)

    def probabilities(self, scores: Scores) -> Scores:
        """Return the probabilities of "yes" of papers with these scores."""
        constant, slope = self.coefficients
        above = 1 / (1 + np.exp(-(constant + slope * (scores - self.middle) / self.spread)))
        return np.asarray(self.floor + (1 - self.floor) * above)


def missing_distribution(seen: Figures) -> Scores:
    """Return the probability of each number of answers, from 0 to all, among the unread papers."""
    promised, barren = np.log(seen.promised + 0.1), np.log(seen.barren + 5)
    low, lowest = np.log(seen.low + 0.2), np.log(seen.lowest + 0.2)
    found, read, last = np.log(seen.found + 1), np.log(seen.read), np.log(seen.last + 1)
    mean = _exp(np.dot(LEFT_MEAN, [1, promised, barren]), 7)
    size = _exp(np.dot(LEFT_SIZE, [1, barren, last]), 4)
    logs = EVIDENCE * seen.floors
    logs[0] += np.dot(NEVER_ERRS, [1, found, read, low, lowest])
    weights = np.exp(logs - logs.max())
    erring = FLOORS[1:] * UNREAD_SHARE * seen.unread
    parts = [_negative_binomial(mean, size, seen.unread)]
    parts += [_negative_binomial(mean + more, ERRING_SIZE, seen.unread) for more in erring]
    return np.asarray(weights @ np.stack(parts) / weights.sum())


def _exp(logarithm: float, most: float) -> float:
    return float(np.exp(np.clip(logarithm, -most, most)))


def _negative_binomial(mean: float, size: float, most: int) -> Scores:
    """Return the probabilities of 0 to `most`, which add up to 1."""
    numbers = np.arange(1, most + 1)
    steps = np.log((numbers - 1 + size) / numbers * mean / (size + mean))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())
