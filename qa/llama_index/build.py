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
from qa.index.layout import writing_errors
from qa.library.functions import log
from qa.library.library import Library
from qa.library.opening import open_library
from qa.llama_index.documents import LoadedText, fields_of, import_documents
from qa.progress import ProgressListener, ignore_progress

_GIVE_DOCUMENTS = "Give a list of LlamaIndex's Documents, as its readers' load_data() returns."
_FOR_FILES = "Open papers' files with qa.open_corpus, or load them with a LlamaIndex reader."

_NAME = re.compile(r"\w(?:[\w .-]{0,78}\w)?")  # of a corpus
_NOT_IN_FILE_NAMES = re.compile(r"[^\w .,()+-]")
_LONGEST_FILE_NAME = 190  # bytes, without the suffixes; most file systems take 255


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
    """Build a corpus of the papers in LlamaIndex's Documents and open it for questions.

    It replaces what was built under this name; only new or changed text is embedded. The papers
    are kept as a corpus of files, `library.config.corpus`, which `ask --corpus` takes as well.
    `columns` names the metadata key of a field (`title`, `abstract`, `year` ...) where it is not a
    usual one. `model`, `config` and the callbacks are as for `open_corpus`. Raises QAError.
    """
    settings = configured(None, model, config)
    folder = corpus_folder(settings.store, name)
    imported = import_documents(_loaded(documents), columns)
    for line in imported.notices:
        on_notice(line)
    if not imported.papers:
        raise CorpusError(f"There are no papers in these documents. {_GIVE_DOCUMENTS}")
    write_papers(folder, imported.papers)
    return open_library(replace(settings, corpus=folder), on_progress, on_notice, refresh=True)


def _loaded(documents: object) -> Iterator[LoadedText]:
    """Yield what the documents hold; raise UsageError for anything that is no Document."""
    if isinstance(documents, str | Path):
        raise UsageError(f"{str(documents)!r} is no list of Documents. {_FOR_FILES}")
    if isinstance(documents, BaseNode) or not isinstance(documents, Iterable):
        given = _type_name(documents)
        raise UsageError(f"This is no list of Documents, but of type {given}. {_GIVE_DOCUMENTS}")
    for number, document in enumerate(documents, start=1):
        if not isinstance(document, BaseNode):
            given = _type_name(document)
            raise UsageError(f"Document {number} is of type {given}. {_GIVE_DOCUMENTS}")
        text = document.get_content(metadata_mode=MetadataMode.NONE)
        is_chunk = not isinstance(document, Document)
        yield LoadedText(text, document.metadata, number, is_chunk)


def _type_name(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def corpus_folder(store: Path, name: str) -> Path:
    """Return where the papers of documents are kept; raise UsageError for an impossible name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a corpus: take letters, digits, spaces, dots and dashes."
        )
    return store / "documents" / name


def write_papers(folder: Path, papers: Iterable[Record]) -> None:
    """Make the folder hold these papers and no others; files that need no change are not touched.

    A paper is in the file that is named after its source; the lines of a file are sorted. Raises
    StoreError.
    """
    lines: defaultdict[str, set[str]] = defaultdict(set)
    spelling: dict[str, str] = {}  # one for each name: on some systems case does not count
    for paper in papers:
        name = _file_name(paper.source)
        line = json.dumps(fields_of(paper), ensure_ascii=False)
        lines[spelling.setdefault(name.casefold(), name)].add(f"{line}\n")
    with writing_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, of_file in lines.items():
            _write(folder / name, "".join(sorted(of_file)).encode())
        for path in folder.iterdir():
            if path.name.casefold() not in spelling and path.suffix in {".jsonl", ".new"}:
                path.unlink()


def _write(path: Path, content: bytes) -> None:
    """Replace a file atomically, without waiting until it is on the disk.

    That would take a minute for thousands of files, and after a power cut all can be built again.
    """
    if path.is_file() and path.read_bytes() == content:
        return
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_bytes(content)
    fresh.replace(path)


def _file_name(source: str) -> str:
    """Return the name of the file for a source: neither hidden nor too long on any system.

    A name that is cut off ends in a hash of the whole source, which keeps it unique.
    """
    name = _NOT_IN_FILE_NAMES.sub("_", source).lstrip(". ") or "documents"
    encoded = name.encode()
    if len(encoded) > _LONGEST_FILE_NAME:
        digest = hashlib.sha256(encoded).hexdigest()[:8]
        name = f"{encoded[:_LONGEST_FILE_NAME].decode(errors='ignore')}-{digest}"
    return f"{name}.jsonl"
