"""The summary of a papers file: what ranking needs of all papers, worked out at once."""

import sqlite3
from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from qa.index.cache import STORED

Lengths = NDArray[np.int32]
FloatArray = NDArray[np.float32]

SCHEMA = """
CREATE VIRTUAL TABLE terms USING fts5vocab(keywords, 'row');
CREATE VIRTUAL TABLE instances USING fts5vocab(keywords, 'instance');
CREATE TABLE frequencies (stem TEXT PRIMARY KEY, papers INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""
_SAMPLE = 1000  # papers: enough for a mean within a hundredth of the whole corpus's


def summarise(db: sqlite3.Connection) -> None:
    """Write the summary of all that a papers file holds, instead of any before."""
    with db:
        db.execute("DELETE FROM frequencies")
        db.execute("INSERT INTO frequencies SELECT term, doc FROM terms")
        facts = {"lengths": _lengths(db).tobytes(), "mean": _mean(db).tobytes()}
        db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())


def frequency(db: sqlite3.Connection, stem: str) -> int:
    """Return how many papers have a stem."""
    found = db.execute("SELECT papers FROM frequencies WHERE stem = ?", (stem,)).fetchone()
    return int(found[0]) if found else 0


def lengths(db: sqlite3.Connection) -> Lengths:
    """Return how many words each paper has, by its row number; 0 where there is none."""
    return np.frombuffer(_fact(db, "lengths"), "<i4")


def mean_vector(db: sqlite3.Connection) -> FloatArray:
    """Return the mean of the papers' vectors (d,), of an even sample where there are many."""
    return np.frombuffer(_fact(db, "mean"), "<f4")


def _fact(db: sqlite3.Connection, name: str) -> bytes:
    found = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    if found is None:
        raise sqlite3.DatabaseError(f"{name} are missing")
    return bytes(found[0])


def _lengths(db: sqlite3.Connection) -> Lengths:
    (last,) = db.execute("SELECT coalesce(max(n), 0) FROM papers").fetchone()
    found = np.zeros(last + 1, "<i4")
    for row, sizes in db.execute("SELECT id, sz FROM keywords_docsize"):
        found[row] = sum(_varints(sizes))
    return found


def _varints(content: bytes) -> Iterator[int]:
    """Yield the whole numbers in SQLite's form of them: seven bits a byte, the highest first."""
    value = 0
    for byte in content:
        value = value << 7 | byte & 127
        if byte < 128:
            yield value
            value = 0


def _mean(db: sqlite3.Connection) -> FloatArray:
    (papers,) = db.execute("SELECT count(*) FROM papers").fetchone()
    step = -(-papers // _SAMPLE) or 1
    numbers = (n for (n,) in db.execute("SELECT n FROM papers ORDER BY n").fetchall())
    sample = islice(numbers, 0, None, step)
    query = "SELECT spans, vectors FROM sentences WHERE n = ?"
    found = (db.execute(query, (n,)).fetchone() for n in sample)
    rows = [np.frombuffer(vectors, STORED).reshape(len(s) // 8 + 1, -1)[0] for s, vectors in found]
    return np.asarray(np.stack(rows).mean(axis=0, dtype=np.float64), "<f4")
