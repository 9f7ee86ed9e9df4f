"""Retrieval: a question put to the store, ranked, and ranked again with what reading has taught."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from qa import feedback
from qa.embedding import Embedder, FloatArray
from qa.feedback import Judged, Query, Read
from qa.papers import Paper
from qa.reading import Reading
from qa.store import Generation
from qa.terms import keywords, subject

CANDIDATES = 300  # papers from each of the two indexes; only their union is scored in full
EXHAUSTIVE_ROUND = 40  # papers, where every paper will be read anyway


@dataclass(frozen=True)
class Ranking:
    """Candidates, best first, with scores from 0 to 1."""

    ids: tuple[str, ...]
    scores: tuple[float, ...]
    cut: int = 0  # how many of them to show where no judge reads them; 0: nothing answers
    sure: int = 0  # how many of those are more likely right than wrong


@dataclass(frozen=True)
class Search:
    """One question on its way: as it was asked, as it has moved, and what that ranks."""

    question: str
    asked: Query
    moved: Query
    ranking: Ranking
    history: tuple[Read, ...] = ()
    last: int = 0  # how many of the history's papers were the last round

    @cached_property
    def _score(self) -> dict[str, float]:
        return dict(zip(self.ranking.ids, self.ranking.scores, strict=True))

    def score(self, paper_id: str) -> float:
        """The paper's score in this ranking; 0 if it is no candidate."""
        return self._score.get(paper_id, 0.0)

    def relative(self, paper_id: str) -> float:
        """The paper's score as a share of the best one's."""
        best = max(self.ranking.scores, default=0.0)
        return self.score(paper_id) / best if best > 0 else 0.0

    def describe(self) -> str:
        """What is being looked for now, in words."""
        terms = sorted(self.moved.terms.items(), key=lambda item: -item[1])[:8]
        return "looking for " + ", ".join(term for term, weight in terms if weight > 0)


class Retriever:
    """Ranks one store's papers for questions; what it returns depends on nothing else."""

    def __init__(self, generation: Generation, embedder: Embedder) -> None:
        self._store = generation
        self._embedder = embedder
        self.corpus_size = generation.paper_count
        self.embedding = embedder.name

    def first(self, question: str) -> Search:
        """The ranking for the question as it was asked."""
        vector = self._embedder.embed([subject(question)])[0]
        query = Query(vector, keywords(question))
        return Search(question, query, query, self._rank(query))

    def again(self, search: Search, reading: Reading) -> Search:
        """The ranking with what the last round's verdicts have taught."""
        last = reading.rounds[-1]
        read = tuple(Read(v.relevance, search.relative(v.paper_id)) for v in last)
        moved = feedback.learn(search.asked, self._judged(reading), self._mean)
        return replace(
            search,
            moved=moved,
            ranking=self._rank(moved),
            history=search.history + read,
            last=len(read),
        )

    def _judged(self, reading: Reading) -> Judged:
        verdicts = list(reading)
        ids = [verdict.paper_id for verdict in verdicts]
        vectors = self._store.vectors(ids)
        counts = self._store.term_counts(ids)
        return Judged(
            [verdict.relevance for verdict in verdicts],
            np.stack([vectors[id_][0] for id_ in ids]),
            [
                feedback.term_weights(count, self._store.document_frequency, self.corpus_size)
                for count in counts
            ],
        )

    def _rank(self, query: Query) -> Ranking:
        near = [id_ for id_, _ in self._store.nearest(query.vector, CANDIDATES)]
        found = dict(self._store.keyword(query.terms, CANDIDATES))
        ids = list(dict.fromkeys([*near, *found]))
        vectors = self._store.vectors(ids)
        scores = feedback.rescore(
            query.vector, [vectors[id_] for id_ in ids], [found.get(id_, 0.0) for id_ in ids]
        )
        order = sorted(range(len(ids)), key=lambda i: (-scores[i], ids[i]))
        return Ranking(tuple(ids[i] for i in order), tuple(float(scores[i]) for i in order), 15, 8)

    @cached_property
    def _mean(self) -> FloatArray:
        """The mean vector of the corpus's papers, (dimension,)."""
        return self._store.mean_vector()

    def is_dry(self, search: Search) -> bool:
        """Whether reading on is no use any more."""
        return feedback.next_round(search.history, search.last) == 0

    def next_ids(self, search: Search, reading: Reading, *, exhaustive: bool) -> Sequence[str]:
        """The papers to read next, best first; empty when all candidates are read."""
        read = {verdict.paper_id for verdict in reading}
        fresh: Iterable[str] = (id_ for id_ in search.ranking.ids if id_ not in read)
        size = feedback.next_round(search.history, search.last)
        if exhaustive:
            ids = dict.fromkeys([*fresh, *self._store.ids()])
            fresh = (id_ for id_ in ids if id_ not in read)
            size = EXHAUSTIVE_ROUND
        return [id_ for id_, _ in zip(fresh, range(size), strict=False)]

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        """The papers under these ids, in their order."""
        return self._store.papers(ids)

    def best_sentences(self, search: Search, paper: Paper, count: int) -> tuple[int, ...]:
        """The numbers of the paper's sentences that are nearest to the question, best first."""
        vectors = self._store.vectors([paper.id])[paper.id][1:]
        order = np.argsort(-(vectors @ search.asked.vector), kind="stable")[:count]
        return tuple(int(row) + 1 for row in order)
