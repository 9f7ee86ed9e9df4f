"""Whether the files of a generation are as they were written.

The manifest has a checksum of each file. Reading all files would make every question wait, so what
was found intact is noted with its size, inode and times; a file that still has those is not read
again. Whoever writes to a file changes its ctime, which no program can set back. Only a disk that
loses bytes by itself does not: `qa status` and `qa rebuild` read the files in any case.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from qa.errors import StoreDamaged
from qa.index.layout import REBUILD, reading_errors

CHROMA = "chroma/chroma.sqlite3"
_TOUCHED = "acquire_write"  # the table into which Chroma writes a line whenever it is opened
_NOTE = "intact.json"
_BUSY = 30.0  # seconds for other processes that are opening Chroma's database

State = list[int]  # size, inode, and mtime and ctime in nanoseconds


class FileChecks:
    """The files of one generation, compared with their checksums by name."""

    def __init__(self, folder: Path, sums: Mapping[str, str]) -> None:
        self._folder = folder
        self._sums = dict(sums)
        if (folder / CHROMA).is_file():
            self._sums.setdefault(CHROMA, "")  # an earlier version's manifest has none
        self._intact: dict[str, State] = {}

    def check(self, *, thorough: bool) -> bool:
        """Read the files that were written to since they were noted, all of them if `thorough`.

        Raises StoreDamaged. Return whether a doubt is left: whether Chroma's database was written
        to and there is no checksum of its rows.
        """
        noted = _noted(self._folder)
        for name, known in self._sums.items():
            path = self._folder / name
            with reading_errors(path):
                self._intact[name] = _state(path)
                if noted.get(name) == self._intact[name] and not thorough:
                    continue
                if _sum(path) != known and known:
                    message = f"{path} is not as it was written."
                    raise StoreDamaged(message, hint=REBUILD)
        return self._sums.get(CHROMA) == "" and noted.get(CHROMA) != self._intact[CHROMA]

    def note(self) -> None:
        """Note the files as intact, with what Chroma has just written into its database."""
        if CHROMA in self._intact:
            self._intact[CHROMA] = _state(self._folder / CHROMA)
        _note(self._folder, self._intact)


def checksums(folder: Path) -> dict[str, str]:
    """Note a generation's files as intact and return the sha256 of each by its name.

    Of Chroma's database it is that of the rows which stay. An index that Chroma has not written
    yet, as that of a single vector, is left out: its files are empty.
    """
    index = [
        path
        for path in sorted((folder / "chroma").glob("*/*"))
        if (path.parent / "index_metadata.pickle").is_file()
    ]
    files = [folder / "papers.sqlite", folder / "reading.json", folder / CHROMA, *index]
    names = {path.relative_to(folder).as_posix(): path for path in files if path.is_file()}
    _note(folder, {name: _state(path) for name, path in names.items()})
    return {name: _sum(path) for name, path in names.items()}


def _note(folder: Path, states: Mapping[str, State]) -> None:
    with suppress(OSError):  # the disk may be full, or not ours to write to
        (folder / _NOTE).write_text(json.dumps(states), "ascii")


def _noted(folder: Path) -> dict[str, State]:
    try:
        noted = json.loads((folder / _NOTE).read_bytes())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _state(path: Path) -> State:
    found = path.stat()
    return [found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]


def _sum(path: Path) -> str:
    """Return a file's checksum; none can be equal to that of a database with a fault."""
    if path.name == Path(CHROMA).name:
        return _rows_sum(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows_sum(path: Path) -> str:
    """Return the checksum of a database's tables and their rows; raises sqlite3.DatabaseError."""
    # Writable, for there may be the journal of a process that was killed to be rolled back.
    uri = f"{path.resolve().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY)) as db:
        (fault,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        if fault != "ok":
            raise sqlite3.DatabaseError(" ".join(fault.split()))  # it has several lines
        content = hashlib.sha256()
        parts = db.execute("SELECT name, sql, rootpage FROM sqlite_master ORDER BY name").fetchall()
        for name, sql, page in parts:
            content.update(f"{name} {sql} {page}\n".encode())
            is_table = page and sql and sql.startswith("CREATE TABLE")  # not a virtual one
            if is_table and name != _TOUCHED:
                for row in db.execute(f'SELECT * FROM "{name}"'):
                    content.update(repr(row).encode())
    return content.hexdigest()
