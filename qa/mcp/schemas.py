"""What the tools return: the schemas that assistants read, and each result as text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from qa.answering.assemble import SENTENCES, listed_papers, notes_on, papers_by_score
from qa.answering.results import Answer, Coverage, ListedPaper, Outcome, Stopped
from qa.answering.safe_text import clean, clean_line
from qa.answering.wording import WHY_STOPPED, missing_text, source_name
from qa.corpus.papers import Paper
from qa.library.library import Found, Library
from qa.retrieval.conditions import Conditions
from qa.retrieval.relevance import Likelihood, Relevance
from qa.retrieval.search import Scope

AskOutcome = Literal["answered", "evidence", "not_in_corpus", "nothing_retrieved"]
Match = Literal["yes", "partly", "likely", "possible", "further", "ranked"]

MOST_NEAREST = 5  # papers given as the nearest where none matches
MOST_AUTHORS = 3  # named before "et al."

# What the assistant is told to do next.
JUDGE = (
    "No model has judged these papers: read the sentences, leave out papers that do not answer "
    "the question, and cite the others by title as well as [n]."
)
READ_WHOLE = "Where the sentences leave it open, get_paper gives whole abstracts, several at once."
SEARCH_MORE = "If papers may be missing, call search_papers with other words for the same thing."
RAISE_LIMIT = "More papers match than are listed: raise max_papers to see them."
LOOSEN_FILTERS = "No paper passes the filters: corpus_status says which of them make sense here."
SEARCH_ELSEWHERE = "Call search_papers with other words; if that finds nothing, tell the user so."

OUTCOMES: Mapping[Outcome, AskOutcome] = {
    Outcome.ANSWERED: "answered",
    Outcome.NEAREST: "evidence",
    Outcome.NOT_IN_CORPUS: "not_in_corpus",
    Outcome.NOTHING_RETRIEVED: "nothing_retrieved",
}
MATCHES: Mapping[Relevance | Likelihood | None, Match] = {
    Relevance.YES: "yes",
    Relevance.PARTLY: "partly",
    Relevance.NO: "further",
    Likelihood.LIKELY: "likely",
    Likelihood.POSSIBLE: "possible",
    None: "further",
}


class Result(BaseModel):
    """A part of a result; fields that are None are left out when it is sent."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class EvidenceSentence(Result):
    """A sentence of an abstract, word for word."""

    sentence: int = Field(description="Its number in the abstract, from 1.")
    text: str = Field(description="The sentence, word for word.")


class PaperResult(Result):
    """A paper of an answer or a search."""

    n: int = Field(description="The number to cite the paper by, as [n], in this result.")
    id: str = Field(description="The paper's id: for get_paper, and for its resource paper://ID.")
    title: str = Field(description="The title.")
    authors: str | None = Field(default=None, description="Who wrote it, abridged; where known.")
    year: int | None = Field(default=None, description="Year of publication, where known.")
    venue: str | None = Field(default=None, description="Journal or conference, where known.")
    match: Match = Field(
        description="How far the paper answers. yes, partly: a chat model has read the abstract "
        "and says so. likely, possible: the score speaks for it, nobody has read it. further: "
        "ranked below those. ranked: in its place in a search, no more is said."
    )
    score: float = Field(description="0 to 1, relative to the best paper of this ranking.")
    cited: bool | None = Field(default=None, description="Whether the written answer cites it.")
    evidence: list[EvidenceSentence] = Field(
        description="The sentences of the abstract that bear most on the question."
    )
    url: str | None = Field(default=None, description="Where it can be read, where known.")
    title_only: bool | None = Field(
        default=None, description="True: the corpus has no abstract; sentence 1 is the title."
    )


class EstimateResult(Result):
    """How many papers the chat model would say answer the question, had it read all of them."""

    relevant: float = Field(description="The expected number, those read included.")
    low: int = Field(description="The number is probably not lower,")
    high: int = Field(description="nor higher than this.")
    recall: float = Field(description="The expected share of them that was read, from 0 to 1.")
    level: float = Field(description="Probability that low to high holds the number.")


class CoverageResult(Result):
    """How much of the corpus a result rests on."""

    corpus: int = Field(description="Papers in the corpus.")
    candidates: int = Field(description="Papers that pass the filters; all without filters.")
    filter: str | None = Field(default=None, description="The filters in words.")
    read: int = Field(default=0, description="Abstracts that a chat model has read; 0 without one.")
    relevant: int = Field(default=0, description="Of those, how many answer the question.")
    partly: int = Field(default=0, description="Of those, how many answer it in part.")
    unjudged: int = Field(default=0, description="Of those, how many got no usable verdict.")
    stopped: Literal["dry", "recall", "exhausted", "limit", "failed"] | None = Field(
        default=None,
        description="Why reading ended. dry: reading on turned up nothing more; recall: the share "
        "asked for is probably found; exhausted: every paper was read; limit: there may be more; "
        "failed: the chat model gave up.",
    )
    estimate: EstimateResult | None = Field(
        default=None,
        description="How many papers answer in all, by estimate; absent: no model has judged.",
    )


class WarningResult(Result):
    """Something about an answer that its reader should know."""

    kind: str = Field(description="What kind of doubt: unknown_citation, unsupported_number, …")
    detail: str = Field(description="The doubt in words.")


class UsageResult(Result):
    """What the chat model was asked for."""

    calls: int = Field(description="Requests to the chat model.")
    prompt_tokens: int = Field(description="Tokens sent.")
    completion_tokens: int = Field(description="Tokens received.")
    cost_usd: float | None = Field(default=None, description="US dollars, where prices are known.")


class AskResult(Result):
    """What `ask` comes back with: a checked answer, or the evidence to write one from."""

    question: str = Field(description="The question as it was put.")
    outcome: AskOutcome = Field(
        description="answered: a chat model read the papers and wrote the answer. evidence: no "
        "chat model was asked; judge the papers and write the answer yourself. not_in_corpus: "
        "nothing answers, the nearest papers are given. nothing_retrieved: no paper has anything "
        "to do with it."
    )
    model: str | None = Field(
        default=None, description="The chat model that read and wrote; absent: none did."
    )
    answer: str | None = Field(
        default=None, description="The answer, each sentence with the [n] of its papers."
    )
    papers: list[PaperResult] = Field(description="The papers, best first.")
    left_out: int = Field(
        default=0, description="Papers that match as well but are not listed: see max_papers."
    )
    nearest: list[PaperResult] = Field(
        default_factory=list, description="What comes closest where nothing answers."
    )
    coverage: CoverageResult = Field(description="How much of the corpus this rests on.")
    warnings: list[WarningResult] = Field(
        default_factory=list, description="Doubts about the written answer: tell the user."
    )
    usage: UsageResult | None = Field(
        default=None, description="What the chat model was asked for."
    )
    notes: list[str] = Field(default_factory=list, description="What the user should know besides.")
    next: list[str] = Field(default_factory=list, description="What to do next, if need be.")


class SearchResult(Result):
    """What `search_papers` comes back with."""

    query: str = Field(description="What was searched for.")
    papers: list[PaperResult] = Field(description="The papers, best first.")
    candidates: int = Field(description="Papers that pass the filters; all without filters.")
    corpus: int = Field(description="Papers in the corpus.")
    filter: str | None = Field(default=None, description="The filters in words.")
    notes: list[str] = Field(default_factory=list, description="What the user should know besides.")


class SentencePlace(Result):
    """Where a sentence stands in an abstract."""

    sentence: int = Field(description="Its number, from 1: what evidence refers to.")
    start: int = Field(description="Offset of its first character in the abstract.")
    end: int = Field(description="Offset after its last character.")


class PaperRecord(Result):
    """All that is known of one paper."""

    id: str = Field(description="The paper's id, the same after every rebuild.")
    title: str = Field(description="The title.")
    abstract: str = Field(description="The whole abstract, word for word.")
    sentences: list[SentencePlace] = Field(description="Its sentences, by offsets.")
    authors: list[str] = Field(description="Who wrote it; empty where not known.")
    year: int | None = Field(default=None, description="Year of publication, where known.")
    venue: str | None = Field(default=None, description="Journal or conference, where known.")
    doi: str | None = Field(default=None, description="DOI without prefix, where known.")
    url: str | None = Field(default=None, description="Where it can be read, where known.")
    keywords: list[str] = Field(description="Keywords; empty where not known.")
    sources: list[str] = Field(description="The files of the corpus that have it.")
    title_only: bool | None = Field(
        default=None, description="True: the corpus has no abstract; sentence 1 is the title."
    )


class PapersResult(Result):
    """What `get_paper` comes back with."""

    papers: list[PaperRecord] = Field(description="The papers, in the order of the ids asked for.")
    missing: list[str] = Field(
        default_factory=list, description="Ids that name no paper, or several, and why."
    )


class StatusResult(Result):
    """What `corpus_status` comes back with."""

    corpus: str = Field(description="The folder or file that the papers come from.")
    ready: bool = Field(
        description="Whether questions are answered at once; false: the first one builds the "
        "vector store, which takes a while and reports progress."
    )
    verdict: str = Field(description="How things stand, in a line, and what to do if need be.")
    papers: int | None = Field(default=None, description="Papers in the vector store.")
    with_year: int | None = Field(default=None, description="Of those, how many have a year.")
    with_authors: int | None = Field(default=None, description="Of those, how many name authors.")
    with_venue: int | None = Field(default=None, description="Of those, how many name a venue.")
    files: int = Field(description="Files of the corpus.")
    sources: list[str] = Field(description="Their names, for the source filter; at most 20.")
    built: str | None = Field(default=None, description="When the vector store was built.")
    embedding: str = Field(description="The embedding model that ranks.")
    model: str | None = Field(
        default=None,
        description="The chat model that reads and writes for ask; absent: ask returns evidence.",
    )
    notes: list[str] = Field(default_factory=list, description="What the user should know besides.")


def evidence_result(
    library: Library, asked: Conditions, max_papers: int, answer: Answer | None = None
) -> AskResult:
    """Return the papers nearest by score, then some ranked below, for the assistant to judge.

    `answer` is that of a chat model that failed: its warnings and its cost are told.
    """
    retriever = library.retriever(asked.filters)
    scope = retriever.scope
    search = retriever.rank_unjudged(asked.question)
    ids, listed = search.ranking.ids, search.ranking.listed
    further = ids[listed:max_papers] if listed else ids[: min(max_papers, MOST_NEAREST)]
    entries = [
        *papers_by_score(search, retriever, ids[: min(listed, max_papers)], sentences=SENTENCES),
        *papers_by_score(search, retriever, further, sentences=1),
    ]
    papers = _paper_results(library, listed_papers(entries))
    left_out = max(0, listed - max_papers)
    without: AskOutcome = "not_in_corpus" if papers else "nothing_retrieved"
    more = RAISE_LIMIT if left_out else SEARCH_MORE
    return AskResult(
        question=asked.question,
        outcome="evidence" if listed else without,
        papers=papers if listed else [],
        nearest=[] if listed else papers,
        left_out=left_out,
        coverage=CoverageResult(
            corpus=scope.corpus, candidates=scope.candidates, filter=scope.filter
        ),
        warnings=[WarningResult.model_validate(warning) for warning in answer.warnings]
        if answer
        else [],
        usage=UsageResult.model_validate(answer.usage) if answer else None,
        notes=[*asked.notes, *notes_on(search)],
        next=[JUDGE, READ_WHOLE, more] if listed else _next_without_papers(scope),
    )


def answer_result(library: Library, answer: Answer, max_papers: int) -> AskResult:
    """Return a written and checked answer; all papers that it cites are listed."""
    listed = [paper for paper in answer.papers if paper.cited or paper.n <= max_papers]
    return AskResult(
        question=answer.question,
        outcome=OUTCOMES[answer.outcome],
        model=answer.model,
        answer=answer.answer or None,
        papers=_paper_results(library, listed),
        left_out=len(answer.papers) - len(listed),
        nearest=_paper_results(library, answer.nearest),
        coverage=CoverageResult.model_validate(answer.coverage),
        warnings=[WarningResult.model_validate(warning) for warning in answer.warnings],
        usage=UsageResult.model_validate(answer.usage),
        notes=list(answer.notes),
        next=[] if answer.papers else _next_without_papers(answer.coverage),
    )


def search_result(library: Library, query: str, found: Found) -> SearchResult:
    """Return the papers of a search."""
    return SearchResult(
        query=query,
        papers=_paper_results(library, found.papers, ranked=True),
        candidates=found.scope.candidates,
        corpus=found.scope.corpus,
        filter=found.scope.filter,
        notes=list(found.notes),
    )


def paper_record(paper: Paper, corpus: str) -> PaperRecord:
    """Return all that is known of a paper, its sources under the name of the corpus."""
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
        title_only=paper.title_only or None,
    )


def _next_without_papers(scope: Scope | Coverage) -> list[str]:
    """Return what to do where no paper answers."""
    return [SEARCH_ELSEWHERE if scope.candidates else LOOSEN_FILTERS]


def _paper_results(
    library: Library, listed: Sequence[ListedPaper], *, ranked: bool = False
) -> list[PaperResult]:
    """Return the papers with what is known of them, each under a number of its own."""
    results: list[PaperResult] = []
    for entry, paper in zip(listed, library.papers_of(listed), strict=True):
        last = results[-1].n if results else 0
        results.append(
            PaperResult(
                n=entry.n if entry.n > last else last + 1,  # a second list is numbered on
                id=entry.id,
                title=entry.title,
                authors=_authors(paper.authors),
                year=paper.year,
                venue=paper.venue,
                match="ranked" if ranked else MATCHES[entry.relevance or entry.likelihood],
                score=round(entry.score, 3),
                cited=entry.cited or None,
                evidence=[EvidenceSentence.model_validate(sentence) for sentence in entry.evidence],
                url=entry.url,
                title_only=entry.title_only or None,
            )
        )
    return results


def _authors(names: Sequence[str]) -> str | None:
    shown = ", ".join(names[:MOST_AUTHORS])
    return f"{shown} et al." if len(names) > MOST_AUTHORS else shown or None


def ask_text(result: AskResult) -> str:
    """Return the answer, or the evidence for one, as text."""
    blocks = [clean(result.answer)] if result.answer else []
    blocks += [*_paper_blocks(result.papers)]
    if result.nearest:
        blocks += ["Nothing answers. What comes closest:", *_paper_blocks(result.nearest)]
    warnings = [f"Warning: {clean_line(warning.detail)}" for warning in result.warnings]
    return "\n".join([*blocks, _coverage(result), *warnings, *result.notes, *result.next])


def search_text(result: SearchResult) -> str:
    """Return the ranking as text."""
    among = _among(result.candidates, result.corpus, result.filter)
    shown = f"{len(result.papers)} best of {among}, by score alone."
    return "\n".join([shown, *_paper_blocks(result.papers), *result.notes])


def papers_text(result: PapersResult) -> str:
    """Return the papers as text, and which ids name none."""
    return "\n\n".join([*map(_paper_text, result.papers), *result.missing])


def _paper_text(paper: PaperRecord) -> str:
    """Return one paper, its abstract in numbered sentences."""
    about = ["; ".join(paper.authors), paper.venue, str(paper.year or ""), paper.url]
    title = paper.title + (" (title only)" if paper.title_only else "")
    head = [title, ", ".join(part for part in about if part), f"id {paper.id}"]
    numbered = (
        f"({place.sentence}) {clean_line((paper.abstract or paper.title)[place.start : place.end])}"
        for place in paper.sentences
    )
    keywords = [f"Keywords: {', '.join(paper.keywords)}"] if paper.keywords else []
    sources = f"From {', '.join(paper.sources)}"
    lines = [*head, *keywords, sources]
    return "\n".join([*(clean_line(line) for line in lines if line), *numbered])


def status_text(result: StatusResult) -> str:
    """Return the state of the corpus as text, one field a line."""
    rows = {name: value for name, value in result if value not in (None, [], "")}
    return "\n".join(f"{name}: {clean_line(_shown(value))}" for name, value in rows.items())


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _paper_blocks(papers: Iterable[PaperResult]) -> Iterable[str]:
    for paper in papers:
        about = (paper.authors, paper.venue, str(paper.year or ""), paper.url)
        known = ", ".join(clean_line(part) for part in about if part)
        match = "" if paper.match == "ranked" else f", {paper.match}"
        match += ", title only" if paper.title_only else ""
        yield f"[{paper.n}] {clean_line(paper.title)} (id {paper.id}{match})"
        if known:
            yield f"  {known}"
        for one in paper.evidence:
            yield f"  ({one.sentence}) “{clean_line(one.text)}”"


def _coverage(result: AskResult) -> str:
    coverage = result.coverage
    among = _among(coverage.candidates, coverage.corpus, coverage.filter)
    if result.model is None:
        more = f" {result.left_out} more match." if result.left_out else ""
        return f"Ranked {among} by score alone; no model has read them.{more}"
    return f"{result.model} read {coverage.read} of {among}: {_verdicts(coverage)}."


def _verdicts(coverage: CoverageResult) -> str:
    counts = [f"{coverage.relevant} answer", f"{coverage.partly} in part"]
    counts += [f"{coverage.unjudged} unjudged"] if coverage.unjudged else []
    why = f" ({WHY_STOPPED[Stopped(coverage.stopped)]})" if coverage.stopped else ""
    unread = coverage.candidates - coverage.read
    left = missing_text(coverage.estimate, found=coverage.relevant, unread=unread)
    return ", ".join(counts) + (left and f"; {left}") + why


def _among(candidates: int, corpus: int, filters: str | None) -> str:
    return (
        f"{candidates} papers ({clean_line(filters)}) of {corpus}"
        if filters
        else f"{corpus} papers"
    )
