"""Scope."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from qa.corpus.filters import EVERYTHING, Filters
from qa.corpus.papers import Paper
from qa.corpus.words import content_word_spans
from qa.index.embedding.base import Embedder, FloatArray, Passage
from qa.index.generation import Generation
from qa.retrieval import feedback, scoring, stopping
from qa.retrieval.feedback import CorpusStatistics, JudgedPapers
from qa.retrieval.query import (
    Query,
    asks_for_number,
    content_words,
    keyword_terms,
    strip_asking,
    tells_own_work,
)
from qa.retrieval.relevance import Verdict
from qa.retrieval.stopping import ReadPaper


@dataclass(frozen=True, slots=True)
class Scope:
    """The papers that a question is put to."""

    corpus: int  # all papers that there are
    candidates: int  # those that pass the filter: all without one
    filter: str | None = None  # in words

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of papers that an answer may tell."""
        return self.corpus, self.candidates


Rounds = Sequence[Sequence[Verdict]]  # the verdicts so far, round by round

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


@dataclass(frozen=True, slots=True)
class PseudoFeedback:
    """What blind feedback rested on: the first ranking, and how near the question its best came."""

    first: Ranking
    trusted: int  # how many of its best papers were taken for true
    similarity: float  # the highest by vectors; from `scoring.ANSWERABLE` on the corpus may answer


@dataclass(frozen=True)
class Search:
    """One question on its way: as it was asked, as it has moved, and what that ranks."""

    question: str
    asked: Query
    moved: Query
    ranking: Ranking
    history: tuple[ReadPaper, ...] = ()
    last: int = 0  # how many of the history's papers were the last round
    blind: PseudoFeedback | None = None  # of a ranking by scores alone

    @cached_property
    def _score(self) -> dict[str, float]:
        return dict(zip(self.ranking.ids, self.ranking.scores, strict=True))

    def score(self, paper_id: str) -> float:
        """The paper's score in this ranking; 0 if it is no candidate."""
        return self._score.get(paper_id, 0.0)

    @cached_property
    def _standing(self) -> dict[str, float]:
        standing = stopping.relative_scores(np.asarray(self.ranking.scores))
        return dict(zip(self.ranking.ids, standing.tolist(), strict=True))

    def standing(self, paper_id: str) -> float:
        """How far above the middle candidate the paper stands, the best one being 1."""
        return self._standing.get(paper_id, 0.0)

    @property
    def embedded(self) -> str:
        """The part of the question whose vector is looked for."""
        return strip_asking(self.question)


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
        self._picked = bool(filters.ids)
        self._numbers = dict(zip(filters.ids, filters.numbers, strict=False))
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
        vector = query.vector
        scores = scoring.first_scores(vector, found.vectors, found.keyword, self._mean)
        words = self._word_scores(question, found.ids, scores)
        if words is not None:
            scores = scoring.first_scores(vector, found.vectors, found.keyword, self._mean, words)
        if not self._picked:  # the best of picked papers do not stand for what is asked
            vector = scoring.move_toward_best(
                vector, scores, found.vectors, self._mean, scoring.FIRST_STEP
            )
            scores = scoring.first_scores(vector, found.vectors, found.keyword, self._mean, words)
        return Search(question, query, query, _ranking(found.ids, scores))

    def _word_scores(
        self, question: str, ids: Sequence[str], scores: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """How near the best candidates' words come to the question's; the others get the least.

        None if single words have no vectors.
        """
        text = strip_asking(question)
        places = content_word_spans(text)
        best = scoring.best_first(scores)[: scoring.WORDED]
        bits = self._store.words([ids[place] for place in best])
        if not places or not any(map(len, bits.values())):
            return None
        vectors = self._embedder.embed_passages([Passage(text, (), places)])[0][1:]
        terms = [text[start:end].lower() for start, end in places]
        frequencies = map(self._store.document_frequency, terms)
        rarities = [scoring.rarity(having, self.scope.corpus) for having in frequencies]
        found = scoring.word_scores(vectors, rarities, [bits[ids[place]] for place in best])
        words = np.full(len(ids), found.min())
        words[best] = found
        return words

    def _query(self, question: str) -> Query:
        return Query(self._embedder.embed([strip_asking(question)])[0], keyword_terms(question))

    def alone(self, question: str) -> Search:
        """The ranking by scores alone, the best papers taken for true, with its cut."""
        query = self._query(question)
        found = self._candidates(query)
        if not found.ids:
            return Search(question, query, query, NOTHING)
        if self._picked:
            return self._among_picked(question, query, found)
        vector = query.vector
        scores = scoring.trusted_scores(vector, found.vectors, found.keyword, self._mean)
        similar = scoring.similarity(vector, found.vectors)
        blind = PseudoFeedback(
            _ranking(found.ids, scores),
            scoring.count_trusted(scores),
            float(similar.max(initial=0.0)),
        )
        moved = Query(
            scoring.move_toward_best(vector, scores, found.vectors, self._mean), query.terms
        )
        found = self._candidates(moved)
        scores = scoring.second_scores(moved.vector, found.vectors, found.keyword, self._mean)
        ranking = _ranking(found.ids, scores)
        if scoring.is_answerable(similar):
            cut, sure = scoring.count_listed(scores), scoring.count_likely(scores)
            ranking = replace(ranking, cut=cut, sure=sure)
        return Search(question, query, moved, ranking, blind=blind)

    def _among_picked(self, question: str, query: Query, found: _Candidates) -> Search:
        """The ranking of papers that were picked one by one, as those of an earlier answer are.

        They share a subject: being near to it tells nothing, and the best of them do not stand for
        what is asked. Words tell them apart.
        """
        scores = scoring.first_scores(query.vector, found.vectors, found.keyword, self._mean)
        ranking = _ranking(found.ids, scores)
        if self._words_found(query, found.ids) >= scoring.PICKED_ANSWER:
            cut, sure = scoring.count_listed(scores), scoring.count_likely(scores)
            ranking = replace(ranking, cut=cut, sure=sure)
        return Search(question, query, query, ranking)

    def _words_found(self, query: Query, ids: Sequence[str]) -> float:
        """The most of the question's words, weighted by rarity, that one paper has; 0 to 1."""
        total, found = 0.0, dict.fromkeys(ids, 0.0)
        for term in query.terms:
            weight = scoring.rarity(self._store.document_frequency(term), self.scope.corpus)
            total += weight
            for id_, _ in self._store.keyword({term: 1.0}, len(ids), only=ids):
                found[id_] += weight
        return max(found.values(), default=0.0) / (total or 1.0)

    def again(self, search: Search, rounds: Rounds) -> Search:
        """The ranking with what the last round's verdicts have taught."""
        verdicts, last = list(chain.from_iterable(rounds)), rounds[-1]
        read = tuple(ReadPaper(v.relevance, search.standing(v.paper_id)) for v in last)
        moved = feedback.rocchio(search.asked, self._lessons(verdicts), self._background)
        found = self._candidates(moved, also=(verdict.paper_id for verdict in verdicts))
        scores = feedback.rescore(moved.vector, found.vectors, found.keyword)
        return replace(
            search,
            moved=moved,
            ranking=_ranking(found.ids, scores),
            history=search.history + read,
            last=len(read),
        )

    def _lessons(self, verdicts: Sequence[Verdict]) -> JudgedPapers:
        ids = [verdict.paper_id for verdict in verdicts]
        vectors = self._store.vectors(ids)
        return JudgedPapers(
            [verdict.relevance for verdict in verdicts],
            np.stack([vectors[id_][0] for id_ in ids]),
            self._store.term_counts(ids),
        )

    def _candidates(self, query: Query, also: Iterable[str] = ()) -> _Candidates:
        """What the two indexes find for the query, and the papers in `also`."""
        only, most = self._only, scoring.CANDIDATES
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
    def _background(self) -> CorpusStatistics:
        return CorpusStatistics(self.scope.corpus, self._mean, self._store.document_frequency)

    def is_dry(self, search: Search) -> bool:
        """Whether reading on is no use any more."""
        return stopping.next_round(search.history, search.last) == 0

    def next_ids(self, search: Search, rounds: Rounds, *, exhaustive: bool) -> Sequence[str]:
        """The papers to read next, best first; empty when all candidates are read."""
        read = {verdict.paper_id for verdict in chain.from_iterable(rounds)}
        fresh: Iterable[str] = (id_ for id_ in search.ranking.ids if id_ not in read)
        size = stopping.next_round(search.history, search.last)
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

    def has_title(self, title: str) -> bool:
        """Tell whether a paper of the corpus, filtered out or not, has this title."""
        return self._store.has_title(title)

    def numbered(self, papers: Sequence[Paper]) -> Iterator[tuple[int, Paper]]:
        """The papers under the numbers that cite them: from 1 on, if they have none already."""
        return ((self._numbers.get(p.id, place), p) for place, p in enumerate(papers, start=1))

    def best_sentences(self, search: Search, paper: Paper, count: int) -> tuple[int, ...]:
        """The numbers of the sentences that best show how the paper bears on the question."""
        vectors = self._store.vectors([paper.id])[paper.id][1:]
        words = [word[: max(4, len(word) - 3)] for word in content_words(search.question)]
        texts = [sentence.text.lower() for sentence in paper.sentences]
        places = scoring.best_sentences(
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
