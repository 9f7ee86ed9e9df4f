"""The functions of `import qa`: ask, search and rebuild, each also for the running event loop.

Every call takes the settings of the environment, as the commands do; what is given as an argument
takes their place. Errors that a caller can act on are `QAError`s.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from qa.answering.reading import Limits
from qa.answering.results import Answer
from qa.config import Config, configured
from qa.corpus.filters import EVERYTHING, Filters
from qa.index.build import BuildReport
from qa.library import NO_LIMITS, Found, Library, open_library, run, unheard
from qa.progress import Progress, nobody
from qa.rebuilding import corpus_of, embedder_of, rebuild_store

Listener = Callable[[Progress], None]
log = logging.getLogger("qa")


def open_corpus(  # noqa: PLR0913 - each is a setting of its own
    corpus: Path | str | None = None,
    *,
    model: str | None = None,
    config: Config | None = None,
    refresh: bool = False,
    on_progress: Listener = nobody,
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
    on_event: Callable[[object], None] = unheard,
    on_progress: Listener = nobody,
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
    on_event: Callable[[object], None] = unheard,
    on_progress: Listener = nobody,
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
    on_progress: Listener = nobody,
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
    on_progress: Listener = nobody,
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
    on_progress: Listener = nobody,
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
    on_progress: Listener = nobody,
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
