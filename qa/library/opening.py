"""Open a corpus, building its store first where there is none."""

from qa.config import Config
from qa.errors import StoreMissing
from qa.index.build import BuildReport
from qa.index.locks import LockHolder
from qa.index.store import CorpusStore
from qa.library.chat_model import model_or_failure
from qa.library.library import Library, NoticeListener, ignore_event
from qa.progress import ProgressListener, Work, ignore_progress, observed

MOST_NOTES = 10  # lines; a folder of a thousand old files would fill the screen


def open_library(
    config: Config,
    on_progress: ProgressListener = ignore_progress,
    on_notice: NoticeListener = ignore_event,
    *,
    chat: bool = True,
    refresh: bool = False,
) -> Library:
    """Open the corpus's store, building it first if there is none, or with `refresh` in any case.

    Without `chat` no model is chosen. Raises QAError.
    """
    model = model_or_failure(config) if chat else None
    store = CorpusStore(config, on_progress=on_progress)
    if refresh:
        on_notice(built_line(rebuild_store(store, on_notice)))
    try:
        generation = store.open()
    except StoreMissing:
        on_notice(f"Building the vector store for {config.corpus}, once.")
        on_notice(built_line(rebuild_store(store, on_notice)))
        generation = store.open()
    try:
        if generation.corpus_changed(store.corpus):
            changed = "The corpus has changed since the store was built."
            on_notice(f"{changed} Take it in with: {config.rebuild_command}")
        return Library(config, generation, store.embedder, model, on_notice)
    except BaseException:
        generation.close()
        raise


def rebuild_store(
    store: CorpusStore, on_notice: NoticeListener, *, force: bool = False
) -> BuildReport:
    """Bring a store up to date, after another process that is doing so. Raises QAError.

    `on_notice` is called with whom we wait for, what had to be guessed, and what was left out.
    """

    def waiting(holder: LockHolder | None) -> None:
        on_notice(f"Waiting for {holder or 'another process'}: it is building this store.")

    with observed(Work("rebuild")) as work:
        work.result = report = store.build(force=force, on_wait=waiting)
    for note in report.notes[:MOST_NOTES]:
        on_notice(note)
    if len(report.notes) > MOST_NOTES:
        on_notice(f"… and {len(report.notes) - MOST_NOTES:,} more files with guesses.")
    reading = report.reading
    if reading.skips:
        command = f"qa status --skipped{store.config.corpus_option}"
        on_notice(f"{reading.skipped_line} What and where: {command}")
    if reading.warning:
        on_notice(f"WARNING: {reading.warning}")
    return report


def built_line(report: BuildReport) -> str:
    """Return what a rebuild did, in a line."""
    changes = (
        f"{report.new:,} new, {report.changed:,} changed, {report.removed:,} removed, "
        f"{report.unchanged:,} unchanged"
    )
    skips = report.reading.skips
    entries = "1 entry" if skips == 1 else f"{skips:,} entries"
    skipped = f", {entries} skipped" if skips else ""
    papers = "1 paper" if report.papers == 1 else f"{report.papers:,} papers"
    return f"Vector store: {papers} ({changes}{skipped}) in {report.seconds:.1f} s."
