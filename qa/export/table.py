"""CSV with a header, for spreadsheets and scripts."""

import csv
import io
from collections.abc import Sequence

from qa.export.reference import Reference

PAPER = (
    *("key", "id", "title", "authors", "year", "venue", "doi", "arxiv_id", "url", "keywords"),
    *("abstract", "sources"),
)
ANSWER = ("n", "relevance", "score", "cited", "evidence")  # empty where there is no answer


def table(references: Sequence[Reference]) -> str:
    """The references as rows, the answer's columns last; lists are separated by semicolons."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*PAPER, *ANSWER])
    rows.writerows(map(_row, references))
    return text.getvalue()


def _row(reference: Reference) -> list[object]:
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
    return [*of_paper, entry.n, entry.relevance, entry.score, cited, evidence]
