"""A corpus: the files that hold the papers, found once and read as a stream.

The readers are imported when the first file is read: a plain `ask` only looks at what changed.
"""

import bz2
import gzip
import lzma
import os
import shlex
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from qa.corpus.papers import Record, Skipped
from qa.errors import CorpusError

# Goes up by one with every change after which the same files might be read as other papers.
READER_VERSION = 1

WHOLE_FILE = "whole file"  # where a Skipped stands that is a file, not one entry of it
_NEXT = "Name another file or folder."
_EXPORT = "Export the papers as BibTeX, RIS or CSV, or put title and abstract into a text file."

Note = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, order=True)
class CorpusFile:
    """One file of a corpus, as far as telling whether it changed needs it."""

    name: str  # relative to the corpus folder, or the file's own name
    size: int  # bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """The files under one path, in sorted order."""

    path: Path
    files: tuple[CorpusFile, ...]
    columns: Mapping[str, str] = field(default_factory=dict)  # by field, the user's own names

    def records(self, note: Note | None = None) -> Iterator[Record | Skipped]:
        """Yield every entry of every file, as a stream: files in order, entries as they stand.

        `note` is told a file's name and what was guessed about it, such as its encoding. Raises
        CorpusError where the corpus is one file and that cannot be read at all.
        """
        if self.path.is_dir():
            for file in self.files:
                yield from self._entries(self.path / file.name, file.name, note)
        else:
            yield from self._only_file(note)

    def _only_file(self, note: Note | None) -> Iterator[Record | Skipped]:
        entries = self._entries(self.path, self.path.name, note)
        first = next(entries, None)
        second = next(entries, None)
        if first is None:
            raise CorpusError(f"There are no papers in {self.path}. {_NEXT}")
        if isinstance(first, Skipped) and first.where == WHOLE_FILE and second is None:
            raise CorpusError(f"{self.path} cannot be read: {_advice(first.reason, self.path)}")
        yield first
        if second is not None:
            yield second
        yield from entries

    def _entries(self, path: Path, name: str, note: Note | None) -> Iterator[Record | Skipped]:
        """Yield the entries of a file, which may be an archive of several."""
        try:
            with path.open("rb") as stream:
                for inner, content in unpacked(stream, name):
                    yield from self._content(content, inner, note)
        except CorpusError as error:
            yield Skipped(name, str(error), WHOLE_FILE)
        except BROKEN as error:
            yield Skipped(name, f"damaged: {_words(error)}", WHOLE_FILE)

    def _content(
        self, content: BinaryIO, name: str, note: Note | None
    ) -> Iterator[Record | Skipped]:
        from qa.corpus.readers.sniff import read_stream

        def noted(words: str) -> None:
            if note:
                note(name, words)

        count = 0
        try:
            for entry in read_stream(content, name, self.columns, noted):
                count += 1
                yield entry
        except CorpusError as error:
            yield Skipped(name, str(error), WHOLE_FILE)
        except BROKEN as error:
            where = f"after {count} entries" if count else WHOLE_FILE
            yield Skipped(name, f"damaged: {_words(error)}", where)


def read_corpus(path: Path, columns: Mapping[str, str] | None = None) -> Corpus:
    """Return the corpus at a file or folder, its files listed but not yet read.

    `columns` gives by field (`title`, `abstract`, `year` ...) the user's own name for a column of
    a table or a member of a JSON object. Raises CorpusError when there is nothing to read.
    """
    if columns:
        _check(columns)
    if not path.exists():
        raise CorpusError(f"There is no corpus at {path}. {_NEXT}")
    if path.is_dir():
        files = tuple(sorted(_files(path), key=lambda file: PurePosixPath(file.name).parts))
    else:
        files = (_file(path, path.name),)
    if not files:
        raise CorpusError(f"The folder {path} has no files. {_NEXT}")
    if path.is_file() and not files[0].size:
        raise CorpusError(f"The file {path} is empty. {_NEXT}")
    return Corpus(path, files, dict(columns or {}))


def _check(columns: Mapping[str, str]) -> None:
    from qa.corpus.readers.fields import COLUMN_NAMES

    if unknown := sorted(columns.keys() - COLUMN_NAMES.keys()):
        raise CorpusError(
            f"There is no field {unknown[0]}: the fields are {', '.join(COLUMN_NAMES)}."
        )


def _files(folder: Path) -> Iterator[CorpusFile]:
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not hidden(name)]
        for name in names:
            path = Path(here, name)
            if not hidden(name) and path.is_file():
                yield _file(path, path.relative_to(folder).as_posix())


def _file(path: Path, name: str) -> CorpusFile:
    if not path.is_file():
        raise CorpusError(f"{path} is neither a file nor a folder. {_NEXT}")
    status = path.stat()
    return CorpusFile(name, status.st_size, status.st_mtime_ns)


def _advice(reason: str, path: Path) -> str:
    """Return why the only file of a corpus cannot be read, and what to do about it."""
    if "--column" in reason:
        command = f"qa rebuild {shlex.quote(str(path))}"
        return f"{reason.replace('qa rebuild PATH', command)}."
    if ": export" in reason:
        return f"{reason}."
    if "archive" in reason or "compressed" in reason:
        return f"{reason}. Unpack it first."
    return f"{reason}. {_EXPORT if reason.startswith(('it is a', 'it is in')) else _NEXT}"


def _words(error: BaseException) -> str:
    """Return what an error says, on one line."""
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(told.split()) or type(error).__name__


BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
# Documents that are zip archives inside, by a name that only they have among their members.
_DOCUMENTS = ("[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF")


def unpacked(stream: BinaryIO, name: str) -> Iterator[tuple[str, BinaryIO]]:
    """Yield name and stream of each file inside, which is the file itself when it is no archive.

    Raises one of BROKEN when the archive is damaged, CorpusError when it holds no texts.
    """
    magic = stream.read(6)
    stream.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        yield name, cast("BinaryIO", gzip.GzipFile(fileobj=stream))
    elif magic == b"\xfd7zXZ\x00":
        yield name, cast("BinaryIO", lzma.LZMAFile(stream))  # noqa: SIM115 - closed by its reader
    elif magic.startswith(b"BZh"):
        yield name, cast("BinaryIO", bz2.BZ2File(stream))
    elif magic.startswith((_ZIP, _EMPTY_ZIP)):
        yield from _members(stream, name)
    else:
        yield name, stream


def _members(stream: BinaryIO, name: str) -> Iterator[tuple[str, BinaryIO]]:
    with _archive(stream) as archive:
        inside = archive.namelist()
        if any(mark in inside for mark in _DOCUMENTS):
            raise CorpusError("it is an office document or a program")
        for member in sorted(inside):
            parts = PurePosixPath(member).parts
            if not member.endswith("/") and not any(hidden(part) for part in parts):
                with _member(archive, member) as content:
                    for inner, unpacked_content in unpacked(content, member):
                        yield f"{name}/{inner}", unpacked_content


def _archive(stream: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except (ValueError, NotImplementedError) as error:  # what a damaged directory leads to
        raise CorpusError(f"damaged: {error}") from error


def _member(archive: zipfile.ZipFile, member: str) -> BinaryIO:
    try:
        return cast("BinaryIO", archive.open(member))
    except (ValueError, RuntimeError) as error:  # a password, or an unknown compression
        raise CorpusError(f"its {member} cannot be opened: {error}") from error


_BY_PROGRAMS = {"__pycache__", "__MACOSX", "Thumbs.db", "desktop.ini"}


def hidden(name: str) -> bool:
    """Tell whether a file or folder of this name is passed over without a word."""
    return name.startswith(".") or name in _BY_PROGRAMS
