"""A corpus out of the Documents of LlamaIndex's readers."""

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from llama_index.core.schema import BaseNode, Document, MetadataMode

from qa.config import Config, configured
from qa.corpus.papers import Record
from qa.errors import CorpusError, UsageError
from qa.index.file_errors import writing_errors
from qa.library import Library, log, open_library
from qa.llama_index.documents import LoadedText, fields_of, import_documents
from qa.progress import ProgressListener, ignore_progress

_HOW = "Give a list of LlamaIndex's Documents, as its readers' load_data() returns."
_HOW_FROM_A_PATH = "Open papers' files with qa.open_corpus, or load them with a LlamaIndex reader."


def build(  # noqa: PLR0913 - each is a setting of its own
    documents: Iterable[BaseNode],
    name: str = "documents",
    *,
    columns: Mapping[str, str] | None = None,
    model: str | None = None,
    config: Config | None = None,
    on_progress: ProgressListener = ignore_progress,
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
    taken = import_documents(_loaded(documents), columns)
    for line in taken.trouble_lines:
        on_notice(line)
    if not taken.papers:
        raise CorpusError(f"There are no papers in these documents. {_HOW}")
    write_papers(folder, taken.papers)
    return open_library(replace(settings, corpus=folder), on_progress, on_notice, refresh=True)


def _loaded(documents: object) -> Iterator[LoadedText]:
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
        yield LoadedText(text, document.metadata, number, alone)


def _kind(thing: object) -> str:
    kind = type(thing)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


_NAME = re.compile(r"\w(?:[\w .-]{0,78}\w)?")
_NOT_IN_NAMES = re.compile(r"[^\w .,()+-]")
_LONGEST = 190  # bytes of a file's name, before what is put behind it; most systems take 255


def corpus_folder(store: Path, name: str) -> Path:
    """Where the papers made of documents are kept; raises UsageError for a name that cannot be."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a corpus: take letters, digits, spaces, dots and dashes."
        )
    return store / "documents" / name


def write_papers(folder: Path, papers: Iterable[Record]) -> None:
    """Make the folder hold these papers and no others; files that do so already are let be.

    Papers are in files called after their sources, in an order of their own. Raises StoreError.
    """
    lines: defaultdict[str, set[str]] = defaultdict(set)
    spelled: dict[str, str] = {}  # once for each name: on some systems case does not count
    for paper in papers:
        name = _file_name(paper.source)
        line = json.dumps(fields_of(paper), ensure_ascii=False)
        lines[spelled.setdefault(name.casefold(), name)].add(f"{line}\n")
    with writing_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, of_file in lines.items():
            _write(folder / name, "".join(sorted(of_file)).encode())
        for path in folder.iterdir():
            if path.name.casefold() not in spelled and path.suffix in {".jsonl", ".new"}:
                path.unlink()


def _write(path: Path, content: bytes) -> None:
    """Replace a file at once; whether it outlives a power cut is not waited for: all can be redone.

    Thousands of files, each brought to the disk, would take a minute.
    """
    if path.is_file() and path.read_bytes() == content:
        return
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_bytes(content)
    fresh.replace(path)


def _file_name(source: str) -> str:
    """The name of the file for a source, which hides on no system and is too long for none.

    A name that is cut off ends in a mark of the whole, so that no other source has the same.
    """
    name = _NOT_IN_NAMES.sub("_", source).lstrip(". ") or "documents"
    encoded = name.encode()
    if len(encoded) > _LONGEST:
        mark = hashlib.sha256(encoded).hexdigest()[:8]
        name = f"{encoded[:_LONGEST].decode(errors='ignore')}-{mark}"
    return f"{name}.jsonl"
