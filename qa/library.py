"""A library: one corpus open for questions, with its store, embedding and chat model if any."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from qa.answer import Writer
from qa.chat import Limits as Patience
from qa.chat import OpenAIChat, choose_model
from qa.conclusion import Parts
from qa.config import Config
from qa.embedding import Embedder
from qa.errors import ConfigError
from qa.events import Asked, Finished
from qa.filters import EVERYTHING, Filters
from qa.judge import Judge, ModelJudge
from qa.listing import listed, nearest
from qa.papers import Paper
from qa.pipeline import Pipeline
from qa.progress import Listener, nobody
from qa.prompts import Prompt, load_prompt
from qa.reading import Limits
from qa.rebuilding import Notice, corpus_of, embedder_of, open_or_build, take_in
from qa.results import Answer, ListedPaper, Scope
from qa.retrieval import Retriever
from qa.store import Generation
from qa.verdicts import Verdicts

T = TypeVar("T")

NO_LIMITS = Limits()
HOW_TO_WRITE = (
    "For a written answer set OPENAI_API_KEY, or OPENAI_BASE_URL to any OpenAI-compatible server."
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
        self, config: Config, generation: Generation, embedder: Embedder, model: str | None
    ) -> None:
        """Take what `open_library` has opened."""
        self.config = config
        self.generation = generation
        self.embedder = embedder
        self.model = model  # None: answers come from scores alone

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

    async def answered(
        self,
        question: str,
        *,
        limits: Limits = NO_LIMITS,
        filters: Filters = EVERYTHING,
        cached: bool = True,
        on_event: Callable[[object], None] = unheard,
    ) -> Finished:
        """As `aask`, with the whole ranking beside the answer, for measuring."""
        asked = Asked(question=question, limits=limits)
        retriever = self.retriever(filters)
        if self.model is None:
            return await _run(Parts(retriever), asked, on_event)
        chat = self.chat()
        try:
            return await _run(self._parts(retriever, chat, cached=cached), asked, on_event)
        finally:
            await chat.close()

    async def judged_by(self, judge: Judge, question: str) -> Finished:
        """Answer with another judge and without a writer, for measuring."""
        asked = Asked(question=question, limits=NO_LIMITS)
        return await _run(Parts(self.retriever(), judge=judge), asked, unheard)

    def search(self, question: str, *, limit: int = 10, filters: Filters = EVERYTHING) -> Found:
        """The best papers for the question by score alone, each with its best sentence."""
        retriever = self.retriever(filters)
        papers = nearest(retriever.first(question), retriever, limit)
        return Found(listed(papers, set()), retriever.scope)

    async def asearch(
        self, question: str, *, limit: int = 10, filters: Filters = EVERYTHING
    ) -> Found:
        """As `search`, beside the running event loop."""
        return await asyncio.to_thread(self.search, question, limit=limit, filters=filters)

    def retriever(self, filters: Filters = EVERYTHING) -> Retriever:
        """What ranks the papers that pass the filters."""
        return Retriever(self.generation, self.embedder, filters)

    def chat(self) -> OpenAIChat:
        """A new client of the chat model, to be closed after use; ConfigError if there is none."""
        if self.model is None:
            raise ConfigError(f"There is no chat model. {HOW_TO_WRITE}")
        patience = Patience.within(self.config.timeout) if self.config.timeout else None
        return OpenAIChat(
            self.model,
            api_key=self.config.api_key,
            base_url=self.config.base_url,
            limits=patience,
        )

    def _parts(self, retriever: Retriever, chat: OpenAIChat, *, cached: bool) -> Parts:
        names = ("judge.system", "judge.user", "answer.system", "answer.user")
        prompts = {name: load_prompt(name, self.config.prompts) for name in names}
        cache = self._verdicts(prompts) if cached else None
        return Parts(
            retriever,
            judge=ModelJudge(chat, prompts["judge.system"], prompts["judge.user"], cache),
            writer=Writer(chat, prompts["answer.system"], prompts["answer.user"]),
            model=self.model,
            base_url=self.config.base_url,
        )

    def _verdicts(self, prompts: dict[str, Prompt]) -> Verdicts:
        parts = (
            self.model or "",
            self.config.base_url or "",
            prompts["judge.system"].text,
            prompts["judge.user"].text,
        )
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
        """Close the store's files."""
        self.generation.close()

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
    model = choose_model(config.model, config.api_key, config.base_url) if chat else None
    if model is not None and model.endswith(".gguf"):
        raise ConfigError(
            f"{model} is a model file, which needs a server: start one with it (llama-server -m "
            "FILE) and set OPENAI_BASE_URL to its address."
        )
    corpus = corpus_of(config)
    embedder = embedder_of(config, listener)
    if refresh:
        take_in(config, corpus, embedder, listener, notice)
    generation = open_or_build(config, corpus, embedder, listener, notice)
    try:
        if generation.corpus_changed(corpus):
            notice("The corpus has changed since the store was built. Take it in with: qa rebuild")
        return Library(config, generation, embedder, model)
    except BaseException:
        generation.close()
        raise


def verdicts_path(config: Config) -> Path:
    """Where the chat model's verdicts are kept."""
    return config.cache / "verdicts.sqlite"


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work, done in an event loop of its own, even where another one runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _run(parts: Parts, asked: Asked, on_event: Callable[[object], None]) -> Finished:
    handler = Pipeline(parts).run(start_event=asked)
    try:
        async for event in handler.stream_events():
            on_event(event)
        finished: Finished = await handler
    except BaseException:
        await handler.cancel_run()
        raise
    return finished
