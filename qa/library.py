"""Bringing the store of the corpus that the settings name up to date, and opening it."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from qa.answering.assemble import PipelineParts, listed_papers, nearest_papers
from qa.answering.events import Asked, Finished, Judging
from qa.answering.judge import Judge, ModelJudge
from qa.answering.pipeline import Pipeline
from qa.answering.reading import Limits
from qa.answering.results import Answer, ListedPaper
from qa.answering.verdict_cache import Verdicts
from qa.answering.writer import Writer
from qa.config import Config, configured
from qa.corpus.filters import EVERYTHING, Filters
from qa.corpus.papers import Paper
from qa.corpus.readers.corpus import Corpus, read_corpus
from qa.errors import ConfigError, StoreError, StoreMissing, UsageError
from qa.index.build import BuildReport, build
from qa.index.chroma_server import ChromaServer
from qa.index.embedding import open_embedder
from qa.index.embedding.base import Embedder
from qa.index.generation import Generation
from qa.index.locks import LockHolder
from qa.index.manifest import SkippedEntries, known_columns
from qa.llm.client import OpenAIChat
from qa.llm.connection import Timeouts as Patience
from qa.llm.llama_cpp.chat import LocalModel
from qa.llm.llama_cpp.model_file import is_model_file
from qa.llm.messages import Chat
from qa.llm.models import choose_model
from qa.llm.prompts import Prompt, load_prompt
from qa.progress import ProgressListener, ignore_progress
from qa.retrieval.query import checked_question
from qa.retrieval.retriever import Retriever, Scope
from qa.tracing import span, trace_questions, traced_chat, traced_embedder

MOST_NOTES = 10  # lines; a folder of a thousand old files would fill the screen
CHANGES = ("new", "changed", "removed", "unchanged")
WAIT = 3600.0  # seconds for another process that is building the same store

Notice = Callable[[str], None]  # hears a line that the user should know


def embedder_of(config: Config, listener: ProgressListener) -> Embedder:
    """The embedding model that the settings name; nothing is loaded before its first text."""
    return open_embedder(
        config.embed_model,
        api_key=config.api_key,
        base_url=config.base_url,
        cache=config.cache,
        progress=listener,
    )


def open_or_build(
    config: Config, corpus: Corpus, embedder: Embedder, listener: ProgressListener, notice: Notice
) -> Generation:
    """The corpus's store, built first if there is none; raises QAError."""
    try:
        return open_store(config, embedder)
    except StoreMissing:
        notice(f"Building the vector store for {config.corpus}, once.")
        take_in(config, corpus, embedder, listener, notice)
    return open_store(config, embedder)


def corpus_of(config: Config, columns: Mapping[str, str] | None = None) -> Corpus:
    """The corpus that the settings name, its columns called as given now or at earlier rebuilds.

    A column given as empty goes by its usual names again.
    """
    known = {**known_columns(config.store, config.corpus), **(columns or {})}
    return read_corpus(config.corpus, {field: name for field, name in known.items() if name})


def take_in(
    config: Config,
    corpus: Corpus,
    embedder: Embedder,
    listener: ProgressListener,
    notice: Notice,
) -> None:
    """Bring the corpus's store up to date and say what was done."""
    report = rebuild_store(config, corpus, embedder, listener, notice)
    notice(built_line(report))


def open_store(config: Config, embedder: Embedder) -> Generation:
    """The corpus's store as it is; raises StoreError."""
    return Generation.open(
        config.store, config.corpus, fingerprint=embedder.fingerprint, server=server_of(config)
    )


def rebuild_store(  # noqa: PLR0913 - each is a part of its own
    config: Config,
    corpus: Corpus,
    embedder: Embedder,
    listener: ProgressListener,
    notice: Notice,
    *,
    force: bool = False,
) -> BuildReport:
    """Bring the corpus's store up to date, after another process that is doing so."""

    def waiting(holder: LockHolder | None) -> None:
        notice(f"Waiting for {holder or 'another process'}: it is building this store.")

    with span("rebuild") as tell:
        report = build(
            config.store,
            corpus,
            embedder,
            server=server_of(config),
            force=force,
            wait=WAIT,
            waiting=waiting,
            progress=listener,
        )
        tell({f"qa.papers.{change}": getattr(report, change) for change in CHANGES})
    for line in trouble_lines(report, config):
        notice(line)
    return report


def trouble_lines(report: BuildReport, config: Config) -> list[str]:
    """What a rebuild had to guess or to leave out, a line each."""
    lines = list(report.notes[:MOST_NOTES])
    if len(report.notes) > MOST_NOTES:
        lines.append(f"… and {len(report.notes) - MOST_NOTES:,} more files with guesses.")
    if report.skipped:
        skipped = SkippedEntries.of(report.skipped)
        command = f"qa status --skipped{config.corpus_option}"
        lines.append(f"{skipped.line} What and where: {command}")
    return lines


def server_of(config: Config) -> ChromaServer | None:
    """The Chroma server that holds the vectors, if the settings name one."""
    if config.chroma_url is None:
        return None
    return ChromaServer(
        config.chroma_url, config.chroma_token, config.chroma_tenant, config.chroma_database
    )


def built_line(report: BuildReport) -> str:
    """What a rebuild did, in a line."""
    changes = (
        f"{report.new:,} new, {report.changed:,} changed, {report.removed:,} removed, "
        f"{report.unchanged:,} unchanged"
    )
    entries = "1 entry" if len(report.skipped) == 1 else f"{len(report.skipped):,} entries"
    skipped = f", {entries} skipped" if report.skipped else ""
    papers = "1 paper" if report.papers == 1 else f"{report.papers:,} papers"
    return f"Vector store: {papers} ({changes}{skipped}) in {report.seconds:.1f} s."


T = TypeVar("T")

NO_LIMITS = Limits()
GLANCE = 0.1  # seconds between looks at whether somebody wants to stop
LOOPBACK = "http://127.0.0.1"  # where local models are, which cost nothing
HOW_TO_WRITE = (
    "For a written answer set OPENAI_API_KEY, OPENAI_BASE_URL to any OpenAI-compatible server, "
    "or QA_MODEL to a model file (.gguf)."
)


def ignore_event(_: object) -> None:
    """A listener for those who do not care about events or notices."""


@dataclass(frozen=True, slots=True)
class Found:
    """The papers of a search, best first, and the papers that were searched."""

    papers: tuple[ListedPaper, ...]
    scope: Scope


class Library:
    """A corpus open for questions: as many as you like, side by side too, until it is closed.

    Answers depend on nothing but the question and the corpus: an earlier question changes nothing.
    """

    def __init__(
        self,
        config: Config,
        generation: Generation,
        embedder: Embedder,
        model: str | LocalModel | None,
    ) -> None:
        """Take what `open_library` has opened."""
        self.config = config
        self._generation: Generation | None = generation
        self.embedder = embedder
        self._local = model if isinstance(model, LocalModel) else None
        # What answers name; None: they come from scores alone.
        self.model = model.name if isinstance(model, LocalModel) else model

    @property
    def generation(self) -> Generation:
        """The open store; raises StoreError once the library is closed."""
        if self._generation is None:
            raise StoreError("This library is closed: open the corpus again.")
        return self._generation

    def ask(
        self,
        question: str,
        *,
        limits: Limits = NO_LIMITS,
        filters: Filters = EVERYTHING,
        cached: bool = True,
        on_event: Callable[[object], None] = ignore_event,
    ) -> Answer:
        """Answer the question from the papers that pass the filters.

        `on_event` hears each of `qa.events`' progress events as it happens. With `cached` the
        model's earlier verdicts are used. Can be called where an event loop runs, as in notebooks.
        Raises QAError.
        """
        return run(
            self.aask(question, limits=limits, filters=filters, cached=cached, on_event=on_event)
        )

    async def aask(
        self,
        question: str,
        *,
        limits: Limits = NO_LIMITS,
        filters: Filters = EVERYTHING,
        cached: bool = True,
        on_event: Callable[[object], None] = ignore_event,
    ) -> Answer:
        """As `ask`, in the running event loop; when cancelled, no further model call is made."""
        finished = await self.answered(
            question, limits=limits, filters=filters, cached=cached, on_event=on_event
        )
        return finished.answer

    async def answered(  # noqa: PLR0913 - each is a setting of its own
        self,
        question: str,
        *,
        limits: Limits = NO_LIMITS,
        filters: Filters = EVERYTHING,
        cached: bool = True,
        on_event: Callable[[object], None] = ignore_event,
        write: bool = True,
    ) -> Finished:
        """As `aask`, with the whole ranking beside the answer; can do without writing one."""
        asked = Asked(question=checked_question(question), limits=_checked(limits, Limits))
        retriever = self.retriever(filters)
        if self.model is None:
            return await _run(PipelineParts(retriever), asked, on_event)
        chat = self.chat()
        try:
            parts = self._parts(retriever, chat, cached=cached, on_event=on_event)
            return await _run(parts if write else replace(parts, writer=None), asked, on_event)
        finally:
            await chat.close()

    async def judged_by(self, judge: Judge, question: str) -> Finished:
        """Answer with another judge and without a writer, for measuring."""
        asked = Asked(question=question, limits=NO_LIMITS)
        return await _run(PipelineParts(self.retriever(), judge=judge), asked, ignore_event)

    def search(self, question: str, *, limit: int = 10, filters: Filters = EVERYTHING) -> Found:
        """The best papers for the question by score alone, each with its best sentence."""
        if limit < 1:
            raise UsageError(f"limit is {limit}; it must be 1 or more.")
        with span("search"):
            retriever = self.retriever(filters)
            papers = nearest_papers(retriever.first(checked_question(question)), retriever, limit)
            return Found(listed_papers(papers, set()), retriever.scope)

    async def asearch(
        self, question: str, *, limit: int = 10, filters: Filters = EVERYTHING
    ) -> Found:
        """As `search`, beside the running event loop."""
        return await asyncio.to_thread(self.search, question, limit=limit, filters=filters)

    def retriever(self, filters: Filters = EVERYTHING) -> Retriever:
        """What ranks the papers that pass the filters."""
        embedder = traced_embedder(self.embedder)
        return Retriever(self.generation, embedder, _checked(filters, Filters))

    def chat(self) -> Chat:
        """A new client of the chat model, to be closed after use; ConfigError if there is none."""
        if self.model is None:
            raise ConfigError(f"There is no chat model. {HOW_TO_WRITE}")
        patience = Patience.within(self.config.timeout) if self.config.timeout else None
        if self._local is not None:
            return traced_chat(self._local.chat(patience))
        chat = OpenAIChat(
            self.model,
            api_key=self.config.api_key,
            base_url=self.config.base_url,
            limits=patience,
        )
        return traced_chat(chat)

    def _parts(
        self,
        retriever: Retriever,
        chat: Chat,
        *,
        cached: bool,
        on_event: Callable[[object], None] = ignore_event,
    ) -> PipelineParts:
        names = ("judge.system", "judge.user", "answer.system", "answer.user")
        prompts = {name: load_prompt(name, self.config.prompts) for name in names}
        cache = self._verdicts(prompts) if cached else None
        return PipelineParts(
            retriever,
            judge=ModelJudge(
                chat,
                prompts["judge.system"],
                prompts["judge.user"],
                cache,
                one_by_one=self._local is not None,
                heard=lambda done, of: on_event(Judging(done=done, of=of)),
            ),
            writer=Writer(chat, prompts["answer.system"], prompts["answer.user"]),
            model=self.model,
            base_url=LOOPBACK if self._local else self.config.base_url,
        )

    @property
    def identity(self) -> str:
        """What tells the chat model from any other: its name and server, or what its file holds."""
        place = self._local.file.fingerprint if self._local else self.config.base_url
        return f"{self.model or ''}\0{place or ''}"

    def _verdicts(self, prompts: dict[str, Prompt]) -> Verdicts:
        parts = (self.identity, prompts["judge.system"].text, prompts["judge.user"].text)
        judge = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return Verdicts(verdicts_path(self.config), judge)

    def papers(self, filters: Filters = EVERYTHING) -> list[Paper]:
        """Every paper of the corpus that passes the filters, in a fixed order."""
        return self.generation.papers(self.retriever(filters).ids())

    def papers_of(self, entries: Iterable[ListedPaper]) -> list[Paper]:
        """The papers of an answer or a search, with all that is known of them."""
        return self.generation.papers([entry.id for entry in entries])

    def papers_with(self, start: str) -> list[Paper]:
        """The papers whose id begins like this."""
        ids = [id_ for id_ in self.generation.ids() if id_.startswith(start.lower())]
        return self.generation.papers(ids)

    def why_none(self, filters: Filters) -> str:
        """Why no paper passes the filters, where it is that no paper says what they ask for."""
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


def open_library(
    config: Config,
    listener: ProgressListener = ignore_progress,
    notice: Notice = ignore_event,
    *,
    chat: bool = True,
    refresh: bool = False,
) -> Library:
    """Open the corpus's store, building it first if there is none, or with `refresh` in any case.

    Without `chat` no model is chosen. `notice` hears what the user should know. Raises QAError.
    """
    model = model_of(config) if chat else None
    corpus = corpus_of(config)
    embedder = embedder_of(config, listener)
    if refresh:
        take_in(config, corpus, embedder, listener, notice)
    generation = open_or_build(config, corpus, embedder, listener, notice)
    try:
        if generation.corpus_changed(corpus):
            command = config.rebuild_command
            notice(f"The corpus has changed since the store was built. Take it in with: {command}")
        return Library(config, generation, embedder, model)
    except BaseException:
        generation.close()
        raise


def model_of(config: Config) -> str | LocalModel | None:
    """The chat model that the settings mean: its name, or its file; None: answers without one."""
    if config.model is not None and is_model_file(config.model, config.base_url):
        return LocalModel.find(config.model)
    return choose_model(config.model, config.api_key, config.base_url)


def verdicts_path(config: Config) -> Path:
    """Where the chat model's verdicts are kept."""
    return config.cache / "verdicts.sqlite"


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work, done in an event loop of its own, even where another one runs.

    Ctrl-C cancels the work.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    begun: Future[Callable[[], object]] = Future()

    async def cancellable() -> T:
        cancel = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        begun.set_result(lambda: loop.call_soon_threadsafe(cancel.cancel))
        return await cancel

    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(copy_context().run, asyncio.run, cancellable())
        waiting = asyncio.current_task()
        try:
            while not wait([result], GLANCE).done:
                if waiting is not None and waiting.cancelling():
                    raise asyncio.CancelledError  # so asyncio.run takes Ctrl-C
            return result.result()
        finally:
            if not result.done():
                begun.result()()


def _checked(value: T, kind: type) -> T:
    if not isinstance(value, kind):
        raise UsageError(f"{value!r:.80} is no {kind.__name__}: give qa.{kind.__name__}(…).")
    return value


async def _run(parts: PipelineParts, asked: Asked, on_event: Callable[[object], None]) -> Finished:
    trace_questions()
    handler = Pipeline(parts).run(start_event=asked)
    try:
        async for event in handler.stream_events():
            on_event(event)
        finished: Finished = await handler
    except BaseException:
        await handler.cancel_run()
        raise
    return finished


log = logging.getLogger("qa")


def open_corpus(  # noqa: PLR0913 - each is a setting of its own
    corpus: Path | str | None = None,
    *,
    model: str | None = None,
    config: Config | None = None,
    refresh: bool = False,
    on_progress: ProgressListener = ignore_progress,
    on_notice: Callable[[str], None] = log.warning,
) -> Library:
    """Open a corpus for questions, building its store first if there is none.

    `corpus` is a folder or file, `model` a chat model's name ("none": without one), `config` what
    the settings are taken from in place of the environment. With `refresh`
    what changed in the corpus is taken in first. `on_progress` hears how far the building has come,
    `on_notice` lines that a user should know; by default they are logged. Close it after use, or
    open it in a `with`. Raises QAError.
    """
    return open_library(configured(corpus, model, config), on_progress, on_notice, refresh=refresh)


def ask(  # noqa: PLR0913 - each is a setting of its own
    question: str,
    *,
    corpus: Path | str | None = None,
    model: str | None = None,
    limits: Limits = NO_LIMITS,
    filters: Filters = EVERYTHING,
    cached: bool = True,
    refresh: bool = False,
    on_event: Callable[[object], None] = ignore_event,
    on_progress: ProgressListener = ignore_progress,
    on_notice: Callable[[str], None] = log.warning,
) -> Answer:
    """Answer a question from a corpus, as the command `ask` does.

    For several questions `open_corpus` once and ask it: that opens the store once. See there, and
    `Library.ask`, for the arguments. Raises QAError.
    """
    return run(
        aask(
            question,
            corpus=corpus,
            model=model,
            limits=limits,
            filters=filters,
            cached=cached,
            refresh=refresh,
            on_event=on_event,
            on_progress=on_progress,
            on_notice=on_notice,
        )
    )


async def aask(  # noqa: PLR0913 - each is a setting of its own
    question: str,
    *,
    corpus: Path | str | None = None,
    model: str | None = None,
    limits: Limits = NO_LIMITS,
    filters: Filters = EVERYTHING,
    cached: bool = True,
    refresh: bool = False,
    on_event: Callable[[object], None] = ignore_event,
    on_progress: ProgressListener = ignore_progress,
    on_notice: Callable[[str], None] = log.warning,
) -> Answer:
    """As `ask`, in the running event loop; the store is opened beside it."""
    library = await asyncio.to_thread(
        open_corpus,
        corpus,
        model=model,
        refresh=refresh,
        on_progress=on_progress,
        on_notice=on_notice,
    )
    with library:
        return await library.aask(
            question, limits=limits, filters=filters, cached=cached, on_event=on_event
        )


def search(  # noqa: PLR0913 - each is a setting of its own
    question: str,
    *,
    limit: int = 10,
    corpus: Path | str | None = None,
    filters: Filters = EVERYTHING,
    on_progress: ProgressListener = ignore_progress,
    on_notice: Callable[[str], None] = log.warning,
) -> Found:
    """The best papers for a question by score alone, as the command `qa search` finds them.

    Raises QAError.
    """
    config = configured(corpus)
    with open_library(config, on_progress, on_notice, chat=False) as library:
        return library.search(question, limit=limit, filters=filters)


async def asearch(  # noqa: PLR0913 - each is a setting of its own
    question: str,
    *,
    limit: int = 10,
    corpus: Path | str | None = None,
    filters: Filters = EVERYTHING,
    on_progress: ProgressListener = ignore_progress,
    on_notice: Callable[[str], None] = log.warning,
) -> Found:
    """As `search`, beside the running event loop."""
    return await asyncio.to_thread(
        search,
        question,
        limit=limit,
        corpus=corpus,
        filters=filters,
        on_progress=on_progress,
        on_notice=on_notice,
    )


def rebuild(
    corpus: Path | str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    force: bool = False,
    on_progress: ProgressListener = ignore_progress,
    on_notice: Callable[[str], None] = log.warning,
) -> BuildReport:
    """Bring a corpus's vector store up to date, as the command `qa rebuild` does.

    Only new or changed text is embedded; with `force` everything. `columns` are the names of a
    table's columns by field ({"title": "Article Title"}) and are kept. Raises QAError.
    """
    config = configured(corpus)
    return rebuild_store(
        config,
        corpus_of(config, columns),
        embedder_of(config, on_progress),
        on_progress,
        on_notice,
        force=force,
    )


async def arebuild(
    corpus: Path | str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    force: bool = False,
    on_progress: ProgressListener = ignore_progress,
    on_notice: Callable[[str], None] = log.warning,
) -> BuildReport:
    """As `rebuild`, beside the running event loop."""
    return await asyncio.to_thread(
        rebuild,
        corpus,
        columns=columns,
        force=force,
        on_progress=on_progress,
        on_notice=on_notice,
    )
