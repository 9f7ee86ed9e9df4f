"""Bringing the store of the corpus that the settings name up to date, and opening it."""

from collections.abc import Callable, Mapping

from qa.config import Config, corpus_option
from qa.corpus.readers.corpus import Corpus, read_corpus
from qa.errors import StoreMissing
from qa.index.build import BuildReport, build
from qa.index.columns import known_columns
from qa.index.embedding import open_embedder
from qa.index.embedding.embedder import Embedder
from qa.index.generation import Generation
from qa.index.lock import Holder
from qa.index.server import ChromaServer
from qa.index.skipped import SkippedEntries
from qa.progress import Listener
from qa.tracing import span

MOST_NOTES = 10  # lines; a folder of a thousand old files would fill the screen
CHANGES = ("new", "changed", "removed", "unchanged")
WAIT = 3600.0  # seconds for another process that is building the same store

Notice = Callable[[str], None]  # hears a line that the user should know


def embedder_of(config: Config, listener: Listener) -> Embedder:
    """The embedding model that the settings name; nothing is loaded before its first text."""
    return open_embedder(
        config.embed_model,
        api_key=config.api_key,
        base_url=config.base_url,
        cache=config.cache,
        progress=listener,
    )


def open_or_build(
    config: Config, corpus: Corpus, embedder: Embedder, listener: Listener, notice: Notice
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
    listener: Listener,
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
    listener: Listener,
    notice: Notice,
    *,
    force: bool = False,
) -> BuildReport:
    """Bring the corpus's store up to date, after another process that is doing so."""

    def waiting(holder: Holder | None) -> None:
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
        command = f"qa status --skipped{corpus_option(config.corpus)}"
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
