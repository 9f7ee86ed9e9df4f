"""A corpus ready to be asked: its store opened or built, its embedding, and a chat model if any."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from qa.answer import Writer
from qa.chat import Limits as Patience
from qa.chat import OpenAIChat, choose_model
from qa.conclusion import Parts
from qa.config import Config
from qa.embedding import Embedder, open_embedder
from qa.errors import ConfigError, StoreMissing
from qa.events import Asked, Finished
from qa.filters import EVERYTHING, Filters
from qa.judge import Judge, ModelJudge
from qa.listing import listed, nearest
from qa.papers import Paper
from qa.pipeline import Pipeline
from qa.progress import Listener, nobody
from qa.prompts import Prompt, load_prompt
from qa.readers import Corpus, read_corpus
from qa.reading import Limits
from qa.results import ListedPaper
from qa.retrieval import Retriever
from qa.store import (
    BuildReport,
    ChromaServer,
    Generation,
    Holder,
    SkippedEntries,
    build,
    known_columns,
)
from qa.verdicts import Verdicts

MOST_NOTES = 10  # lines; a folder of a thousand old files would fill the screen
WAIT = 3600.0  # seconds for another process that is building the same store
HOW_TO_WRITE = (
    "For a written answer set OPENAI_API_KEY, or OPENAI_BASE_URL to any OpenAI-compatible server."
)


@dataclass(frozen=True, slots=True)
class Session:
    """Answers questions over one corpus until it is closed."""

    config: Config
    generation: Generation
    retriever: Retriever
    filters: Filters
    model: str | None

    async def ask(
        self,
        question: str,
        limits: Limits,
        listener: Callable[[object], None] = lambda _: None,
        *,
        cached: bool = True,
    ) -> Finished:
        """Answer the question; the listener hears each event as it happens. Raises QAError."""
        if self.model is None:
            return await self._run(Parts(self.retriever), question, limits, listener)
        chat = OpenAIChat(
            self.model,
            api_key=self.config.api_key,
            base_url=self.config.base_url,
            limits=Patience.within(self.config.timeout) if self.config.timeout else None,
        )
        try:
            return await self._run(self._parts(chat, cached=cached), question, limits, listener)
        finally:
            await chat.close()

    async def judged_by(self, judge: Judge, question: str, limits: Limits) -> Finished:
        """Answer with another judge and without a writer: for measuring."""
        return await self._run(Parts(self.retriever, judge=judge), question, limits, lambda _: None)

    async def _run(
        self,
        parts: Parts,
        question: str,
        limits: Limits,
        listener: Callable[[object], None],
    ) -> Finished:
        handler = Pipeline(parts).run(start_event=Asked(question=question, limits=limits))
        async for event in handler.stream_events():
            listener(event)
        finished: Finished = await handler
        return finished

    def _parts(self, chat: OpenAIChat, *, cached: bool) -> Parts:
        names = ("judge.system", "judge.user", "answer.system", "answer.user")
        prompts = {name: load_prompt(name, self.config.prompts) for name in names}
        cache = self._verdicts(prompts) if cached else None
        return Parts(
            self.retriever,
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

    def search(self, question: str, limit: int) -> tuple[ListedPaper, ...]:
        """The best papers for the question by score alone, each with its best sentence."""
        search = self.retriever.first(question)
        return listed(nearest(search, self.retriever, limit), set())

    def all_papers(self) -> list[Paper]:
        """Every paper of the corpus that passes the filters."""
        return self.generation.papers(self.retriever.ids())

    def papers_of(self, listed: Iterable[ListedPaper]) -> list[Paper]:
        """The papers of an answer, with all that is known of them."""
        return self.generation.papers([entry.id for entry in listed])

    def why_none(self) -> str:
        """Why no paper passes the filters, where it is that no paper says what they ask for."""
        kinds = self.filters.kinds().items()
        unknown = [kind for kind, anything in kinds if not len(self.generation.select(anything))]
        return f"No paper of this corpus has a known {' or '.join(unknown)}." if unknown else ""

    def papers_with(self, start: str) -> list[Paper]:
        """The papers whose id begins like this."""
        ids = [id_ for id_ in self.generation.ids() if id_.startswith(start.lower())]
        return self.generation.papers(ids)

    def close(self) -> None:
        """Close the store's files."""
        self.generation.close()


def verdicts_path(config: Config) -> Path:
    """Where the chat model's verdicts are kept."""
    return config.cache / "verdicts.sqlite"


def embedder_of(config: Config, listener: Listener) -> Embedder:
    """The embedding model that the settings name; nothing is loaded before its first text."""
    return open_embedder(
        config.embed_model,
        api_key=config.api_key,
        base_url=config.base_url,
        cache=config.cache,
        progress=listener,
    )


def open_session(  # noqa: PLR0913 - each is a part of its own
    config: Config,
    listener: Listener = nobody,
    notice: Callable[[str], None] = lambda _: None,
    *,
    filters: Filters = EVERYTHING,
    chat: bool = True,
    refresh: bool = False,
) -> Session:
    """Open the corpus's store, building it first if there is none, or with `refresh` in any case.

    Only the papers that pass the filters are asked. `notice` hears what the user should know.
    Raises QAError.
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
    generation = _opened(config, corpus, embedder, listener, notice)
    try:
        if generation.corpus_changed(corpus):
            notice("The corpus has changed since the store was built. Take it in with: qa rebuild")
        return Session(config, generation, Retriever(generation, embedder, filters), filters, model)
    except BaseException:
        generation.close()
        raise


def corpus_of(config: Config, columns: Mapping[str, str] | None = None) -> Corpus:
    """The corpus that the settings name, its columns called as given now or at earlier rebuilds.

    A column given as empty goes by its usual names again.
    """
    known = {**known_columns(config.store, config.corpus), **(columns or {})}
    return read_corpus(config.corpus, {field: name for field, name in known.items() if name})


def _opened(
    config: Config,
    corpus: Corpus,
    embedder: Embedder,
    listener: Listener,
    notice: Callable[[str], None],
) -> Generation:
    try:
        return open_store(config, embedder)
    except StoreMissing:
        notice(f"Building the vector store for {config.corpus}, once.")
        take_in(config, corpus, embedder, listener, notice)
    return open_store(config, embedder)


def take_in(
    config: Config,
    corpus: Corpus,
    embedder: Embedder,
    listener: Listener,
    notice: Callable[[str], None],
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
    listener: Listener,
    notice: Callable[[str], None],
    *,
    force: bool = False,
) -> BuildReport:
    """Bring the corpus's store up to date, after another process that is doing so."""

    def waiting(holder: Holder | None) -> None:
        notice(f"Waiting for {holder or 'another process'}: it is building this store.")

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
    for line in trouble_lines(report):
        notice(line)
    return report


def trouble_lines(report: BuildReport) -> list[str]:
    """What a rebuild had to guess or to leave out, a line each."""
    lines = list(report.notes[:MOST_NOTES])
    if len(report.notes) > MOST_NOTES:
        lines.append(f"… and {len(report.notes) - MOST_NOTES:,} more files with guesses.")
    if report.skipped:
        skipped = SkippedEntries.of(report.skipped)
        lines.append(f"{skipped.line} What and where: qa status --skipped")
    return lines


def server_of(config: Config) -> ChromaServer | None:
    """The Chroma server that holds the vectors, if the settings name one."""
    return ChromaServer(config.chroma_url, config.chroma_token) if config.chroma_url else None


def built_line(report: BuildReport) -> str:
    """What a rebuild did, in a line."""
    changes = (
        f"{report.new:,} new, {report.changed:,} changed, {report.removed:,} removed, "
        f"{report.unchanged:,} unchanged"
    )
    skipped = f", {len(report.skipped):,} entries skipped" if report.skipped else ""
    return f"Vector store: {report.papers:,} papers ({changes}{skipped}) in {report.seconds:.1f} s."
