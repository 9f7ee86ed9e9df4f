"""The table of a question: add a column, see it fill, look at a cell's proof, correct it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qa.answering.table import Cell, Column, Row, Table, checked_columns
from qa.answering.wording import cells_line
from qa.corpus.papers import Paper
from qa.errors import QAError, UsageError
from qa.export.formats import TableFormat
from qa.export.table import written
from qa.library.library import Library
from qa.library.session import Session
from qa.library.tables import fill_rows, known_table, reader_cells
from qa.library.waiting import in_thread
from qa.web.history import Entry
from qa.web.screening import Rankings, answer_of, screen


@dataclass(frozen=True, slots=True)
class ShownCell:
    """A cell with what its card shows."""

    cell: Cell
    column: Column
    sentence: str  # that proves it, or is nearest; empty where there is none
    spans: tuple[tuple[int, int], ...]  # of the value in the sentence


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row with its paper and its cells."""

    row: Row
    paper: Paper
    cells: tuple[ShownCell, ...]


@dataclass(frozen=True, slots=True)
class TableView:
    """What the page of a table shows."""

    columns: tuple[Column, ...]
    rows: tuple[ShownRow, ...]
    line: str
    filling: bool
    error: str


class Tables:
    """The tables that are shown and filled, by the id of their question."""

    def __init__(self, session: Session, rankings: Rankings) -> None:
        self._session = session
        self._rankings = rankings
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._errors: dict[str, str] = {}

    def fill(self, entry: Entry) -> None:
        """Begin to fill the cells that are not known, unless that is being done."""
        if entry.id not in self._tasks and entry.columns:
            self._errors.pop(entry.id, None)
            task = asyncio.create_task(self._filled(entry))
            self._tasks[entry.id] = task
            task.add_done_callback(lambda _: self._tasks.pop(entry.id, None))

    async def wait(self, entry: Entry, seconds: float) -> None:
        """Wait until the table is filled, but no longer than this."""
        if task := self._tasks.get(entry.id):
            await asyncio.wait([task], timeout=seconds)

    async def view(self, entry: Entry) -> TableView:
        """Return the table as far as it is filled. Raises QAError."""
        columns = checked_columns(entry.columns) if entry.columns else ()
        async with self._session.library(chat=True) as library:
            table, papers = await in_thread(lambda: _known(library, entry, self._rankings, columns))
        rows = tuple(
            ShownRow(row, paper, tuple(map(_shown, row.cells, columns, [paper] * len(columns))))
            for row, paper in zip(table.rows, papers, strict=True)
        )
        error, filling = self._errors.get(entry.id, ""), entry.id in self._tasks
        return TableView(columns, rows, cells_line(table) if columns else "", filling, error)

    async def exported(self, entry: Entry, form: TableFormat) -> str:
        """Return the table, as far as it is filled, in a format. Raises QAError."""
        columns = checked_columns(entry.columns)
        async with self._session.library(chat=True) as library:
            table, papers = await in_thread(lambda: _known(library, entry, self._rankings, columns))
        return written(table, papers, form, proofs=True)

    async def correct(self, entry: Entry, form: Mapping[str, str]) -> None:
        """Keep or take back the reader's correction of a cell. Raises QAError."""
        columns = {column.name: column for column in checked_columns(entry.columns)}
        column = columns.get(form.get("column", ""))
        async with self._session.library() as library:
            papers = await in_thread(lambda: library.papers_with(form.get("paper", "?")))
            if column is None or len(papers) != 1:
                raise UsageError("There is no such cell.")
            kept = reader_cells(library)
        if form.get("do") == "take back":
            await in_thread(lambda: kept.take_back(column, papers[0].id))
        else:
            words, answer = form.get("words", ""), form.get("answer") or None
            await in_thread(lambda: kept.put(column, papers[0], words, answer))

    async def close(self) -> None:
        """End the filling."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _filled(self, entry: Entry) -> None:
        try:
            async with self._session.library(chat=True) as library:
                if library.model is None:
                    return
                answer = answer_of(
                    entry, await in_thread(lambda: screen(library, entry, self._rankings))
                )
                columns = checked_columns(entry.columns)
                table = await fill_rows(library, entry.question, columns, answer.papers, None)
            for warning in table.warnings:
                self._errors[entry.id] = warning.detail
        except QAError as exc:
            self._errors[entry.id] = str(exc)


def _known(
    library: Library, entry: Entry, rankings: Rankings, columns: Sequence[Column]
) -> tuple[Table, list[Paper]]:
    answer = answer_of(entry, screen(library, entry, rankings))
    table = known_table(library, entry.question, tuple(columns), answer.papers)
    return table, library.papers_of(answer.papers)


def _shown(cell: Cell, column: Column, paper: Paper) -> ShownCell:
    if cell.sentence is None:
        return ShownCell(cell, column, "", ())
    sentence = paper.sentences[cell.sentence - 1]
    spans: tuple[tuple[int, int], ...] = ()
    if cell.value is not None and cell.start is not None and cell.end is not None:
        spans = ((cell.start - sentence.start, cell.end - sentence.start),)
    return ShownCell(cell, column, sentence.text, spans)
