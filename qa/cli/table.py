"""The command `qa table`: a row for each paper that answers, each cell with its proof."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from qa.answering.events import Filling, TableBegun
from qa.answering.reading import Limits
from qa.answering.safe_text import clean_line
from qa.answering.table import CellState, Expected, Table
from qa.answering.wording import cells_line, counted, coverage_text, filling_line
from qa.cli.ask import FAILURES, NO_MODEL, note_how_to_write
from qa.cli.display.progress import Display
from qa.cli.exit_codes import NOTHING_FOUND
from qa.config import Config
from qa.corpus.filters import Filters
from qa.corpus.papers import Paper
from qa.errors import UsageError
from qa.export.formats import TableFormat
from qa.export.table import cell_text, near_sentence, written
from qa.library.library import Library
from qa.library.opening import open_library
from qa.library.tables import expected_table, fill_table
from qa.llm.pricing import cost_usd

if TYPE_CHECKING:
    from rich.table import Table as RichTable

MANY_PAPERS = 50  # from here on it is said before what filling the table is expected to take


@dataclass(frozen=True, slots=True)
class TableCommand:
    """The options of `qa table`."""

    question: str | None  # None: the papers are given
    columns: tuple[str, ...]
    papers: Path | None  # a file of ids
    limits: Limits
    filters: Filters
    form: TableFormat | None  # None: a drawn table in a terminal, Markdown elsewhere
    cached: bool  # whether what the model said before may be used
    proofs: bool
    dry_run: bool
    strict: bool


def print_table(config: Config, command: TableCommand) -> int:
    """Print the table; return the exit code."""
    ids = ids_in(command.papers) if command.papers else ()
    with Display(stream=False, verbose=False) as display:
        with open_library(config, display.work, display.note) as library:
            if command.dry_run:
                _say_expected(library, command, ids)
                return 0
            table = fill_table(
                library,
                command.question,
                command.columns,
                papers=ids,
                limits=command.limits,
                filters=command.filters,
                cached=command.cached,
                on_event=partial(_show_event, display, library),
            )
            papers = library.generation.papers([row.id for row in table.rows])
        display.clear()
        beside = list(filter(None, (coverage_text(table), cells_line(table))))
        if command.form is None and display.out.is_terminal and not command.proofs:
            display.out.print(_drawn(table, papers))
            for line in beside:
                display.out.print(line)
        else:
            form = command.form or TableFormat.MARKDOWN
            typer.echo(written(table, papers, form, proofs=command.proofs), nl=False)
        if command.form != TableFormat.JSON:
            for warning in table.warnings:
                display.note(f"Warning: {warning.detail}")
        if command.form == TableFormat.CSV:
            for line in beside:
                display.note(line)
        note_how_to_write(library, display)
    return _exit_code(table, strict=command.strict)


def ids_in(path: Path) -> tuple[str, ...]:
    """Return the ids in a file, the first word of each line; raises UsageError for none.

    Empty lines and lines that begin with # do not count. The file `-` is stdin.
    """
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"The ids in {path} cannot be read: {exc}") from exc
    lines = (line.strip() for line in text.splitlines())
    ids = tuple(line.split()[0] for line in lines if line and not line.startswith("#"))
    if not ids:
        raise UsageError(f"{path} has no ids: write one id a line, as `qa papers --json` has them.")
    return ids


def _show_event(display: Display, library: Library, event: object) -> None:
    match event:
        case TableBegun() if event.expected.papers > MANY_PAPERS:
            display.note(_expected_line(library, event.expected))
        case Filling():
            display.show(filling_line(event.done, event.of))
        case _:
            display.event(event)


def _say_expected(library: Library, command: TableCommand, ids: Sequence[str]) -> None:
    if library.model is None:
        typer.echo("No chat model is set: the table costs nothing, and its cells have no values.")
        return
    expected = expected_table(
        library,
        command.question,
        command.columns,
        papers=ids,
        filters=command.filters,
        cached=command.cached,
    )
    typer.echo(_expected_line(library, expected))
    if not ids:
        typer.echo(
            "That is for the papers that are nearest by score. Reading, which finds out which "
            "papers answer, comes before it and costs what `ask` costs."
        )


def _expected_line(library: Library, expected: Expected) -> str:
    """Return what filling is expected to take, in words."""
    if not expected.calls:
        return "Every cell is known from before: filling the table asks the model nothing."
    usage, model = expected.usage, library.model or NO_MODEL
    cost = cost_usd(model, usage, base_url=library.base_url)
    dollars = f", ${cost:.4f}" if cost is not None else ""
    papers = counted(expected.papers, "paper", "papers")
    calls = counted(expected.calls, "call", "calls")
    return (
        f"Filling the rows of {papers} is expected to take {calls} of {model}, about "
        f"{usage.total_tokens:,} tokens{dollars}."
    )


def _drawn(table: Table, papers: Sequence[Paper]) -> "RichTable":
    """Return the table as it is drawn in a terminal; sentences near a column's words are dim."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, show_lines=True, pad_edge=False)
    drawn.add_column("Paper", ratio=1)
    for column in table.columns:
        drawn.add_column(Text(clean_line(column.name)), ratio=1)
    for row, paper in zip(table.rows, papers, strict=True):
        cells = [
            Text(cell_text(cell)) if cell.value else Text(near_sentence(cell, paper), style="dim")
            for cell in row.cells
        ]
        drawn.add_row(Text(f"[{row.n}] {clean_line(row.title)}", style="bold"), *cells)
    return drawn


def _exit_code(table: Table, *, strict: bool) -> int:
    kinds = {warning.kind for warning in table.warnings}
    doubtful = kinds or table.count(CellState.DOUBTED)
    if kinds & (FAILURES | {"table_incomplete"}) or (strict and doubtful):
        return 1
    return 0 if table.rows else NOTHING_FOUND
