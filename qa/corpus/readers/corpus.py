"""A corpus: the files that hold the papers, listed once and read as a stream of records.

A file may be compressed or an archive of several. The readers of the formats are imported when the
first file is read: a plain `ask` only looks at which files changed.
"""

import bz2
import gzip
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from qa.corpus.papers import ANOTHER_FILE, EXPORT, WHOLE_FILE, Record, Skipped, UnreadableFile
from qa.errors import Action, CorpusError, Hint

# Goes up by one with every change after which the same files might be read as other papers.
READER_VERSION = 2

# What reading a damaged file or archive may raise.
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
# Documents that are ZIP archives inside, by a member that only they have.
_OFFICE_MEMBERS = ("[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF")
_MADE_BY_PROGRAMS = {"__pycache__", "__MACOSX", "node_modules", "Thumbs.db", "desktop.ini"}
_VIRTUAL_ENVIRONMENT = "pyvenv.cfg"  # the file that only its folder has

_LINK_OUT = "a link that leads out of the corpus is not followed"
_PATH_OUT = "its path leads out of the archive"

Note = Callable[[str, str], None]  # gets a file's name, and what was noticed about it


@dataclass(frozen=True, slots=True, order=True)
class CorpusFile:
    """One file of a corpus, with what shows whether it has changed."""

    name: str  # relative to the corpus folder, or the file's own name
    size: int  # bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """The files under one path, in sorted order."""

    path: Path
    files: tuple[CorpusFile, ...]
    columns: Mapping[str, str] = field(default_factory=dict)  # the user's column names, by field
    links_out: tuple[str, ...] = ()  # names of links that lead out of the folder: not followed

    def records(
        self, note: Note = lambda *_: None, on_format: Note = lambda *_: None
    ) -> Iterator[Record | Skipped]:
        """Yield every entry of every file: files in sorted order, entries in the file's order.

        `note` gets what was guessed about a file, such as its encoding, `on_format` the format that
        it is read as. Raises CorpusError if the corpus is one file that cannot be read at all.
        """
        entries = self._entries(_Listeners(note, on_format))
        if not self.path.is_dir():
            entries = self._checked(entries)
        for entry in entries:
            yield entry.skipped() if isinstance(entry, _Unreadable) else entry

    def _entries(self, listeners: "_Listeners") -> Iterator["_Entry"]:
        for name in self.links_out:
            yield Skipped(name, _LINK_OUT, WHOLE_FILE)
        for file in self.files:
            path = self.path / file.name if self.path.is_dir() else self.path
            yield from _file_entries(path, file.name, self.columns, listeners)

    def _checked(self, entries: Iterator["_Entry"]) -> Iterator["_Entry"]:
        """Yield the entries of the only file; raises CorpusError if it holds no more than an error.

        A table without a known column for a field has a hint to name the column.
        """
        first, second = next(entries, None), next(entries, None)
        if first is None:
            raise CorpusError(f"There are no papers in {self.path}. {ANOTHER_FILE}")
        if second is None and isinstance(first, Skipped) and first.where == WHOLE_FILE:
            first = _Unreadable(first.source, UnreadableFile(first.reason))
        if second is None and isinstance(first, _Unreadable):
            error = first.error
            missing = error.missing_column
            raise CorpusError(
                f"{self.path} cannot be read: {error}. {error.advice}".rstrip(),
                hint=Hint(Action.NAME_COLUMN, self.path, missing) if missing else None,
            )
        yield first
        if second is not None:
            yield second
        yield from entries


@dataclass(frozen=True, slots=True)
class _Listeners:
    """What is called while files are read."""

    note: Note
    on_format: Note


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """A file, or a member of an archive, of which nothing could be read."""

    name: str
    error: UnreadableFile

    def skipped(self) -> Skipped:
        """Return it as one entry among those of other files."""
        # Most files in which there is no sign of a paper are none.
        advice = "" if self.error.advice in (ANOTHER_FILE, EXPORT) else self.error.advice
        return Skipped(self.name, str(self.error), WHOLE_FILE, advice)


_Entry = Record | Skipped | _Unreadable


def read_corpus(path: Path, columns: Mapping[str, str] | None = None) -> Corpus:
    """Return the corpus at a file or folder, with its files listed but not yet read.

    `columns` gives by field (`title`, `abstract`, `year` ...) the user's own name for a column of
    a table or a member of a JSON object. Raises CorpusError if there is nothing to read.
    """
    if columns:
        _check_fields(columns)
    if not path.exists():
        raise CorpusError(f"There is no corpus at {path}. {ANOTHER_FILE}")
    links_out: list[str] = []
    if path.is_dir():
        found = _files(path, links_out)
        files = tuple(sorted(found, key=lambda file: PurePosixPath(file.name).parts))
    elif path.is_file():
        files = (_file(path, path.name),)
    else:
        raise CorpusError(f"{path} is neither a file nor a folder. {ANOTHER_FILE}")
    if not files:
        raise CorpusError(f"The folder {path} has no files. {ANOTHER_FILE}")
    if path.is_file() and not files[0].size:
        raise CorpusError(f"The file {path} is empty. {ANOTHER_FILE}")
    return Corpus(path, files, dict(columns or {}), tuple(sorted(links_out)))


def _check_fields(columns: Mapping[str, str]) -> None:
    from qa.corpus.readers.fields import COLUMN_NAMES

    if unknown := sorted(columns.keys() - COLUMN_NAMES.keys()):
        raise CorpusError(
            f"There is no field {unknown[0]}: the fields are {', '.join(COLUMN_NAMES)}."
        )


def _files(folder: Path, links_out: list[str]) -> Iterator[CorpusFile]:
    """Yield the files below a folder; names of links that lead out of it go into `links_out`."""
    root = folder.resolve()
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_passed_over(Path(here, name))]
        for name in (*folders, *names):
            path = Path(here, name)
            if _is_hidden(name):
                continue
            if path.is_symlink() and path.exists() and not path.resolve().is_relative_to(root):
                links_out.append(path.relative_to(folder).as_posix())
            elif path.is_file():
                yield _file(path, path.relative_to(folder).as_posix())


def _is_passed_over(folder: Path) -> bool:
    """Tell whether a folder is hidden or a virtual environment."""
    return _is_hidden(folder.name) or (folder / _VIRTUAL_ENVIRONMENT).exists()


def _is_hidden(name: str) -> bool:
    """Tell whether files and folders of this name are left out without being listed."""
    return name.startswith(".") or name in _MADE_BY_PROGRAMS


def _file(path: Path, name: str) -> CorpusFile:
    status = path.stat()
    return CorpusFile(name, status.st_size, status.st_mtime_ns)


def _file_entries(
    path: Path, name: str, columns: Mapping[str, str], listeners: _Listeners
) -> Iterator[_Entry]:
    """Yield the entries of a file, which may be an archive of several."""
    try:
        with path.open("rb") as stream:
            for inner, content in _unpacked(stream, name):
                if content is None:
                    yield Skipped(inner, _PATH_OUT, WHOLE_FILE)
                else:
                    yield from _content_entries(content, inner, columns, listeners)
    except UnreadableFile as error:
        yield _Unreadable(name, error)
    except _DAMAGED as error:
        yield _Unreadable(name, UnreadableFile(_damage(error)))


def _content_entries(
    content: BinaryIO, name: str, columns: Mapping[str, str], listeners: _Listeners
) -> Iterator[_Entry]:
    """Yield the entries of a file that is no archive."""
    from qa.corpus.readers.sniff import read_stream

    count, found = 0, list[str]()
    try:
        for entry in read_stream(
            content, name, columns, partial(listeners.note, name), found.append
        ):
            if not count:
                listeners.on_format(name, *found)
            count += 1
            yield entry
        if not count:
            listeners.on_format(name, *found)
    except UnreadableFile as error:
        yield _Unreadable(name, error)
    except _DAMAGED as error:
        if count:
            yield Skipped(name, _damage(error), f"after {count} entries")
        else:
            yield _Unreadable(name, UnreadableFile(_damage(error)))


def _damage(error: BaseException) -> str:
    """Return on one line what is wrong with a damaged file."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"damaged: {' '.join(text.split()) or type(error).__name__}"


def _unpacked(stream: BinaryIO, name: str) -> Iterator[tuple[str, BinaryIO | None]]:
    """Yield name and content of each file inside: the file itself if it is no archive.

    The content is None for a member whose path leads out of its archive. Raises UnreadableFile, or
    one of _DAMAGED.
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


def _members(stream: BinaryIO, name: str) -> Iterator[tuple[str, BinaryIO | None]]:
    with _archive(stream) as archive:
        inside = archive.namelist()
        if any(mark in inside for mark in _OFFICE_MEMBERS):
            stream.seek(0)
            yield name, stream
            return
        for member in sorted(inside):
            path = PurePosixPath(member.replace("\\", "/"))
            if member.endswith("/"):
                continue
            if path.is_absolute() or ".." in path.parts:
                yield f"{name}/{member}", None
            elif not any(map(_is_hidden, path.parts)):
                with _member(archive, member) as content:
                    for inner, unpacked_content in _unpacked(content, member):
                        yield f"{name}/{inner}", unpacked_content


def _archive(stream: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except (ValueError, NotImplementedError) as error:  # what a damaged directory leads to
        raise UnreadableFile(f"damaged: {error}") from error


def _member(archive: zipfile.ZipFile, member: str) -> BinaryIO:
    try:
        return cast("BinaryIO", archive.open(member))
    except (ValueError, RuntimeError) as error:  # a password, or an unknown compression
        raise UnreadableFile(f"its {member} cannot be opened: {error}") from error
