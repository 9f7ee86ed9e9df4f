"""The formats that papers can be written in, each by a module that is loaded when it is asked."""

import csv
import io
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `--help` needs the names of the formats alone
    from qa.export.references import ExportedPaper


class Format(StrEnum):
    """The name of a format, as the command line has it."""

    BIBTEX = "bibtex"
    RIS = "ris"
    CSV = "csv"
    MARKDOWN = "markdown"
    JSON = "json"


def written(references: Sequence["ExportedPaper"], form: Format) -> str:
    """The references in a format that is all about papers: any but JSON."""
    match form:
        case Format.BIBTEX:
            from qa.export.bibtex import bibtex

            return bibtex(references)
        case Format.RIS:
            from qa.export.ris import ris

            return ris(references)
        case Format.CSV:
            return table(references)
        case Format.MARKDOWN:
            from qa.export.markdown import markdown

            return markdown(references)
    raise AssertionError(form)


PAPER = (
    *("key", "id", "title", "authors", "year", "venue", "doi", "arxiv_id", "url", "keywords"),
    *("abstract", "sources"),
)
ANSWER = ("n", "relevance", "score", "cited", "evidence")  # empty where there is no answer


def table(references: Sequence["ExportedPaper"]) -> str:
    """The references as rows, the answer's columns last; lists are separated by semicolons."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*PAPER, *ANSWER])
    rows.writerows(map(_row, references))
    return text.getvalue()


def _row(reference: "ExportedPaper") -> list[object]:
    paper, entry = reference.paper, reference.entry
    of_paper = [
        *(reference.key, paper.id, paper.title, "; ".join(paper.authors), paper.year, paper.venue),
        *(paper.doi, paper.arxiv_id, paper.link, "; ".join(paper.keywords), paper.abstract),
        "; ".join(paper.sources),
    ]
    if entry is None:
        return [*of_paper, reference.n, *[""] * (len(ANSWER) - 1)]
    evidence = " ".join(reference.quotes)
    cited = "yes" if entry.cited else "no"
    return [*of_paper, entry.n, entry.relevance or entry.likelihood, entry.score, cited, evidence]
