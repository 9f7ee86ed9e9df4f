"""The embedding cache: vectors of texts, kept until several builds have not used them."""

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qa.index.embedding.base import FloatArray, Passage, sums_of_ranges

# Half precision: cosines of unit vectors change by less than 1e-4, and space is halved.
STORED = np.dtype("<f2")
Half = NDArray[np.float16]
Bits = NDArray[np.uint8]  # signs of word vectors, one bit a number
_BUILDS_KEPT = 3  # builds whose vectors are kept, so that going back to a model or corpus is free
_SCHEMA = """
DROP TABLE IF EXISTS passages;  -- an earlier version's, without words
CREATE TABLE IF NOT EXISTS chunks (
  key BLOB PRIMARY KEY, rows INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL,
  words BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS uses (key BLOB PRIMARY KEY, build INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uses_by_build ON uses (build);
"""


def pack_signs(words: Sequence[str], vectors: FloatArray) -> Bits:
    """Return the signs of word vectors, (distinct words, dimension / 8), as bits.

    `vectors` are (words, dimension); a word that occurs several times gets their mean.
    """
    if not words:
        return np.empty((0, -(-vectors.shape[1] // 8)), np.uint8)
    distinct = {word: number for number, word in enumerate(dict.fromkeys(words))}
    numbers = np.array([distinct[word] for word in words])
    order = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[order], np.arange(len(distinct) + 1))
    return np.packbits(sums_of_ranges(vectors[order], bounds[:-1], bounds[1:]) > 0, axis=1)


def unpack_rows(content: bytes, dimension: int) -> Bits:
    """Return what `pack_signs` returned, from its bytes."""
    return np.frombuffer(content, np.uint8).reshape(-1, -(-dimension // 8))


class Embedded(NamedTuple):
    """The vectors that are kept of a passage."""

    rows: Half  # (1 + spans, dimension)
    words: Bits  # (distinct words, dimension / 8)


def cache_key(fingerprint: str, passage: Passage) -> bytes:
    """Return the key of a passage's vectors: 16 bytes of its text, its parts and the model."""
    content = f"{fingerprint}\0{passage.spans}\0{passage.words}\0{passage.text}"
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()[:16]


class EmbeddingCache:
    """Vectors by key in one SQLite file; what `put` has stored outlives the process.

    Where the file or a row is damaged, its vectors count as missing and are embedded again; of a
    file `trouble` then says so.
    """

    def __init__(self, path: Path, *, read: bool = True) -> None:
        """Open the file; unless `read`, only what this object stores itself is known."""
        self.trouble: str | None = None
        self._path = path
        self._known: set[bytes] | None = None if read else set()
        self._db = sqlite3.connect(":memory:")
        try:
            self._db = _opened(path)
        except sqlite3.DatabaseError as exc:
            self._renew(exc)

    def _renew(self, error: sqlite3.DatabaseError) -> None:
        """Begin a new file in place of a damaged one."""
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
            raise error  # the disk is full or the like: the file is not damaged
        self.trouble = f"The embedding cache {self._path} was damaged ({error}); it is made anew."
        self._db.close()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(f"{self._path.name}{suffix}").unlink(missing_ok=True)
        self._db = _opened(self._path)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Embedded]:
        """Return the vectors of those keys that are known."""
        if self._known is not None:
            keys = [key for key in keys if key in self._known]
        try:
            return {key: vectors for key, vectors in self._found(keys) if vectors is not None}
        except sqlite3.DatabaseError as exc:
            self._renew(exc)
            return {}

    def _found(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, Embedded | None]]:
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, rows, crc, data, words FROM chunks WHERE key IN ({marks})"
            for key, rows, crc, data, words in self._db.execute(query, some):
                yield key, _embedded(rows, data, words, crc)

    def put(self, vectors: Mapping[bytes, Embedded]) -> None:
        """Store vectors in one transaction."""
        try:
            self._put(vectors)
        except sqlite3.DatabaseError as exc:
            self._renew(exc)
            self._put(vectors)
        if self._known is not None:
            self._known.update(vectors)

    def _put(self, vectors: Mapping[bytes, Embedded]) -> None:
        with self._db:
            build = self._latest() + 1  # the build that is not published yet
            for key, (rows, words) in vectors.items():
                data, bits = rows.astype(STORED, copy=False).tobytes(), words.tobytes()
                row = (key, len(rows), _checksum(data, bits), data, bits)
                self._db.execute("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?)", row)
                self._db.execute("INSERT OR REPLACE INTO uses VALUES (?, ?)", (key, build))

    def keep_used(self, used: Iterable[bytes]) -> None:
        """Mark the keys that the build just published uses; drop what the last builds did not."""
        try:
            self._keep_used(used)
        except sqlite3.DatabaseError as exc:
            self._renew(exc)

    def _keep_used(self, used: Iterable[bytes]) -> None:
        with self._db:
            build = self._latest() + 1
            self._db.executemany(
                "INSERT OR REPLACE INTO uses VALUES (?, ?)", ((key, build) for key in used)
            )
            self._db.execute("DELETE FROM uses WHERE build <= ?", (build - _BUILDS_KEPT,))
            dropped = self._db.execute(
                "DELETE FROM chunks WHERE key NOT IN (SELECT key FROM uses)"
            ).rowcount
            self._db.execute(f"PRAGMA user_version = {build}")
        if dropped > self._number("SELECT count(*) FROM chunks"):
            with suppress(sqlite3.OperationalError):  # needs as much free space again
                self._db.execute("VACUUM")

    def _latest(self) -> int:
        """Return the number of the last build that was published."""
        return self._number("PRAGMA user_version")

    def _number(self, query: str) -> int:
        (number,) = self._db.execute(query).fetchone()
        return int(number)

    @staticmethod
    def count(path: Path) -> int:
        """Return how many passages have vectors; another process may be writing the cache."""
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            (count,) = db.execute("SELECT count(*) FROM chunks").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _checksum(data: bytes, words: bytes) -> int:
    return zlib.crc32(words, zlib.crc32(data))


def _embedded(count: int, data: bytes, words: bytes, crc: int) -> Embedded | None:
    """Return what a row holds, None if it is damaged, in the types of its columns too."""
    try:
        if _checksum(data, words) != crc:
            return None
        rows = np.frombuffer(data, STORED).reshape(count, -1)
        return Embedded(rows, unpack_rows(words, rows.shape[1]))
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        return None


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")  # a power cut may cost the last batch, no more
        db.executescript(_SCHEMA)
    except BaseException:
        db.close()
        raise
    return db
