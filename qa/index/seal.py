"""The seal: checksums of a generation's files that never change, to notice a disk that forgets."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path


def sums(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file by its name below the folder.

    Chroma's database is not among them: Chroma writes a line into it at each opening. Nor is an
    index that Chroma has not yet written out, as that of a single vector: its files are stubs.
    """
    index = [
        path
        for path in sorted((folder / "chroma").glob("*/*"))
        if (path.parent / "index_metadata.pickle").is_file()
    ]
    files = [folder / "papers.sqlite", *index]
    return {path.relative_to(folder).as_posix(): _sum(path) for path in files}


def broken(folder: Path, sealed: dict[str, str]) -> str | None:
    """Return the name of a file that is not as it was sealed, None if all are."""
    for name, known in sealed.items():
        path = folder / name
        if not path.is_file() or _sum(path) != known:
            return name
    database = folder / "chroma" / "chroma.sqlite3"
    return "chroma/chroma.sqlite3" if database.is_file() and not _sound(database) else None


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sound(path: Path) -> bool:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        try:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except sqlite3.DatabaseError:
            return False
