"""The embedding cache: every vector ever paid for, until several rebuilds did not need it."""

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa.embedding import Passage

# Half precision: cosines of unit vectors change by less than 1e-4, and space is halved.
STORED = np.dtype("<f2")
_KEEP = 3  # generations whose vectors are kept, so that going back to a model or corpus is free
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
  key BLOB PRIMARY KEY, rows INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS uses (key BLOB PRIMARY KEY, build INTEGER NOT NULL) WITHOUT ROWID;
"""


def cache_key(fingerprint: str, passage: Passage) -> bytes:
    """Return the key of a passage's vectors: 16 bytes of its text, its spans and the model."""
    content = f"{fingerprint}\0{passage.spans}\0{passage.text}"
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()[:16]


class EmbeddingCache:
    """Vectors by key in one SQLite file; what `put` has returned from is durable."""

    def __init__(self, path: Path) -> None:
        """Open the cache; a file that is no database any more is set aside."""
        self._path = path
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as exc:
            if isinstance(exc, sqlite3.OperationalError):
                raise
            path.replace(path.with_suffix(".damaged"))
            self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")  # a power cut may cost the last batch, no more
        db.executescript(_SCHEMA)
        return db

    def get(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float16]]:
        """Return the vectors of those keys that are known, (rows, dimension) each."""
        found = {}
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            marks = ",".join("?" * len(some))
            rows = self._db.execute(
                f"SELECT key, rows, data FROM vectors WHERE key IN ({marks})", some
            )
            for key, count, data in rows:
                found[key] = np.frombuffer(data, STORED).reshape(count, -1)
        return found

    def put(self, vectors: Mapping[bytes, NDArray[np.float16]]) -> None:
        """Store vectors, durably, in one transaction."""
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                [
                    (key, len(array), array.astype(STORED, copy=False).tobytes())
                    for key, array in vectors.items()
                ],
            )

    def settle(self, used: Iterable[bytes]) -> None:
        """Note what the generation just published uses; drop what the last few did not."""
        with self._db:
            (build,) = self._db.execute("SELECT coalesce(max(build), 0) + 1 FROM uses").fetchone()
            self._db.executemany(
                "INSERT OR REPLACE INTO uses VALUES (?, ?)", ((key, build) for key in used)
            )
            self._db.execute("DELETE FROM uses WHERE build <= ?", (build - _KEEP,))
            dropped = self._db.execute(
                "DELETE FROM vectors WHERE key NOT IN (SELECT key FROM uses)"
            ).rowcount
        if dropped:
            self._db.execute("VACUUM")

    @staticmethod
    def count(path: Path) -> int:
        """Return how many passages have vectors in a cache that another process may be writing."""
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            (count,) = db.execute("SELECT count(*) FROM vectors").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
