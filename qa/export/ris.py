"""Papers as RIS, the format that most reference managers read; written by rispy."""

from collections.abc import Sequence
from typing import Any

from qa.export.references import ExportedPaper, name_parts


def ris(papers: Sequence[ExportedPaper]) -> str:
    """Return the papers as RIS entries; the evidence of an answer is in the note."""
    from rispy import RisWriter  # type: ignore[import-untyped]

    class Writer(RisWriter):  # type: ignore[misc]
        def set_header(self, count: int) -> str:  # noqa: ARG002 - numbers before entries are no RIS
            return ""

    text: str = Writer().formats([_entry(exported) for exported in papers])
    return text


def _entry(exported: ExportedPaper) -> dict[str, Any]:
    paper = exported.paper
    fields = {
        "type_of_reference": _kind(exported),
        "id": exported.key,
        "title": paper.title,
        "authors": list(map(_author, paper.authors)),
        "year": str(paper.year or ""),
        "secondary_title": paper.venue,
        "doi": paper.doi,
        "urls": _links(exported),
        "keywords": list(paper.keywords),
        "abstract": paper.abstract,
        "notes": [exported.note] if exported.note else [],
    }
    return {name: value for name, value in fields.items() if value}


def _kind(exported: ExportedPaper) -> str:
    if not exported.paper.venue:
        return "UNPB"
    return "CONF" if exported.in_proceedings else "JOUR"


def _links(exported: ExportedPaper) -> list[str]:
    paper = exported.paper
    arxiv = f"https://arxiv.org/abs/{paper.arxiv_id}" if paper.arxiv_id else ""
    return list(dict.fromkeys(link for link in (paper.url, arxiv) if link))


def _author(name: str) -> str:
    parts = name_parts(name)
    return ", ".join(part for part in (parts.family, parts.given, parts.suffix) if part)
