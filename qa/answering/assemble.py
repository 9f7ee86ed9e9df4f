"""Put the answer together: its papers, numbered and with their sentences, and what was read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from qa.answering.citations import cited_numbers
from qa.answering.events import Written
from qa.answering.judge import Judge
from qa.answering.reading import ReadingHistory
from qa.answering.results import (
    Answer,
    AnswerWarning,
    Evidence,
    ListedPaper,
    ModelUsage,
    Outcome,
)
from qa.answering.writer import NOT_IN_CORPUS, NumberedPaper, Writer
from qa.corpus.papers import Paper
from qa.errors import ChatError
from qa.llm.messages import Usage
from qa.llm.pricing import cost_usd
from qa.retrieval.conditions import is_negated
from qa.retrieval.relevance import Relevance, Verdict
from qa.retrieval.retriever import Retriever
from qa.retrieval.search import Search

SENTENCES = 2  # shown for a paper where no judge has pointed at any
MISSES = 3  # papers named as nearest where nothing answers
SAYS_NOT = "The corpus does not say."
NEGATED = "Scores cannot see a “not”: papers that do what is excluded may be among these."
UNJUDGED = "By score alone no paper stands out; a chat model could tell."


@dataclass(frozen=True, slots=True)
class PipelineParts:
    """What answers questions; without a judge and a writer the scores decide alone."""

    retriever: Retriever
    judge: Judge | None = None
    writer: Writer | None = None
    model: str | None = None
    failure: ChatError | None = None  # why there is no judge, where a chat model was meant to be
    base_url: str | None = None  # of the model's server; only OpenAI's own prices are known
    reader_verdicts: tuple[Verdict, ...] = ()  # those that a person has given for the question


def papers_by_verdict(
    reading: ReadingHistory, search: Search, retriever: Retriever
) -> tuple[NumberedPaper, ...]:
    """Return the papers that qualify by the judge's verdicts, fully before partly.

    Within each those of the reader come first, then the papers that the judge is surest of. Where
    it does not say how sure it is, they come in the order for the question as it was asked: what
    reading went after last says little about the papers read first.
    """
    chosen = {verdict.paper_id: verdict for verdict in reading if verdict.qualifies}

    def place(paper_id: str) -> tuple[bool, bool, float, float]:
        is_partly, sure = chosen[paper_id].relevance != Relevance.YES, chosen[paper_id].certainty
        return is_partly, sure is not None, -(sure or 0.0), -search.asked_score(paper_id)

    ids = sorted(chosen, key=place)
    return tuple(
        NumberedPaper(
            n,
            paper,
            chosen[paper.id].sentences or retriever.best_sentences(search, paper, 1),
            search.asked_score(paper.id),
            relevance=chosen[paper.id].relevance,
            by_reader=chosen[paper.id].by_reader,
        )
        for n, paper in retriever.numbered(retriever.papers(ids))
    )


def papers_without_model(
    reading: ReadingHistory, search: Search, retriever: Retriever
) -> tuple[NumberedPaper, ...]:
    """Return the papers where no model judged: the reader's first, then those listed by score."""
    read = {verdict.paper_id for verdict in reading}
    ids = [id_ for id_ in search.ranking.ids[: search.ranking.listed] if id_ not in read]
    scored = papers_by_score(search, retriever, ids, sentences=SENTENCES)
    entries = (*papers_by_verdict(reading, search, retriever), *scored)
    numbers = (n for n, _ in retriever.numbered([entry.paper for entry in entries]))
    return tuple(replace(entry, n=n) for entry, n in zip(entries, numbers, strict=True))


def papers_by_score(
    search: Search, retriever: Retriever, ids: Sequence[str], *, sentences: int
) -> tuple[NumberedPaper, ...]:
    """Return papers that nobody judged, each with as many of its best sentences.

    Those that the ranking lists carry their likelihood.
    """
    return tuple(
        NumberedPaper(
            n,
            paper,
            retriever.best_sentences(search, paper, sentences),
            search.score(paper.id),
            likelihood=search.ranking.likelihood(paper.id),
        )
        for n, paper in retriever.numbered(retriever.papers(ids))
    )


def listed_papers(
    papers: Sequence[NumberedPaper], cited: Iterable[int] = ()
) -> tuple[ListedPaper, ...]:
    """Return the papers as the answer carries them, quotes cut from the abstracts by offsets."""
    numbers = set(cited)
    return tuple(
        ListedPaper(
            n=entry.n,
            id=entry.paper.id,
            title=entry.paper.title,
            relevance=entry.relevance,
            likelihood=entry.likelihood,
            score=round(entry.score, 4),
            cited=entry.n in numbers,
            evidence=evidence(entry.paper, entry.sentences),
            source=entry.paper.sources[0],
            url=entry.paper.link,
            title_only=entry.paper.title_only,
            by_reader=entry.by_reader,
        )
        for entry in papers
    )


def evidence(paper: Paper, numbers: Iterable[int]) -> tuple[Evidence, ...]:
    """Return the sentences of these numbers: `paper.text[start:end] == text` for each."""
    sentences = [paper.sentences[number - 1] for number in numbers]
    return tuple(Evidence(s.number, s.text, s.start, s.end) for s in sentences)


def assemble_answer(ev: Written, parts: PipelineParts) -> Answer:
    """Return the result of a question whose answer is written."""
    declined = not ev.papers or ev.text.startswith(NOT_IN_CORPUS)
    return Answer(
        question=ev.state.search.question,
        outcome=_outcome(ev, declined=declined),
        model=parts.model if ev.state.reading.judged_by_model else None,
        embedding=parts.retriever.embedding,
        answer=_declined(ev) if declined else ev.text,
        papers=() if declined else listed_papers(ev.papers, cited_numbers(ev.text)),
        coverage=ev.state.reading.coverage(
            parts.retriever.scope, ev.stopped, ev.state.search.estimate
        ),
        nearest=_nearest(ev, parts.retriever) if declined else (),
        notes=() if ev.state.reading.judged else notes_on(ev.state.search),
        warnings=_warnings(ev, parts, declined=declined),
        usage=_spent(ev, parts),
        seconds=ev.state.clock.seconds(),
    )


def _outcome(ev: Written, *, declined: bool) -> Outcome:
    if not ev.state.search.ranking.ids:
        return Outcome.NOTHING_RETRIEVED
    if declined:
        return Outcome.NOT_IN_CORPUS
    reading = ev.state.reading
    found = reading.judged_by_model or any(verdict.qualifies for verdict in reading)
    return Outcome.ANSWERED if found else Outcome.NEAREST


def _declined(ev: Written) -> str:
    if not ev.state.reading.judged:
        return UNJUDGED
    reason = ev.text.removeprefix(NOT_IN_CORPUS).strip()
    return f"{SAYS_NOT} {reason}".strip()


def notes_on(search: Search) -> tuple[str, ...]:
    """Return what scores make of a question: words that no abstract has, what they cannot see."""
    words = " or ".join(f"“{word}”" for word in search.missing)
    missing = (f"No abstract contains {words}.",) if words else ()
    negated = (NEGATED,) if is_negated(search.question) else ()
    return missing + negated


def _nearest(ev: Written, retriever: Retriever) -> tuple[ListedPaper, ...]:
    """Return what comes closest where nothing answers, with the verdicts that there are."""
    search, verdicts = ev.state.search, {v.paper_id: v.relevance for v in ev.state.reading}
    refused = {v.paper_id for v in ev.state.reading if v.by_reader}
    ids = [id_ for id_ in search.ranking.ids if id_ not in refused][:MISSES]
    papers = papers_by_score(search, retriever, ids, sentences=1)
    return listed_papers(
        [replace(entry, relevance=verdicts.get(entry.paper.id)) for entry in papers]
    )


def _warnings(ev: Written, parts: PipelineParts, *, declined: bool) -> tuple[AnswerWarning, ...]:
    """Return what went wrong on the way, what was left unjudged, and what the check found."""
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


def _spent(ev: Written, parts: PipelineParts) -> ModelUsage:
    kinds = {"judge": ev.state.reading.usage, "write": ev.usage}
    return model_usage(kinds, parts.model, parts.base_url)


def model_usage(kinds: Mapping[str, Usage], model: str | None, base_url: str | None) -> ModelUsage:
    """Return what a model was asked for, in all and by the kind of work, and what that cost."""
    total = sum(kinds.values(), Usage())
    return ModelUsage(
        calls=total.calls,
        prompt_tokens=total.prompt_tokens,
        completion_tokens=total.completion_tokens,
        cost_usd=cost_usd(model, total, base_url=base_url) if model else None,
        estimated=total.estimated,
        by_kind={kind: _tokens(usage) for kind, usage in kinds.items() if usage.calls},
    )


def _tokens(usage: Usage) -> dict[str, int]:
    return {
        "calls": usage.calls,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
