"""The functions of the Python API: `qa.ask`, `qa.search`, `qa.rebuild`, `qa.open_corpus`.

They use the settings of the environment; arguments take their place. Errors that a caller can act
on are `QAError`s.
"""

import asyncio
import functools
import logging
from collections.abc import Mapping
from pathlib import Path

from qa.answering.reading import Limits
from qa.answering.results import Answer
from qa.config import Config, configured
from qa.corpus.filters import EVERYTHING, Filters
from qa.index.build import BuildReport
from qa.index.store import CorpusStore
from qa.library.library import (
    NO_LIMITS,
    AskOptions,
    EventListener,
    Found,
    Library,
    NoticeListener,
    ignore_event,
)
from qa.library.opening import open_library, rebuild_store
from qa.library.waiting import blocking, threaded
from qa.progress import ProgressListener, ignore_progress

log = logging.getLogger("qa")


def open_corpus(  # noqa: PLR0913 - each is a setting of its own
    corpus: Path | str | None = None,
    *,
    model: str | None = None,
    config: Config | None = None,
    refresh: bool = False,
    on_progress: ProgressListener = ignore_progress,
    on_notice: NoticeListener = log.warning,
) -> Library:
    """Open a corpus for questions, building its store first if there is none.

    `corpus` is a folder or file, `model` a chat model's name ("none": without one), `config` what
    the settings are taken from in place of the environment. With `refresh` what changed in the
    corpus is taken in first. `on_progress` is called while a store is built, `on_notice` with lines
    that a user should know; by default they are logged. Close the library after use, or open it in
    a `with`. Raises QAError.
    """
    return open_library(configured(corpus, model, config), on_progress, on_notice, refresh=refresh)


async def aask(  # noqa: PLR0913 - each is a setting of its own
    question: str,
    *,
    corpus: Path | str | None = None,
    model: str | None = None,
    limits: Limits = NO_LIMITS,
    filters: Filters = EVERYTHING,
    conditions: bool = True,
    cached: bool = True,
    refresh: bool = False,
    on_event: EventListener = ignore_event,
    on_progress: ProgressListener = ignore_progress,
    on_notice: NoticeListener = log.warning,
) -> Answer:
    """Answer a question from a corpus, as the command `ask` does.

    `ask` waits; `aask` is for a running event loop. For several questions `open_corpus` once and
    ask the library: that opens the store once. See there, and `Library.aask`, for the arguments.
    Raises QAError.
    """
    opened = functools.partial(
        open_corpus,
        corpus,
        model=model,
        refresh=refresh,
        on_progress=on_progress,
        on_notice=on_notice,
    )
    with await asyncio.to_thread(opened) as library:
        options = AskOptions(
            limits, filters, conditions=conditions, cached=cached, on_event=on_event
        )
        return (await library.answer(question, options)).answer


ask = blocking(aask)


def search(  # noqa: PLR0913 - each is a setting of its own
    question: str,
    *,
    limit: int = 10,
    corpus: Path | str | None = None,
    filters: Filters = EVERYTHING,
    conditions: bool = True,
    on_progress: ProgressListener = ignore_progress,
    on_notice: NoticeListener = log.warning,
) -> Found:
    """Return the best papers for a question by score, as the command `qa search` does.

    `asearch` works beside the running event loop. Raises QAError.
    """
    with open_library(configured(corpus), on_progress, on_notice, chat=False) as library:
        return library.search(question, limit=limit, filters=filters, conditions=conditions)


asearch = threaded(search)


def rebuild(
    corpus: Path | str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    force: bool = False,
    on_progress: ProgressListener = ignore_progress,
    on_notice: NoticeListener = log.warning,
) -> BuildReport:
    """Bring a corpus's vector store up to date, as the command `qa rebuild` does.

    Only new or changed text is embedded. With `force` all text is embedded and the store is written
    from nothing. `columns` are a table's column names by field ({"title": "Article Title"}); they
    are kept for later rebuilds. `arebuild` works beside the running event loop. Raises QAError.
    """
    store = CorpusStore(configured(corpus), columns=columns, on_progress=on_progress)
    return rebuild_store(store, on_notice, force=force)


arebuild = threaded(rebuild)
