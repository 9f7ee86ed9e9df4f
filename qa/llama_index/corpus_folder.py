"""The corpus folder that papers of documents are kept in: JSON lines, a file for each source."""

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from qa.corpus.papers import Record
from qa.errors import UsageError
from qa.index.faults import writing

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
    with writing(folder):
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


def fields_of(paper: Record) -> dict[str, object]:
    """What is known of a paper, as JSON readers know it."""
    told = {
        "title": paper.title,
        "abstract": paper.abstract,
        "authors": paper.authors,
        "year": paper.year,
        "venue": paper.venue,
        "doi": paper.doi,
        "arxiv": paper.arxiv_id,
        "url": paper.url,
        "keywords": paper.keywords,
    }
    return {key: value for key, value in told.items() if value}
