"""Which reader a file needs, told by its content first and its name second."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import BinaryIO

from qa.corpus.papers import Record, Skipped
from qa.corpus.readers.bibtex import read_bibtex
from qa.corpus.readers.csv import find_header, read_table
from qa.corpus.readers.encoding import DecodedText
from qa.corpus.readers.json import read_json
from qa.corpus.readers.listing_page import looks_like_listing_page, read_listing_page
from qa.corpus.readers.markdown import LONGEST, read_markdown
from qa.corpus.readers.tagged import ENDNOTE, NBIB, RIS, WEB_OF_SCIENCE, TaggedFormat, read_tagged
from qa.errors import CorpusError

_CHUNK = 1 << 16  # characters
_BEGINS_TAGGED: tuple[tuple[re.Pattern[str], TaggedFormat], ...] = (
    (re.compile(r"^\ufeff?TY {1,2}- ?[A-Z]", re.MULTILINE), RIS),
    (re.compile(r"^PMID ?- ?\d", re.MULTILINE), NBIB),
    (re.compile(r"^PT [A-Z]\n[A-Z][A-Z0-9] ", re.MULTILINE), WEB_OF_SCIENCE),
    (re.compile(r"^%0 [A-Z]", re.MULTILINE), ENDNOTE),
)
_BEGINS_BIBTEX = re.compile(r"(?m)^\s{0,20}@\s{0,9}[A-Za-z]{2,30}\s{0,9}[{(]\s{0,9}[^\s{}()]")
_BEGINS_JSON = re.compile(r"[\s\ufeff\x1e]*(?:\{\s*[\"}]|\[\s*[{\]])")
_BEGINS_MARKUP = re.compile(r"\s*<(?:\?xml|!doctype|html|feed|rss|pubmed\w+)[\s>]", re.IGNORECASE)
_CITED_BELOW = 1000  # characters: BibTeX further down a document is how to cite it
_DOCUMENTS = {"", ".txt", ".text", ".md", ".markdown", ".mkd", ".rst", ".abs"}
_TAGGED = {".ris": RIS, ".nbib": NBIB, ".ciw": WEB_OF_SCIENCE, ".enw": ENDNOTE}
_BIBTEX = {".bib", ".bibtex", ".biblatex"}
_TABLES = {".csv", ".tsv", ".tab"}
_NO_PAPERS = re.compile(  # what lies in people's folders beside their papers
    r"readme|licen[sc]e|copying|changelog|changes|contributing|notice|authors|todo|requirements.*",
    re.IGNORECASE,
)
_MAGIC = (
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0", "an office document"),
    (b"SQLite format 3", "a database"),
    (b"\x7fELF", "a program"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"PAR1", "a Parquet file"),
)


def read_stream(
    stream: BinaryIO, name: str, columns: Mapping[str, str], note: Callable[[str], None]
) -> Iterator[Record | Skipped]:
    """Yield what the file of this name holds; raises CorpusError where it holds no papers."""
    head = stream.read(512)
    stream.seek(0)
    if not head:
        raise CorpusError("it is empty")
    kind = next((kind for magic, kind in _MAGIC if head.startswith(magic)), "")
    if head[257:262] == b"ustar":
        kind = "a tar archive"
    if kind:
        raise CorpusError(f"it is {kind}")
    with DecodedText(stream, note) as text:
        yield from _read_text(text, name, columns)


def _read_text(
    text: DecodedText, name: str, columns: Mapping[str, str]
) -> Iterator[Record | Skipped]:
    suffix = _suffix(name)
    if not text.head.strip():
        raise CorpusError("it is empty")
    if (dialect := _dialect(text.head)) is not None:
        return read_tagged(text, name, dialect)
    if _BEGINS_JSON.match(text.head):
        return read_json(text.chunks(_CHUNK), name, columns)
    if _is_bibtex(text.head, suffix):
        return read_bibtex(text, name)
    if _BEGINS_MARKUP.match(text.head):
        raise CorpusError("it is XML or HTML: export the papers as RIS, BibTeX or CSV instead")
    if looks_like_listing_page(text.head.split("\n")):
        return read_listing_page(text, name)
    header = find_header(text.head, columns)
    if header and (not header.missing or suffix in _TABLES):
        return read_table(text, name, header)
    return _read_by_name(text, name, suffix)


def _read_by_name(text: DecodedText, name: str, suffix: str) -> Iterator[Record | Skipped]:
    """Yield what a file holds whose content does not tell its format."""
    if suffix in _TAGGED:
        return read_tagged(text, name, _TAGGED[suffix])
    if suffix in _BIBTEX:
        return read_bibtex(text, name)
    if suffix in _DOCUMENTS and not _NO_PAPERS.fullmatch(PurePosixPath(name).stem):
        return read_markdown(next(text.chunks(LONGEST)), name)
    raise CorpusError(_unknown(text.head, suffix))


def _suffix(name: str) -> str:
    """Return the last suffix that is not a compression's: of `refs.bib.gz`, `.bib`."""
    path = PurePosixPath(name.lower())
    while path.suffix in (".gz", ".xz", ".bz2"):
        path = path.with_suffix("")
    return path.suffix


def _dialect(head: str) -> TaggedFormat | None:
    return next((dialect for begins, dialect in _BEGINS_TAGGED if begins.search(head)), None)


def _is_bibtex(head: str, suffix: str) -> bool:
    found = _BEGINS_BIBTEX.search(head)
    return found is not None and (suffix not in _DOCUMENTS or found.start() < _CITED_BELOW)


def _unknown(head: str, suffix: str) -> str:
    if suffix in _TABLES:
        header = max(head.split("\n")[:10], key=lambda line: len(re.findall(r"[,;|\t]", line)))
        told = " ".join(header.split())[:300]
        name_it = "qa rebuild PATH --column title=NAME"
        return f"no column for the title among {told} (name it: {name_it})"
    return "it is in no format that papers come in"
