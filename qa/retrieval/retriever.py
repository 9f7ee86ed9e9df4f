"""The retriever: candidates from both indexes, ranked for a question, and again after verdicts."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

import numpy as np

from qa.corpus.filters import EVERYTHING, Filters
from qa.corpus.papers import Paper
from qa.corpus.words import content_word_spans
from qa.index.embedding.base import Embedder, FloatArray, Passage
from qa.index.generation import Generation
from qa.index.word_matrix import WordMatrix
from qa.progress import Work, observed
from qa.retrieval import proof, scoring, stopping
from qa.retrieval.estimate import estimate
from qa.retrieval.exact_words import (
    MOST_EXACT,
    ExactWord,
    exact_limit,
    exact_words,
    is_all_of,
    mentioned,
)
from qa.retrieval.feedback import Feedback, Pool
from qa.retrieval.query import (
    Query,
    QuestionForm,
    content_words,
    form_of,
    has_content,
    keyword_terms,
    strip_asking,
)
from qa.retrieval.relevance import ReadPaper, Relevance, Rounds, Verdict
from qa.retrieval.scoring import Scores
from qa.retrieval.search import PseudoFeedback, Ranking, Scope, Search

EXHAUSTIVE_ROUND = 40  # papers a round, where every paper will be read anyway
POOL = 5000  # papers that feedback ranks: of a larger corpus the best by each of the two searches
TEACHING = 10  # verdicts of a reader that teach something although none is an example


@dataclass(frozen=True, slots=True)
class _Candidates:
    """What the two indexes found for a query, with all that scoring needs."""

    ids: list[str]
    vectors: list[FloatArray]  # (1 + sentences, dimension) each
    keyword: list[float]  # BM25 scores

    def scores(self, vector: FloatArray, mean: FloatArray, share: float) -> Scores:
        """Return the fused scores (n,); see `scoring.fused_scores`."""
        return scoring.fused_scores(vector, self.vectors, self.keyword, mean, share)


@dataclass(frozen=True, slots=True)
class _WordCosines:
    """How near the best candidates' words come to the question's."""

    places: tuple[tuple[int, int], ...]  # of the question's words in its embedded part
    nearest: tuple[float, ...]  # the cosine of each of them with the nearest word of any candidate
    means: Scores  # (n,): each candidate's mean over the question's words, rare ones weighing more


@dataclass(frozen=True, slots=True)
class _Exact:
    """The question's exact words, each with the papers that have it."""

    having: Mapping[ExactWord, Mapping[str, float]]  # 1 where it is written as it was asked
    rarities: Mapping[ExactWord, float]
    decides: bool  # whether the question hangs on them alone

    @property
    def papers(self) -> list[str]:
        """Return the ids of the papers that have any of them."""
        return list(dict.fromkeys(chain.from_iterable(self.having.values())))

    def adds(self, ids: Sequence[str]) -> Scores:
        """Return what each paper's share of the words that some paper has adds to its score."""
        total = sum(self.rarities[word] for word, having in self.having.items() if having)
        shares = np.zeros(len(ids))
        for word, having in self.having.items():
            shares += [self.rarities[word] * having.get(id_, 0.0) for id_ in ids]
        weight = scoring.EXACT if self.decides else scoring.EXACT_BESIDE
        return weight * shares / (total or 1.0)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What a first ranking rests on."""

    found: _Candidates
    exact: _Exact
    scores: Scores = field(default_factory=lambda: np.zeros(0))
    words: _WordCosines | None = None


class Retriever:
    """Ranks one store's papers, or those that pass filters, for questions.

    A ranking depends only on question, store, filters and, for `rerank`, the verdicts. Which words
    and vectors are common is taken from the whole corpus: the filtered papers may be too few.
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
        self._learning: dict[str, Feedback] = {}  # by question: the last one's

    def rank(self, question: str) -> Search:
        """Rank the papers for the question as it was asked, for a judge or reader."""
        return self._rank(question)[0]

    def _rank(self, question: str) -> tuple[Search, _Evidence]:
        """Return the ranking for the question as it was asked, and what it rests on."""
        query = self._query(question)
        exact = self._exact(question)
        found = self._candidates(query, also=exact.papers)
        evidence = _Evidence(found, exact)
        if not found.ids:
            return Search(question, query, query, Ranking()), evidence
        vector = query.vector
        scores = found.scores(vector, self._mean, scoring.KEYWORDS)
        words = self._word_cosines(question, found.ids, scores)
        keywords, extra = scoring.KEYWORDS, exact.adds(found.ids)
        if words is not None:
            keywords = scoring.KEYWORDS_BESIDE_WORDS
            extra = extra + scoring.WORDS * (words.means - words.means.mean())
            scores = found.scores(vector, self._mean, keywords) + extra
        if not self._picked:  # the best of picked papers do not stand for what is asked
            count = scoring.count_assumed_relevant(scores)
            step = scoring.FIRST_STEP
            vector = scoring.move_toward_best(
                vector, scores, found.vectors, self._mean, step, count
            )
            scores = found.scores(vector, self._mean, keywords) + extra
        ranking = _ranking(found.ids, scores)
        search = Search(question, query, query, ranking, first=ranking)
        return search, replace(evidence, scores=scores, words=words)

    def rank_unjudged(self, question: str) -> Search:
        """Rank the papers for an answer without a judge, with the number to list.

        Where many papers answer, the question's vector is moved toward the best ones first, by
        pseudo-relevance feedback. Where one does, that would lose it.
        """
        if self._only is not None and not self._picked and not has_content(question):
            return self._all_that_pass(question)
        search, evidence = self._rank(question)
        if not evidence.found.ids:
            return search
        if self._picked:
            return self._rank_picked(question, search.asked, evidence.found)
        similar = float(
            scoring.similarity(search.asked.vector, evidence.found.vectors).max(initial=0.0)
        )
        missing = self._missing(question, evidence)
        search = replace(search, similarity=similar, missing=missing)
        if evidence.exact.decides:
            return replace(search, ranking=search.ranking.led_by(evidence.exact.papers))
        answerable = scoring.is_answerable(similar, missing=bool(missing))
        form = form_of(question)
        if form == QuestionForm.SET:
            search = self._rank_set(search, evidence)
        if answerable:
            listed, likely = _lengths(form, np.asarray(search.ranking.scores))
            search = replace(search, ranking=replace(search.ranking, listed=listed, likely=likely))
        return search

    def _all_that_pass(self, question: str) -> Search:
        """List every paper that passes the filters, for a question that asks for nothing else."""
        ids, query = tuple(self.ids()), self._query(question)
        ranking = Ranking(ids, (1.0,) * len(ids), listed=len(ids), likely=len(ids))
        return Search(question, query, query, ranking)

    def _has_part_of(self, word: ExactWord) -> bool:
        """Tell whether a part of a name is known: CD4 of CD4-positive, but not SWE of SWE-bench."""
        parts = [part for part in re.split(r"[\W_]+", word.text) if part]
        certain = [part for part in parts if part != part.lower()] or parts
        return len(parts) > 1 and any(map(self._store.document_frequency, certain))

    def _rank_set(self, search: Search, evidence: _Evidence) -> Search:
        """Rank for a question that many papers answer, by pseudo-relevance feedback."""
        found, scores, asked = evidence.found, evidence.scores, search.asked
        vector, share = asked.vector, scoring.KEYWORDS_MOVED
        for _ in range(scoring.SET_ROUNDS):
            vector = scoring.move_toward_best(
                asked.vector,
                scores,
                found.vectors,
                self._mean,
                scoring.SET_STEP,
                scoring.SET_ASSUMED,
            )
            scores = found.scores(vector, self._mean, share)
        pseudo = PseudoFeedback(search.ranking, min(scoring.SET_ASSUMED, len(found.ids)))
        moved = Query(vector, asked.terms)
        found = self._candidates(moved, also=evidence.exact.papers)
        scores = found.scores(vector, self._mean, share)
        scores = scores + evidence.exact.adds(found.ids)
        return replace(search, moved=moved, ranking=_ranking(found.ids, scores), pseudo=pseudo)

    def _exact(self, question: str) -> _Exact:
        """Return the papers that have the question's names, identifiers and quoted phrases."""
        content = content_words(question)
        words = exact_words(question)
        term = mentioned(strip_asking(question)) or mentioned(question)
        decides = is_all_of(words, content)
        if term is not None and not words:
            words, decides = (term,), True
        elif len(content) == 1 and not words:  # a word alone, such as "softplus", if it is rare
            rare = 0 < self._store.document_frequency(content[0]) <= exact_limit(self.scope.corpus)
            words, decides = ((ExactWord(content[0]),), True) if rare else ((), False)
        having = {word: self._papers_with(word) for word in words}
        if not decides:
            limit = exact_limit(self.scope.corpus)
            having = {word: ids for word, ids in having.items() if len(ids) <= limit}
        rarities = {
            word: scoring.rarity(len(ids), self.scope.corpus) for word, ids in having.items()
        }
        return _Exact(having, rarities, decides=decides and any(having.values()))

    def _papers_with(self, word: ExactWord) -> dict[str, float]:
        """Return the papers that pass and have a name or phrase; see `ExactWord.choose`."""
        ids = self._store.with_phrase(word.phrases, MOST_EXACT)
        papers = self._store.papers(ids)
        chosen = word.choose((paper.id, f"{paper.title}\n{paper.abstract}") for paper in papers)
        allowed = None if self._only is None else set(self._only.ids)
        return {id_: n for id_, n in chosen.items() if allowed is None or id_ in allowed}

    def _missing(self, question: str, evidence: _Evidence) -> tuple[str, ...]:
        """Return the telling words of the question that no paper has, as they were asked."""
        having = evidence.exact.having.items()
        missing = [
            word.text
            for word, ids in having
            if not ids and word.is_certain and not self._has_part_of(word)
        ]
        if evidence.words is not None:
            text = strip_asking(question)
            for (start, end), near in zip(
                evidence.words.places, evidence.words.nearest, strict=True
            ):
                word = text[start:end]
                is_foreign = near < scoring.FOREIGN and word.isalpha() and len(word) > 2
                known = any(word.lower() in other.lower() for other in missing)
                if is_foreign and not known and not self._store.document_frequency(word.lower()):
                    missing.append(word)
        return tuple(missing)

    def _rank_picked(self, question: str, query: Query, found: _Candidates) -> Search:
        """Rank papers that were picked one by one, as those of an earlier answer are.

        They share a subject: being near to it tells nothing, and the best of them do not stand for
        what is asked. Words tell them apart.
        """
        scores = found.scores(query.vector, self._mean, scoring.KEYWORDS)
        answerable = self._share_of_words(query, found.ids) >= scoring.PICKED_ANSWER
        return Search(question, query, query, _ranking(found.ids, scores, cut=answerable))

    def _share_of_words(self, query: Query, ids: Sequence[str]) -> float:
        """Return the largest share of the question's words that a paper has, weighted by rarity."""
        total, found = 0.0, dict.fromkeys(ids, 0.0)
        for term in query.terms:
            weight = self._rarity(term)
            total += weight
            for id_, _ in self._store.keyword({term: 1.0}, len(ids), only=ids):
                found[id_] += weight
        return max(found.values(), default=0.0) / (total or 1.0)

    def rerank(self, search: Search, rounds: Rounds) -> Search:
        """Rank again with what the verdicts have taught; the last round's are new."""
        verdicts, last = list(chain.from_iterable(rounds)), rounds[-1]
        read = tuple(ReadPaper(v.relevance, search.relative_score(v.paper_id)) for v in last)
        feedback = self._feedback(search)
        learned = feedback.learn(verdicts)
        gone = {verdict.paper_id for verdict in verdicts}
        unread = [row for row, id_ in enumerate(feedback.pool.ids) if id_ not in gone]
        scored = [v for v in verdicts if v.paper_id in learned.held_out]
        judged = [v for v in verdicts if v.relevance]
        seen = replace(
            search,
            moved=learned.moved,
            ranking=_ranking(feedback.pool.ids, learned.scores),
            history=search.history + read,
            last=len(read),
        )
        if not scored:
            return seen
        return replace(
            seen,
            estimate=estimate(
                [v.relevance == Relevance.YES for v in scored],
                [learned.held_out[v.paper_id] for v in scored],
                learned.scores[unread],
                candidates=self.scope.candidates - len(judged) + len(scored),
            ),
        )

    def rerank_for_reader(self, search: Search, verdicts: Sequence[Verdict]) -> Search:
        """Rank again by what a reader, who judges one by one, has judged so far.

        A few papers that do not answer tell too little: the ranking then stays as it is. How many
        papers to list where nobody judges stays in any case.
        """
        if not verdicts:
            return search
        asked = search if search.first.ids else self.rank(search.question)
        moved, ranking = self.rerank(asked, (verdicts,)), search.ranking
        examples = any(verdict.qualifies for verdict in verdicts)
        if examples or len(verdicts) >= TEACHING:
            ranking = replace(moved.ranking, listed=ranking.listed, likely=ranking.likely)
        return replace(moved, ranking=ranking, pseudo=search.pseudo)

    def _feedback(self, search: Search) -> Feedback:
        """Return what learns for this question; it keeps what one round leaves for the next."""
        if search.question not in self._learning:
            self._learning = {search.question: Feedback(self._pool(search))}
        return self._learning[search.question]

    def _pool(self, search: Search) -> Pool:
        ids: Sequence[str] = self.ids()
        if len(ids) > POOL:
            near = self._store.nearest(search.asked.vector, POOL, only=self._only)
            worded = self._store.keyword(search.asked.terms, POOL, only=self._only)
            ids = list(dict.fromkeys([*search.first.ids, *(id_ for id_, _ in near + worded)]))
        words = WordMatrix(self._store.texts(ids))
        vectors = self._store.abstract_vectors(ids) - self._mean
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        least = min(search.first.scores, default=0.0)
        known = dict(zip(search.first.ids, search.first.scores, strict=True))
        return Pool(
            ids,
            words,
            vectors / np.maximum(lengths, 1e-9),
            np.array([known.get(id_, least) for id_ in ids]),
            words.text_row(search.embedded),
            scoring.unit(search.asked.vector - self._mean).astype(np.float32),
        )

    def _query(self, question: str) -> Query:
        with observed(Work("embed", self.embedding)) as work:
            work.result = vectors = self._embedder.embed([strip_asking(question)])
        return Query(vectors[0], keyword_terms(question))

    def _candidates(self, query: Query, also: Iterable[str] = ()) -> _Candidates:
        """Return what the two indexes find for the query, and the papers in `also`."""
        only, most = self._only, scoring.CANDIDATES
        near = [id_ for id_, _ in self._store.nearest(query.vector, most, only=only)]
        worded = [id_ for id_, _ in self._store.keyword(query.terms, most, only=only)]
        ids = list(dict.fromkeys([*near, *worded, *also]))
        vectors = self._store.vectors(ids)
        scores = dict(self._store.keyword(query.terms, len(ids), only=ids))
        return _Candidates(
            ids, [vectors[id_] for id_ in ids], [scores.get(id_, 0.0) for id_ in ids]
        )

    def _word_cosines(
        self, question: str, ids: Sequence[str], scores: Scores
    ) -> _WordCosines | None:
        """Return how near the best candidates' words come to the question's.

        The candidates beyond the best get the lowest mean. None if the embedding model does not
        see words within their text.
        """
        text = strip_asking(question)
        places = content_word_spans(text)
        best = scoring.best_first(scores)[: scoring.WORDED]
        bits = self._store.words([ids[place] for place in best])
        if not places or not any(map(len, bits.values())):
            return None
        vectors = self._embedder.embed_passages([Passage(text, (), places)])[0][1:]
        rarities = [self._rarity(text[start:end].lower()) for start, end in places]
        cosines = scoring.word_cosines(vectors, [bits[ids[place]] for place in best])
        found = scoring.weighted_mean(cosines, rarities)
        means = np.full(len(ids), found.min())
        means[best] = found
        return _WordCosines(places, tuple(cosines.max(axis=0).tolist()), means)

    def _rarity(self, term: str) -> float:
        return scoring.rarity(self._store.document_frequency(term), self.scope.corpus)

    @cached_property
    def _mean(self) -> FloatArray:
        """Return the mean vector of the corpus's papers, (dimension,)."""
        return self._store.mean_vector()

    def next_to_read(
        self,
        search: Search,
        rounds: Rounds,
        *,
        exhaustive: bool = False,
        recall: float | None = None,
    ) -> Sequence[str]:
        """Return the ids of the papers to read next, best first.

        Empty when all candidates are read, or when the stopping rule says so: with `recall`, when
        that share is reached by the estimate. With `exhaustive` every paper is a candidate.
        """
        read = {verdict.paper_id for verdict in chain.from_iterable(rounds)}
        ids: Iterable[str] = search.ranking.ids
        size = stopping.next_round(search.history, search.last)
        if recall is not None:
            reached = search.estimate is not None and search.estimate.recall >= recall
            size = 0 if reached else stopping.round_size(search.history, search.last)
        if exhaustive or recall is not None:
            ids = dict.fromkeys([*ids, *self.ids()])
        if exhaustive:
            size = EXHAUSTIVE_ROUND
        return [id_ for id_ in ids if id_ not in read][:size]

    def ids(self) -> Sequence[str]:
        """Return the ids of all papers that pass the filters, in a fixed order."""
        return self._store.ids() if self._only is None else self._only.ids

    def papers(self, ids: Sequence[str]) -> list[Paper]:
        """Return the papers of these ids, in their order."""
        return self._store.papers(ids)

    def has_title(self, title: str) -> bool:
        """Tell whether a paper of the corpus, filtered out or not, has this title."""
        return self._store.has_title(title)

    def numbered(self, papers: Sequence[Paper]) -> Iterator[tuple[int, Paper]]:
        """Yield the papers with the numbers that cite them: from 1 on, unless they have some."""
        return ((self._numbers.get(p.id, place), p) for place, p in enumerate(papers, start=1))

    def best_sentences(self, search: Search, paper: Paper, count: int) -> tuple[int, ...]:
        """Return the numbers of the sentences that best prove the paper's relevance, best first."""
        vectors = self._store.vectors([paper.id])[paper.id][1:]
        texts = [sentence.text for sentence in paper.sentences]
        cosines = (vectors @ search.asked.vector).tolist()
        places = proof.best_sentences(search.question, texts, cosines, count)
        return tuple(place + 1 for place in places)


def _ranking(ids: Sequence[str], scores: Scores, *, cut: bool = False) -> Ranking:
    """Return the candidates in order, equal ones by id: a question always gets the same list.

    With `cut` it says how many to list where nobody judges.
    """
    top = max(float(scores.max(initial=0.0)), 1e-9)
    order = sorted(range(len(ids)), key=lambda i: (-scores[i], ids[i]))
    listed, likely = _lengths(QuestionForm.SET, scores) if cut else (0, 0)
    return Ranking(
        tuple(ids[i] for i in order), tuple(float(scores[i]) / top for i in order), listed, likely
    )


def _lengths(form: QuestionForm, scores: Scores) -> tuple[int, int]:
    """Return how many papers to list where nobody judges, and how many of them are likely."""
    if form == QuestionForm.SET:
        return scoring.count_listed(scores), scoring.count_likely(scores)
    most = scoring.FEW if form == QuestionForm.FACT else scoring.SOME
    return (
        scoring.share_of_best(scores, scoring.CLOSE, most),
        scoring.share_of_best(scores, scoring.LIKELY_CLOSE, most),
    )
