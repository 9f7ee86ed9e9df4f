"""BibTeX, written by bibtexparser: UTF-8, as biber and every reference manager read it."""

from collections.abc import Sequence

from qa.export.references import ExportedPaper, Name, name_parts

# Braces stay balanced even where they are escaped: BibTeX itself counts those, too.
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\textbraceleft{}",
        "}": r"\textbraceright{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        **{sign: f"\\{sign}" for sign in "&%$#_"},
    }
)
_LIGATURES = {"--": "-{}-", "``": "`{}`", "''": "'{}'"}
_IN_ADDRESSES = str.maketrans({"{": "%7B", "}": "%7D", "\\": "%5C"})  # which are verbatim


def bibtex(references: Sequence[ExportedPaper]) -> str:
    """The references as BibTeX entries; the evidence is the annotation."""
    from bibtexparser.library import Library
    from bibtexparser.model import Block, Entry, Field
    from bibtexparser.writer import BibtexFormat, write

    entries: list[Block] = [
        Entry(
            _kind(reference),
            reference.key,
            [Field(name, f"{{{value}}}") for name, value in _fields(reference).items() if value],
        )
        for reference in references
    ]
    form = BibtexFormat()  # type: ignore[no-untyped-call]
    form.indent, form.block_separator = "  ", "\n"
    return write(Library(entries), form)


def _kind(reference: ExportedPaper) -> str:
    if not reference.paper.venue:
        return "misc"
    return "inproceedings" if reference.in_proceedings else "article"


def _fields(reference: ExportedPaper) -> dict[str, str]:
    paper = reference.paper
    venue = "booktitle" if reference.in_proceedings else "journal"
    return {
        "title": " ".join(map(_protected, paper.title.split())),
        "author": " and ".join(map(_author, paper.authors)),
        "year": str(paper.year or ""),
        venue: escaped(paper.venue or ""),
        "doi": (paper.doi or "").translate(_IN_ADDRESSES),
        "eprint": paper.arxiv_id or "",
        "archiveprefix": "arXiv" if paper.arxiv_id else "",
        "url": (paper.url or "").translate(_IN_ADDRESSES),
        "keywords": escaped(", ".join(paper.keywords)),
        "abstract": escaped(paper.abstract),
        "annote": escaped(reference.note),
    }


def escaped(text: str) -> str:
    """The text with every character that LaTeX takes for a command written as itself."""
    text = text.translate(_ESCAPES)
    for signs, apart in _LIGATURES.items():
        while signs in text:
            text = text.replace(signs, apart)
    return text


def _protected(word: str) -> str:
    """A word of a title, in braces where BibTeX styles would lose capitals in it."""
    inner = any(letter.isupper() for letter in word[1:])
    return f"{{{escaped(word)}}}" if inner else escaped(word)


def _author(name: str) -> str:
    parts: Name = name_parts(name)
    if not parts.given:
        return f"{{{escaped(name)}}}" if " " in name else escaped(name)
    return ", ".join(escaped(p) for p in (parts.family, parts.suffix, parts.given) if p)
