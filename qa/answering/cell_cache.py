"""Cells kept on disk: the same table again, or after an interruption, pays only for what is new."""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from qa.answering.table import Cell, CellState, Column
from qa.answering.verdict_cache import connect
from qa.corpus.papers import Paper

_SCHEMA = """
CREATE TABLE IF NOT EXISTS cells (
  key BLOB PRIMARY KEY, state TEXT NOT NULL, answer TEXT, sentence INTEGER, start INTEGER,
  end INTEGER
) WITHOUT ROWID
"""


class CellCache:
    """The cells that one model filled under one prompt; processes may share the file.

    With a file that cannot be used every cell is paid for again: `trouble` then says why.
    """

    def __init__(self, path: Path, model: str) -> None:
        """Take the file and `model`: what a cell depends on beside column and paper."""
        self._path = path
        self._model = model
        self.trouble: str | None = None

    def get(
        self, columns: Sequence[Column], papers: Sequence[Paper]
    ) -> dict[str, dict[Column, Cell]]:
        """Return the known cells of these papers, by paper id and column."""
        found: dict[str, dict[Column, Cell]] = {}
        try:
            with closing(self._connect()) as db:
                for paper in papers:
                    rows = ((column, self._row(db, column, paper)) for column in columns)
                    found[paper.id] = {column: cell for column, cell in rows if cell}
        except (sqlite3.Error, OSError, ValueError) as exc:
            self.trouble = f"Cells cannot be read from {self._path}: {exc}"
        return found

    def _row(self, db: sqlite3.Connection, column: Column, paper: Paper) -> Cell | None:
        row = db.execute(
            "SELECT state, answer, sentence, start, end FROM cells WHERE key = ?",
            (self._key(column, paper),),
        ).fetchone()
        if row is None:
            return None
        state, answer, sentence, start, end = row
        value = None if start is None else paper.abstract[start:end]
        return Cell(CellState(state), value, answer, sentence, start, end)

    def put(self, paper: Paper, cells: Mapping[Column, Cell]) -> None:
        """Keep the cells of one paper, all or none."""
        rows = [
            (self._key(column, paper), cell.state, cell.answer, cell.sentence, cell.start, cell.end)
            for column, cell in cells.items()
        ]
        if not rows:
            return
        try:
            with closing(self._connect()) as db, db:
                db.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?, ?)", rows)
        except (sqlite3.Error, OSError) as exc:
            self.trouble = f"Cells cannot be kept in {self._path}: {exc}"

    def _connect(self) -> sqlite3.Connection:
        db = connect(self._path)
        db.execute(_SCHEMA)
        return db

    def _key(self, column: Column, paper: Paper) -> bytes:
        parts = (self._model, column.name, column.asks, paper.title, paper.abstract)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:16]
