"""A table of papers as CSV, Markdown and JSON; `qa.export.html` has it as a page."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from qa.answering.safe_text import clean_line
from qa.answering.table import Cell, CellState, Table
from qa.answering.wording import cells_line, coverage_text
from qa.corpus.papers import Paper
from qa.export.formats import TableFormat, csv_cell
from qa.export.html import table_html
from qa.export.json import dump
from qa.export.markdown import escaped

# What stands in place of a value in CSV's proof columns, and in Markdown.
WHY_EMPTY = {
    CellState.NOT_STATED: "not stated",
    CellState.UNREADABLE: "could not be read",
    CellState.DOUBTED: "in doubt: the words that the model named do not stand there",
}
BY_READER = "(corrected)"  # behind a value that a person gave
EMPTY_MARKS = {CellState.UNREADABLE: "?"}


def written(table: Table, papers: Sequence[Paper], form: TableFormat, *, proofs: bool) -> str:
    """Return the table in a format; `papers` are those of its rows, in their order."""
    match form:
        case TableFormat.JSON:
            return dump(table_document(table)) + "\n"
        case TableFormat.CSV:
            return table_csv(table, papers, proofs=proofs)
        case TableFormat.HTML:
            return table_html(table, papers, coverage_text(table))
        case TableFormat.MARKDOWN:
            return table_markdown(table, papers, coverage_text(table), proofs=proofs)


def table_csv(table: Table, papers: Sequence[Paper], *, proofs: bool = False) -> str:
    """Return the table as rows under a header, safe to open in a spreadsheet.

    With `proofs` each column is followed by one with the sentence that states its value, or with
    why there is none. Without a model it is the sentence nearest to the column's words.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    names = [
        name
        for column in table.columns
        for name in ((column.name, f"{column.name} (proof)") if proofs else (column.name,))
    ]
    rows.writerow(map(csv_cell, ["n", "id", "title", *names]))
    for row, paper in zip(table.rows, papers, strict=True):
        cells = [
            part
            for cell in row.cells
            for part in ((cell_text(cell), _proof(cell, paper)) if proofs else (cell_text(cell),))
        ]
        rows.writerow([row.n, row.id, *map(csv_cell, [row.title, *cells])])
    return text.getvalue()


def table_markdown(
    table: Table, papers: Sequence[Paper], coverage: str, *, proofs: bool = False
) -> str:
    """Return the table in Markdown, below it what was read, and with `proofs` the sentences."""
    heads = ["Paper", *(_markdown(column.name) for column in table.columns)]
    lines = [_table_line(heads), _table_line(["---"] * len(heads))]
    for row, paper in zip(table.rows, papers, strict=True):
        cells = [_markdown(cell_text(cell) or near_sentence(cell, paper)) for cell in row.cells]
        lines.append(_table_line([f"[{row.n}] {_markdown(row.title)}", *cells]))
    parts = ["\n".join(lines)]
    if proofs:
        parts += _proof_lists(table, papers)
    parts += [f"*{_markdown(line)}*" for line in (coverage, cells_line(table)) if line]
    head = [f"# {_markdown(table.question)}"] if table.question else []
    return "\n\n".join([*head, *parts]) + "\n"


def table_document(table: Table) -> dict[str, Any]:
    """Return the table as a document for JSON; docs/table.md lists its fields."""
    document = asdict(table)
    document["columns"] = [
        {"name": column.name, "asks": column.asks, "yes_no": column.yes_no}
        for column in table.columns
    ]
    return document


def cell_text(cell: Cell) -> str:
    """Return the text of a cell: its value, after yes or no where the column asks for that."""
    if cell.value is None:
        return EMPTY_MARKS.get(cell.state, "") if cell.sentence is None else ""
    value = clean_line(cell.value)
    shown = f"{cell.answer} ({value})" if cell.answer else value
    return f"{shown} {BY_READER}" if cell.by_reader else shown


def _proof(cell: Cell, paper: Paper) -> str:
    if cell.sentence is None:
        return WHY_EMPTY[cell.state]
    sentence = clean_line(paper.sentences[cell.sentence - 1].text)
    return sentence if cell.value is not None else f"nearest sentence: {sentence}"


def near_sentence(cell: Cell, paper: Paper) -> str:
    """Return the sentence nearest to the column's words, where no model has read the paper."""
    if cell.value is not None or cell.sentence is None:
        return ""
    return f"nearest: “{clean_line(paper.sentences[cell.sentence - 1].text)}”"


def _proof_lists(table: Table, papers: Sequence[Paper]) -> list[str]:
    """Return for each paper the sentences that its values stand in."""
    lists = []
    for row, paper in zip(table.rows, papers, strict=True):
        lines = [
            f"- {_markdown(column.name)}: {_markdown(_proof(cell, paper))}"
            for column, cell in zip(table.columns, row.cells, strict=True)
        ]
        lists.append("\n".join([f"[{row.n}] **{_markdown(row.title)}**", "", *lines]))
    return lists


def _markdown(text: str) -> str:
    return escaped(clean_line(text))


def _table_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
