"""From question to answer: rank, judge, rank again by the verdicts until done, write.

A LlamaIndex workflow: a step may return the event that starts an earlier one, so reading on is the
loop rank → judge → rank; `Pipeline._next` says why it ends. The answer is checked while it is
written. Progress goes to the event stream while it happens.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from workflows import Context, Workflow, step

from qa.answering.assemble import (
    PipelineParts,
    assemble_answer,
    papers_by_verdict,
    papers_without_model,
)
from qa.answering.draft import Draft
from qa.answering.events import (
    Asked,
    Batch,
    Clock,
    Decided,
    Finished,
    Learned,
    LongReading,
    Piece,
    Ranked,
    ReadingOver,
    ReadOn,
    RoundRead,
    Scored,
    State,
    Written,
    without_judge,
)
from qa.answering.judge import Judge
from qa.answering.reading import ReadingHistory
from qa.answering.results import AnswerWarning, Stopped
from qa.answering.verify import Finding
from qa.answering.wording import counted
from qa.answering.writer import NumberedPaper, Writer
from qa.corpus.papers import Paper
from qa.errors import ChatError
from qa.llm.messages import Usage
from qa.progress import Work, observed
from qa.retrieval.search import Scope, Search

if TYPE_CHECKING:
    from qa.answering.verify.checks import Checked

REPLACED = "The model's answer %s. These are the papers and their sentences instead."
DECLINED = "is that the corpus does not say, but its own judgements speak for these papers"
LONG = 50  # papers still to be read: said before
PAPERS_PER_ANSWER = 4  # read to find 95 % of the answers; 3 to 4 in four reviews, 11 in a fifth
LEADING = 10  # papers named where scores alone decide
BY_SCORE = "So the papers are nearest by score."  # after why no model has judged them

P = ParamSpec("P")
R = TypeVar("R")


def _observed(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Have the hooks stand around each run of a step."""

    @wraps(method)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with observed(Work(method.__name__)) as work:
            work.result = result = await method(*args, **kwargs)
            return result

    return run


class Pipeline(Workflow):
    """Answers one question a run: `await Pipeline(parts).run(start_event=Asked(...))`."""

    def __init__(self, parts: PipelineParts) -> None:
        super().__init__(timeout=None)
        self._parts = parts
        self._retriever = parts.retriever

    @step
    @_observed
    async def rank(self, ctx: Context, ev: Asked | ReadOn) -> Batch | Decided:
        """Rank the corpus for the question, or again with what the verdicts have taught."""
        began = time.perf_counter()
        if isinstance(ev, Asked):
            search = self._ranked(ev.question, for_judge=self._parts.judge is not None)
            verdicts = self._parts.reader_verdicts
            reading = ReadingHistory((verdicts,) if verdicts else ())
            state = State(ev.limits, search, reading, Clock(began))
        else:
            search = self._retriever.rerank(ev.state.search, ev.state.reading.rounds)
            state = replace(ev.state, search=search)
        seconds = time.perf_counter() - began
        state = replace(state, clock=replace(state.clock, rank=state.clock.rank + seconds))
        papers, stopped = self._next(state)
        if isinstance(ev, Asked):
            count = self._retriever.scope.candidates
            ctx.write_event_to_stream(Ranked(papers=count, search=search, seconds=seconds))
        else:
            before, upcoming = ev.state.search, len(papers)
            ctx.write_event_to_stream(
                Learned(before=before, search=search, upcoming=upcoming, seconds=seconds)
            )
        if papers:
            if state.limits.patient and len(state.reading.rounds) == 1:
                self._foretell(ctx, state)
            return Batch(state=state, papers=papers)
        if self._parts.failure is not None:
            return self._without_model(state, self._parts.failure)
        if state.reading.count(None) and not state.reading.judged_by_model:
            return without_judge(state, self._no_verdict(state.reading))
        return Decided(state=state, stopped=stopped)

    def _ranked(self, question: str, *, for_judge: bool) -> Search:
        """Return the ranking, moved by what the reader has judged for the question."""
        rank = self._retriever.rank if for_judge else self._retriever.rank_unjudged
        return self._retriever.rerank_for_reader(rank(question), self._parts.reader_verdicts)

    @staticmethod
    def _without_model(state: State, failure: ChatError) -> Decided:
        warning = AnswerWarning("model_failed", f"{failure} {BY_SCORE}")
        return without_judge(state, warning, failure)

    def _no_verdict(self, reading: ReadingHistory) -> AnswerWarning:
        papers = counted(reading.count(None), "paper", "papers")
        said = f"{self._parts.model or 'The judge'} was asked about {papers}"
        return AnswerWarning(
            "model_failed", f"{said}, and no reply was a usable verdict. {BY_SCORE}"
        )

    def _foretell(self, ctx: Context, state: State) -> None:
        """Say what a long reading will take, by the pace of the first round."""
        reading, limits, estimate = state.reading, state.limits, state.search.estimate
        at_most = self._retriever.scope.candidates - len(reading)
        if limits.papers is not None:
            at_most = min(at_most, limits.papers - len(reading))
        papers = at_most
        if limits.recall is not None and estimate is not None:
            papers = min(at_most, round(PAPERS_PER_ANSWER * estimate.relevant))
        tokens = reading.usage.total_tokens // len(reading)
        if papers > LONG and tokens:
            ctx.write_event_to_stream(
                LongReading(
                    papers=papers,
                    at_most=at_most,
                    tokens=papers * tokens,
                    seconds=papers * state.clock.judge / len(reading),
                )
            )

    def _next(self, state: State) -> tuple[tuple[Paper, ...], Stopped | None]:
        """Return the papers to read next, or why reading ends; neither where there is no judge."""
        reading, limits = state.reading, state.limits
        if self._parts.judge is None:
            return (), None
        if reading.unusable:
            return (), Stopped.FAILED
        ids = self._retriever.next_to_read(
            state.search, reading.rounds, exhaustive=limits.exhaustive, recall=limits.recall
        )
        if not ids:
            if len(reading) == self._retriever.scope.candidates:
                return (), Stopped.EXHAUSTED
            return (), Stopped.DRY if limits.recall is None else Stopped.RECALL
        allowed = reading.allowance(limits, state.clock.judge)
        if allowed == 0:
            return (), Stopped.LIMIT
        return tuple(self._retriever.papers(ids[:allowed])), None

    @step
    @_observed
    async def judge(self, ctx: Context, ev: Batch) -> ReadOn | Decided:
        """Have the batch judged; on a failing server keep what was read until then."""
        began = time.perf_counter()
        judge: Judge = self._parts.judge  # type: ignore[assignment] # a batch is made for a judge
        judged = await judge.judge(ev.state.search.question, ev.papers)
        reading = ev.state.reading.after(judged)
        if judged.unfit is not None:
            warning = AnswerWarning("unreliable_judge", f"{judged.unfit} {BY_SCORE}")
            return without_judge(replace(ev.state, reading=reading), warning)
        seconds = time.perf_counter() - began
        clock = replace(ev.state.clock, judge=ev.state.clock.judge + seconds)
        state = replace(ev.state, reading=reading, clock=clock)
        ctx.write_event_to_stream(
            RoundRead(
                coverage=reading.coverage(self._retriever.scope),
                search=state.search,
                papers=ev.papers,
                judged=judged,
                seconds=seconds,
            )
        )
        if judged.cache_trouble and not any(w.kind == "verdict_cache" for w in state.warnings):
            trouble = AnswerWarning("verdict_cache", judged.cache_trouble)
            state = replace(state, warnings=(*state.warnings, trouble))
        if judged.failure is None:
            return ReadOn(state=state)
        if not reading.judged_by_model:
            return self._without_model(state, judged.failure)
        warning = AnswerWarning("reading_failed", f"Reading stopped early: {judged.failure}")
        search = self._retriever.rerank(state.search, reading.rounds)
        state = replace(state, search=search, warnings=(*state.warnings, warning))
        return Decided(state=state, stopped=Stopped.FAILED)

    @step
    @_observed
    async def write(self, ctx: Context, ev: Decided) -> Written:
        """Write the answer from the papers that qualify, and check it as it comes."""
        state = ev.state
        if state.reading.judged:
            coverage = state.reading.coverage(
                self._retriever.scope, ev.stopped, state.search.estimate
            )
            ctx.write_event_to_stream(ReadingOver(stopped=ev.stopped, coverage=coverage))
        if state.reading.judged_by_model:
            papers = papers_by_verdict(state.reading, state.search, self._retriever)
        else:
            if self._parts.judge is not None:  # it is not heard: scores are all there is
                search = self._ranked(state.search.question, for_judge=False)
                state = replace(state, search=search)
            ctx.write_event_to_stream(self._scored(state.search))
            papers = papers_without_model(state.reading, state.search, self._retriever)
        if self._parts.writer is None or not state.reading.judged_by_model or not papers:
            return Written(
                state=state,
                stopped=ev.stopped,
                papers=papers,
                text=_quotations(papers),
                usage=Usage(),
                failure=ev.failure,
            )
        began = time.perf_counter()
        text, findings, trouble = await self._written(ctx, ev, papers, self._parts.writer)
        clock = replace(state.clock, write=time.perf_counter() - began)
        return Written(
            state=replace(state, clock=clock, warnings=state.warnings + trouble),
            stopped=ev.stopped,
            papers=papers,
            text=text,
            usage=self._parts.writer.usage,
            findings=findings,
        )

    def _scored(self, search: Search) -> Scored:
        first = search.pseudo.first.ids if search.pseudo else ()
        ids = dict.fromkeys([*search.ranking.ids[:LEADING], *first[:LEADING]])
        return Scored(search=search, papers=tuple(self._retriever.papers(list(ids))))

    async def _written(
        self, ctx: Context, ev: Decided, papers: tuple[NumberedPaper, ...], writer: Writer
    ) -> tuple[str, tuple[Finding, ...], tuple[AnswerWarning, ...]]:
        """Return the answer, streamed and checked as it comes, its findings, and what went wrong.

        A part of an answer is better than none.
        """
        from qa.answering.verify.checks import AnswerChecker  # 30 ms of patterns

        question = ev.state.search.question
        checker = AnswerChecker(
            {entry.n: (entry.paper.title, entry.paper.abstract) for entry in papers},
            question=question,
            has_title=self._retriever.has_title,
            counts=(len(ev.state.reading), *self._retriever.scope.counts),
        )
        draft, trouble = Draft(papers, question, checker), None
        note = _note(ev.state.reading, ev.stopped, self._retriever.scope)
        try:
            async with aclosing(writer.write(question, papers, note)) as pieces:
                async for piece in pieces:
                    _show(ctx, draft.feed(piece), papers)
                    if draft.endless:
                        trouble = "the model repeats itself without end."
                        break
        except ChatError as exc:
            trouble = str(exc)
        rest, useless = draft.finish(broken_off=trouble is not None and not draft.endless)
        _show(ctx, rest, papers)
        if draft.declined and ev.state.reading.by_probabilities:
            useless = DECLINED  # small models decline what they have before their eyes
        if useless is not None:
            return _quotations(papers), (), (AnswerWarning("writer_replaced", REPLACED % useless),)
        if draft.declined:
            return draft.text, (), _writing_warnings(draft.text, trouble)
        return draft.text, draft.findings, _writing_warnings(draft.text, trouble)

    @step
    @_observed
    async def assemble(self, ev: Written) -> Finished:
        """Put the result together: the answer, its papers, and what the check found meanwhile."""
        answer = assemble_answer(ev, self._parts)
        ranked, reading = ev.state.search.ranking.ids, ev.state.reading
        return Finished(answer=answer, ranked=ranked, reading=reading, failure=ev.failure)


def _show(ctx: Context, pieces: "Sequence[Checked]", papers: tuple[NumberedPaper, ...]) -> None:
    for checked in pieces:
        if checked.text or checked.findings:
            piece = Piece(text=checked.text, papers=papers, findings=checked.findings)
            ctx.write_event_to_stream(piece)


def _writing_warnings(text: str, trouble: str | None) -> tuple[AnswerWarning, ...]:
    if trouble is None and text:
        return ()
    kind = "partial_answer" if text else "writing_failed"
    said = "The answer is not complete" if text else "No answer was written"
    return (AnswerWarning(kind, f"{said}: {trouble or 'the reply was empty.'}"),)


def _quotations(papers: tuple[NumberedPaper, ...]) -> str:
    return "\n".join(_quotation(entry) for entry in papers if entry.sentences)


def _quotation(entry: NumberedPaper) -> str:
    quotes = " ".join(entry.paper.sentences[number - 1].text for number in entry.sentences)
    return f"“{quotes}” [{entry.n}]"


def _note(reading: ReadingHistory, stopped: Stopped | None, scope: Scope) -> str:
    """Return what the writer should know about how complete its papers are."""
    which = f" that pass the filter ({scope.filter})" if scope.filter else ""
    if stopped in {Stopped.DRY, Stopped.RECALL, Stopped.EXHAUSTED}:
        return f"These are all the papers of the corpus{which} that were found to qualify."
    of = f"the {scope.candidates} papers{which}" if which else f"the corpus's {scope.corpus} papers"
    return f"Only {len(reading)} of {of} were read: there may be more."
