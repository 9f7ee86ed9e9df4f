"""One corpus open for questions: the commands, the page and the servers are written on `Library`.

Errors that a caller can act on are `QAError`s.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from qa.answering.assemble import (
    SENTENCES,
    PipelineParts,
    evidence,
    listed_papers,
    notes_on,
    papers_by_score,
)
from qa.answering.entrance_test import EntranceTest, unfit_text
from qa.answering.events import Asked, Finished
from qa.answering.judge import Judge
from qa.answering.model_judges import ModelIdentity, ModelJudges, entrance_test
from qa.answering.pipeline import Pipeline
from qa.answering.reader_verdicts import FILE as READER_VERDICTS
from qa.answering.reader_verdicts import ReaderVerdicts
from qa.answering.reading import Limits, Reading
from qa.answering.results import Answer, Evidence, ListedPaper
from qa.answering.writer import Writer
from qa.config import Config
from qa.corpus.filters import EVERYTHING, Filters
from qa.corpus.papers import Paper
from qa.errors import ChatError, ConfigError, StoreError, UsageError
from qa.index.embedding.base import Embedder
from qa.index.generation import Generation
from qa.library.chat_model import HOW_TO_WRITE, model_identity, verdicts_path
from qa.library.waiting import blocking, threaded
from qa.llm.client import OpenAIChat, Timeouts
from qa.llm.llama_cpp.chat import LocalModel
from qa.llm.messages import Chat
from qa.llm.prompts import load_prompt
from qa.progress import Work, hooks, observed
from qa.retrieval.conditions import Conditions, read_conditions
from qa.retrieval.query import checked_question, has_content, on_one_line
from qa.retrieval.relevance import Relevance, Rounds, Verdict
from qa.retrieval.retriever import Retriever
from qa.retrieval.search import Scope
from qa.tracing import spans_of

EventListener = Callable[[object], None]  # called with each of `qa.answering.events`
NoticeListener = Callable[[str], None]  # called with a line that the user should know

NO_LIMITS = Limits()
LOOPBACK = "http://127.0.0.1"  # where local models are, which cost nothing
WRITER_PROMPTS = ("answer.system", "answer.user")

hooks.append(spans_of)  # work becomes OpenTelemetry spans where the program has set that up


def ignore_event(_: object) -> None:
    """Do nothing with an event or a notice."""


@dataclass(frozen=True, slots=True)
class AskOptions:
    """How a question is answered."""

    limits: Limits = NO_LIMITS
    filters: Filters = EVERYTHING
    conditions: bool = True  # take years, authors, venues and files in the question as filters
    cached: bool = True  # use the model's earlier verdicts
    write: bool = True  # have the model write an answer from the papers that qualify
    on_event: EventListener = ignore_event

    def __post_init__(self) -> None:
        """Raise UsageError for values of other types: they would pass as something else."""
        for value, kind in ((self.limits, Limits), (self.filters, Filters)):
            if not isinstance(value, kind):
                raise UsageError(
                    f"{value!r:.80} is no {kind.__name__}: give qa.{kind.__name__}(…)."
                )


@dataclass(frozen=True, slots=True)
class Found:
    """The papers of a search, best first, and the papers that were searched."""

    papers: tuple[ListedPaper, ...]
    scope: Scope
    notes: tuple[str, ...] = ()  # what was made of the question, in sentences


@dataclass(frozen=True, slots=True)
class NextPaper:
    """The paper that the reader should judge next, and the sentences that best match."""

    paper: Paper
    evidence: tuple[Evidence, ...]
    enough: bool  # whether the stopping rule finds that hardly more is to be found


class Library:
    """A corpus open for questions, many and at once, until it is closed.

    An answer depends on nothing but question, options and corpus: earlier questions change nothing.
    """

    def __init__(
        self,
        config: Config,
        generation: Generation,
        embedder: Embedder,
        model: str | LocalModel | ChatError | None,
        on_notice: NoticeListener = ignore_event,
    ) -> None:
        """Take what `open_library` has opened; the library closes it.

        A ChatError as the model is why none can be asked: every answer is by score, and tells it.
        """
        self.config = config
        self._generation: Generation | None = generation
        self.embedder = embedder
        self._local = model if isinstance(model, LocalModel) else None
        self.chat_failure = model if isinstance(model, ChatError) else None
        # The name in answers; None: papers are ranked by score alone.
        self.model = self._local.name if self._local else model if isinstance(model, str) else None
        self._on_notice = on_notice
        self._tests: dict[str, EntranceTest] = {}  # by what their results depend on

    @property
    def generation(self) -> Generation:
        """Return the open store; raises StoreError once the library is closed."""
        if self._generation is None:
            raise StoreError("This library is closed: open the corpus again.")
        return self._generation

    async def aask(  # noqa: PLR0913 - each is a setting of its own
        self,
        question: str,
        *,
        limits: Limits = NO_LIMITS,
        filters: Filters = EVERYTHING,
        conditions: bool = True,
        cached: bool = True,
        on_event: EventListener = ignore_event,
    ) -> Answer:
        """Answer the question from the papers that pass the filters.

        With `conditions` years, authors, venues and files in the question are filters, too.
        `on_event` is called with each progress event of `qa.answering.events`. With `cached` the
        model's earlier verdicts are used. `ask` waits and may be called in a running event loop,
        as in notebooks; `aask` is for one, and when cancelled makes no further model call. Raises
        QAError.
        """
        options = AskOptions(
            limits, filters, conditions=conditions, cached=cached, on_event=on_event
        )
        return (await self.answer(question, options)).answer

    ask = blocking(aask)

    async def answer(self, question: str, options: AskOptions) -> Finished:
        """Answer the question; returns the whole ranking beside the answer. Raises QAError."""
        asked = self.understood(question, options.filters, conditions=options.conditions)
        retriever = self.retriever(asked.filters)
        verdicts = self._reader_verdicts(checked_question(question), retriever)
        parts = PipelineParts(retriever, failure=self.chat_failure, reader_verdicts=verdicts)
        finished = await self._finished(parts, asked.question, options)
        answer = finished.answer
        answer = replace(answer, question=on_one_line(question), notes=asked.notes + answer.notes)
        return Finished(
            answer=answer,
            ranked=finished.ranked,
            reading=finished.reading,
            failure=finished.failure,
        )

    async def _finished(self, parts: PipelineParts, question: str, options: AskOptions) -> Finished:
        asked = Asked(question=question, limits=options.limits)
        if self.model is None:
            return await _run(parts, asked, options.on_event)
        if parts.retriever.scope.filter and not has_content(question):
            return await _run(parts, asked, options.on_event)
        chat = self.chat()
        try:
            parts = self._with_model(parts, chat, options)
            return await _run(parts, asked, options.on_event)
        finally:
            await chat.close()

    def understood(
        self, question: str, filters: Filters = EVERYTHING, *, conditions: bool = True
    ) -> Conditions:
        """Return the question and the filters that it is asked with; raises UsageError.

        With `conditions` what the question says of years, authors, venues and files is taken out
        of it and added to the filters.
        """
        question = checked_question(question)
        if not conditions:
            return Conditions(question, filters)
        return read_conditions(question, filters, self._passing)

    def _passing(self, filters: Filters) -> int:
        return len(self.generation.select(filters))

    async def judged_by(
        self,
        judge: Judge,
        question: str,
        limits: Limits = NO_LIMITS,
        on_event: EventListener = ignore_event,
    ) -> Finished:
        """Answer with another judge and without a writer, for measuring."""
        asked = Asked(question=question, limits=limits)
        return await _run(PipelineParts(self.retriever(), judge=judge), asked, on_event)

    def search(
        self,
        question: str,
        *,
        limit: int = 10,
        filters: Filters = EVERYTHING,
        conditions: bool = True,
    ) -> Found:
        """Return the best papers for the question by score, each with its best sentence.

        `asearch` works beside the running event loop. Raises QAError.
        """
        if limit < 1:
            raise UsageError(f"limit is {limit}; it must be 1 or more.")
        with observed(Work("search")):
            asked = self.understood(question, filters, conditions=conditions)
            retriever = self.retriever(asked.filters)
            search = retriever.rank(asked.question)
            papers = papers_by_score(search, retriever, search.ranking.ids[:limit], sentences=1)
            return Found(listed_papers(papers), retriever.scope, asked.notes + notes_on(search))

    asearch = threaded(search)

    def retriever(self, filters: Filters = EVERYTHING) -> Retriever:
        """Return what ranks the papers that pass the filters."""
        options = AskOptions(filters=filters)
        return Retriever(self.generation, self.embedder, options.filters)

    def chat(self) -> Chat:
        """Return a new client of the chat model, to be closed; ConfigError if there is none."""
        if self.model is None:
            raise ConfigError(f"There is no chat model. {HOW_TO_WRITE}")
        timeouts = Timeouts.within(self.config.timeout) if self.config.timeout else None
        if self._local is not None:
            return self._local.chat(timeouts)
        return OpenAIChat(
            self.model,
            api_key=self.config.api_key,
            base_url=self.config.base_url,
            timeouts=timeouts,
        )

    def _with_model(self, parts: PipelineParts, chat: Chat, options: AskOptions) -> PipelineParts:
        prompts = {name: load_prompt(name, self.config.prompts) for name in WRITER_PROMPTS}
        model = model_identity(self.config, self._local or self.model or "")
        path = verdicts_path(self.config) if options.cached else None
        judges = ModelJudges(model, chat, parts.retriever, path, options.on_event, self._on_notice)
        trusted = self.config.trust_judge
        return replace(
            parts,
            judge=judges.trusted() if trusted else judges.checked(self._entrance_test(model)),
            writer=Writer(chat, *prompts.values()) if options.write else None,
            model=self.model,
            base_url=self.base_url,
        )

    async def why_unfit(self, chat: Chat, on_event: EventListener = ignore_event) -> str:
        """Return why the chat model is not believed, by its entrance test; empty if it is.

        The test is taken now if it has not been. Raises ChatError where the server fails.
        """
        if self.config.trust_judge:
            return ""
        model = model_identity(self.config, self._local or self.model or "")
        judges = ModelJudges(model, chat, self.retriever(), None, on_event, self._on_notice)
        examined = await judges.examined(self._entrance_test(model))
        if examined.failure is not None:
            raise examined.failure
        return unfit_text(model.name, examined.result) if examined.result else ""

    def _entrance_test(self, model: ModelIdentity) -> EntranceTest:
        test = entrance_test(model, verdicts_path(self.config))
        return self._tests.setdefault(model.test_key, test)

    @property
    def runs_here(self) -> bool:
        """Return whether the chat model is a file that runs on this machine."""
        return self._local is not None

    @property
    def base_url(self) -> str | None:
        """Return where the chat model is served; None: at OpenAI, or there is no model."""
        return LOOPBACK if self._local else self.config.base_url

    @property
    def identity(self) -> str:
        """Return what identifies the chat model: name and server, or the file's content."""
        place = self._local.file.fingerprint if self._local else self.config.base_url
        return f"{self.model or ''}\0{place or ''}"

    def overrule(self, question: str, paper_id: str, relevance: Relevance | str | None) -> None:
        """Keep the reader's own verdict on a paper, which counts above the model's from now on.

        "yes", "partly" or "no"; None takes it back. It survives a rebuild and a change of model,
        and is on the disk when this returns. Raises UsageError and StoreError.
        """
        if relevance is not None and relevance not in tuple(Relevance):
            raise UsageError(f"A verdict is yes, partly or no, and not {relevance!r:.40}.")
        if paper_id not in self.generation.ids():
            raise UsageError(f"No paper of this corpus has the id {paper_id!r:.40}.")
        verdict = None if relevance is None else Relevance(relevance)
        self._overruled.put(checked_question(question), paper_id, verdict)

    def overruled(self, question: str) -> dict[str, Relevance]:
        """Return the reader's verdicts for the question by paper id, in the order given.

        Raises StoreError.
        """
        return self._overruled.get(checked_question(question))

    def undo_overrule(self, question: str) -> str | None:
        """Take back the reader's last change for the question; return the paper's id.

        None: there is nothing to take back. Raises StoreError.
        """
        return self._overruled.undo(checked_question(question))

    def next_to_judge(self, question: str, filters: Filters = EVERYTHING) -> NextPaper | None:
        """Return the best paper that the reader has not judged; None: all are.

        It is ranked by what the reader's verdicts have taught. Raises QAError.
        """
        asked = self.understood(question, filters)
        retriever = self.retriever(asked.filters)
        verdicts = self._reader_verdicts(checked_question(question), retriever)
        search = retriever.rerank_for_reader(retriever.rank(asked.question), verdicts)
        read = {verdict.paper_id for verdict in verdicts}
        unread = [id_ for id_ in search.ranking.ids if id_ not in read][:1]
        if not unread:
            return None
        advised = retriever.next_to_read(search, (verdicts,), exhaustive=False)
        (entry,) = papers_by_score(search, retriever, unread, sentences=SENTENCES)
        return NextPaper(entry.paper, evidence(entry.paper, entry.sentences), not advised)

    def _reader_verdicts(self, question: str, retriever: Retriever) -> tuple[Verdict, ...]:
        """Return the reader's verdicts on papers that are asked, in the order given."""
        kept = self._overruled.get(question)
        asked = set(retriever.ids()) if kept else set()
        given = ((id_, relevance) for id_, relevance in kept.items() if id_ in asked)
        return tuple(Verdict(id_, relevance, by_reader=True) for id_, relevance in given)

    @property
    def _overruled(self) -> ReaderVerdicts:
        return ReaderVerdicts(self.config.store / READER_VERDICTS)

    def papers(self, filters: Filters = EVERYTHING) -> list[Paper]:
        """Return every paper of the corpus that passes the filters, in a fixed order."""
        return self.generation.papers(self.retriever(filters).ids())

    def papers_of(self, entries: Iterable[ListedPaper]) -> list[Paper]:
        """Return the papers of an answer or a search, with all that is known of them."""
        return self.generation.papers([entry.id for entry in entries])

    def readings(self, rounds: Rounds) -> list[Reading]:
        """Return the papers that were read in these rounds, in the order of reading."""
        entries = [
            (number, verdict)
            for number, verdicts in enumerate(rounds, start=1)
            for verdict in verdicts
        ]
        papers = self.generation.papers([verdict.paper_id for _, verdict in entries])
        by_id = {paper.id: paper for paper in papers}
        return [
            Reading(number, by_id[v.paper_id], v) for number, v in entries if v.paper_id in by_id
        ]

    def papers_with(self, start: str) -> list[Paper]:
        """Return the papers whose id begins like this."""
        ids = [id_ for id_ in self.generation.ids() if id_.startswith(start.lower())]
        return self.generation.papers(ids)

    def why_none(self, filters: Filters) -> str:
        """Return why no paper passes the filters, if no paper has what they ask for; else ""."""
        kinds = filters.kinds().items()
        unknown = [kind for kind, anything in kinds if not len(self.generation.select(anything))]
        return f"No paper of this corpus has a known {' or '.join(unknown)}." if unknown else ""

    def close(self) -> None:
        """Close the store's files, and end the model that runs here, if one does."""
        if self._generation is not None:
            self._generation.close()
            self._generation = None
        if self._local is not None:
            self._local.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


async def _run(parts: PipelineParts, asked: Asked, on_event: EventListener) -> Finished:
    with observed(Work("ask", asked)) as work:
        handler = Pipeline(parts).run(start_event=asked)
        try:
            async for event in handler.stream_events():
                on_event(event)
            finished: Finished = await handler
        except BaseException:
            await handler.cancel_run()
            raise
        work.result = finished
    return finished
