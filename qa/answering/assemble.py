"""The papers of an answer: which ones, in what order, under which numbers, with which sentences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from qa.answering.citations import cited_numbers
from qa.answering.events import Written
from qa.answering.judge import Judge
from qa.answering.reading import ReadingHistory
from qa.answering.results import (
    Answer,
    AnswerWarning,
    Coverage,
    Evidence,
    ListedPaper,
    ModelUsage,
    Outcome,
    Stopped,
)
from qa.answering.writer import NOT_IN_CORPUS, NumberedPaper, Writer
from qa.corpus.papers import Paper
from qa.llm.messages import Usage
from qa.llm.pricing import cost_usd
from qa.retrieval.relevance import Relevance
from qa.retrieval.retriever import Retriever, Scope, Search

SHOWN = 2  # sentences shown for a paper where no judge has pointed at any


def papers_by_verdict(
    reading: ReadingHistory, search: Search, retriever: Retriever
) -> tuple[NumberedPaper, ...]:
    """The papers that qualify by the judge's verdicts, fully before partly, best first."""
    chosen = {verdict.paper_id: verdict for verdict in reading if verdict.qualifies}
    papers = retriever.papers(
        sorted(chosen, key=lambda id_: (chosen[id_].relevance != Relevance.YES, -search.score(id_)))
    )
    return tuple(
        NumberedPaper(
            n,
            paper,
            chosen[paper.id].relevance or Relevance.PARTLY,
            chosen[paper.id].sentences or retriever.best_sentences(search, paper, 1),
            search.score(paper.id),
        )
        for n, paper in retriever.numbered(papers)
    )


def papers_by_score(search: Search, retriever: Retriever) -> tuple[NumberedPaper, ...]:
    """The papers that the scores alone speak for, best first; none if the corpus does not answer.

    `yes` and `partly` then say how sure the scorer is.
    """
    ranking = search.ranking
    papers = retriever.papers(ranking.ids[: ranking.cut])
    sure = set(ranking.ids[: ranking.sure])
    return tuple(
        NumberedPaper(
            n,
            paper,
            Relevance.YES if paper.id in sure else Relevance.PARTLY,
            retriever.best_sentences(search, paper, SHOWN),
            search.score(paper.id),
        )
        for n, paper in retriever.numbered(papers)
    )


def nearest_papers(
    search: Search, retriever: Retriever, count: int, *, but: Iterable[str] = ()
) -> tuple[NumberedPaper, ...]:
    """The papers that come closest to a question that nothing answers, named as such."""
    left_out = set(but)
    ids = [id_ for id_ in search.ranking.ids if id_ not in left_out][:count]
    return tuple(
        NumberedPaper(
            n,
            paper,
            Relevance.NO,
            retriever.best_sentences(search, paper, 1),
            search.score(paper.id),
        )
        for n, paper in retriever.numbered(retriever.papers(ids))
    )


def listed_papers(papers: Sequence[NumberedPaper], cited: set[int]) -> tuple[ListedPaper, ...]:
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


SAYS_NOT = "The corpus does not say."
UNJUDGED = "By score alone nothing stands out as an answer; a chat model could tell."
MISSES = 3  # papers named as nearest where nothing answers


@dataclass(frozen=True, slots=True)
class PipelineParts:
    """What answers questions; without a judge and a writer the scores decide alone."""

    retriever: Retriever
    judge: Judge | None = None
    writer: Writer | None = None
    model: str | None = None
    base_url: str | None = None  # of the model's server; prices are known for OpenAI's own alone


def assemble_answer(ev: Written, parts: PipelineParts) -> Answer:
    """The result of a question whose answer is written."""
    declined = not ev.papers or ev.text.startswith(NOT_IN_CORPUS)
    search = ev.state.search
    return Answer(
        question=search.question,
        outcome=_outcome(ev, declined=declined),
        model=parts.model,
        embedding=parts.retriever.embedding,
        answer=_declined(ev.text, parts) if declined else ev.text,
        papers=() if declined else listed_papers(ev.papers, cited_numbers(ev.text)),
        nearest=listed_papers(nearest_papers(search, parts.retriever, MISSES), set())
        if declined
        else (),
        coverage=_coverage(ev, parts.retriever.scope),
        warnings=_warnings(ev, parts, declined=declined),
        usage=_spent(ev, parts),
        seconds=ev.state.clock.seconds(),
    )


def _outcome(ev: Written, *, declined: bool) -> Outcome:
    if not ev.state.search.ranking.ids:
        return Outcome.NOTHING_RETRIEVED
    return Outcome.NOT_IN_CORPUS if declined else Outcome.ANSWERED


def _declined(text: str, parts: PipelineParts) -> str:
    if parts.judge is None:
        return UNJUDGED
    reason = text.removeprefix(NOT_IN_CORPUS).strip()
    return f"{SAYS_NOT} {reason}".strip()


def _warnings(ev: Written, parts: PipelineParts, *, declined: bool) -> tuple[AnswerWarning, ...]:
    """What went wrong on the way, what was left unjudged, and what the check found."""
    warnings = list(ev.state.warnings)
    unjudged = ev.state.reading.count(None)
    if unjudged:
        papers = "1 paper" if unjudged == 1 else f"{unjudged} papers"
        warnings.append(
            AnswerWarning("unjudged", f"{papers} got no usable verdict from {parts.model}.")
        )
    if parts.writer is not None and not declined:
        warnings += [AnswerWarning(finding.kind, finding.detail) for finding in ev.findings]
    return tuple(warnings)


def _coverage(ev: Written, scope: Scope) -> Coverage:
    coverage = ev.state.reading.coverage(scope, ev.stopped)
    if coverage.read:
        return coverage
    sure = sum(entry.relevance == Relevance.YES for entry in ev.papers)
    return replace(
        coverage, relevant=sure, partly=len(ev.papers) - sure, rounds=1, stopped=Stopped.DRY
    )


def _spent(ev: Written, parts: PipelineParts) -> ModelUsage:
    kinds = {"judge": ev.state.reading.usage, "write": ev.usage}
    total = sum(kinds.values(), Usage())
    cost = cost_usd(parts.model, total, base_url=parts.base_url) if parts.model else None
    return ModelUsage(
        calls=total.calls,
        prompt_tokens=total.prompt_tokens,
        completion_tokens=total.completion_tokens,
        cost_usd=cost,
        estimated=total.estimated,
        by_kind={kind: _tokens(usage) for kind, usage in kinds.items() if usage.calls},
    )


def _tokens(usage: Usage) -> dict[str, int]:
    return {
        "calls": usage.calls,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
