"""How a question ends: the answer checked, its papers numbered, and what it took."""

from dataclasses import dataclass, replace

from qa.answering.answer import NOT_IN_CORPUS, Writer
from qa.answering.citations import cited_numbers
from qa.answering.events import Written
from qa.answering.judge import Judge
from qa.answering.listing import listed, nearest
from qa.answering.results import Answer, Coverage, Outcome, Spent, Stopped, Warned
from qa.llm.cost import cost_usd
from qa.llm.messages import Usage
from qa.retrieval.relevance import Relevance
from qa.retrieval.retrieval import Retriever
from qa.retrieval.scope import Scope

SAYS_NOT = "The corpus does not say."
UNJUDGED = "By score alone nothing stands out as an answer; a chat model could tell."
MISSES = 3  # papers named as nearest where nothing answers


@dataclass(frozen=True, slots=True)
class Parts:
    """What answers questions; without a judge and a writer the scores decide alone."""

    retriever: Retriever
    judge: Judge | None = None
    writer: Writer | None = None
    model: str | None = None
    base_url: str | None = None  # of the model's server; prices are known for OpenAI's own alone


def conclude(ev: Written, parts: Parts) -> Answer:
    """The result of a question whose answer is written."""
    declined = not ev.papers or ev.text.startswith(NOT_IN_CORPUS)
    search = ev.state.search
    return Answer(
        question=search.question,
        outcome=_outcome(ev, declined=declined),
        model=parts.model,
        embedding=parts.retriever.embedding,
        answer=_declined(ev.text, parts) if declined else ev.text,
        papers=() if declined else listed(ev.papers, cited_numbers(ev.text)),
        nearest=listed(nearest(search, parts.retriever, MISSES), set()) if declined else (),
        coverage=_coverage(ev, parts.retriever.scope),
        warnings=_warnings(ev, parts, declined=declined),
        usage=_spent(ev, parts),
        seconds=ev.state.clock.seconds(),
    )


def _outcome(ev: Written, *, declined: bool) -> Outcome:
    if not ev.state.search.ranking.ids:
        return Outcome.NOTHING_RETRIEVED
    return Outcome.NOT_IN_CORPUS if declined else Outcome.ANSWERED


def _declined(text: str, parts: Parts) -> str:
    if parts.judge is None:
        return UNJUDGED
    reason = text.removeprefix(NOT_IN_CORPUS).strip()
    return f"{SAYS_NOT} {reason}".strip()


def _warnings(ev: Written, parts: Parts, *, declined: bool) -> tuple[Warned, ...]:
    """What went wrong on the way, what was left unjudged, and what the check found."""
    warnings = list(ev.state.warnings)
    unjudged = ev.state.reading.count(None)
    if unjudged:
        papers = "1 paper" if unjudged == 1 else f"{unjudged} papers"
        warnings.append(Warned("unjudged", f"{papers} got no usable verdict from {parts.model}."))
    if parts.writer is not None and not declined:
        from qa.answering.verify.findings import (
            check_answer,  # 0.05 s, and of use for written answers alone
        )

        findings = check_answer(
            ev.text,
            {entry.n: (entry.paper.title, entry.paper.abstract) for entry in ev.papers},
            question=ev.state.search.question,
            counts=(len(ev.state.reading), *parts.retriever.scope.counts),
        )
        warnings += [Warned(finding.kind, finding.detail) for finding in findings]
    return tuple(warnings)


def _coverage(ev: Written, scope: Scope) -> Coverage:
    coverage = ev.state.reading.coverage(scope, ev.stopped)
    if coverage.read:
        return coverage
    sure = sum(entry.relevance == Relevance.YES for entry in ev.papers)
    return replace(
        coverage, relevant=sure, partly=len(ev.papers) - sure, rounds=1, stopped=Stopped.DRY
    )


def _spent(ev: Written, parts: Parts) -> Spent:
    kinds = {"judge": ev.state.reading.usage, "write": ev.usage}
    total = sum(kinds.values(), Usage())
    cost = cost_usd(parts.model, total, base_url=parts.base_url) if parts.model else None
    return Spent(
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
