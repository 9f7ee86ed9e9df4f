"""Verdicts kept on disk: asking again, or after an interruption, pays only for what is new."""

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from qa.corpus.papers import Paper
from qa.errors import StoreError
from qa.retrieval.relevance import Relevance, Verdict

_SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (
  key BLOB PRIMARY KEY, relevance TEXT NOT NULL, sentences TEXT NOT NULL, probability REAL
) WITHOUT ROWID
"""
BUSY = 5.0  # seconds to wait for another process that is writing


class VerdictCache:
    """The verdicts of one model under one prompt; any number of processes may share the file.

    With a file that cannot be used every verdict is paid for again: `trouble` then says why. A file
    that is damaged is removed, a row that is damaged is not used.
    """

    def __init__(self, path: Path, judge: str) -> None:
        """Take the file and `judge`: what a verdict depends on beside question and paper."""
        self._path = path
        self._judge = judge
        self.trouble: str | None = None

    def get(self, question: str, papers: Sequence[Paper]) -> dict[str, Verdict]:
        """Return the known verdicts on these papers, by paper id."""
        try:
            with closing(connect(self._path)) as db:
                found = (self._row(db, question, paper) for paper in papers)
                return {verdict.paper_id: verdict for verdict in found if verdict}
        except (sqlite3.Error, OSError) as exc:
            self._note(exc, f"Verdicts cannot be read from {self._path}: {exc}")
            return {}

    def _row(self, db: sqlite3.Connection, question: str, paper: Paper) -> Verdict | None:
        key = self._key(question, paper)
        row = db.execute(
            "SELECT relevance, sentences, probability FROM verdicts WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        try:
            return Verdict(paper.id, Relevance(row[0]), _unsealed(key, *row), row[2])
        except (ValueError, TypeError, AttributeError):
            self.trouble = f"A verdict kept in {self._path} was damaged; it is asked for again."
            return None

    def put(self, question: str, papers: Sequence[Paper], verdicts: Iterable[Verdict]) -> None:
        """Keep the usable verdicts on these papers, all or none."""
        by_id = {paper.id: paper for paper in papers}
        rows = [
            (key, v.relevance, _sealed(key, v.relevance, v.sentences, v.probability), v.probability)
            for v in verdicts
            if v.relevance is not None
            for key in [self._key(question, by_id[v.paper_id])]
        ]
        try:
            with closing(connect(self._path)) as db, db:
                db.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?)", rows)
        except (sqlite3.Error, OSError) as exc:
            self._note(exc, f"Verdicts cannot be kept in {self._path}: {exc}")

    def _note(self, error: Exception, trouble: str) -> None:
        """Keep what to say of an error; remove a damaged file, so that it happens once."""
        self.trouble = trouble
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(
            error, sqlite3.OperationalError
        ):
            self.trouble = f"{trouble}. The file was damaged; it is made anew."
            with suppress(OSError):
                _remove(self._path)

    def _key(self, question: str, paper: Paper) -> bytes:
        parts = (self._judge, " ".join(question.split()), paper.title, paper.abstract)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:16]


def _sealed(key: bytes, relevance: str, sentences: Sequence[int], probability: float | None) -> str:
    """Return the numbers of sentences as text, with a checksum of the whole verdict."""
    text = json.dumps(sentences)
    whole = f"{relevance} {text}" + ("" if probability is None else f" {probability!r}")
    return f"{text} #{zlib.crc32(key + whole.encode())}"


def _unsealed(
    key: bytes, relevance: str, sealed: str, probability: float | None
) -> tuple[int, ...]:
    """Return the numbers that `_sealed` got; raises ValueError if anything has changed."""
    text, mark, _ = sealed.rpartition(" #")
    numbers = tuple(json.loads(text if mark else sealed))  # earlier versions made no checksum
    if mark and _sealed(key, relevance, numbers, probability) != sealed:
        raise ValueError(sealed)
    return numbers


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, making it if need be; raises sqlite3.Error or OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=BUSY)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(_SCHEMA)
    if "probability" not in {row[1] for row in db.execute("PRAGMA table_info(verdicts)")}:
        db.execute("ALTER TABLE verdicts ADD COLUMN probability REAL")  # a file of version 2.6
    return db


def verdict_count(path: Path) -> int:
    """Return how many verdicts are kept; 0 if there is no file or it cannot be read."""
    if not path.exists():
        return 0
    try:
        with closing(connect(path)) as db:
            return int(db.execute("SELECT count(*) FROM verdicts").fetchone()[0])
    except sqlite3.Error:
        return 0


def forget_verdicts(path: Path) -> int:
    """Delete the file with every verdict and return how many there were; raises StoreError."""
    count = verdict_count(path)
    try:
        _remove(path)
    except OSError as exc:
        raise StoreError(f"The verdicts in {path} cannot be deleted: {exc}") from exc
    return count


def _remove(path: Path) -> None:
    for tail in ("", "-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)
