"""What the library finds, as the tools return it."""

from collections.abc import Iterable, Mapping, Sequence

from qa.answering.listing import by_score, listed, nearest
from qa.answering.results import Answer, Coverage, ListedPaper, Outcome, Spent
from qa.cli.display.render import source_name
from qa.corpus.filters import Filters
from qa.corpus.papers import Paper
from qa.library import Found, Library
from qa.mcp.results import (
    AskResult,
    Doubt,
    EvidenceSentence,
    FoundPaper,
    Match,
    PaperRecord,
    ReadingCoverage,
    SearchResult,
    SentencePlace,
    Usage,
)
from qa.retrieval.relevance import Relevance
from qa.retrieval.scope import Scope

MISSES = 5  # papers given as the nearest where the scores speak for none
NAMED = 3  # authors named before "et al."

JUDGE = (
    "No model has judged these papers: read the sentences, leave out papers that do not answer "
    "the question, and cite the others by title as well as [n]."
)
WHOLE = "Where the sentences leave it open, get_paper gives whole abstracts, several at once."
MORE = "If papers may be missing, call search_papers with other words for the same thing."
RAISE = "More papers match than are listed: raise max_papers to see them."
LOOSEN = "No paper passes the filters: corpus_status says which of them make sense here."
ELSEWHERE = "Call search_papers with other words; if that finds nothing, tell the user so."

_BY_VERDICT: Mapping[Relevance, Match] = {
    Relevance.YES: "yes",
    Relevance.PARTLY: "partly",
    Relevance.NO: "further",
}
_BY_SCORE: Mapping[Relevance, Match] = {
    Relevance.YES: "likely",
    Relevance.PARTLY: "possible",
    Relevance.NO: "further",
}


def evidence(library: Library, question: str, filters: Filters, most: int) -> AskResult:
    """The papers that the scores speak for, then those ranked below, for the assistant to judge."""
    retriever = library.retriever(filters)
    scope = retriever.scope
    search = retriever.alone(question)
    chosen = listed(by_score(search, retriever), set())
    room = most - len(chosen) if chosen else min(most, MISSES)
    also = nearest(search, retriever, max(0, room), but=[paper.id for paper in chosen])
    papers = _papers(library, [*chosen[:most], *listed(also, set())], _BY_SCORE)
    declined = Outcome.NOT_IN_CORPUS if papers else Outcome.NOTHING_RETRIEVED
    return AskResult(
        question=question,
        outcome="evidence" if chosen else declined.value,
        papers=papers if chosen else [],
        left_out=max(0, len(chosen) - most),
        nearest=[] if chosen else papers,
        coverage=_unread(scope),
        next=[JUDGE, WHOLE, RAISE if len(chosen) > most else MORE] if chosen else _now(scope),
    )


def answered(library: Library, answer: Answer, most: int) -> AskResult:
    """A written and checked answer; papers that it cites are listed however many there are."""
    kept = [paper for paper in answer.papers if paper.cited or paper.n <= most]
    coverage = answer.coverage
    return AskResult(
        question=answer.question,
        outcome=answer.outcome.value,
        model=answer.model,
        answer=answer.answer or None,
        papers=_papers(library, kept, _BY_VERDICT),
        left_out=len(answer.papers) - len(kept),
        nearest=_papers(library, answer.nearest, _BY_VERDICT),
        coverage=ReadingCoverage.model_validate(coverage, from_attributes=True),
        warnings=[Doubt(kind=one.kind, detail=one.detail) for one in answer.warnings],
        usage=_usage(answer.usage),
        next=[] if answer.outcome == Outcome.ANSWERED else _now(coverage),
    )


def found(library: Library, query: str, result: Found) -> SearchResult:
    """The papers of a search."""
    return SearchResult(
        query=query,
        papers=_papers(library, result.papers, {**_BY_SCORE, Relevance.NO: "ranked"}),
        candidates=result.scope.candidates,
        corpus=result.scope.corpus,
        filter=result.scope.filter,
    )


def record(paper: Paper, corpus: str) -> PaperRecord:
    """All that is known of a paper; its sources under the name of the corpus."""
    return PaperRecord(
        id=paper.id,
        title=paper.title,
        abstract=paper.abstract,
        sentences=[
            SentencePlace(sentence=s.number, start=s.start, end=s.end) for s in paper.sentences
        ],
        authors=list(paper.authors),
        year=paper.year,
        venue=paper.venue,
        doi=paper.doi,
        url=paper.link,
        keywords=list(paper.keywords),
        sources=[source_name(corpus, source) for source in paper.sources],
    )


def _now(scope: Scope | Coverage) -> list[str]:
    """What to do where nothing answers."""
    return [ELSEWHERE if scope.candidates else LOOSEN]


def _papers(
    library: Library, entries: Sequence[ListedPaper], match: Mapping[Relevance, Match]
) -> list[FoundPaper]:
    """The entries with what is known of their papers, numbered on where they have no number."""
    whole = {paper.id: paper for paper in library.papers_of(entries)}
    numbers = _numbers(entries)
    return [
        FoundPaper(
            n=n,
            id=entry.id,
            title=entry.title,
            authors=_authors(whole[entry.id].authors),
            year=whole[entry.id].year,
            venue=whole[entry.id].venue,
            match=match[entry.relevance],
            score=round(entry.score, 3),
            cited=entry.cited or None,
            evidence=[EvidenceSentence(sentence=e.sentence, text=e.text) for e in entry.evidence],
            url=entry.url,
        )
        for n, entry in zip(numbers, entries, strict=True)
    ]


def _numbers(entries: Iterable[ListedPaper]) -> list[int]:
    """The entries' own numbers; where a second list follows, its numbers go on from the first's."""
    numbers: list[int] = []
    for entry in entries:
        last = numbers[-1] if numbers else 0
        numbers.append(entry.n if entry.n > last else last + 1)
    return numbers


def _authors(names: Sequence[str]) -> str | None:
    shown = ", ".join(names[:NAMED])
    return f"{shown} et al." if len(names) > NAMED else shown or None


def _unread(scope: Scope) -> ReadingCoverage:
    return ReadingCoverage(corpus=scope.corpus, candidates=scope.candidates, filter=scope.filter)


def _usage(spent: Spent) -> Usage:
    return Usage.model_validate(spent, from_attributes=True)
