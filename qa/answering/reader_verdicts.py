"""The reader's own verdicts: kept for good, counted above any model's, and taken back one by one.

They depend on question and paper alone, so that another model, prompt or a rebuilt store changes
nothing. They are work that nobody can pay for again: the file is not part of the cache, and each
verdict is on the disk before the call returns.
"""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from qa.answering.verdict_cache import BUSY
from qa.errors import StoreError
from qa.retrieval.relevance import Relevance

FILE = "reader_verdicts.sqlite"

# A log: the last row of a question and paper counts, and undoing removes the last row.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (
  id INTEGER PRIMARY KEY, question TEXT NOT NULL, paper TEXT NOT NULL, relevance TEXT,
  at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS of_question ON verdicts (question);
"""
_LAST = """
SELECT paper, relevance FROM verdicts WHERE id IN
  (SELECT max(id) FROM verdicts WHERE question = ? GROUP BY paper)
ORDER BY id
"""


class ReaderVerdicts:
    """The verdicts of the people who use this corpus; any number of processes share the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, question: str, paper_id: str, relevance: Relevance | None) -> None:
        """Keep a verdict; None takes an earlier one back. Raises StoreError."""
        row = (_key(question), paper_id, relevance, time.time())
        self._write(
            "INSERT INTO verdicts (question, paper, relevance, at) VALUES (?, ?, ?, ?)", row
        )

    def get(self, question: str) -> dict[str, Relevance]:
        """Return the verdicts for the question by paper id, in the order given.

        Raises StoreError.
        """
        if not self._path.exists():
            return {}
        rows = run_durably(
            self._path,
            _SCHEMA,
            _LAST,
            (_key(question),),
            f"Your verdicts in {self._path} cannot be read",
        )
        return {str(paper): Relevance(str(relevance)) for paper, relevance in rows if relevance}

    def undo(self, question: str) -> str | None:
        """Remove the last change for the question, and return the paper's id; None: there is none.

        Raises StoreError.
        """
        where = "id = (SELECT max(id) FROM verdicts WHERE question = ?)"
        removed = self._write(
            f"DELETE FROM verdicts WHERE {where} RETURNING paper",
            (_key(question),),
        )
        return str(removed[0][0]) if removed else None

    def _write(self, statement: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        trouble = f"Your verdict cannot be kept in {self._path}"
        return run_durably(self._path, _SCHEMA, statement, values, trouble)


def run_durably(
    path: Path, schema: str, statement: str, values: Sequence[object], trouble: str
) -> list[tuple[object, ...]]:
    """Run one SQL statement on a file of the reader's own work; return the rows.

    The file is made if need be, with the schema. What the statement writes is on the disk when this
    returns: it outlives a power cut. Raises StoreError, which begins with `trouble`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=BUSY)) as db, db:
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(schema)
            return db.execute(statement, values).fetchall()
    except (sqlite3.Error, OSError) as exc:
        raise StoreError(f"{trouble}: {exc}") from exc


def _key(question: str) -> str:
    """Return the question as verdicts know it: case, spaces and a question mark do not count."""
    return " ".join(question.casefold().split()).rstrip(" ?")
