"""A search: one question with its ranking, and the papers that it is put to."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from qa.retrieval import scoring, stopping
from qa.retrieval.estimate import Estimate
from qa.retrieval.query import Query, strip_asking
from qa.retrieval.relevance import Likelihood, ReadPaper


@dataclass(frozen=True, slots=True)
class Scope:
    """The papers that a question is put to."""

    corpus: int  # all papers that there are
    candidates: int  # those that pass the filters: all without filters
    filter: str | None = None  # the filters in words

    @property
    def counts(self) -> tuple[int, int]:
        """Return the numbers of papers that a true answer may state."""
        return self.corpus, self.candidates


@dataclass(frozen=True)
class Ranking:
    """Candidates, best first, with their scores as shares of the best score."""

    ids: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    listed: int = 0  # how many to list where nobody judges; 0: none stands out
    likely: int = 0  # how many of those are likely answers, the others possible ones

    def likelihood(self, paper_id: str) -> Likelihood | None:
        """Return how likely a listed paper answers; None for the others."""
        place = self._places.get(paper_id, self.listed)
        if place >= self.listed:
            return None
        return Likelihood.LIKELY if place < self.likely else Likelihood.POSSIBLE

    def led_by(self, ids: Collection[str]) -> "Ranking":
        """Return the ranking with these candidates first, and listed as likely answers."""
        among = frozenset(ids)
        scored = zip(self.ids, self.scores, strict=True)
        ordered = sorted(scored, key=lambda pair: pair[0] not in among)
        names, scores = zip(*ordered, strict=True)
        return Ranking(names, scores, listed=len(among), likely=len(among))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {id_: place for place, id_ in enumerate(self.ids)}


@dataclass(frozen=True, slots=True)
class PseudoFeedback:
    """What pseudo-relevance feedback rested on."""

    first: Ranking  # before the question moved
    assumed_relevant: int  # how many of its best papers were taken as relevant


@dataclass(frozen=True)
class Search:
    """One question on its way: as it was asked, as it has moved, and the ranking for that."""

    question: str
    asked: Query
    moved: Query
    ranking: Ranking
    first: Ranking = field(default_factory=Ranking)  # for the question as it was asked
    estimate: Estimate | None = None  # of what the judge calls "yes"; None: nothing was judged
    history: tuple[ReadPaper, ...] = ()  # the papers read, in order
    last: int = 0  # how many of them were the last round
    pseudo: PseudoFeedback | None = None  # only where nobody judges
    similarity: float | None = None  # the highest by vectors; only where nobody judges
    missing: tuple[str, ...] = ()  # telling words that no paper has; only where nobody judges

    @cached_property
    def _scores(self) -> dict[str, float]:
        return dict(zip(self.ranking.ids, self.ranking.scores, strict=True))

    def score(self, paper_id: str) -> float:
        """Return the paper's score in this ranking; 0 if it is no candidate."""
        return self._scores.get(paper_id, 0.0)

    @cached_property
    def _first_scores(self) -> dict[str, float]:
        return dict(zip(self.first.ids, self.first.scores, strict=True))

    def asked_score(self, paper_id: str) -> float:
        """Return the paper's score for the question as it was asked; 0 if it was no candidate."""
        return self._first_scores.get(paper_id, 0.0)

    @cached_property
    def _relative_scores(self) -> dict[str, float]:
        # The papers that no search finds would push the median down.
        scores = np.asarray(self.ranking.scores)[: 2 * scoring.CANDIDATES]
        relative = stopping.relative_scores(scores)
        return dict(zip(self.ranking.ids, relative.tolist(), strict=False))

    def relative_score(self, paper_id: str) -> float:
        """Return the paper's score on a scale from the median candidate (0) to the best (1)."""
        return self._relative_scores.get(paper_id, 0.0)

    @property
    def embedded(self) -> str:
        """Return the part of the question that is embedded."""
        return strip_asking(self.question)
