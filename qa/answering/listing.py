"""The papers of an answer: which ones, in what order, under which numbers, with which sentences."""

from collections.abc import Iterable, Sequence

from qa.answering.answer import Qualifying
from qa.answering.reading import Reading
from qa.answering.results import Evidence, ListedPaper
from qa.corpus.papers import Paper
from qa.retrieval.relevance import Relevance
from qa.retrieval.retrieval import Retriever, Search

SHOWN = 2  # sentences shown for a paper where no judge has pointed at any


def by_verdict(reading: Reading, search: Search, retriever: Retriever) -> tuple[Qualifying, ...]:
    """The papers that qualify by the judge's verdicts, fully before partly, best first."""
    chosen = {verdict.paper_id: verdict for verdict in reading if verdict.qualifies}
    papers = retriever.papers(
        sorted(chosen, key=lambda id_: (chosen[id_].relevance != Relevance.YES, -search.score(id_)))
    )
    return tuple(
        Qualifying(
            n,
            paper,
            chosen[paper.id].relevance or Relevance.PARTLY,
            chosen[paper.id].sentences or retriever.best_sentences(search, paper, 1),
            search.score(paper.id),
        )
        for n, paper in retriever.numbered(papers)
    )


def by_score(search: Search, retriever: Retriever) -> tuple[Qualifying, ...]:
    """The papers that the scores alone speak for, best first; none if the corpus does not answer.

    `yes` and `partly` then say how sure the scorer is.
    """
    ranking = search.ranking
    papers = retriever.papers(ranking.ids[: ranking.cut])
    sure = set(ranking.ids[: ranking.sure])
    return tuple(
        Qualifying(
            n,
            paper,
            Relevance.YES if paper.id in sure else Relevance.PARTLY,
            retriever.best_sentences(search, paper, SHOWN),
            search.score(paper.id),
        )
        for n, paper in retriever.numbered(papers)
    )


def nearest(
    search: Search, retriever: Retriever, count: int, *, but: Iterable[str] = ()
) -> tuple[Qualifying, ...]:
    """The papers that come closest to a question that nothing answers, named as such."""
    left_out = set(but)
    ids = [id_ for id_ in search.ranking.ids if id_ not in left_out][:count]
    return tuple(
        Qualifying(
            n,
            paper,
            Relevance.NO,
            retriever.best_sentences(search, paper, 1),
            search.score(paper.id),
        )
        for n, paper in retriever.numbered(retriever.papers(ids))
    )


def listed(papers: Sequence[Qualifying], cited: set[int]) -> tuple[ListedPaper, ...]:
    """The papers as the answer carries them, quotes cut from the abstracts by their offsets."""
    return tuple(
        ListedPaper(
            n=entry.n,
            id=entry.paper.id,
            title=entry.paper.title,
            relevance=entry.relevance,
            score=round(entry.score, 4),
            cited=entry.n in cited,
            evidence=evidence(entry.paper, entry.sentences),
            source=entry.paper.sources[0],
            url=entry.paper.link,
        )
        for entry in papers
    )


def evidence(paper: Paper, numbers: Iterable[int]) -> tuple[Evidence, ...]:
    """The sentences under these numbers: `abstract[start:end] == text` for each."""
    sentences = [paper.sentences[number - 1] for number in numbers]
    return tuple(Evidence(s.number, s.text, s.start, s.end) for s in sentences)
