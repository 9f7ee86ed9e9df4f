"""What the tool `fill_table` returns: the schema that assistants read, and the table as text."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from qa.answering.safe_text import clean_line
from qa.answering.table import Cell, Table
from qa.answering.wording import coverage_text
from qa.corpus.papers import Paper
from qa.export.table import table_markdown
from qa.mcp.schemas import Result, UsageResult, WarningResult

FILL_YOURSELF = (
    "No model filled these cells: each has the sentence nearest to its column. Take values from "
    "the abstracts alone (get_paper has them whole), and leave a cell empty that none states."
)


class CellResult(Result):
    """One cell of a table."""

    state: Literal["stated", "not_stated", "unreadable", "doubted"] = Field(
        description="stated: the abstract says it. not_stated: the model found nothing. "
        "unreadable: no model read it. doubted: the words that the model named do not stand there."
    )
    value: str | None = Field(default=None, description="The words of the abstract.")
    answer: Literal["yes", "no"] | None = Field(
        default=None, description="In a column that yes or no answers: what the words show."
    )
    sentence: int | None = Field(default=None, description="The number of the proving sentence.")
    proof: str | None = Field(default=None, description="The sentence, word for word.")
    start: int | None = Field(default=None, description="Offset of the value in the abstract.")
    end: int | None = Field(default=None, description="Offset after the value.")


class RowResult(Result):
    """One paper of a table."""

    n: int = Field(description="The number of the row.")
    id: str = Field(description="The paper's id, for get_paper.")
    title: str = Field(description="The title.")
    cells: list[CellResult] = Field(description="One cell for each column, in their order.")


class TableResult(Result):
    """What `fill_table` comes back with."""

    question: str | None = Field(default=None, description="The question that chose the papers.")
    model: str | None = Field(default=None, description="The model that filled it; absent: none.")
    columns: list[str] = Field(description="The columns' names.")
    rows: list[RowResult] = Field(description="One row a paper.")
    coverage: str | None = Field(default=None, description="How many papers were read, in words.")
    warnings: list[WarningResult] = Field(default_factory=list, description="Tell the user.")
    usage: UsageResult | None = Field(default=None, description="What the model was asked for.")
    notes: list[str] = Field(default_factory=list, description="What the user should know besides.")
    next: list[str] = Field(default_factory=list, description="What to do next, if need be.")


def table_result(table: Table, papers: Sequence[Paper]) -> TableResult:
    """Return the table with the proof of each cell; `papers` are those of its rows, in order."""
    return TableResult(
        question=table.question,
        model=table.model,
        columns=[column.name for column in table.columns],
        rows=[
            RowResult(
                n=row.n,
                id=row.id,
                title=row.title,
                cells=[_cell(cell, paper) for cell in row.cells],
            )
            for row, paper in zip(table.rows, papers, strict=True)
        ],
        coverage=coverage_text(table) or None,
        warnings=[WarningResult.model_validate(warning) for warning in table.warnings],
        usage=UsageResult.model_validate(table.usage) if table.model else None,
        next=[] if table.model or not table.rows else [FILL_YOURSELF],
    )


def table_text(table: Table, papers: Sequence[Paper], result: TableResult) -> str:
    """Return the table in Markdown, then what its reader should know."""
    warnings = [f"Warning: {clean_line(warning.detail)}" for warning in result.warnings]
    return "\n".join(
        [
            table_markdown(table, papers, coverage_text(table)),
            *warnings,
            *result.notes,
            *result.next,
        ]
    )


def _cell(cell: Cell, paper: Paper) -> CellResult:
    proof = paper.sentences[cell.sentence - 1].text if cell.sentence else None
    return CellResult(
        state=cell.state.value,
        value=cell.value,
        answer="yes" if cell.answer == "yes" else "no" if cell.answer else None,
        sentence=cell.sentence,
        proof=proof,
        start=cell.start,
        end=cell.end,
    )
