"""Retrieval: a question put to the store, ranked, and ranked again with what reading has taught."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qa import feedback, rank
from qa.embedding import Embedder, FloatArray
from qa.feedback import Background, Lessons, Query, Read
from qa.filters import EVERYTHING, Filters
from qa.papers import Paper
from qa.reading import Reading
from qa.results import Scope
from qa.store import Generation
from qa.terms import asks_for_number, content_words, keywords, tells_own_work, topic

EXHAUSTIVE_ROUND = 40  # papers, where every paper will be read anyway
_FIGURE = re.compile(r"\d")


@dataclass(frozen=True)
class Ranking:
    """Candidates, best first, with scores of which the best is 1."""

    ids: tuple[str, ...]
    scores: tuple[float, ...]
    cut: int = 0  # how many of them to show where no judge reads them; 0: nothing answers
    sure: int = 0  # how many of those are as good as certain


NOTHING = Ranking((), ())


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

    @cached_property
    def _standing(self) -> dict[str, float]:
        standing = feedback.standing(np.asarray(self.ranking.scores))
        return dict(zip(self.ranking.ids, standing.tolist(), strict=True))

    def standing(self, paper_id: str) -> float:
        """How far above the middle candidate the paper stands, the best one being 1."""
        return self._standing.get(paper_id, 0.0)

    def describe(self) -> str:
        """What is being looked for now, in words."""
        terms = sorted(self.moved.terms.items(), key=lambda item: -item[1])[:8]
        return "looking for " + ", ".join(term for term, weight in terms if weight > 0)


@dataclass(frozen=True, slots=True)
class _Candidates:
    """What the two indexes found for a query, with all that scoring needs."""

    ids: list[str]
    vectors: list[FloatArray]  # (1 + sentences, dimension) each
    keyword: list[float]


class Retriever:
    """Ranks one store's papers, or those that pass a filter, for questions.

    What it returns depends on nothing else. What words and vectors are common, it takes from the
    whole corpus: the filtered papers may be too few to tell.
    """

    def __init__(
        self, generation: Generation, embedder: Embedder, filters: Filters = EVERYTHING
    ) -> None:
        self._store = generation
        self._embedder = embedder
        self._only = generation.select(filters) if filters else None
        count = generation.paper_count
        self.scope = Scope(count, count)
        if self._only is not None:
            self.scope = Scope(count, len(self._only), filters.describe())
        self.embedding = embedder.name

    def first(self, question: str) -> Search:
        """The ranking for the question as it was asked, for a judge to read on from."""
        query = self._query(question)
        found = self._candidates(query)
        if not found.ids:
            return Search(question, query, query, NOTHING)
        scores = rank.first_scores(query.vector, found.vectors, found.keyword, self._mean)
        return Search(question, query, query, _ranking(found.ids, scores))

    def _query(self, question: str) -> Query:
        return Query(self._embedder.embed([topic(question)])[0], keywords(question))

    def alone(self, question: str) -> Search:
        """The ranking by scores alone, the best papers taken for true, with its cut."""
        query = self._query(question)
        found = self._candidates(query)
        if not found.ids:
            return Search(question, query, query, NOTHING)
        vector = query.vector
        scores = rank.trusted_scores(vector, found.vectors, found.keyword, self._mean)
        answerable = rank.is_answerable(rank.similarity(vector, found.vectors))
        moved = Query(rank.moved(vector, scores, found.vectors, self._mean), query.terms)
        found = self._candidates(moved)
        scores = rank.second_scores(moved.vector, found.vectors, found.keyword, self._mean)
        ranking = _ranking(found.ids, scores)
        if answerable:
            cut, sure = rank.count_listed(scores), rank.count_sure(scores)
            ranking = replace(ranking, cut=cut, sure=sure)
        return Search(question, query, moved, ranking)

    def again(self, search: Search, reading: Reading) -> Search:
        """The ranking with what the last round's verdicts have taught."""
        last = reading.rounds[-1]
        read = tuple(Read(v.relevance, search.standing(v.paper_id)) for v in last)
        moved = feedback.learn(search.asked, self._lessons(reading), self._background)
        found = self._candidates(moved, also=(verdict.paper_id for verdict in reading))
        scores = feedback.rescore(moved.vector, found.vectors, found.keyword)
        return replace(
            search,
            moved=moved,
            ranking=_ranking(found.ids, scores),
            history=search.history + read,
            last=len(read),
        )

    def _lessons(self, reading: Reading) -> Lessons:
        verdicts = list(reading)
        ids = [verdict.paper_id for verdict in verdicts]
        vectors = self._store.vectors(ids)
        return Lessons(
            [verdict.relevance for verdict in verdicts],
            np.stack([vectors[id_][0] for id_ in ids]),
            self._store.term_counts(ids),
        )

    def _candidates(self, query: Query, also: Iterable[str] = ()) -> _Candidates:
        """What the two indexes find for the query, and the papers in `also`."""
        only, most = self._only, rank.CANDIDATES
        near = [id_ for id_, _ in self._store.nearest(query.vector, most, only=only)]
        worded = [id_ for id_, _ in self._store.keyword(query.terms, most, only=only)]
        ids = list(dict.fromkeys([*near, *worded, *also]))
        vectors = self._store.vectors(ids)
        scores = dict(self._store.keyword(query.terms, len(ids), only=ids))
        return _Candidates(
            ids, [vectors[id_] for id_ in ids], [scores.get(id_, 0.0) for id_ in ids]
        )

    @cached_property
    def _mean(self) -> FloatArray:
        """The mean vector of the corpus's papers, (dimension,)."""
        return self._store.mean_vector()

    @cached_property
    def _background(self) -> Background:
        return Background(self.scope.corpus, self._mean, self._store.document_frequency)

    def is_dry(self, search: Search) -> bool:
        """Whether reading on is no use any more."""
        return feedback.next_round(search.history, search.last) == 0

    def next_ids(self, search: Search, reading: Reading, *, exhaustive: bool) -> Sequence[str]:
        """The papers to read next, best first; empty when all candidates are read."""
        read = {verdict.paper_id for verdict in reading}
        fresh: Iterable[str] = (id_ for id_ in search.ranking.ids if id_ not in read)
        size = feedback.next_round(search.history, search.last)
        if exhaustive:
            ids = dict.fromkeys([*fresh, *self.ids()])
            fresh = (id_ for id_ in ids if id_ not in read)
            size = EXHAUSTIVE_ROUND
        return [id_ for id_, _ in zip(fresh, range(size), strict=False)]

    def ids(self) -> Sequence[str]:
        """The ids of all papers that pass the filter, in a fixed order."""
        return self._store.ids() if self._only is None else self._only.ids

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        """The papers under these ids, in their order."""
        return self._store.papers(ids)

    def best_sentences(self, search: Search, paper: Paper, count: int) -> tuple[int, ...]:
        """The numbers of the sentences that best show how the paper bears on the question."""
        vectors = self._store.vectors([paper.id])[paper.id][1:]
        words = [word[: max(4, len(word) - 3)] for word in content_words(search.question)]
        texts = [sentence.text.lower() for sentence in paper.sentences]
        places = rank.best_sentences(
            (vectors @ search.asked.vector).tolist(),
            [sum(word in text for word in words) / max(1, len(words)) for text in texts],
            [bool(_FIGURE.search(text)) for text in texts],
            [tells_own_work(text) for text in texts],
            figure_asked=asks_for_number(search.question),
            count=count,
        )
        return tuple(place + 1 for place in places)


def _ranking(ids: Sequence[str], scores: NDArray[np.float64]) -> Ranking:
    """The candidates in order, equal ones by id, so that a question always gets the same list."""
    top = max(float(scores.max(initial=0.0)), 1e-9)
    order = sorted(range(len(ids)), key=lambda i: (-scores[i], ids[i]))
    return Ranking(tuple(ids[i] for i in order), tuple(float(scores[i]) / top for i in order))
