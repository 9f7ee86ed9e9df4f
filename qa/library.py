"""A library: one corpus open for questions, with its store, embedding and chat model if any."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from qa.answering.answer import Writer
from qa.answering.conclusion import Parts
from qa.answering.events import Asked, Finished, Judging
from qa.answering.judge import Judge, ModelJudge
from qa.answering.listing import listed, nearest
from qa.answering.pipeline import Pipeline
from qa.answering.reading import Limits
from qa.answering.results import Answer, ListedPaper
from qa.answering.verdicts import Verdicts
from qa.config import Config, rebuild_command
from qa.corpus.filters import EVERYTHING, Filters
from qa.corpus.papers import Paper
from qa.errors import ConfigError, StoreError, UsageError
from qa.index.embedding.embedder import Embedder
from qa.index.generation import Generation
from qa.llm.client import OpenAIChat
from qa.llm.limits import Limits as Patience
from qa.llm.listing import choose_model
from qa.llm.llama_cpp.model import LocalModel
from qa.llm.llama_cpp.model_file import is_model_file
from qa.llm.messages import Chat
from qa.llm.prompts import Prompt, load_prompt
from qa.progress import Listener, nobody
from qa.rebuilding import Notice, corpus_of, embedder_of, open_or_build, take_in
from qa.retrieval.question import checked_question
from qa.retrieval.retrieval import Retriever
from qa.retrieval.scope import Scope
from qa.tracing import span, trace_questions, traced_chat, traced_embedder

T = TypeVar("T")

NO_LIMITS = Limits()
GLANCE = 0.1  # seconds between looks at whether somebody wants to stop
LOOPBACK = "http://127.0.0.1"  # where local models are, which cost nothing
HOW_TO_WRITE = (
    "For a written answer set OPENAI_API_KEY, OPENAI_BASE_URL to any OpenAI-compatible server, "
    "or QA_MODEL to a model file (.gguf)."
)


def unheard(_: object) -> None:
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
        on_event: Callable[[object], None] = unheard,
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
        on_event: Callable[[object], None] = unheard,
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
        on_event: Callable[[object], None] = unheard,
        write: bool = True,
    ) -> Finished:
        """As `aask`, with the whole ranking beside the answer; can do without writing one."""
        asked = Asked(question=checked_question(question), limits=_checked(limits, Limits))
        retriever = self.retriever(filters)
        if self.model is None:
            return await _run(Parts(retriever), asked, on_event)
        chat = self.chat()
        try:
            parts = self._parts(retriever, chat, cached=cached, on_event=on_event)
            return await _run(parts if write else replace(parts, writer=None), asked, on_event)
        finally:
            await chat.close()

    async def judged_by(self, judge: Judge, question: str) -> Finished:
        """Answer with another judge and without a writer, for measuring."""
        asked = Asked(question=question, limits=NO_LIMITS)
        return await _run(Parts(self.retriever(), judge=judge), asked, unheard)

    def search(self, question: str, *, limit: int = 10, filters: Filters = EVERYTHING) -> Found:
        """The best papers for the question by score alone, each with its best sentence."""
        if limit < 1:
            raise UsageError(f"limit is {limit}; it must be 1 or more.")
        with span("search"):
            retriever = self.retriever(filters)
            papers = nearest(retriever.first(checked_question(question)), retriever, limit)
            return Found(listed(papers, set()), retriever.scope)

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
        on_event: Callable[[object], None] = unheard,
    ) -> Parts:
        names = ("judge.system", "judge.user", "answer.system", "answer.user")
        prompts = {name: load_prompt(name, self.config.prompts) for name in names}
        cache = self._verdicts(prompts) if cached else None
        return Parts(
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
    listener: Listener = nobody,
    notice: Notice = unheard,
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
            command = rebuild_command(config.corpus)
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


async def _run(parts: Parts, asked: Asked, on_event: Callable[[object], None]) -> Finished:
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
