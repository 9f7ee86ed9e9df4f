"""The papers of a question as a reader judges them: ranked by all verdicts there are, at once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from qa.answering.assemble import evidence, listed_papers
from qa.answering.results import Answer, Evidence
from qa.answering.wording import counted, missing_text
from qa.answering.writer import NumberedPaper
from qa.corpus.papers import Paper
from qa.library.library import Library
from qa.retrieval.estimate import Estimate
from qa.retrieval.relevance import Likelihood, Relevance, Verdict
from qa.retrieval.retriever import Retriever
from qa.retrieval.search import Search
from qa.web.history import Entry

MOST_KEPT = 32  # rankings
UPCOMING = 20  # unread papers shown, the best first
SENTENCES = 2  # of an unread paper, as its proof


@dataclass(frozen=True, slots=True)
class Item:
    """A paper in one of the lists."""

    n: int | None  # what [n] means in the written answer
    paper: Paper
    score: float  # in today's ranking, the best has 1
    relevance: Relevance | None  # the reader's verdict, else the model's
    by_reader: bool
    likelihood: Likelihood | None  # by score, where nobody judged
    evidence: tuple[Evidence, ...]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The places of the evidence in the abstract."""
        return [(item.start, item.end) for item in self.evidence]


@dataclass(frozen=True, slots=True)
class Screening:
    """The papers of a question, in three lists."""

    found: tuple[Item, ...]  # that answer, fully before partly
    upcoming: tuple[Item, ...]  # the best that nobody has judged
    refused: tuple[Item, ...]  # that do not answer, the last judged first
    judged_by_reader: int
    unread: int
    estimate: Estimate | None  # of the papers that answer; None: too little is known

    def sorted(self, by: str) -> "Screening":
        """Return the same with each list sorted by title, year or score; by another: as it is."""
        keys: dict[str, Callable[[Item], Any]] = {
            "title": lambda item: item.paper.title.casefold(),
            "year": lambda item: -(item.paper.year or 0),
            "score": lambda item: -item.score,
        }
        if by not in keys:
            return self

        def ordered(items: tuple[Item, ...]) -> tuple[Item, ...]:
            return tuple(sorted(items, key=keys[by]))

        return replace(
            self,
            found=ordered(self.found),
            upcoming=ordered(self.upcoming),
            refused=ordered(self.refused),
        )

    @property
    def summary(self) -> str:
        """How many papers the reader has judged, and what came of it, in words."""
        judged = counted(self.judged_by_reader, "paper", "papers")
        found = sum(item.by_reader for item in self.found)
        said = f"You have judged {judged}: {found} answer." if self.judged_by_reader else ""
        fully = sum(item.relevance == Relevance.YES for item in self.found)
        left = missing_text(self.estimate, found=fully, unread=self.unread)
        return f"{said} {left and f'{left[0].upper()}{left[1:]}.'}".strip()


@dataclass(frozen=True, slots=True)
class _Ranked:
    """How a question was ranked before anybody judged, and what ranked it."""

    retriever: Retriever
    first: Search
    lock: threading.Lock  # what the retriever learns for a question is for one thread at a time


class Rankings:
    """The first rankings of the questions shown last: verdicts only change what follows them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], _Ranked] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, library: Library, entry: Entry) -> _Ranked:
        """Return how the question is ranked in the store that is open."""
        key = (library.generation.folder.name, entry.id)
        with self._lock:
            if key not in self._kept:
                asked = library.understood(entry.question, entry.filters)
                retriever = library.retriever(asked.filters)
                first = retriever.rank_unjudged(asked.question)
                self._kept[key] = _Ranked(retriever, first, threading.Lock())
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


def screen(
    library: Library, entry: Entry, rankings: Rankings, *, upcoming: int = UPCOMING
) -> Screening:
    """Return the papers of a question by the model's verdicts and, above them, the reader's.

    The ranking has learned from all of them. Raises QAError.
    """
    ranked = rankings.of(library, entry)
    retriever, first = ranked.retriever, ranked.first
    own = library.overruled(entry.question)
    verdicts = {v.paper_id: v for verdicts in entry.rounds for v in verdicts if v.relevance}
    verdicts |= {id_: Verdict(id_, relevance, by_reader=True) for id_, relevance in own.items()}
    candidates = set(retriever.ids())
    verdicts = {id_: verdict for id_, verdict in verdicts.items() if id_ in candidates}
    with ranked.lock:
        search = retriever.rerank_for_reader(first, tuple(verdicts.values()))
    numbers = {listed.id: listed.n for listed in entry.answer.papers} if entry.answer else {}

    def items(ids: Sequence[str]) -> tuple[Item, ...]:
        return tuple(item(paper) for paper in retriever.papers(ids))

    def item(paper: Paper) -> Item:
        verdict = verdicts.get(paper.id)
        proving = verdict.sentences if verdict else ()
        if not proving:
            proving = retriever.best_sentences(search, paper, SENTENCES)
        return Item(
            n=numbers.get(paper.id),
            paper=paper,
            score=round(search.score(paper.id), 2),
            relevance=verdict.relevance if verdict else None,
            by_reader=bool(verdict and verdict.by_reader),
            likelihood=None if verdicts else first.ranking.likelihood(paper.id),
            evidence=evidence(paper, proving),
        )

    unread = [id_ for id_ in search.ranking.ids if id_ not in verdicts][:upcoming]
    return Screening(
        found=items(_found(verdicts, search.score)),
        upcoming=items(unread),
        refused=items([id_ for id_ in reversed(verdicts) if not verdicts[id_].qualifies]),
        judged_by_reader=sum(verdict.by_reader for verdict in verdicts.values()),
        unread=retriever.scope.candidates - len(verdicts),
        estimate=search.estimate if verdicts else None,
    )


def _found(verdicts: Mapping[str, Verdict], score: Callable[[str], float]) -> list[str]:
    """Return the ids of the papers that qualify: fully before partly, then by score."""
    ids = [id_ for id_, verdict in verdicts.items() if verdict.qualifies]
    return sorted(ids, key=lambda id_: (verdicts[id_].relevance != Relevance.YES, -score(id_)))


def answer_of(entry: Entry, screening: Screening) -> Answer:
    """Return the answer with the papers that qualify by today's verdicts, the reader's above all.

    Where nobody has judged these are the papers of the answer as it was.
    """
    assert entry.answer is not None  # noqa: S101 - what has no answer is not exported
    if not screening.found:
        return entry.answer
    taken = {paper.n for paper in entry.answer.papers}  # the written answer may cite any of them
    free = (n for n in count(1) if n not in taken)
    papers = listed_papers(
        [
            NumberedPaper(
                item.n or next(free),
                item.paper,
                tuple(sentence.sentence for sentence in item.evidence),
                item.score,
                relevance=item.relevance,
                by_reader=item.by_reader,
            )
            for item in screening.found
        ],
        cited=(paper.n for paper in entry.answer.papers if paper.cited),
    )
    judged = (*screening.found, *screening.refused)
    coverage = replace(
        entry.answer.coverage,
        read=len(judged),
        relevant=sum(item.relevance == Relevance.YES for item in judged),
        partly=sum(item.relevance == Relevance.PARTLY for item in judged),
        by_reader=screening.judged_by_reader,
        estimate=screening.estimate,
    )
    return replace(entry.answer, papers=papers, coverage=coverage)


def found_by_reading(rounds: Iterable[Sequence[Verdict]]) -> Iterator[tuple[int, int]]:
    """Yield how many papers were read, and how many of them qualify, after each round."""
    read = found = 0
    for verdicts in rounds:
        read += len(verdicts)
        found += sum(verdict.qualifies for verdict in verdicts)
        yield read, found
