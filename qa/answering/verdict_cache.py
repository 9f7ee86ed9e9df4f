"""Verdicts kept on disk: asking again, or after an interruption, pays only for what is new."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
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

    With a file that cannot be used every verdict is paid for again: `trouble` then says why.
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
        except (sqlite3.Error, OSError, ValueError) as exc:
            self.trouble = f"Verdicts cannot be read from {self._path}: {exc}"
            return {}

    def _row(self, db: sqlite3.Connection, question: str, paper: Paper) -> Verdict | None:
        row = db.execute(
            "SELECT relevance, sentences, probability FROM verdicts WHERE key = ?",
            (self._key(question, paper),),
        ).fetchone()
        return row and Verdict(paper.id, Relevance(row[0]), tuple(json.loads(row[1])), row[2])

    def put(self, question: str, papers: Sequence[Paper], verdicts: Iterable[Verdict]) -> None:
        """Keep the usable verdicts on these papers, all or none."""
        by_id = {paper.id: paper for paper in papers}
        rows = [
            (
                self._key(question, by_id[v.paper_id]),
                v.relevance,
                json.dumps(v.sentences),
                v.probability,
            )
            for v in verdicts
            if v.relevance is not None
        ]
        try:
            with closing(connect(self._path)) as db, db:
                db.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?)", rows)
        except (sqlite3.Error, OSError) as exc:
            self.trouble = f"Verdicts cannot be kept in {self._path}: {exc}"

    def _key(self, question: str, paper: Paper) -> bytes:
        parts = (self._judge, " ".join(question.split()), paper.title, paper.abstract)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:16]


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
        for name in (path, *(path.with_name(path.name + tail) for tail in ("-wal", "-shm"))):
            name.unlink(missing_ok=True)
    except OSError as exc:
        raise StoreError(f"The verdicts in {path} cannot be deleted: {exc}") from exc
    return count
