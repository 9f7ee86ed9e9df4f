"""RIS, written by rispy."""

from collections.abc import Sequence
from typing import Any

from qa.export.references import ExportedPaper, name_parts


def ris(references: Sequence[ExportedPaper]) -> str:
    """The references as RIS entries; the evidence is the note."""
    from rispy import RisWriter  # type: ignore[import-untyped]

    class Writer(RisWriter):  # type: ignore[misc]
        def set_header(self, count: int) -> str:  # noqa: ARG002 - numbers before entries are no RIS
            return ""

    text: str = Writer().formats([_entry(reference) for reference in references])
    return text


def _entry(reference: ExportedPaper) -> dict[str, Any]:
    paper = reference.paper
    fields = {
        "type_of_reference": _kind(reference),
        "id": reference.key,
        "title": paper.title,
        "authors": list(map(_author, paper.authors)),
        "year": str(paper.year or ""),
        "secondary_title": paper.venue,
        "doi": paper.doi,
        "urls": _links(reference),
        "keywords": list(paper.keywords),
        "abstract": paper.abstract,
        "notes": [reference.note] if reference.note else [],
    }
    return {name: value for name, value in fields.items() if value}


def _kind(reference: ExportedPaper) -> str:
    if not reference.paper.venue:
        return "UNPB"
    return "CONF" if reference.in_proceedings else "JOUR"


def _links(reference: ExportedPaper) -> list[str]:
    paper = reference.paper
    arxiv = f"https://arxiv.org/abs/{paper.arxiv_id}" if paper.arxiv_id else ""
    return list(dict.fromkeys(link for link in (paper.url, arxiv) if link))


def _author(name: str) -> str:
    parts = name_parts(name)
    return ", ".join(part for part in (parts.family, parts.given, parts.suffix) if part)
