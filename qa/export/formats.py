"""The formats that papers can be written in: BibTeX, RIS, CSV and Markdown."""

import csv
import io
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `--help` needs the names of the formats alone
    from qa.export.references import ExportedPaper

PAPER_COLUMNS = (
    *("key", "id", "title", "authors", "year", "venue", "doi", "arxiv_id", "url", "keywords"),
    *("abstract", "sources", "title_only"),
)
ANSWER_COLUMNS = ("n", "relevance", "score", "cited", "evidence")  # all but n empty without answer

_FORMULA = re.compile(r"'*[=+@\t\r-]")


class Format(StrEnum):
    """The name of a format, as the command line has it."""

    BIBTEX = "bibtex"
    RIS = "ris"
    CSV = "csv"
    MARKDOWN = "markdown"
    JSON = "json"


def export_papers(papers: Sequence["ExportedPaper"], form: Format) -> str:
    """Return the papers in a format; each is loaded when it is asked for.

    Raises ValueError for JSON, which carries whole answers.
    """
    match form:
        case Format.BIBTEX:
            from qa.export.bibtex import bibtex

            return bibtex(papers)
        case Format.RIS:
            from qa.export.ris import ris

            return ris(papers)
        case Format.CSV:
            return csv_table(papers)
        case Format.MARKDOWN:
            from qa.export.markdown import markdown

            return markdown(papers)
    raise ValueError(form)


def csv_table(papers: Sequence["ExportedPaper"]) -> str:
    """Return the papers as rows under a header; lists within a cell are separated by semicolons.

    No cell begins like a formula: a spreadsheet would run it.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*PAPER_COLUMNS, *ANSWER_COLUMNS])
    rows.writerows(map(csv_cell, _row(paper)) for paper in papers)
    return text.getvalue()


def csv_cell(value: object) -> object:
    """Return a cell for a table; a text that a spreadsheet takes for a formula gets a `'` first."""
    # One that begins with the sign before a formula gets another: so it can be read back.
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _row(exported: "ExportedPaper") -> list[object]:
    paper, listed = exported.paper, exported.listed
    of_paper = [
        *(exported.key, paper.id, paper.title, "; ".join(paper.authors), paper.year, paper.venue),
        *(paper.doi, paper.arxiv_id, paper.link, "; ".join(paper.keywords), paper.abstract),
        "; ".join(paper.sources),
        "yes" if paper.title_only else "no",
    ]
    if listed is None:
        return [*of_paper, exported.n, *[""] * (len(ANSWER_COLUMNS) - 1)]
    cited = "yes" if listed.cited else "no"
    quotes = " ".join(exported.quotes)
    return [
        *of_paper,
        exported.n,
        listed.relevance or listed.likelihood,
        listed.score,
        cited,
        quotes,
    ]
