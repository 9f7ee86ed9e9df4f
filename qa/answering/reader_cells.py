"""The reader's corrections of a table's cells: kept for good, and counted above any model's.

A correction is words of the abstract too, or that nothing states the cell. The file is no part of
the cache: nobody can pay for this work again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from qa.answering.reader_verdicts import run_durably
from qa.answering.table import NOT_STATED, Cell, CellState, Column, place_of
from qa.corpus.papers import Paper
from qa.errors import UsageError

FILE = "reader_cells.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS cells (
  paper TEXT NOT NULL, column_name TEXT NOT NULL, words TEXT NOT NULL, answer TEXT,
  PRIMARY KEY (paper, column_name)
) WITHOUT ROWID
"""


class ReaderCells:
    """The corrections of the people who use this corpus; processes share the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, column: Column, paper: Paper, words: str, answer: str | None = None) -> Cell:
        """Keep a correction, and return the cell; empty words: no sentence states it.

        Raises UsageError for words that the abstract does not have, and StoreError.
        """
        cell = corrected_cell(column, paper, words, answer)
        row = (paper.id, column.name.casefold(), words.strip(), cell.answer)
        self._do("INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?)", row)
        return cell

    def take_back(self, column: Column, paper_id: str) -> None:
        """Forget a correction. Raises StoreError."""
        row = (paper_id, column.name.casefold())
        self._do("DELETE FROM cells WHERE paper = ? AND column_name = ?", row)

    def over(
        self,
        cells: Mapping[str, Sequence[Cell]],
        columns: Sequence[Column],
        papers: Iterable[Paper],
    ) -> dict[str, tuple[Cell, ...]]:
        """Return the cells by paper id, corrected where the reader has corrected them.

        Raises StoreError.
        """
        if not self._path.exists():
            return {id_: tuple(row) for id_, row in cells.items()}
        kept = {
            (str(paper), str(name)): (str(words), str(answer) if answer else None)
            for paper, name, words, answer in self._do("SELECT * FROM cells", ())
        }
        return {
            paper.id: tuple(
                _corrected(cell, column, paper, kept.get((paper.id, column.name.casefold())))
                for cell, column in zip(cells[paper.id], columns, strict=True)
            )
            for paper in papers
        }

    def _do(self, statement: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        trouble = f"Your corrections in {self._path} cannot be used"
        return run_durably(self._path, _SCHEMA, statement, values, trouble)


def corrected_cell(column: Column, paper: Paper, words: str, answer: str | None) -> Cell:
    """Return the cell with these words of the abstract; raises UsageError where it has them not."""
    if not words.strip():
        return replace(NOT_STATED, by_reader=True)
    if column.yes_no and answer not in {"yes", "no"}:
        raise UsageError(f"“{column.name}” is answered by yes or no: give that beside the words.")
    for sentence in paper.sentences:
        place = place_of(words, sentence.number, paper)
        if place is not None:
            start, end = place
            said = answer if column.yes_no else None
            value = paper.abstract[start:end]
            return Cell(CellState.STATED, value, said, sentence.number, start, end, by_reader=True)
    raise UsageError("The abstract has no sentence with these words: copy them from it.")


def _corrected(
    cell: Cell, column: Column, paper: Paper, kept: tuple[str, str | None] | None
) -> Cell:
    """Return the reader's cell, if there is one that still fits the paper; else the cell itself."""
    if kept is None:
        return cell
    try:
        return corrected_cell(column, paper, *kept)
    except UsageError:  # the abstract has changed since
        return cell
