"""BibTeX, written by bibtexparser: UTF-8, as biber and every reference manager read it."""

from collections.abc import Sequence

from qa.export.references import ExportedPaper, name_parts

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
# Signs that LaTeX joins into one, and how they are kept apart.
_LIGATURES = {"--": "-{}-", "``": "`{}`", "''": "'{}'"}
_IN_ADDRESSES = str.maketrans({"{": "%7B", "}": "%7D", "\\": "%5C"})  # which are verbatim


def bibtex(papers: Sequence[ExportedPaper]) -> str:
    """Return the papers as BibTeX entries; the evidence of an answer is in the field `annote`."""
    from bibtexparser.library import Library
    from bibtexparser.model import Block, Entry, Field
    from bibtexparser.writer import BibtexFormat, write

    entries: list[Block] = [
        Entry(
            _kind(exported),
            exported.key,
            [Field(name, f"{{{value}}}") for name, value in _fields(exported).items() if value],
        )
        for exported in papers
    ]
    form = BibtexFormat()  # type: ignore[no-untyped-call]
    form.indent, form.block_separator = "  ", "\n"
    return write(Library(entries), form)


def _kind(exported: ExportedPaper) -> str:
    if not exported.paper.venue:
        return "misc"
    return "inproceedings" if exported.in_proceedings else "article"


def _fields(exported: ExportedPaper) -> dict[str, str]:
    paper = exported.paper
    venue = "booktitle" if exported.in_proceedings else "journal"
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
        "annote": escaped(exported.note),
    }


def escaped(text: str) -> str:
    """Return the text with every character that LaTeX takes for a command escaped."""
    text = text.translate(_ESCAPES)
    for signs, separated in _LIGATURES.items():
        while signs in text:
            text = text.replace(signs, separated)
    return text


def _protected(word: str) -> str:
    """Return a word of a title, in braces where BibTeX styles would lose capitals in it."""
    inner = any(letter.isupper() for letter in word[1:])
    return f"{{{escaped(word)}}}" if inner else escaped(word)


def _author(name: str) -> str:
    parts = name_parts(name)
    if not parts.given:
        return f"{{{escaped(name)}}}" if " " in name else escaped(name)
    return ", ".join(escaped(p) for p in (parts.family, parts.suffix, parts.given) if p)
