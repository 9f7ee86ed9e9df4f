"""A corpus out of the Documents of LlamaIndex's readers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from llama_index.core.schema import BaseNode, Document, MetadataMode

from qa.api import Listener, log
from qa.config import Config, configured
from qa.errors import CorpusError, UsageError
from qa.library import Library, open_library
from qa.llama_index.corpus_folder import corpus_folder, write_papers
from qa.llama_index.loaded import Loaded
from qa.llama_index.taken import taken_in
from qa.progress import nobody

_HOW = "Give a list of LlamaIndex's Documents, as its readers' load_data() returns."
_HOW_FROM_A_PATH = "Open papers' files with qa.open_corpus, or load them with a LlamaIndex reader."


def build(  # noqa: PLR0913 - each is a setting of its own
    documents: Iterable[BaseNode],
    name: str = "documents",
    *,
    columns: Mapping[str, str] | None = None,
    model: str | None = None,
    config: Config | None = None,
    on_progress: Listener = nobody,
    on_notice: Callable[[str], None] = log.warning,
) -> Library:
    """A library of the papers in LlamaIndex's Documents, built and open for questions.

    It replaces what was built under this name; only new or changed text is embedded. The papers
    are kept as a corpus of files, `library.config.corpus`, which `ask --corpus` takes as well.
    `columns` gives by field (`title`, `abstract`, `year` ...) the user's own name for it in the
    metadata; `model`, `config` and the listeners are as for `open_corpus`. Raises QAError.
    """
    settings = configured(None, model, config)
    folder = corpus_folder(settings.store, name)
    taken = taken_in(_loaded(documents), columns)
    for line in taken.trouble_lines:
        on_notice(line)
    if not taken.papers:
        raise CorpusError(f"There are no papers in these documents. {_HOW}")
    write_papers(folder, taken.papers)
    return open_library(replace(settings, corpus=folder), on_progress, on_notice, refresh=True)


def _loaded(documents: object) -> Iterator[Loaded]:
    """What the documents hold; raises UsageError where one is none."""
    if isinstance(documents, str | Path):
        raise UsageError(f"{str(documents)!r} is no list of Documents. {_HOW_FROM_A_PATH}")
    if isinstance(documents, BaseNode) or not isinstance(documents, Iterable):
        raise UsageError(f"This is no list of Documents, but of type {_kind(documents)}. {_HOW}")
    for number, document in enumerate(documents, start=1):
        if not isinstance(document, BaseNode):
            raise UsageError(f"Document {number} is of type {_kind(document)}. {_HOW}")
        text = document.get_content(metadata_mode=MetadataMode.NONE)
        alone = not isinstance(document, Document)
        yield Loaded(text, document.metadata, number, alone)


def _kind(thing: object) -> str:
    kind = type(thing)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
